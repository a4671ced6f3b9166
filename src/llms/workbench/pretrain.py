"""The verb `pretrain`: a small language model and its tokenizer from text files, trained in a process of its own, measured."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import settings, training
from ..data.documents import text_files
from ..errors import DataError, LlmsError, UsageError
from ..store.training_runs import TrainingRuns
from ..tokens.train import LEAST, vocabulary_for
from ..training.arithmetic import as_computed, computed_note, refuse_emulated
from ..training.checkpoints import refuse_without_space
from ..training.launch import launch, resume_command
from ..training.progress import Aborted, Ended, Progress, Validated, lasting, read
from ..training.recipe import FILE, ModelShape, TrainingRecipe
from ..training.recipe_file import check_fields
from ..training.sizes import (
    Wishes,
    budget_of,
    disk_of,
    fitting_vocabulary,
    memory_of,
    recipe_of,
    shape_of,
    shape_with,
    window_of,
)
from ..training.text_reference import beginning, compare_text
from ..training.token_file import HELD_OUT, HeldOutText, TextCounts, measure_text, trained_text, write_tokens

MODULE = "llms.training.pretrain"  # the process that trains
DEFAULT_PARAMETERS = 1_000_000
MOST_HELD_OUT = 0.5


@dataclass(frozen=True)
class PretrainConfig:
    """A model to be made: from `texts`, into the folder `out`. 0 stands for what the text and the size suggest.

    The size is `parameters`, or `layers` and `width` (and `heads`). `held_out` is the share of the text that is never trained on.
    """

    texts: tuple[Path, ...]
    out: Path
    parameters: int = 0
    layers: int = 0
    width: int = 0
    heads: int = 0
    vocabulary: int = 0
    held_out: float = 0.05
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True)
class PretrainPlan:
    """A run before it starts, with its text ready in its folder; `memory` and `disk` in bytes, estimated."""

    recipe: TrainingRecipe
    shape: ModelShape
    counts: TextCounts
    tokens: int
    epochs: float
    memory: int
    disk: int
    notes: tuple[str, ...]


def prepare(config: PretrainConfig) -> PretrainPlan:
    """Train the tokenizer and write text and recipe into the folder; nothing stays there if that fails.

    Raises UsageError for what cannot be, or a folder that is in use; DataError for text that cannot be read or is too little.
    """
    _check(config)
    config.out.mkdir(parents=True, exist_ok=True)
    try:
        plan = _planned(config, config.out)
    except BaseException:  # an interrupt too
        shutil.rmtree(config.out, ignore_errors=True)
        raise
    with TrainingRuns(settings.database()) as store:
        store.add(config.out, "", plan.recipe.data, "pretrain")
    return plan


def preview(config: PretrainConfig) -> PretrainPlan:
    """The plan alone; the text is cut into tokens in a folder that is thrown away."""
    _check(config)
    with TemporaryDirectory(prefix="llms-pretrain-") as folder:
        return _planned(config, Path(folder))


def _check(config: PretrainConfig) -> None:
    if config.parameters and (config.layers or config.width or config.heads):
        raise UsageError("--parameters chooses the shape; it goes with none of --layers, --width and --heads")
    if bool(config.layers) != bool(config.width):
        raise UsageError("--layers and --width make a shape together; give both, or --parameters")
    if config.wishes.tokens and config.wishes.epochs:
        raise UsageError("--tokens and --epochs both say how long to train; give one")
    numbers = {name: getattr(config.wishes, name) for name in ("learning_rate", "epochs", "seed")}
    check_fields({name: value for name, value in numbers.items() if value}, "the settings")
    if not 0 < config.held_out <= MOST_HELD_OUT:
        raise UsageError(
            f"{config.held_out} of the text is to be held out; expected more than 0, and {MOST_HELD_OUT} at most"
        )
    if config.vocabulary and config.vocabulary < LEAST:
        raise UsageError(
            f"a vocabulary of {config.vocabulary:,}; expected {LEAST} or more: 256 bytes and the special tokens"
        )
    if config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
        begun = config.out / FILE
        more = f"; to go on with the run in it: llms pretrain --resume {config.out}" if begun.is_file() else ""
        raise UsageError(f"{config.out} is not empty; choose another folder{more}")
    if config.wishes.device != "cpu":
        training.refuse_missing(config.wishes.device)


def _planned(config: PretrainConfig, folder: Path) -> PretrainPlan:
    files = text_files(config.texts)
    size = measure_text(files)
    guess = config.parameters or (0 if config.layers else DEFAULT_PARAMETERS)
    vocabulary = config.vocabulary or vocabulary_for(size.bytes)
    if not config.vocabulary and guess:
        vocabulary = fitting_vocabulary(vocabulary, guess)
    parameters = _shape(config, guess, vocabulary).parameters
    window = window_of(config.wishes, parameters)
    refuse_without_space(folder, 4 * size.bytes + 40 * parameters, "the run's text and checkpoints")
    held = HeldOutText(config.held_out, config.wishes.seed, size.parts)
    counts = write_tokens(folder, files, held, vocabulary, bool(config.vocabulary), window)
    if counts.tokens <= window:
        raise DataError(
            f"the text has {counts.tokens:,} tokens to train on, and a window takes {window + 1:,}; give more text, or "
            f"--window {max(8, 2 ** (counts.tokens // 4).bit_length())}"
        )
    text = beginning((folder / HELD_OUT).read_bytes())
    if not text:
        raise DataError("nothing of the text was held out; give more text, or a larger --held-out")
    compare_text(trained_text(files, held), text).write(folder)
    shape = _shape(config, guess, counts.vocabulary)
    budget = budget_of(config.wishes, shape.parameters, counts.tokens)
    recipe = as_computed(recipe_of(shape, config.wishes, budget.tokens, " ".join(map(str, config.texts)), window))
    recipe = replace(recipe, epochs=round(budget.epochs, 4), validation=config.held_out)
    recipe.write(folder)
    tokens = recipe.max_steps * recipe.rows_per_step * window
    disk = disk_of(recipe, counts.tokens, counts.bytes)
    notes = tuple(filter(None, (*budget.notes, computed_note(config.wishes.dtype, recipe))))
    return PretrainPlan(recipe, shape, counts, tokens, budget.epochs, memory_of(recipe), disk, notes)


def _shape(config: PretrainConfig, parameters: int, vocabulary: int) -> ModelShape:
    if config.layers:
        return shape_with(config.layers, config.width, config.heads or None, vocabulary)
    return shape_of(parameters, vocabulary)


def train(folder: Path, processes: int = 1) -> Iterator[Progress]:
    """The events of the run in `folder`, from its newest whole checkpoint on. Raises LlmsError where it stopped by an error.

    However the iterator is left, checkpoints stay and the next call goes on.
    """
    recipe = check_resumed(folder)
    refuse_emulated(recipe, folder)
    if recipe.rows_per_step % (recipe.rows_at_once * processes):
        raise UsageError(
            f"{recipe.rows_per_step} windows make a step, {recipe.rows_at_once} of them a forward pass; {processes} processes do "
            "not share them evenly. Take another number of --processes, or of --batch tokens"
        )
    for event in launch(folder, processes, MODULE):
        yield event
        if isinstance(event, Aborted):
            rest = "" if event.repeats else f". Go on with: {resume_command(folder, recipe.method)}"
            raise LlmsError(event.reason + rest)


def check_resumed(folder: Path) -> TrainingRecipe:
    """The recipe of the run in `folder`. Raises UsageError where there is none of `llms pretrain`."""
    if not (folder / FILE).is_file():
        raise UsageError(f"{folder} holds no run: it has no {FILE}; name the folder that llms pretrain wrote")
    recipe = TrainingRecipe.read(folder)
    if recipe.method != "pretrain":
        raise UsageError(f"{folder} holds a run of finetune; go on with: {resume_command(folder, recipe.method)}")
    return recipe


def is_done(folder: Path) -> bool:
    """Whether the run in `folder` has come to its end."""
    return any(isinstance(event, Ended) for event in lasting(read(folder)))


@dataclass(frozen=True)
class TrainedPoint:
    """One run of a grid: parameters N, tokens D, and the held-out loss at its end in nats per token."""

    parameters: int
    tokens: int
    loss: float
    seconds: float


def train_point(text: Path, out: Path, shape: ModelShape, wishes: Wishes) -> TrainedPoint:
    """Train a model of `shape` on `wishes.tokens` tokens of the text of an earlier run or `prepare`, in the folder `text`.

    All points of a grid have its tokenizer and its held-out text, so that their losses can be compared. A run in `out` that was
    begun goes on; one that is done is read. Raises UsageError where the shape has another vocabulary.
    """
    counts = TextCounts.read(text)
    if shape.vocabulary != counts.vocabulary:
        raise UsageError(
            f"a vocabulary of {shape.vocabulary:,}; the text in {text} is cut by one of {counts.vocabulary:,}"
        )
    if not (out / FILE).is_file():
        base = TrainingRecipe.read(text)
        out.mkdir(parents=True, exist_ok=True)
        for name in ("text", HELD_OUT, "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            (out / name).unlink(missing_ok=True)
            (out / name).symlink_to((text / name).resolve())
        window = wishes.window or base.window
        recipe_of(shape, wishes, wishes.tokens, base.data, window).write(out)
    recipe = TrainingRecipe.read(out)
    if not is_done(out):
        for _ in train(out):
            pass
    events = lasting(read(out))
    losses = [event.loss for event in events if isinstance(event, Validated)]
    seconds = [event.seconds for event in events if isinstance(event, Ended)]
    if not losses or not seconds:
        raise LlmsError(f"the run in {out} ended without a held-out loss; begin it again in another folder")
    tokens = recipe.max_steps * recipe.rows_per_step * recipe.window
    return TrainedPoint(shape.parameters, tokens, losses[-1], seconds[-1])
