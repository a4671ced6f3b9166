"""Style control: how far a longer or more marked-up answer wins votes by that alone (Chiang and others, LMSYS, August 2024)."""

from collections.abc import Sequence

import numpy as np

from ..errors import UsageError
from .battle import Battle, Style
from .vote_table import Floats

NAMES = ("length", "headers", "lists", "bolds")
SCALE = "(a - b)/(a + b + 1), divided by its standard deviation over the votes"


def style_features(battles: Sequence[Battle]) -> tuple[tuple[str, ...], Floats]:
    """Names and values (n, k) of the features that vary: (a - b)/(a + b + 1), standardised over the battles.

    Raises UsageError where an answer's style is not known, or no feature varies.
    """
    styles = [(battle.style_a, battle.style_b) for battle in battles]
    known = [(a, b) for a, b in styles if a is not None and b is not None]
    if len(known) < len(styles):
        raise UsageError(
            f"{len(styles) - len(known)} of {len(styles)} votes have no style of their answers; style control needs the length "
            "of both, and counts headers, list items and bold spans where they are there. Leave style control out"
        )
    counts = np.array([[_numbers(a), _numbers(b)] for a, b in known], dtype=np.float64).reshape(-1, 2, len(NAMES))
    values = (counts[:, 0] - counts[:, 1]) / (counts[:, 0] + counts[:, 1] + 1)
    deviation = values.std(0)
    varying = deviation > 1e-12
    if not varying.any():
        raise UsageError("the answers do not differ in length or markup, so style control has nothing to control for")
    names = tuple(name for name, varies in zip(NAMES, varying, strict=True) if varies)
    return names, (values[:, varying] - values[:, varying].mean(0)) / deviation[varying]


def _numbers(style: Style) -> tuple[int, int, int, int]:
    return style.length, style.headers, style.lists, style.bolds
