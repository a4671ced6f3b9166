"""Small runs for a scaling law: every size for every number of tokens, on one text, each judged by the same held-out text.

A grid is a folder: `grid.json` (what was asked), `text/` and the tokenizer (made once), `runs.csv` (a row for each run that
ended). Each run is one of `pretrain` whose schedule ends with its tokens: losses from the middle of a longer schedule are too
high (Hoffmann et al. 2022, section 3). A run that was cut short goes on from its checkpoint, and what has its row is not run again.
"""

import csv
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from ...errors import DataError, LlmsError, UsageError
from ...values import JsonObject
from ..network import TrainedNetwork
from ..pretrain import as_batch, pretrain
from ..progress import Progress, Stepped
from ..recipe import ModelShape, TrainingRecipe
from ..sizes import Wishes, recipe_of, shape_of
from ..token_file import FOLDER, VALIDATION, HeldOutText, TextCounts, TokenWindows, measure_text, write_tokens

SIZES = (30_000, 60_000, 125_000, 250_000)
TOKENS = (150_000, 300_000, 600_000, 1_200_000)
WINDOW = 128
STEPS = 800  # about so many in a run, whatever its tokens: on a few, a batch that suits many would leave too few steps
LEAST_BATCH = 256  # tokens
# The learning rate falls with the width (Yang et al. 2021, arXiv 2203.03466) and rises with the root of the batch (Malladi et al.
# 2022, arXiv 2205.10782): with one rate for all, small batches make the wider networks worse than the narrow ones.
RATE_WIDTH, RATE_BATCH, HIGHEST_RATE = 0.18, 512, 4e-3
VOCABULARY = 512
LEAST_SIZES = LEAST_COUNTS = 4
HELD_OUT_SHARE = 0.05
JUDGED = 256  # held-out windows that every run is judged by
TIMED_STEPS = 4  # of each size, for the estimate
GRID, RUNS = "grid.json", "runs.csv"


@dataclass(frozen=True)
class GridOrder:
    """The files, sizes and token counts of a grid; a folder holds one."""

    files: tuple[str, ...]
    bytes: int
    sizes: tuple[int, ...]
    tokens: tuple[int, ...]
    vocabulary: int
    seed: int


@dataclass(frozen=True, slots=True)
class GridRow:
    """A run that ended: a row of runs.csv. `loss` is nats per token of the held-out text."""

    parameters: int
    tokens: int
    loss: float
    bits_per_byte: float
    layers: int
    width: int
    learning_rate: float
    steps: int
    tokens_per_step: int
    seconds: float


@dataclass(frozen=True)
class GridPlan:
    """The grid's runs in the order in which they are done, the shortest first, and how long those to come take, in seconds."""

    folder: Path
    counts: TextCounts
    recipes: tuple[TrainingRecipe, ...]
    done: tuple[GridRow, ...]
    seconds: float
    notes: tuple[str, ...]


def plan_grid(
    folder: Path, files: Sequence[Path], sizes: Sequence[int], tokens: Sequence[int], seed: int = 0
) -> GridPlan:
    """Write the grid's text and tokenizer, where they are not there yet, and time a few steps of each size.

    Raises UsageError for a grid too small, or a folder with another or with other things; DataError for files without text.
    A new folder is then left as it was.
    """
    if len(set(sizes)) < LEAST_SIZES or len(set(tokens)) < LEAST_COUNTS:
        raise UsageError(
            f"{len(set(sizes))} sizes and {len(set(tokens))} token counts; a law needs at least {LEAST_SIZES} of each, such as "
            f"--sizes {','.join(map(str, SIZES))} --tokens {','.join(map(str, TOKENS))}"
        )
    size = measure_text(files)
    order = GridOrder(tuple(map(str, files)), size.bytes, tuple(sizes), tuple(tokens), VOCABULARY, seed)
    new = _claim(folder, order)
    try:
        if not (folder / FOLDER / "counts.json").is_file():
            write_tokens(folder, files, HeldOutText(HELD_OUT_SHARE, seed, size.parts), VOCABULARY, False, WINDOW)
        counts = TextCounts.read(folder)
        recipes = _recipes(folder, order, counts)
    except LlmsError:
        if new:  # else the command put right would meet "another grid"
            _empty(folder)
        raise
    done = read_rows(folder)
    left = [recipe for recipe in recipes if not _row_of(recipe, done)]
    notes = []
    epochs = max(tokens) / counts.tokens
    if epochs > 1:
        notes.append(
            f"the text has {counts.tokens:,} tokens: the longest runs read it {epochs:.1f} times, and repeated text teaches less "
            "than the law takes it to. Give more text, or fewer --tokens"
        )
    return GridPlan(folder, counts, tuple(recipes), done, sum(map(_Timing().seconds, left)), tuple(notes))


def train_grid(plan: GridPlan, watch: Callable[[TrainingRecipe, Progress], None]) -> Iterator[GridRow]:
    """Train what is not done yet; each row is in runs.csv before it is given. Raises what a run raises; the same call goes on."""
    done = list(plan.done)
    for recipe in plan.recipes:
        if _row_of(recipe, done):
            continue
        row = _train(plan, recipe, partial(watch, recipe))
        done.append(row)
        _write_rows(plan.folder, done)
        shutil.rmtree(_run_folder(plan.folder, recipe), ignore_errors=True)
        yield row


def read_rows(folder: Path) -> tuple[GridRow, ...]:
    """The rows of a grid's runs.csv. Raises DataError."""
    path = folder / RUNS
    if not path.is_file():
        return ()
    types = {field.name: int if field.type in (int, "int") else float for field in fields(GridRow)}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{name: of(row[name]) for name, of in types.items()} for row in csv.DictReader(file)]
            return tuple(GridRow(**row) for row in rows)  # type: ignore[arg-type]  # of the fields' types
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} is not the table of a grid ({error}); take another folder") from error


def _write_rows(folder: Path, rows: Sequence[GridRow]) -> None:
    draft = folder / f".{RUNS}"
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(GridRow)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, sorted(rows, key=lambda row: (row.parameters, row.tokens))))
    draft.replace(folder / RUNS)


def _recipes(folder: Path, order: GridOrder, counts: TextCounts) -> list[TrainingRecipe]:
    """Of every size for every number of tokens, the cheapest first. Raises UsageError where two sizes are one network."""
    recipes = [_recipe(folder, n, d, counts, order.seed) for n in order.sizes for d in order.tokens]
    if len({recipe.shape for recipe in recipes}) < len(set(order.sizes)):
        raise UsageError(
            f"some of the sizes {', '.join(map(str, order.sizes))} have the same nearest network; take them further apart"
        )
    return sorted(recipes, key=_flops)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _claim(folder: Path, order: GridOrder) -> bool:
    """Write what was asked into the folder, or find it there; whether the grid is a new one."""
    path = folder / GRID
    if path.is_file():
        try:
            stored: JsonObject = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"cannot read {path}: {error}; take another folder with --out") from error
        asked = json.loads(json.dumps(asdict(order)))
        other = [name for name in asked if stored.get(name) != asked[name]]
        if other:
            raise UsageError(
                f"{folder} holds another grid: its {other[0]} is {stored.get(other[0])!r}, and {asked[other[0]]!r} is asked for. "
                "Give the same options to go on with it, or another --out"
            )
        return False
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty, and holds no grid; name a new folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(order)), encoding="utf-8")
    return True


def _recipe(folder: Path, parameters: int, tokens: int, counts: TextCounts, seed: int) -> TrainingRecipe:
    batch = max(LEAST_BATCH, 2 ** round(math.log2(tokens / STEPS)))
    shape = shape_of(parameters, counts.vocabulary)
    recipe = recipe_of(shape, Wishes(seed=seed, step_tokens=batch), tokens, str(folder), WINDOW)
    rate = min(HIGHEST_RATE, RATE_WIDTH / shape.width * (batch / RATE_BATCH) ** 0.5)
    return replace(recipe, learning_rate=rate, save_every=max(1, recipe.max_steps // 2))


def _shape(recipe: TrainingRecipe) -> ModelShape:
    assert recipe.shape is not None  # of pretrain
    return recipe.shape


def _tokens(recipe: TrainingRecipe) -> int:
    """Of a run: those of its whole steps."""
    return recipe.max_steps * recipe.rows_per_step * recipe.window


def _flops(recipe: TrainingRecipe) -> float:
    return float(_shape(recipe).parameters) * _tokens(recipe)


def _row_of(recipe: TrainingRecipe, rows: Sequence[GridRow]) -> GridRow | None:
    key = _shape(recipe).parameters, _tokens(recipe)
    return next((row for row in rows if (row.parameters, row.tokens) == key), None)


def _run_folder(folder: Path, recipe: TrainingRecipe) -> Path:
    return folder / f"run-{_shape(recipe).parameters}-{_tokens(recipe)}"


def _train(plan: GridPlan, recipe: TrainingRecipe, emit: Callable[[Progress], None]) -> GridRow:
    folder, shape = _run_folder(plan.folder, recipe), _shape(recipe)
    folder.mkdir(exist_ok=True)
    if not (folder / FOLDER).exists():
        _share(plan.folder / FOLDER, folder / FOLDER)
    seconds = 0.0

    def count(event: Progress) -> None:
        nonlocal seconds
        seconds += event.seconds if isinstance(event, Stepped) else 0.0
        emit(event)

    with (
        (folder / "output.txt").open("w", encoding="utf-8") as output,
        redirect_stdout(output),
    ):  # the Trainer prints its steps
        pretrain(recipe, folder, count)
    loss = _judge(plan, recipe, folder)
    bytes_per_token = plan.counts.held_out_bytes / plan.counts.held_out_tokens
    return GridRow(
        shape.parameters,
        _tokens(recipe),
        round(loss, 5),
        round(loss / math.log(2) / bytes_per_token, 5),
        shape.layers,
        shape.width,
        recipe.learning_rate,
        recipe.max_steps,
        recipe.rows_per_step * recipe.window,
        round(seconds, 1),
    )


def _share(text: Path, link: Path) -> None:
    """Every run reads the same files; where links are not allowed, a copy of them."""
    try:
        os.symlink(text.resolve(), link, target_is_directory=True)
    except OSError:
        shutil.copytree(text, link)


@torch.no_grad()
def _judge(plan: GridPlan, recipe: TrainingRecipe, folder: Path) -> float:
    """The loss of the run's checkpoint over the same held-out windows for all runs, in nats per token."""
    network = TrainedNetwork(_shape(recipe))
    network.load_llama(load_file(folder / "model.safetensors"))
    windows = TokenWindows(plan.folder / FOLDER / VALIDATION, plan.counts.vocabulary, recipe.window)
    if not len(windows):
        raise DataError(f"the held-out text has fewer than {recipe.window} tokens; give more text")
    step = max(1, len(windows) / JUDGED)
    chosen = [windows[int(number * step)] for number in range(min(JUDGED, len(windows)))]
    total = 0.0
    for start in range(0, len(chosen), 16):
        batch = as_batch(chosen[start : start + 16])
        total += network(**batch)["loss"].item() * len(batch["labels"])
    return total / len(chosen)


class _Timing:
    """Seconds of runs, from a few steps of each shape and batch."""

    def __init__(self) -> None:
        self._steps: dict[tuple[ModelShape, int], float] = {}

    def seconds(self, recipe: TrainingRecipe) -> float:
        key = _shape(recipe), recipe.rows_per_step
        if key not in self._steps:
            self._steps[key] = self._time(recipe)
        return self._steps[key] * recipe.max_steps

    @staticmethod
    def _time(recipe: TrainingRecipe) -> float:
        network = TrainedNetwork(_shape(recipe))
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.0)
        tokens = torch.randint(_shape(recipe).vocabulary, (recipe.rows_per_step, recipe.window + 1))
        times = []
        for _ in range(TIMED_STEPS):
            started = time.perf_counter()
            network(tokens[:, :-1], tokens[:, 1:])["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()
            times.append(time.perf_counter() - started)
        return min(times) + STEP_OVERHEAD


STEP_OVERHEAD = 0.004  # seconds that transformers' Trainer takes beside the arithmetic of a step
