"""Which candidates cannot be told apart at the top, and what it would take to tell them apart.

A candidate is out once it is significantly worse than some other one: its p against each of the N - 1 others, one-sided, is
multiplied by N - 1 (Bonferroni). The best system has N - 1 chances to be thrown out wrongly, so that the rest holds it with at
least the confidence 1 - ALPHA, whatever the dependence between candidates (multiple comparisons with the best: Hsu 1996).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

from .pairs import Pairs

ALPHA = 0.05
POWER = 0.8
LEAST_DIFFERING = 3  # items that differ at least: that none was seen to does not mean that none does


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate against the one that speaks most against it: `p` adjusted for all comparisons; `out` if that is enough."""

    system: str
    rival: str
    p: float
    out: bool


def standings(pairs: Pairs, alpha: float = ALPHA) -> list[Standing]:
    """Of each system, in the order of `pairs`. A single one stands alone."""
    comparisons = len(pairs.systems) - 1
    if not comparisons:
        return [Standing(pairs.systems[0], "", 1.0, False)]
    result = []
    for column, system in enumerate(pairs.systems):
        against = pairs.p[:, column].copy()
        against[column] = 2.0
        row = int(against.argmin())
        adjusted = min(1.0, float(against[row]) * comparisons)
        result.append(Standing(system, pairs.systems[row], adjusted, adjusted <= alpha))
    return result


def equivalent(pairs: Pairs, margin: float, quantile: float = NormalDist().inv_cdf(1 - ALPHA)) -> bool:
    """Whether all systems are equal within `margin`: two one-sided tests of every two (the interval of the difference, of
    `quantile` standard errors to each side, lies within the margin)."""
    for a in range(len(pairs.systems)):
        for b in range(a):
            error = stderr(pairs, a, b)
            if not pairs.comparable[a, b] or abs(float(pairs.difference[a, b])) + quantile * error >= margin:
                return False
    return True


def stderr(pairs: Pairs, a: int, b: int) -> float:
    """The standard error of a difference, at least what a few differing items would show."""
    n = max(int(pairs.n[a, b]), 1)
    return max(float(pairs.stderr[a, b]), sqrt(LEAST_DIFFERING) / n)


@dataclass(frozen=True, slots=True)
class Needed:
    """So many items in all tell `best` from `other`, if they differ by `difference` (at least the margin)."""

    best: str
    other: str
    difference: float
    items: int
    more: int


def needed(pairs: Pairs, best: str, others: list[str], margin: float, candidates: int) -> list[Needed]:
    """For each of `others`, the fewest items first: n = (z_{1-alpha/(N-1)} + z_{0.8})² · variance / difference² (Miller 2024,
    section 5, one-sided, at the level that `standings` uses for so many `candidates`)."""
    z = NormalDist().inv_cdf(1 - ALPHA / max(1, candidates - 1)) + NormalDist().inv_cdf(POWER)
    a, result = pairs.systems.index(best), []
    for other in others:
        b = pairs.systems.index(other)
        if not pairs.comparable[a, b]:
            continue
        n, seen = int(pairs.n[a, b]), abs(float(pairs.difference[a, b]))
        difference = max(seen, margin)
        items = ceil(n * (z * stderr(pairs, a, b) / difference) ** 2)
        result.append(Needed(best, other, difference, items, max(0, items - n)))
    return sorted(result, key=lambda each: each.items)


def named(names: list[str], join: Callable[[list[str]], str] = ", ".join) -> str:
    """Names in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{join(names[:-1])} and {names[-1]}" if names else ""
