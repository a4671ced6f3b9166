"""A Trainer whose checkpoints are sealed when they are whole, and thinned, and that no loss but a number trains; for all that
train here to derive from.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import Trainer

from ..errors import NotNumbers
from .checkpoints import CHECKPOINTS, MANIFEST, folder_of, make_space, removed_if_full, seal, steps, thin
from .meter import StepMeter
from .progress import Progress, Saved
from .recipe import TrainingRecipe

if TYPE_CHECKING:
    from torch import nn


class SealedTrainer(Trainer):
    """`recipe`, `run_folder` and `emit` are set before it trains; its `output_dir` is the run's `checkpoints`, its own rotation
    off. `meter` is the step's that is being trained.
    """

    recipe: TrainingRecipe
    run_folder: Path
    emit: Callable[[Progress], None]
    meter: StepMeter

    @property
    def epoch(self) -> float:
        """How often all rows have been trained."""
        return self.state.epoch or 0.0

    def finite(self, loss: torch.Tensor, sources: Sequence[str]) -> torch.Tensor:
        """`loss`, of the rows `sources`. Raises NotNumbers where it is none, before the weights are changed."""
        if not torch.isfinite(loss):
            self._stop("loss", sources)
        return loss

    def _get_grad_norm(self, model: "nn.Module", grad_norm: float | None = None) -> float:
        norm = float(super()._get_grad_norm(model, grad_norm=grad_norm))  # type: ignore[no-untyped-call]  # of torch
        if not math.isfinite(norm):
            self._stop("gradient", self.meter.sources)
        return norm

    def _stop(self, what: str, sources: Sequence[str]) -> None:
        recipe, shown = self.recipe, "; ".join(sources[:8])
        rows = shown + (f"; and {len(sources) - 8} more" if len(sources) > 8 else "")
        wider = "" if recipe.dtype == "float32" else f", or in float32 in place of {recipe.dtype}"
        raise NotNumbers(
            f"the {what} of step {self.state.global_step + 1:,} is no number (NaN or infinite); its rows: {rows}. Going on would "
            f"come to the same: train in a new folder with a --learning-rate below {recipe.learning_rate:.2g}{wider}, and look at "
            "these rows. Checkpoints stay"
        )

    def _save_checkpoint(self, model: "nn.Module", trial: object) -> None:
        """As transformers has it, and then, once every rank has written, the manifest. Raises DiskFull."""
        step, first = self.state.global_step, self.is_world_process_zero()
        needed = self.checkpoint_bytes()
        if first:
            make_space(self.run_folder, step, needed)
        self.accelerator.wait_for_everyone()
        checkpoint = folder_of(self.run_folder, step)
        with removed_if_full(checkpoint, needed):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if first:
                size = seal(checkpoint)
                thin(self.run_folder, self.state.best_global_step)
                self.emit(Saved(step, f"{CHECKPOINTS}/{checkpoint.name}", size))

    @property
    def network(self) -> "nn.Module":
        """The model, which is there as soon as the trainer is."""
        assert self.model is not None
        return self.model

    def checkpoint_bytes(self) -> int:
        """Bytes that the next checkpoint takes: those of the one before it, else the weights that are saved and two moments of
        those that are trained."""
        whole = [folder_of(self.run_folder, step) for step in steps(self.run_folder)]
        whole = [path for path in whole if (path / MANIFEST).is_file()]
        if whole:
            return sum(path.stat().st_size for path in whole[0].rglob("*") if path.is_file())
        return weights_bytes(self.network)


def weights_bytes(model: "nn.Module") -> int:
    """Bytes of a first checkpoint of `model`, in the dtypes it has."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adapter = hasattr(model, "peft_config")
    saved = trained if adapter else list(model.parameters())
    return _bytes(saved) + 2 * _bytes(trained)


def _bytes(parameters: list[torch.nn.Parameter]) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in parameters)
