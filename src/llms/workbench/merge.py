"""The verb `merge`: an adapter and its model as one checkpoint, with proof."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .. import training
from ..errors import MissingExtra

if TYPE_CHECKING:
    from ..training import MergeProof


def merge(text: str, out: Path, dtype: str = "float32") -> "MergeProof":
    """As `training.merge_adapter`. Raises MissingExtra without PEFT."""
    for package, extra in (("torch", "local"), ("transformers", "local"), ("peft", "train")):
        if find_spec(package) is None:
            raise MissingExtra(package, f"merging {text}", extra)
    return training.merge_adapter(text, out, dtype)
