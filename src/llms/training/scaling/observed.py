"""Training runs as a law is fitted to them: parameters, tokens, final loss; read from a file by the columns that are in use."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ...data.files import read_table
from ...errors import DataError, UsageError
from ...values import several
from .law import FLOPS_PER_PARAMETER_TOKEN

LossUnit = Literal["nats per token", "bits per byte"]
Cells: TypeAlias = Mapping[str, object]
PARAMETERS = ("parameters", "n", "model size", "params")
TOKENS = ("tokens", "d", "training tokens")
FLOPS = ("flops", "training flop", "training flops", "c")
LOSSES: Mapping[str, LossUnit] = {
    "loss": "nats per token", "bits per byte": "bits per byte", "bpb": "bits per byte",
}  # fmt: skip
LEAST_ROWS, LEAST_SIZES, LEAST_COUNTS = 6, 3, 3
EXPECTED = "expected parameters; tokens or flops; and loss or bits_per_byte"


@dataclass(frozen=True, slots=True)
class ObservedRun:
    """One model, trained once. `loss` is the final one on text that was not trained on."""

    parameters: float
    tokens: float
    loss: float

    @property
    def flops(self) -> float:
        return FLOPS_PER_PARAMETER_TOKEN * self.parameters * self.tokens


@dataclass(frozen=True, slots=True)
class ObservedRuns:
    """Runs that are fit to be fitted. `notes` say how they were read, and what was left out."""

    rows: tuple[ObservedRun, ...]
    unit: LossUnit
    source: str
    notes: tuple[str, ...] = ()

    @property
    def largest_flops(self) -> float:
        return max(run.flops for run in self.rows)


def read_runs(source: str | Path | Sequence[Cells], drop_highest: int = 0) -> ObservedRuns:
    """The runs of a CSV, TSV, JSON, JSON Lines or Parquet file, or of rows by column; those of highest loss left out if asked.

    Columns, in any case: `parameters` (`N`, `Model Size`, `params`); `tokens` (`D`), or `flops` (`Training FLOP`, `C`), of
    which tokens are computed as C/(6 N); `loss` (nats per token) or `bits_per_byte` (`bpb`). Raises DataError with row, column
    and value.
    """
    if isinstance(source, (str, Path)):
        table = read_table(Path(source), {})
        name, rows, places = table.origin, list(table.rows), [table.place(index) for index in range(len(table.rows))]
    else:
        name, rows = "the rows", list(source)
        places = [f"row {number}" for number in range(1, len(rows) + 1)]
    if not rows:
        raise DataError(f"{name}: no rows; {EXPECTED}")
    columns = _Columns(rows[0], name)
    runs = [columns.run(row, where) for row, where in zip(rows, places, strict=True)]
    notes = list(columns.notes)
    if drop_highest:
        runs, note = _without_highest(runs, drop_highest, name)
        notes.append(note)
    _refuse_too_little(runs, name)
    return ObservedRuns(tuple(runs), columns.unit, name, tuple(notes))


class _Columns:
    """Which columns of a file are which, by the first row."""

    def __init__(self, row: Cells, source: str):
        plain = {" ".join(name.casefold().replace("_", " ").split()): name for name in row}

        def named(names: Iterable[str]) -> str:
            return next((plain[name] for name in names if name in plain), "")

        self.parameters, self.tokens, self.flops = named(PARAMETERS), named(TOKENS), named(FLOPS)
        self.loss = named(LOSSES)
        missing = [
            label
            for label, column in (
                ("parameters (or N, Model Size, params)", self.parameters),
                ("tokens (or D), or flops (or Training FLOP, C)", self.tokens or self.flops),
                ("loss, or bits_per_byte (or bpb)", self.loss),
            )
            if not column
        ]
        if missing:
            raise DataError(f"{source} has the columns {', '.join(row)}; no {' and no '.join(missing)}. Name them so")
        self.unit = next(unit for name, unit in LOSSES.items() if plain.get(name) == self.loss)
        self.notes = [f"{self.loss} is read as {self.unit}"]
        if not self.tokens:
            self.notes.append(f"tokens are {self.flops} / (6 · {self.parameters})")
        others = [plain[name] for name in LOSSES if name in plain and plain[name] != self.loss]
        if others:
            self.notes.append(f"{others[0]} is not used: give a file without {self.loss} to fit it")

    def run(self, row: Cells, where: str) -> ObservedRun:
        parameters = _number(row, self.parameters, where)
        if self.tokens:
            tokens = _number(row, self.tokens, where)
        else:
            tokens = _number(row, self.flops, where) / (FLOPS_PER_PARAMETER_TOKEN * parameters)
        return ObservedRun(parameters, tokens, _number(row, self.loss, where))


def _number(row: Cells, column: str, where: str) -> float:
    value = row.get(column)
    try:
        number = math.nan if isinstance(value, bool) else float(str(value).strip())
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number <= 0:
        raise DataError(
            f"{where}, column {column}: {value!r:.60}; expected a number above 0, such as 1.25e8. "
            f"Correct the cell, or remove the row if the run failed"
        )
    return number


def _without_highest(runs: list[ObservedRun], count: int, source: str) -> tuple[list[ObservedRun], str]:
    """All but the `count` runs of highest loss; those that tie with the last of them go, too."""
    if count < 0 or count >= len(runs):
        raise UsageError(f"cannot leave out {count} of the {several(len(runs), 'row')} of {source}; expected fewer")
    bound = sorted(run.loss for run in runs)[-count]
    rest = [run for run in runs if run.loss < bound]
    return rest, f"left out, as asked: the {several(len(runs) - len(rest), 'run')} with a loss of {bound:.4g} or more"


def _refuse_too_little(runs: Sequence[ObservedRun], source: str) -> None:
    sizes, counts = len({run.parameters for run in runs}), len({round(math.log(run.tokens), 6) for run in runs})
    if len(runs) < LEAST_ROWS or sizes < LEAST_SIZES or counts < LEAST_COUNTS:
        raise DataError(
            f"{source} has {several(len(runs), 'run')} with {several(sizes, 'size')} and {several(counts, 'token count')}; "
            f"five parameters need at least {LEAST_ROWS} runs with {LEAST_SIZES} sizes and {LEAST_COUNTS} token counts, "
            f"better 4 × 4. Train more: llms scaling run"
        )
    if len({run.loss for run in runs}) == 1:
        raise DataError(
            f"{source}: every run has the loss {runs[0].loss:g}, so that nothing can be fitted; check how it was measured"
        )
