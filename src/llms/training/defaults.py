"""The values of a recipe that nobody chose, from the model, the data and the memory there is."""

import math
from collections.abc import Collection
from dataclasses import replace

from ..models.footprint import NetworkShape
from .estimate import most_rows_at_once
from .lengths import RowLengths
from .recipe import TrainingRecipe

SMALL = 2e8  # parameters up to which the highest learning rate is taken
FALL = 0.45  # the rate falls by this power of the parameters: to a fifth at seven billion
# the highest learning rate and the lowest: adapters take ten times that of whole models (Hu et al. 2022; Biderman et al. 2024)
RATES = {"lora": (1e-3, 2e-4), "qlora": (1e-3, 2e-4), "full": (1e-4, 2e-5), "pretrain": (3e-3, 3e-4)}
PAIR_RATES = {True: (5e-5, 5e-6), False: (5e-6, 5e-7)}  # of dpo, with an adapter or all weights
USUAL_ROWS = 16  # of an optimizer step
FEWEST_STEPS = 20  # of an epoch, where there are rows enough for them
EPOCHS = ((1_000, 3.0), (10_000, 2.0))  # rows up to which so many
TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 16384}  # of a forward pass: more is hardly faster
VALIDATIONS = 20  # of a run, fewer where they would take more than a tenth of its rows
SAVES = 10


def learning_rate(recipe: TrainingRecipe, parameters: int) -> float:
    """By method and size, to two digits."""
    highest, lowest = PAIR_RATES[recipe.adapts] if recipe.method == "dpo" else RATES[recipe.method]
    rate = min(highest, max(lowest, highest * (SMALL / max(parameters, 1)) ** FALL))
    return float(f"{rate:.2g}")


def fit_recipe(
    recipe: TrainingRecipe,
    chosen: Collection[str],
    shape: NetworkShape,
    lengths: RowLengths,
    validation_rows: int,
    free_bytes: int,
    processes: int = 1,
) -> TrainingRecipe:
    """`recipe` with what fits its model, its rows and the free memory in the fields that are not among those `chosen`."""
    rows = len(lengths)
    per_step = max(1, min(USUAL_ROWS, 2 ** int(math.log2(max(1, rows // FEWEST_STEPS)))))
    values: dict[str, object] = {
        "learning_rate": learning_rate(recipe, shape.parameters),
        "alpha": 2 * recipe.rank,
        "window": min(recipe.window, max(lengths.longest, 1)) if recipe.method != "dpo" else recipe.window,
        "epochs": next((epochs for limit, epochs in EPOCHS if rows <= limit), 1.0),
        "rows_per_step": per_step,
    }
    fitted = _with(recipe, values, chosen)
    fitted = _with(fitted, {"rows_at_once": _rows_at_once(fitted, shape, lengths, free_bytes, processes)}, chosen)
    steps = fitted.max_steps or math.ceil(fitted.epochs * math.ceil(rows / fitted.rows_per_step))
    trained_rows = steps * fitted.rows_per_step
    validations = min(VALIDATIONS, max(2, int(0.1 * trained_rows / max(1, validation_rows))))
    every: dict[str, object] = {
        "validate_every": math.ceil(steps / validations),
        "save_every": math.ceil(steps / SAVES),
    }
    return _with(fitted, every, chosen)


def _rows_at_once(
    recipe: TrainingRecipe, shape: NetworkShape, lengths: RowLengths, free_bytes: int, processes: int
) -> int:
    """As many as fit and still help, a power of two so that the passes of a step are equal; at least one."""
    kind = "cuda" if recipe.device.startswith("cuda") else "cpu"
    mean = max(1.0, float(lengths.tokens.mean()) if len(lengths) else 1.0)
    helping = max(1, int(TOKENS_AT_ONCE[kind] / mean))
    fitting = most_rows_at_once(recipe, shape, lengths, free_bytes, processes, recipe.dtype)
    most = max(1, min(fitting, helping, math.ceil(recipe.rows_per_step / processes)))
    return int(2 ** int(math.log2(most)))


def _with(recipe: TrainingRecipe, values: dict[str, object], chosen: Collection[str]) -> TrainingRecipe:
    return replace(recipe, **{name: value for name, value in values.items() if name not in chosen})  # type: ignore[arg-type]  # of the fields' types
