"""Every two systems on the items that both have: difference, error, and how rarely chance would favour one so much.

The test is the sign-flip test with whole clusters, one-sided, which of right-or-wrong scores is the exact test of McNemar:
if two systems are equally good, a unit that tells them apart might as well have told it the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray

from ...statistics.student import normal_tail
from .table import Floats, ScoreTable

EXACT = 1000  # units that differ, up to which a binomial tail is summed in whole numbers


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Matrices over systems, row against column. `difference` of weighted scores on the `n` items that both have, in score
    units; its standard error `stderr` (clustered, not above 0 where all units are alike), the `p` of a difference so large or
    larger in favour of the row if the two are equally good (1 where a part has no common item: `comparable` is False).
    `only[a, b]` counts items on which the row scored higher than the column."""

    systems: tuple[str, ...]
    difference: Floats
    stderr: Floats
    p: Floats
    n: NDArray[np.int64]
    only: NDArray[np.int64]
    comparable: NDArray[np.bool_]

    def of(self, systems: Sequence[str]) -> "Pairs":
        """The pairs of these systems only."""
        rows = [self.systems.index(system) for system in systems]
        grid = np.ix_(rows, rows)
        return Pairs(
            tuple(systems), self.difference[grid], self.stderr[grid], self.p[grid], self.n[grid], self.only[grid],
            self.comparable[grid],
        )  # fmt: skip

    @property
    def common(self) -> tuple[int, int]:
        """The fewest and the most items that two systems have in common; (0, 0) for a single one."""
        sizes = self.n[~np.eye(len(self.systems), dtype=np.bool_)]
        return (int(sizes.min()), int(sizes.max())) if len(sizes) else (0, 0)


def pairs(table: ScoreTable) -> Pairs:
    """All pairs of the table's systems."""
    count = len(table.systems)
    difference, error = np.zeros((count, count)), np.zeros((count, count))
    p, n = np.ones((count, count)), np.zeros((count, count), dtype=np.int64)
    only, comparable = np.zeros((count, count), dtype=np.int64), np.zeros((count, count), dtype=np.bool_)
    starts = np.flatnonzero(np.diff(table.units, prepend=-1))
    for a in range(count - 1):
        others = slice(a + 1, count)
        gaps = table.scores[a] - table.scores[others]
        both = ~np.isnan(gaps)
        gaps[~both] = 0.0
        shares, complete = _shares(table, both)
        gains = gaps * shares  # what each item adds to the difference of weighted scores
        units = np.add.reduceat(gains, starts, axis=1) if len(starts) < gaps.shape[1] else gains
        total, squares = units.sum(axis=1) + 0.0, np.square(units).sum(axis=1)
        difference[a, others], difference[others, a] = total, 0.0 - total
        error[a, others] = error[others, a] = _errors(table, gaps, both, shares, starts)
        n[a, others] = n[others, a] = both.sum(axis=1)
        only[a, others], only[others, a] = (gaps > 0).sum(axis=1), (gaps < 0).sum(axis=1)
        comparable[a, others] = comparable[others, a] = complete
        ahead, behind = _tails(units, total, squares)
        p[a, others], p[others, a] = np.where(complete, ahead, 1.0), np.where(complete, behind, 1.0)
    return Pairs(table.systems, difference, error, p, n, only, comparable)


def _shares(table: ScoreTable, both: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Of each pair and item the part's weight over the pair's items there, and whether the pair has some in every part."""
    shares = np.zeros(both.shape)
    complete = np.ones(len(both), dtype=np.bool_)
    for part, weight in enumerate(table.weights):
        here = table.parts == part if len(table.weights) > 1 else slice(None)
        sizes = both[:, here].sum(axis=1)
        complete &= sizes > 0
        shares[:, here] = (weight / np.maximum(sizes, 1))[:, None]
    return shares, complete


def _errors(
    table: ScoreTable, gaps: Floats, both: NDArray[np.bool_], shares: Floats, starts: NDArray[np.intp]
) -> Floats:
    """Clustered standard errors of the differences: of what units add beyond their part's mean, with C/(C-1)."""
    centred = gaps.copy()
    for part in range(len(table.weights)):
        here = table.parts == part if len(table.weights) > 1 else slice(None)
        sizes = np.maximum(both[:, here].sum(axis=1), 1)
        centred[:, here] -= (gaps[:, here].sum(axis=1) / sizes)[:, None]
    centred *= shares * both
    units = np.add.reduceat(centred, starts, axis=1) if len(starts) < gaps.shape[1] else centred
    size = np.add.reduceat(both, starts, axis=1) if len(starts) < gaps.shape[1] else both
    filled = np.maximum((size > 0).sum(axis=1), 2)
    result: Floats = np.sqrt(np.square(units).sum(axis=1) * filled / (filled - 1))
    return result


def _tails(units: Floats, total: Floats, squares: Floats) -> tuple[list[float], list[float]]:
    """p in favour of the row, and of each column, from what each unit adds to the difference (pairs, units).

    The sum of values with random signs has a normal tail, corrected by the least step as a binomial one is, and not below
    the chance that all signs agree; where all steps are equal it is binomial.
    """
    sizes = np.abs(units)
    counts, most = np.count_nonzero(sizes, axis=1).tolist(), sizes.max(axis=1).tolist()
    least = np.where(sizes > 0, sizes, np.inf).min(axis=1).tolist()
    ahead = np.count_nonzero(units > 0, axis=1).tolist()
    one, other = [], []
    for row, count in enumerate(counts):
        if not count:
            one.append(1.0)
            other.append(1.0)
        elif most[row] - least[row] <= 1e-9 * least[row]:
            one.append(binomial_tail(ahead[row], count))
            other.append(binomial_tail(count - ahead[row], count))
        else:
            root, floor, step, centre = sqrt(squares[row]), 0.5**count, least[row], float(total[row])
            one.append(min(1.0, max(normal_tail((centre - step) / root), floor)))
            other.append(min(1.0, max(normal_tail((-centre - step) / root), floor)))
    return one, other


@lru_cache(maxsize=1 << 16)
def binomial_tail(successes: int, trials: int) -> float:
    """P(X >= successes) of a fair coin thrown `trials` times."""
    if trials > EXACT:
        return normal_tail((2 * successes - 1 - trials) / sqrt(trials))
    low = min(successes, trials - successes + 1)  # the shorter tail; the two are alike
    term, total = comb(trials, low - 1) if low else 0, 0
    for k in range(low - 1, -1, -1):
        total += term
        term = term * k // (trials - k + 1)
    share: float = total / (1 << trials)
    return share if successes > trials - successes else 1.0 - share
