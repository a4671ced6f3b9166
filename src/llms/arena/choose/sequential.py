"""Measuring candidates together in rounds, and dropping each as soon as it is clear that it is not the best.

At every look each pair of those left is tested as `top` does, at a level so small that all looks together err no more often
than one test at the end: the constant boundary of Pocock 1977 for looks at any times, found by the recursion of Armitage,
McPherson and Rowe 1969. Differences of running means have independent increments, which is all that it takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from .pairs import Pairs
from .table import Floats, Numbers
from .top import ALPHA, equivalent

FIRST = 20  # units before the first look
GROWTH = 1.25  # from one look to the next
GRID = 0.05  # standard deviations between points of the recursion
BELOW = -8.0  # where a walk that goes down is forgotten: it does not come back


@dataclass(frozen=True, slots=True)
class SequentialRule:
    """When to look, in units (clusters, or items) asked of each candidate; at what `level` a candidate's p against another
    one throws it out; and `quantile`: the standard errors by which a difference must lie within the margin to be none."""

    looks: tuple[int, ...]
    level: float
    quantile: float

    def left(self, pairs: Pairs) -> list[str]:
        """The systems that no other one has thrown out at this look."""
        return [system for column, system in enumerate(pairs.systems) if float(pairs.p[:, column].min()) > self.level]

    def equivalent(self, pairs: Pairs, margin: float) -> bool:
        return equivalent(pairs, margin, self.quantile)


def sequential_rule(cap: int, candidates: int, alpha: float = ALPHA) -> SequentialRule:
    """The rule for `candidates` systems and at most `cap` units: the best one is thrown out with a probability of at most
    `alpha` over all looks, systems that differ by the margin are called equivalent with one of 5 %."""
    looks = [min(FIRST, cap)]
    while looks[-1] < cap:
        following = max(looks[-1] + 1, round(looks[-1] * GROWTH))
        looks.append(cap if following * GROWTH > cap else following)  # no last look at hardly more than before
    tested = boundary(tuple(looks), alpha / max(1, candidates - 1))
    return SequentialRule(tuple(looks), NormalDist().cdf(-tested), boundary(tuple(looks), ALPHA))


@lru_cache(maxsize=64)
def boundary(looks: tuple[int, ...], alpha: float) -> float:
    """The z that a standardized random walk without drift exceeds at any of the `looks` with the probability `alpha`."""
    low, high = NormalDist().inv_cdf(1 - alpha), NormalDist().inv_cdf(1 - alpha / len(looks)) + 1e-6
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if crossing(looks, middle) > alpha else (low, middle)
    return high


def crossing(looks: Sequence[int], z: float) -> float:
    """The probability that a standardized random walk without drift exceeds z at one of the `looks`."""
    grid = np.arange(BELOW, z, GRID) + GRID / 2 + (z - BELOW) % GRID - GRID
    grid = grid[grid > BELOW]
    density = np.exp(-grid * grid / 2) / np.sqrt(2 * np.pi)  # of the walk at the first look, not yet over z
    previous = looks[0]
    for look in looks[1:]:
        share = previous / look
        spread = np.sqrt(1 - share)
        centre = np.sqrt(share) * grid
        steps = np.exp(-(((grid[:, None] - centre[None, :]) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
        density = steps @ density * GRID
        previous = look
    return float(1 - density.sum() * GRID)


def asking_order(units: Sequence[int], weights: Sequence[float], seed: int) -> list[tuple[int, int]]:
    """(part, unit) in the order of asking: units of a part in random order, parts by turns in proportion to their weights.

    `units[p]` is the number of units of part p. A part that is used up leaves its turns to the others.
    """
    generator = np.random.default_rng(seed)
    keys: list[Floats] = []
    numbers: list[Numbers] = []
    for count, weight in zip(units, weights, strict=True):
        keys.append((np.arange(count) + generator.random(count)) / weight)
        numbers.append(generator.permutation(count))
    part = np.repeat(np.arange(len(units)), list(units))
    order = np.argsort(np.concatenate(keys), kind="stable")
    unit = np.concatenate(numbers)
    return [(int(part[each]), int(unit[each])) for each in order]
