"""Ranks that the data leave open: paired comparisons of all systems of a column at once, adjusted by Holm.

Best rank of a system = 1 + how many are significantly better, worst = M − how many are significantly worse. All pairs come
from a few matrix products; numpy is imported when used, as a board of one system needs none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ..statistics.paired import holm
from ..values import Score
from .board_averages import AverageColumn
from .board_columns import RowKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

ALPHA = 0.05
EXACT = 200  # up to so many items that differ McNemar's test is exact, beyond with the continuity-corrected chi-squared
Ranks = dict[RowKey, tuple[int, int]]


class HeadlineScores(Protocol):
    """The headline score of each item of a run that has one: `scores[i]` is that of `items[i]`, of `clusters[i]`. Runs with
    the same items may share one tuple, which spares looking at it."""

    @property
    def items(self) -> tuple[str, ...]: ...
    @property
    def clusters(self) -> tuple[str, ...]: ...
    @property
    def scores(self) -> "Matrix": ...


@dataclass(frozen=True, slots=True)
class Differences:
    """Of all pairs of `rows`: `mean[i, j]` of i minus j, its standard error, and the two-sided p. `paired` tells whether
    all are made on common items."""

    rows: tuple[RowKey, ...]
    mean: "Matrix"
    error: "Matrix"
    p: "Matrix"
    paired: bool

    def ranks(self, more_is_better: bool = True) -> Ranks:
        """Best and worst rank of each row, from 1."""
        import numpy as np

        size = len(self.rows)
        upper = np.triu_indices(size, 1)
        significant = np.zeros((size, size), bool)
        significant[upper] = np.array(holm(self.p[upper])) < ALPHA
        significant |= significant.T
        ahead = self.mean if more_is_better else -self.mean
        better = (significant & (ahead < 0)).sum(axis=1)
        worse = (significant & (ahead > 0)).sum(axis=1)
        return {row: (1 + int(b), size - int(w)) for row, b, w in zip(self.rows, better, worse, strict=True)}


def differences(scores: Mapping[RowKey, Score], items: Mapping[RowKey, HeadlineScores]) -> Differences:
    """Paired where the items of all are at hand and every two have some in common, else from the standard errors alone."""
    rows = tuple(scores)
    if all(row in items and len(items[row].items) > 1 for row in rows):
        paired = _paired(rows, [items[row] for row in rows])
        if paired:
            return paired
    return _unpaired(rows, [scores[row] for row in rows])


def of_average(average: AverageColumn, each: Mapping[str, Differences]) -> Differences | None:
    """Of averages: the difference is the weighted mean of those of the columns, its variance Σ w² SE². None where a column
    has no differences of these rows."""
    import numpy as np

    rows = tuple(average.filled.cells)
    shares = np.array([average.weights[row] for row in rows], float)
    shares = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    mean, variance = np.zeros((len(rows), len(rows))), np.zeros((len(rows), len(rows)))
    paired = True
    for share, part in zip(shares, average.over, strict=True):
        one = each.get(part.column.id)
        if one is None or not set(rows) <= set(one.rows):
            return None
        places = [one.rows.index(row) for row in rows]
        mean += share * one.mean[np.ix_(places, places)]
        variance += (share * one.error[np.ix_(places, places)]) ** 2
        paired = paired and one.paired
    error = np.sqrt(variance)
    return Differences(rows, mean, error, _two_sided(_ratio(mean, error)), paired)


def _paired(rows: tuple[RowKey, ...], runs: Sequence[HeadlineScores]) -> Differences | None:
    import numpy as np

    scores, there, clusters = _aligned(runs)
    right_or_wrong = bool(((scores == 0) | (scores == 1)).all())
    if there is None:  # all have the same items
        narrow = scores.astype(np.float32) if right_or_wrong else scores  # counts are exact in it, and twice as fast
        n, gram = scores.shape[1], (narrow @ narrow.T).astype(float)
        common = np.full(gram.shape, float(n))
        sums = np.repeat(scores.sum(axis=1)[:, None], len(rows), axis=1)
        squares = np.repeat(np.diag(gram)[:, None], len(rows), axis=1)
    else:
        common, gram = there @ there.T, scores @ scores.T
        sums, squares = scores @ there.T, scores**2 @ there.T  # of row i over the items that it has in common with j
    if common.min() < 2:
        return None
    mean = (sums - sums.T) / common
    if clusters is None:
        variance = (squares + squares.T - 2 * gram - common * mean**2) / (common * (common - 1))
        units = common
    else:
        variance, units = _clustered(scores, there, clusters, mean, common)
    error = np.sqrt(variance.clip(min=0))
    error[error < 1e-12] = 0
    if clusters is None and right_or_wrong:
        p = mcnemar(sums - gram, sums.T - gram)
    else:
        p = _two_sided(_normal_of_t(_ratio(mean, error), units - 1))
        p = np.maximum(p, 2.0 ** (1 - units.clip(max=1000)))  # no pattern of signs is rarer
    p[np.abs(mean) < 1e-12] = 1
    return Differences(rows, mean, error, p, True)


def _aligned(runs: Sequence[HeadlineScores]) -> "tuple[Matrix, Matrix | None, NDArray[np.intp] | None]":
    """(scores with 0 where there is none, 1 where there is one or None where all have all, number of each item's cluster or
    None where each has its own) by run and item."""
    import numpy as np

    first = runs[0]
    if all(run.items is first.items or run.items == first.items for run in runs):
        scores = np.array([run.scores for run in runs], float)
        return scores, None, _numbers(first.clusters)
    places: dict[str, int] = {}
    clusters: list[str] = []
    for run in runs:
        for item, cluster in zip(run.items, run.clusters, strict=True):
            if places.setdefault(item, len(places)) == len(clusters):
                clusters.append(cluster)
    scores = np.zeros((len(runs), len(places)))
    there = np.zeros_like(scores)
    for number, run in enumerate(runs):
        mine = [places[item] for item in run.items]
        scores[number, mine], there[number, mine] = run.scores, 1
    return scores, there, _numbers(tuple(clusters))


def _numbers(clusters: tuple[str, ...]) -> "NDArray[np.intp] | None":
    """The clusters numbered; None where each holds one item."""
    import numpy as np

    number: dict[str, int] = {}
    numbers = [number.setdefault(cluster, len(number)) for cluster in clusters]
    return None if len(number) == len(clusters) else np.array(numbers)


def _clustered(
    scores: "Matrix", there: "Matrix | None", clusters: "NDArray[np.intp]", mean: "Matrix", common: "Matrix"
) -> "tuple[Matrix, Matrix]":
    """(variance of the mean difference, clusters in common) of each pair: Miller's form times C/(C − 1)."""
    import numpy as np

    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    if there is None:
        centred = (scores - scores.mean(axis=1, keepdims=True))[:, order]
        sums = np.add.reduceat(centred, starts, axis=1)
        gram, count = sums @ sums.T, len(starts)
        rest = np.diag(gram)[:, None] + np.diag(gram) - 2 * gram
        return rest / common**2 * count / max(count - 1, 1), np.full(mean.shape, float(count))
    variance, units = np.empty_like(mean), np.empty_like(mean)
    for row in range(len(scores)):
        both = there[row] * there
        apart = (scores[row] * there - scores * there[row])[:, order]
        sums, sizes = np.add.reduceat(apart, starts, axis=1), np.add.reduceat(both[:, order], starts, axis=1)
        number = (sizes > 0).sum(axis=1)
        rest = ((sums - mean[row][:, None] * sizes) ** 2).sum(axis=1)
        variance[row] = rest / common[row] ** 2 * number / np.maximum(number - 1, 1)
        units[row] = number
    return variance, units


def _unpaired(rows: tuple[RowKey, ...], scores: Sequence[Score]) -> Differences:
    """By the standard errors, as if the items were others; a score without one differs from none."""
    import numpy as np

    values = np.array([score.value for score in scores])
    errors = np.array([score.stderr if score.stderr is not None else np.inf for score in scores])
    mean = values[:, None] - values
    error = np.sqrt(errors[:, None] ** 2 + errors**2)
    return Differences(rows, mean, error, _two_sided(_ratio(mean, error)), False)


def mcnemar(only_a: "Matrix", only_b: "Matrix") -> "Matrix":
    """Two-sided p of counts that only one of two got right: exact up to 200 of them, then by chi-squared with Edwards'
    correction."""
    import numpy as np

    apart = only_a + only_b
    p = _two_sided(np.maximum(np.abs(only_a - only_b) - 1, 0) / np.sqrt(np.maximum(apart, 1)))
    few = apart <= EXACT
    numbers, fewer = np.rint(apart[few]).astype(int), np.rint(np.minimum(only_a, only_b)[few]).astype(int)
    p[few] = np.array(_tails())[numbers, fewer]
    return p


@cache
def _tails() -> list[list[float]]:
    """tails[n][k]: two-sided p of k of n fair coins, for each k up to n / 2; filled up with 1."""
    rows = []
    for n in range(EXACT + 1):
        total, chance, tails = 0.0, 0.5**n, []
        for k in range(n // 2 + 1):
            total += chance
            tails.append(min(1.0, 2 * total))
            chance *= (n - k) / (k + 1)
        rows.append(tails + [1.0] * (EXACT // 2 + 1 - len(tails)))
    return rows


def _ratio(mean: "Matrix", error: "Matrix") -> "Matrix":
    """|mean| / error; no difference is 0, one without any error is without bound."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Matrix = np.nan_to_num(np.abs(mean) / error, nan=0.0, posinf=1e3)
    return ratio


def _normal_of_t(t: "Matrix", df: "Matrix") -> "Matrix":
    """The normal deviate with the tail of Student's t, to some 1e-3 (Wallace 1959, Annals of Mathematical Statistics 30)."""
    import numpy as np

    df = np.maximum(df, 1)
    deviate: Matrix = (8 * df + 1) / (8 * df + 3) * np.sqrt(df * np.log1p(t * t / df))
    return deviate


def _two_sided(z: "Matrix") -> "Matrix":
    """2 P(Z > z) for z ≥ 0: the complementary error function by Chebyshev's fit, within 1.2e-7 of itself (Numerical
    Recipes, 2nd edition, 6.2)."""
    import numpy as np

    x = z / np.sqrt(2)
    t = 1 / (1 + x / 2)
    fit = np.zeros_like(t)
    for factor in (
        0.17087277,
        -0.82215223,
        1.48851587,
        -1.13520398,
        0.27886807,
        -0.18628806,
        0.09678418,
        0.37409196,
        1.00002368,
    ):
        fit = factor + t * fit
    tail: Matrix = np.minimum(t * np.exp(-x * x - 1.26551223 + t * fit), 1.0)
    return tail
