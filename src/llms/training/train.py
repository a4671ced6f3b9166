"""One training run, from its recipe to the adapter or checkpoint in its folder."""

import json
import logging
import math
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoTokenizer, PreTrainedModel, PrinterCallback
from trl import DPOConfig, SFTConfig

from .. import settings
from ..engine.allocator import free_at_once
from ..models.local.checkpoint import read_json
from .base_model import adapter_config, checkpoint_of, load_base, tokenizer_files
from .checkpoints import CHECKPOINTS, newest_intact
from .collate import pack
from .feed import Rows, passes_per_step
from .head import install_head
from .loop import PairTrainer, RowLoop, RowTrainer
from .passes import choose_way
from .progress import Ended, Noticed, Progress, Started
from .recipe import TrainingRecipe
from .reporter import ProgressReporter
from .rows import encode

DRAFT = ".result"
COUNTED = 1000  # rows at once


def train(recipe: TrainingRecipe, folder: Path, emit: Callable[[Progress], None]) -> None:
    """As `train_rows`, of the rows in the recipe's file; those that `encode` left in `folder` are read from there."""
    encoded = encode(recipe, folder=folder)
    train_rows(recipe, folder, emit, encoded.train, encoded.validation)


def train_rows(
    recipe: TrainingRecipe, folder: Path, emit: Callable[[Progress], None], rows: Dataset, validation: Dataset
) -> None:
    """Carry out `recipe` with rows in token ids; its result lies in `folder` then, its checkpoints in `folder/checkpoints`.

    It goes on from the newest checkpoint there. Columns: `input_ids`, `trained`, `prefix`, `source`; of pairs `prompt`,
    `chosen`, `rejected`, `source`. Raises LlmsError where the model cannot be trained, or a loss is no number; nothing is saved
    over then.
    """
    started = time.monotonic()
    use_cores(recipe.device)
    if recipe.device == "cpu":
        free_at_once()
    with _quiet():
        loop = _loop(recipe, folder, rows, validation)
        model = loop.network
        network = model.get_base_model() if isinstance(model, PeftModel) else model
        assert isinstance(network, PreTrainedModel)
        way, reasons = choose_way(model, network, Rows(rows).__getitems__([0, 1, 2, 3][: len(rows)]), recipe.packing)
        for reason in reasons:
            emit(Noticed(f"{reason}; {way.name} instead"))
        if isinstance(loop, PairTrainer) and loop.reference is not None:
            install_head(loop.reference)
            loop.reference.eval()
            if way.attention:
                loop.reference.set_attn_implementation(way.attention)
        loop.prepare(recipe, rows, validation, way.collate, way.losses)
        reporter = ProgressReporter(loop, recipe, emit)
        loop.remove_callback(PrinterCallback)
        loop.add_callback(reporter)
        loop.run_folder, loop.emit = folder, emit
        newest, torn = newest_intact(folder)
        for reason in torn:
            emit(Noticed(reason))
        step, checkpoint = newest or (0, None)
        emit(_start(loop, step))
        loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        best = loop.state.best_global_step
        if recipe.patience and loop.state.best_model_checkpoint and best and best < loop.state.global_step:
            loop._load_best_model()
            emit(Noticed(f"the result is that of step {best:,}, whose validation loss was the lowest"))
        if loop.is_world_process_zero():
            _save(loop, recipe, folder)
    reason = "early stopping" if reporter.stopped_early else "done"
    emit(Ended(loop.state.global_step, reason, time.monotonic() - started, str(folder)))


def use_cores(device: str) -> None:
    """All cores that torch sees for arithmetic, unless OMP_NUM_THREADS says otherwise: loading may have left one."""
    if device == "cpu":
        torch.set_num_threads(int(settings.get("OMP_NUM_THREADS") or settings.cores()))


def _loop(recipe: TrainingRecipe, folder: Path, rows: Dataset, validation: Dataset) -> RowLoop:
    """The trainer with its network, an adapter on it if the recipe asks for one."""
    checkpoint = checkpoint_of(recipe).folder
    network = load_base(recipe)
    options = {
        "model": network,
        "train_dataset": rows,
        "eval_dataset": validation if len(validation) else None,
        "processing_class": AutoTokenizer.from_pretrained(str(checkpoint)),
        "data_collator": pack,  # never called: the loop has its own batches; else trl would set padding tokens in the network
        "peft_config": adapter_config(recipe) if recipe.adapts else None,
    }
    arguments = _arguments(recipe, folder, len(rows), len(validation))
    loop: RowLoop
    if recipe.method == "dpo":
        reference = None if recipe.adapts else load_base(recipe)
        config = DPOConfig(**arguments, disable_dropout=False)  # type: ignore[arg-type]  # of its fields' types
        pairs = PairTrainer(args=config, ref_model=reference, **options)
        pairs.reference = reference
        loop = pairs
    else:
        rows_config = SFTConfig(**arguments)  # type: ignore[arg-type]  # of its fields' types
        loop = RowTrainer(args=rows_config, **options)
    for parameter in loop.network.parameters():
        if parameter.requires_grad and recipe.adapts:  # trl puts those over four bits into bfloat16
            parameter.data = parameter.data.float()
    return loop


def _arguments(recipe: TrainingRecipe, folder: Path, rows: int, validation_rows: int) -> dict[str, object]:
    """The recipe as trl's and transformers' arguments."""
    _, processes = settings.rank_of_process()
    steps = recipe.max_steps or math.ceil(recipe.epochs * math.ceil(rows / recipe.rows_per_step))
    schedules = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "use_cpu": recipe.device == "cpu",
        "bf16": False,  # the weights are in the recipe's dtype as they are
        "activation_checkpointing": False,
        "per_device_train_batch_size": recipe.rows_at_once,
        "gradient_accumulation_steps": passes_per_step(recipe, processes),
        "num_train_epochs": recipe.epochs,
        "max_steps": steps,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": schedules[recipe.schedule],
        "warmup_steps": math.ceil(recipe.warmup * steps),
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip_norm,
        "optim": "adamw_torch",
        "seed": recipe.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if validation_rows else "no",
        "eval_steps": recipe.validate_every or math.ceil(steps / 20),
        "metric_for_best_model": "loss" if validation_rows else None,
        "greater_is_better": False,
        "save_strategy": "steps",
        "save_steps": recipe.save_every or math.ceil(steps / 10),
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "max_length": None,
    }


def _start(loop: RowLoop, first_step: int) -> Started:
    rows, validation = loop.train_rows, loop.validation_rows
    parameters = list(loop.network.parameters())
    tokens, trained_tokens = _count(rows)
    return Started(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        steps=loop.args.max_steps,
        first_step=first_step,
        rows=len(rows),
        validation_rows=len(validation),
        tokens=tokens,
        trained_tokens=trained_tokens,
        parameters=sum(one.numel() for one in parameters),
        trainable=sum(one.numel() for one in parameters if one.requires_grad),
        processes=loop.args.world_size,
    )


def _count(rows: Dataset) -> tuple[int, int]:
    """(tokens, trained tokens) of an epoch."""
    tokens = trained = 0
    for start in range(0, len(rows), COUNTED):
        for row in Rows(rows).__getitems__(list(range(start, min(start + COUNTED, len(rows))))):
            tokens, trained = tokens + len(row.ids), trained + sum(row.trained[1:])
    return tokens, trained


def _save(loop: RowLoop, recipe: TrainingRecipe, folder: Path) -> None:
    """The adapter, or the checkpoint with its tokenizer, into `folder`: written beside and moved when whole."""
    checkpoint = checkpoint_of(recipe).folder
    draft = folder / DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    network = loop.accelerator.unwrap_model(loop.model)
    if isinstance(network, PeftModel):
        network.save_pretrained(str(draft), save_embedding_layers=False)
        (draft / "README.md").unlink(missing_ok=True)  # peft's, with nothing in it
    else:
        network.save_pretrained(str(draft))
        (draft / "generation_config.json").unlink(missing_ok=True)  # the trainer wrote its tokenizer's tokens into it
        config = {**read_json(checkpoint / "config.json"), "dtype": recipe.dtype}
        (draft / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
        for path in (*tokenizer_files(checkpoint), *checkpoint.glob("generation_config.json")):
            shutil.copyfile(path, draft / path.name)
    for path in sorted(draft.iterdir(), key=lambda path: path.name.endswith("config.json")):
        path.replace(folder / path.name)
    draft.rmdir()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' hints, which are about settings that no user here can make."""
    levels = {
        name: logging.getLogger(name).level for name in ("transformers", "trl", "peft", "accelerate", "bitsandbytes")
    }
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
