"""From a number of parameters and the text at hand to a whole recipe for training from nothing; what it takes. Loads no torch.

Sources: Hoffmann et al. 2022 (twenty tokens a parameter), Muennighoff et al. 2023 (a text four times over is almost as good as
new text; beyond sixteen times it adds nothing), Brown et al. 2020 (AdamW's betas, weight decay, a tenth of the rate at the end).
"""

import re
from dataclasses import dataclass
from math import ceil, log

from ..errors import UsageError
from .recipe import ModelShape, TrainingRecipe

TOKENS_PER_PARAMETER = 20
GOOD_EPOCHS, MOST_EPOCHS = 4, 16
SMALLEST, LARGEST = 10_000, 2_000_000_000
UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
WINDOWS = ((3_000_000, 256), (50_000_000, 512))  # below so many parameters; else 1,024
BATCHES = (512, 1 << 19)  # tokens of a step, at least and at most
STEPS = 1000  # about so many in a run, as far as the bounds of a batch let
AT_ONCE = 4096  # tokens of a forward pass on a processor
PROCESS_BYTES = 560_000_000  # of Python, torch and transformers, before the network


def count_of(text: str) -> int:
    """`1M`, `2.5B`, `300k`, `1_000_000` as a number. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:[._,]\d+)*)\s*([KMBGT]?)", text.strip(), re.IGNORECASE)
    try:
        number = float(match[1].replace("_", "").replace(",", "")) if match else 0.0
    except ValueError:
        number = 0.0
    if not match or number <= 0:
        raise UsageError(f"{text!r} is no count; expected a number such as 300K, 1M or 2.5B")
    return round(number * UNITS[match[2].upper()])


def shape_of(parameters: int, vocabulary: int) -> ModelShape:
    """The shape nearest to so many parameters whose width is 32 times its layers at a million, and more the larger it is.

    Heads are 32 wide, 64 from a width of 256 on; the MLP's inner width is 8/3 of the width (Touvron et al. 2023). Raises
    UsageError where no shape comes within a third.
    """
    aspect = 32 * (parameters / 1e6) ** 0.15
    best: tuple[float, ModelShape] | None = None
    for layers in range(1, 49):
        for width in (*range(32, 256, 32), *range(256, 4097, 64)):
            shape = shape_with(layers, width, None, vocabulary)
            miss = abs(log(shape.parameters / parameters))
            cost = 4 * miss + abs(log(width / layers / aspect))
            if miss < 0.3 and (best is None or cost < best[0]):
                best = cost, shape
    if best is None:
        least = shape_with(1, 32, None, vocabulary).parameters
        raise UsageError(
            f"no network of {parameters:,} parameters has a vocabulary of {vocabulary:,}; the smallest has {least:,}. "
            "Take more --parameters, a smaller --vocabulary, or --layers and --width"
        )
    return best[1]


def shape_with(layers: int, width: int, heads: int | None, vocabulary: int) -> ModelShape:
    """The shape of this depth and width. Raises UsageError where heads do not share it evenly."""
    heads = heads or max(1, width // (32 if width < 256 else 64))
    if width % heads or width // heads % 2:
        raise UsageError(f"a width of {width} and {heads} heads; a head needs a whole and even share of the width")
    return ModelShape(layers, width, heads, ceil(width * 8 / 3 / 32) * 32, vocabulary)


def fitting_vocabulary(vocabulary: int, parameters: int) -> int:
    """`vocabulary`, halved until its embedding takes no more than a third of the parameters."""
    while (
        vocabulary > 512 and vocabulary * (parameters / 60) ** 0.5 > parameters / 3
    ):  # 60 w²: a network of five layers
        vocabulary //= 2
    return vocabulary


@dataclass(frozen=True)
class Wishes:
    """Of a run from nothing, what its user said; 0 and "" where nothing."""

    tokens: int = 0
    epochs: float = 0.0
    window: int = 0
    step_tokens: int = 0
    learning_rate: float = 0.0
    dtype: str = "float32"
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True)
class TokenBudget:
    """How many tokens a run trains on, what that is of the text, and what a person should know about it."""

    tokens: int
    epochs: float
    notes: tuple[str, ...]


def window_of(wishes: Wishes, parameters: int) -> int:
    return wishes.window or next((window for below, window in WINDOWS if parameters < below), 1024)


def budget_of(wishes: Wishes, parameters: int, text_tokens: int) -> TokenBudget:
    """The tokens asked for; else twenty a parameter, the text sixteen times over at most."""
    best = TOKENS_PER_PARAMETER * parameters
    notes: list[str] = []
    tokens = wishes.tokens or round(wishes.epochs * text_tokens)
    if not tokens:
        tokens = min(best, MOST_EPOCHS * text_tokens)
        if tokens < best:
            notes.append(
                f"{best:,} tokens would suit {parameters:,} parameters (20 each: Hoffmann et al. 2022), and the text has "
                f"{text_tokens:,}. With more text, or a smaller model, the time would be better spent"
            )
    epochs = tokens / text_tokens
    if epochs > GOOD_EPOCHS * 1.01:
        notes.append(
            f"the text is read {epochs:.3g} times over: {GOOD_EPOCHS} times are almost as good as new text, beyond that each is "
            f"worth less, and beyond {MOST_EPOCHS} next to nothing (Muennighoff et al. 2023)"
        )
    return TokenBudget(tokens, epochs, tuple(notes))


def recipe_of(shape: ModelShape, wishes: Wishes, tokens: int, data: str, window: int) -> TrainingRecipe:
    """The run over `tokens` tokens, the last step's made whole."""
    wanted = wishes.step_tokens or min(max(2 ** round(log(max(tokens / STEPS, 1)) / log(2)), BATCHES[0]), BATCHES[1])
    rows = max(1, round(wanted / window))
    at_once = max(
        divisor for divisor in range(1, rows + 1) if rows % divisor == 0 and divisor * window <= max(AT_ONCE, window)
    )
    return TrainingRecipe(
        model="",
        data=data,
        method="pretrain",
        learning_rate=wishes.learning_rate or min(4e-3, 0.4 / shape.width),
        warmup=0.05,
        least_rate=0.1,
        beta2=0.95,
        weight_decay=0.1,
        epochs=0.0,
        max_steps=max(1, round(tokens / (rows * window))),
        rows_per_step=rows,
        rows_at_once=at_once,
        window=window,
        train_on="all",
        dtype=wishes.dtype,
        device=wishes.device,
        seed=wishes.seed,
        shape=shape,
    )


def memory_of(recipe: TrainingRecipe) -> int:
    """Bytes that the training process takes at most, on the device: weights, gradients and moments, and a forward pass's tensors."""
    shape = recipe.shape
    if shape is None:
        return 0
    tokens, width = recipe.rows_at_once * recipe.window, shape.width
    saved = 12 * width + 3 * shape.inner  # numbers a token and layer that the backward pass needs
    if recipe.device == "cpu" and recipe.dtype == "float32":
        saved += round(shape.heads * (recipe.window + 64) / 2)  # chances
    width_of = 2 if recipe.dtype == "bfloat16" else 4
    activations = tokens * (shape.layers * saved + 6 * width + 8 * shape.inner) * width_of
    logits = 3 * (1 << 20) * 4
    return PROCESS_BYTES + 20 * shape.parameters + activations + logits


def disk_of(recipe: TrainingRecipe, text_tokens: int, text_bytes: int) -> int:
    """Bytes that the run's folder grows to: three checkpoints of weights and moments, the weights, the text."""
    parameters = recipe.shape.parameters if recipe.shape else 0
    width = 2 if recipe.shape and recipe.shape.vocabulary <= 1 << 16 else 4
    return (3 * 12 + 4) * parameters + text_tokens * width + text_bytes // 10
