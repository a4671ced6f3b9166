"""Training: fine-tuning by trl and peft, models from scratch by transformers' Trainer, scaling laws. Knows no store and no page.

A run is a folder: `recipe.json`, `log.jsonl` (see `progress`), `checkpoints/`, and at its end an adapter or a checkpoint that
every name of a model takes.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .device import refuse_missing
    from .merge import MergeProof, merge_adapter
    from .trial import measure_step

__all__ = ["MergeProof", "measure_step", "merge_adapter", "refuse_missing"]
_HOME_OF = {
    "MergeProof": "merge",
    "measure_step": "trial",
    "merge_adapter": "merge",
    "refuse_missing": "device",
}


if not TYPE_CHECKING:  # for a type checker every name would be known

    def __getattr__(name: str) -> object:
        """Load the module of a name when it is first asked for: torch comes along, and PEFT with some."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # PEFT loads bitsandbytes, which warns of kernels that nobody needs
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
