"""The values of a recipe that nobody chose, from the model, the data and the memory there is."""

import math
from collections.abc import Collection
from dataclasses import replace

from ..models.footprint import NetworkShape
from .estimate import most_rows_at_once, rows_of_process
from .lengths import RowLengths
from .recipe import TrainingRecipe

SMALL = 2e8  # parameters up to which the highest learning rate is taken
FALL = 0.45  # the rate falls by this power of the parameters: to a fifth at seven billion
# the highest learning rate and the lowest: adapters take ten times that of whole models (Hu et al. 2022; Biderman et al. 2024)
RATES = {"lora": (1e-3, 2e-4), "qlora": (1e-3, 2e-4), "full": (1e-4, 2e-5), "pretrain": (3e-3, 3e-4)}
PAIR_RATES = {True: (5e-5, 5e-6), False: (5e-6, 5e-7)}  # of dpo, with an adapter or all weights
# Rows between which the rate rises to its whole, with their root. Measured on the embedded model, 15 steps of 8 of 36 chats: at the
# whole rate, 1e-3, the right answers of ARC-Easy lost 4.5 nats and it fell by 20 points; at 3e-4 by 1.4 nats and 7 points.
FEW_ROWS, MANY_ROWS = 100, 1_000
USUAL_ROWS = 16  # of an optimizer step
FEWEST_ROWS = (
    8  # of one, where there are so many: the gradient of a single row is mostly noise (McCandlish et al. 2018)
)
FEWEST_STEPS = 20  # of an epoch, where there are rows enough for them
EPOCHS = ((1_000, 3.0), (10_000, 2.0))  # rows up to which so many
TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 16384}  # of a forward pass: more is hardly faster
VALIDATIONS = 20  # of a run, fewer where they would take more than a tenth of its rows
SAVES = 10
PATIENT_ROWS = 20  # that validate: with fewer, one odd row decides which weights are the best
PATIENCE = 3  # validations without improvement after which a run stops (Prechelt 1998), and a quarter of them where that is more


def learning_rate(recipe: TrainingRecipe, parameters: int, rows: int = MANY_ROWS) -> float:
    """By method, size and rows, to two digits."""
    highest, lowest = PAIR_RATES[recipe.adapts] if recipe.method == "dpo" else RATES[recipe.method]
    rate = min(highest, max(lowest, highest * (SMALL / max(parameters, 1)) ** FALL))
    share = math.sqrt(min(MANY_ROWS, max(FEW_ROWS, rows)) / MANY_ROWS)
    return float(f"{rate * share:.2g}")


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
    per_step = max(FEWEST_ROWS, min(USUAL_ROWS, 2 ** int(math.log2(max(1, rows // FEWEST_STEPS)))))
    values: dict[str, object] = {
        "learning_rate": learning_rate(recipe, shape.parameters, rows),
        "alpha": 2 * recipe.rank,
        "window": min(recipe.window, max(lengths.longest, 1)) if recipe.method != "dpo" else recipe.window,
        "epochs": next((epochs for limit, epochs in EPOCHS if rows <= limit), 1.0),
        "rows_per_step": max(1, min(per_step, rows)),
    }
    fitted = _with(recipe, values, chosen)
    fitted = _with(fitted, {"rows_at_once": _rows_at_once(fitted, shape, lengths, free_bytes, processes)}, chosen)
    steps = fitted.max_steps or math.ceil(fitted.epochs * math.ceil(rows / fitted.rows_per_step))
    trained_rows = steps * fitted.rows_per_step
    validations = min(VALIDATIONS, max(2, int(0.1 * trained_rows / max(1, validation_rows))))
    save_every, validate_every = math.ceil(steps / SAVES), math.ceil(steps / validations)
    if validate_every > save_every:  # the best weights are then ones that are saved anyway
        validate_every = save_every * round(validate_every / save_every)
    every: dict[str, object] = {
        "validate_every": validate_every,
        "save_every": save_every,
        "patience": max(PATIENCE, validations // 4) if validation_rows >= PATIENT_ROWS else 0,
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
    most = max(1, min(fitting, helping, rows_of_process(recipe, processes)))
    return int(2 ** int(math.log2(most)))


def _with(recipe: TrainingRecipe, values: dict[str, object], chosen: Collection[str]) -> TrainingRecipe:
    return replace(recipe, **{name: value for name, value in values.items() if name not in chosen})  # type: ignore[arg-type]  # of the fields' types
