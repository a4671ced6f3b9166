"""A scaling law of one's own: a grid of small runs on a text, then the fit and its picture."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..data.documents import text_files
from ..training.progress import Progress
from ..training.recipe import TrainingRecipe
from ..training.scaling.fit import ScalingFit
from ..training.scaling.grid import RUNS, GridPlan, GridRow, plan_grid, train_grid
from ..values import JsonObject
from .scaling import fit_scaling

PLOT = "law.svg"


@dataclass(frozen=True, slots=True)
class GridFit:
    """The law of a grid that is done, and where its table lies."""

    fit: ScalingFit
    table: Path


def prepare(texts: Sequence[Path], folder: Path, sizes: Sequence[int], tokens: Sequence[int], seed: int) -> GridPlan:
    """The grid's text and tokenizer, written into `folder`, and how long its runs take. Raises UsageError, DataError."""
    return plan_grid(folder, text_files(texts), sizes, tokens, seed)


def train(plan: GridPlan, watch: Callable[[TrainingRecipe, Progress], None]) -> Iterator[GridRow | GridFit]:
    """A row for each run as it ends, then the fit of all."""
    yield from train_grid(plan, watch)
    path = plan.folder / RUNS
    yield GridFit(fit_scaling(path), path)


def plan_json(plan: GridPlan) -> JsonObject:
    """The plan as the first line of `llms scaling run --json`."""
    return {
        "plan": str(plan.folder),
        "runs": len(plan.recipes),
        "done": len(plan.done),
        "seconds": plan.seconds,
        "text_tokens": plan.counts.tokens,
        "held_out_tokens": plan.counts.held_out_tokens,
        "notes": list(plan.notes),
    }


def row_json(row: GridRow) -> JsonObject:
    return dict(asdict(row))
