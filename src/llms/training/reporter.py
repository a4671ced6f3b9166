"""From transformers' callbacks to a run's events, and when a run stops before its end."""

from collections.abc import Callable

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..engine.resident import peak_bytes
from .curve import loss_text
from .progress import Noticed, Progress, Stepped, Validated
from .recipe import TrainingRecipe
from .sealed import SealedTrainer

Emit = Callable[[Progress], None]


class ProgressReporter(TrainerCallback):
    """Emits Stepped and Validated, and stops the run when its patience is at an end."""

    def __init__(self, trainer: SealedTrainer, recipe: TrainingRecipe, emit: Emit):
        self.trainer, self.recipe, self.emit, self.stopped_early = trainer, recipe, emit, False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        meter = self.trainer.meter
        seconds = meter.seconds
        margins = torch.cat(meter.margins) if meter.margins else None
        self.emit(
            Stepped(
                step=state.global_step,
                epoch=self.trainer.epoch,
                loss=logs["loss"],
                learning_rate=logs["learning_rate"],
                gradient_norm=logs["grad_norm"],
                tokens=meter.tokens,
                trained_tokens=meter.trained_tokens,
                seconds=seconds,
                memory_bytes=peak_memory(self.recipe.device),
                reward_margin=None if margins is None else margins.mean().item(),
                reward_accuracy=None if margins is None else (margins > 0).float().mean().item(),
                flops_utilization=None if meter.peak_seconds is None else meter.peak_seconds / seconds,
            )
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """The weights that a run ends with are validated too: they may be the best."""
        if state.global_step >= state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        if metrics is None:
            return
        self.emit(Validated(state.global_step, metrics["eval_loss"]))
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        since_best = len(losses) - 1 - losses.index(min(losses)) if losses else 0
        if self.recipe.patience and since_best == 0:
            control.should_save = True  # the run ends with the best weights
        if self.recipe.patience and since_best >= self.recipe.patience and state.global_step < state.max_steps:
            self.emit(
                Noticed(
                    f"stopped after step {state.global_step:,}: the validation loss was {loss_text(min(losses))} at best and has not "
                    f"been lower in the last {since_best} validations"
                )
            )
            self.stopped_early = control.should_training_stop = True


def peak_memory(device: str) -> int:
    """Bytes: of this process at most so far, or of what was allocated on the GPU."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    return peak_bytes()
