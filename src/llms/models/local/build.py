"""How to make an engine of a checkpoint: a description that travels to worker processes and is carried out there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import MissingExtra

if TYPE_CHECKING:
    from ...engine import Engine
    from .reference import Reference


@dataclass(frozen=True)
class Build:
    """`single`: the engine is for one caller at a time."""

    folder: str
    dtype: str
    device: str
    remote_code: bool
    pickle: bool
    quantize: str = ""
    adapter: str = ""
    single: bool = False

    def __call__(self) -> Engine:
        """The Engine. Raises ModelError if weights are missing or do not fit."""
        try:
            from .construct import construct  # torch, two seconds
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "a local model", "local") from error
        return construct(self)

    def reference(self) -> Reference:
        """The same model as transformers computes it, with weights of its own. Raises as a call does."""
        try:
            from .reference import reference  # torch and transformers, four seconds
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "a local model", "local") from error
        return reference(self)
