"""Before a run: how small a difference can be seen with so many questions, and how many a difference needs.

Source: Miller 2024 (arXiv 2411.00640), section 5. `omega2` is the variance over questions of the difference of the two
systems' expected scores, `sigma2` the mean variance of one system's answers to one question, `k` answers per question.
"""

from collections.abc import Sequence
from math import fsum, sqrt

from .intervals import mean
from .student import Z

Z_POWER_80 = 0.8416212335729143  # leaves 20 % above it
OMEGA2 = 1 / 9
SIGMA2 = 1 / 6


def detectable(n: int, omega2: float = OMEGA2, sigma2_a: float = 0.0, sigma2_b: float = 0.0, k: int = 1) -> float:
    """The smallest difference that `n` questions show with 80 % power at the 5 % level."""
    if n < 1:
        raise ValueError(f"n is {n}; at least one question is needed")
    return (Z + Z_POWER_80) * sqrt((omega2 + sigma2_a / k + sigma2_b / k) / n)


def needed(
    difference: float, omega2: float = OMEGA2, sigma2_a: float = 0.0, sigma2_b: float = 0.0, k: int = 1
) -> float:
    """Questions that show `difference` with 80 % power at the 5 % level; round up."""
    if difference <= 0:
        raise ValueError(f"the difference is {difference}; it must be positive")
    return (Z + Z_POWER_80) ** 2 * (omega2 + sigma2_a / k + sigma2_b / k) / difference**2


def variance(differences: Sequence[float]) -> float:
    """The value in the place of `omega2` with the noise of answers in it, from a pilot's differences of scores.

    At least what three differing questions would show: that none was seen to differ does not mean that none does.
    Raises ValueError for fewer than two.
    """
    if len(differences) < 2:
        raise ValueError(f"{len(differences)} differences; a variance needs at least two")
    n, centre = len(differences), mean(differences)
    return max(fsum((d - centre) ** 2 for d in differences) / (n - 1), 3 / n)
