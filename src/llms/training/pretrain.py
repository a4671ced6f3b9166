"""Training a network from nothing on a run's token file, by transformers' Trainer; its result is a Llama checkpoint.

The run's folder holds the text and the tokenizer already (`token_file`). `launch` runs this file as the process that trains,
which so loads nothing of what fine-tuning needs.
"""

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn
from transformers import GenerationConfig, LlamaConfig, TrainingArguments
from transformers.trainer_callback import TrainerCallback, TrainerControl, TrainerState

from .. import settings
from ..engine.allocator import keep_freed_memory
from ..errors import LlmsError
from ..tokens.train import END_ID, PAD_ID, TURN_END_ID
from .checkpoints import CHECKPOINTS, newest_intact, refuse_without_space
from .machine_rate import measure_rate
from .meter import StepMeter
from .network import EPSILON, ROTARY_BASE, SPREAD, TrainedNetwork
from .progress import Ended, Noticed, Progress, Started
from .recipe import ModelShape, TrainingRecipe
from .reporter import ProgressReporter
from .sealed import SealedTrainer
from .token_file import FOLDER, TRAIN, VALIDATION, TextCounts, TokenWindows
from .worker import work

MODULE = __name__ if __name__ != "__main__" else "llms.training.pretrain"
VALIDATIONS, SAVES = 20, 10  # of a run
VALIDATED_SHARE = 0.0075  # of a run's windows in one validation: all of them cost a twentieth of the training
LAST_SHARE = 0.1  # and in the one at its end
SHARED = {"cosine": "cosine_with_min_lr", "linear": "linear", "constant": "constant_with_warmup"}
Batch = dict[str, torch.Tensor]


def pretrain(recipe: TrainingRecipe, folder: Path, emit: Callable[[Progress], None]) -> None:
    """Train as `recipe` says, from the newest whole checkpoint in `folder` on; the result is a checkpoint in `folder` itself.

    Raises LlmsError where a loss or gradient is no number, DiskFull, DataError for a folder without text.
    """
    started = time.monotonic()
    if recipe.shape is None:
        raise LlmsError(f"the recipe in {folder} has no shape of a model; begin again in another folder")
    keep_freed_memory()
    counts = TextCounts.read(folder)
    text = folder / FOLDER
    steps, (_, processes) = recipe.max_steps, settings.rank_of_process()
    windows = TokenWindows(text / TRAIN, counts.vocabulary, recipe.window, steps * recipe.rows_per_step, recipe.seed)
    for name in ("transformers", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)
    dtype = torch.bfloat16 if recipe.dtype == "bfloat16" else torch.float32
    trainer = WindowTrainer(
        model=TrainedNetwork(recipe.shape, recipe.seed, dtype),
        args=_arguments(recipe, folder, processes),
        train_dataset=windows,
        data_collator=as_batch,
    )
    trainer.begin(recipe, folder, emit, _validation(text / VALIDATION, counts, recipe.window))
    intact, torn = newest_intact(folder)
    for sentence in torn:
        emit(Noticed(sentence))
    emit(_start(trainer, windows, intact[0] if intact else 0))
    trainer.train(resume_from_checkpoint=str(intact[1]) if intact else None)
    trainer.evaluate()
    if trainer.is_world_process_zero():
        network = trainer.accelerator.unwrap_model(trainer.model)
        stored = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
        refuse_without_space(folder, stored, "the trained model")
        save_llama(network, recipe.window, folder)
    emit(Ended(trainer.state.global_step, "done", time.monotonic() - started, str(folder)))


def _validation(path: Path, counts: TextCounts, window: int) -> TokenWindows | None:
    """The held-out windows; shorter ones where there is less text than one."""
    window = min(window, counts.held_out_tokens - 1)
    return TokenWindows(path, counts.vocabulary, window) if window > 0 else None


def _arguments(recipe: TrainingRecipe, folder: Path, processes: int) -> TrainingArguments:
    steps = recipe.max_steps
    return TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        use_cpu=recipe.device == "cpu",
        per_device_train_batch_size=recipe.rows_at_once,
        gradient_accumulation_steps=recipe.rows_per_step // (recipe.rows_at_once * processes),
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=SHARED[recipe.schedule],
        lr_scheduler_kwargs={"min_lr_rate": recipe.least_rate} if recipe.schedule == "cosine" else {},
        warmup_steps=math.ceil(recipe.warmup * steps),
        weight_decay=recipe.weight_decay,
        adam_beta2=recipe.beta2,
        max_grad_norm=recipe.clip_norm,
        optim="adamw_torch_fused",
        seed=recipe.seed,
        train_sampling_strategy="sequential",  # the windows are in their order already
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.save_every or max(1, steps // SAVES),
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )


def _start(trainer: "WindowTrainer", windows: TokenWindows, first_step: int) -> Started:
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    return Started(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        steps=trainer.args.max_steps,
        first_step=first_step,
        rows=windows.of_epoch,
        validation_rows=len(trainer.validation or ()),
        tokens=windows.of_epoch * windows.window,
        trained_tokens=windows.of_epoch * windows.window,
        parameters=parameters,
        trainable=parameters,
        processes=trainer.args.world_size,
    )


def as_batch(rows: Sequence[NDArray[numpy.int64]]) -> Batch:
    """Windows of W + 1 tokens as `input_ids` and the `labels` that follow them, (B, W)."""
    tokens = torch.from_numpy(numpy.stack(rows))
    return {"input_ids": tokens[:, :-1], "labels": tokens[:, 1:]}


class WindowTrainer(SealedTrainer):
    """Trainer over windows of text: all rows are of one length, so that a step's loss is the mean of its forward passes'."""

    validation: TokenWindows | None

    def begin(
        self, recipe: TrainingRecipe, folder: Path, emit: Callable[[Progress], None], validation: TokenWindows | None
    ) -> None:
        """Take the values that `Trainer.__init__` has no room for, and measure the machine."""
        self.recipe, self.run_folder, self.emit, self.validation = recipe, folder, emit, validation
        self.rows = recipe.max_steps * recipe.rows_per_step
        tokens = recipe.rows_per_step * recipe.window
        flops = recipe.shape.flops_per_token(recipe.window) * tokens if recipe.shape else 0.0
        self.peak_seconds = flops / (measure_rate(recipe.device, recipe.dtype) * self.args.world_size)
        self.add_callback(ProgressReporter(self, recipe, emit))
        self.add_callback(ValidationSchedule(recipe))

    @property
    def epoch(self) -> float:
        assert isinstance(self.train_dataset, TokenWindows)
        return self.state.global_step * self.recipe.rows_per_step / self.train_dataset.of_epoch

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """As Trainer has it; a step begins with it."""
        recipe, step = self.recipe, self.state.global_step
        tokens, first = recipe.rows_per_step * recipe.window, step * recipe.rows_per_step
        windows = f"windows {first:,} to {first + recipe.rows_per_step - 1:,}"
        self.meter = StepMeter(tokens, tokens, (windows,), peak_seconds=self.peak_seconds)
        return super().get_batch_samples(epoch_iterator, num_batches, device)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        return self.finite(model(**inputs)["loss"], self.meter.sources)

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        return [name for name, parameter in model.named_parameters() if parameter.dim() > 1]

    @torch.no_grad()
    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        """The loss over the held-out windows, of which more are taken at the end; evenly spread ones where there are more."""
        if self.validation is None:
            return {}
        at_end = self.state.global_step >= self.args.max_steps
        most = max(1, round(LAST_SHARE * self.rows)) if at_end else max(8, round(VALIDATED_SHARE * self.rows))
        count = len(self.validation)
        rows = numpy.linspace(0, count - 1, min(count, most)).round().astype(int)
        total = 0.0
        for start in range(0, len(rows), self.recipe.rows_at_once):
            part = rows[start : start + self.recipe.rows_at_once]
            batch = as_batch([self.validation[row] for row in part])
            inputs = {name: tensor.to(self.args.device) for name, tensor in batch.items()}
            total += self.network(**inputs)["loss"].item() * len(part)
        metrics = {"eval_loss": total / len(rows)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class ValidationSchedule(TrainerCallback):
    """Validates twenty times in a run, or as often as its recipe says; its end is no turn of it."""

    def __init__(self, recipe: TrainingRecipe):
        self.every = recipe.validate_every or max(1, recipe.max_steps // VALIDATIONS)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        control.should_evaluate = state.global_step % self.every == 0 and state.global_step < state.max_steps


def llama_config(shape: ModelShape, window: int) -> LlamaConfig:
    """The configuration under which transformers computes a network of this shape."""
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=window,
        rms_norm_eps=EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": ROTARY_BASE},
        initializer_range=SPREAD,
        tie_word_embeddings=True,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
        dtype=torch.float32,
    )


def save_llama(network: TrainedNetwork, window: int, folder: Path) -> None:
    """The checkpoint, into `folder`; its weights are written beside and moved when whole, its configuration last."""
    draft = folder / ".model.safetensors"
    state = {name: weight.contiguous().cpu() for name, weight in network.llama_state().items()}
    save_file(state, draft, metadata={"format": "pt"})
    draft.replace(folder / "model.safetensors")
    GenerationConfig(bos_token_id=END_ID, eos_token_id=[END_ID, TURN_END_ID], pad_token_id=PAD_ID).save_pretrained(
        folder
    )
    llama_config(network.shape, window).save_pretrained(folder)


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1]), pretrain, Path(sys.argv[2]) if len(sys.argv) > 2 else None))
