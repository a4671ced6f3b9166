"""Two systems on the same questions: difference, interval, p-value, verdict (Miller 2024, arXiv 2411.00640).

scipy and statsmodels do what they have; both are imported when used.
"""

import hashlib
import itertools
import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Literal

from ..errors import MissingExtra
from .intervals import FEWEST_CLUSTERS, RESAMPLES, clustered_stderr, mean, stderr

Verdict = Literal["better", "worse", "no detectable difference", "equivalent", "not comparable"]
FLIPS = 10_000
EXACT_UNITS = 20  # up to so many units that differ, every pattern of signs is counted


@dataclass(frozen=True, slots=True)
class Paired:
    """A minus B over `n` questions, in score units. `low`, `high` bound 95 %, `inner` 90 % for equivalence.

    `only_a`, `only_b` count questions that one got right and the other wrong (None if scores are not 0 or 1).
    """

    n: int
    clusters: int
    difference: float
    stderr: float
    low: float
    high: float
    inner: tuple[float, float]
    p: float
    method: str
    test: str
    correlation: float | None
    only_a: int | None
    only_b: int | None

    def verdict(self, margin: float, alpha: float = 0.05, p: float | None = None) -> Verdict:
        """In one word, of A. `p` may be adjusted for several comparisons; `margin` is the largest difference that is none."""
        if (self.p if p is None else p) < alpha and not self.low <= 0 <= self.high:
            return "better" if self.difference > 0 else "worse"
        if -margin < self.inner[0] and self.inner[1] < margin:
            return "equivalent"
        return "no detectable difference"


def compare(a: Sequence[float], b: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Paired:
    """The paired comparison of scores `a` and `b` of the same questions.

    p is exact McNemar's for independent right-or-wrong scores, else by flipping the signs of differences (of whole
    clusters). The interval is t with (clustered) standard errors, below 10 clusters by bootstrap. Raises ValueError for
    fewer than two questions or unequal lengths.
    """
    n = len(a)
    if n != len(b) or n < 2:
        raise ValueError(
            f"{n} and {len(b)} scores; a paired comparison needs two or more of each, of the same questions"
        )
    clusters = list(range(n)) if clusters is None else list(clusters)
    differences = [x - y for x, y in zip(a, b, strict=True)]
    count = len(set(clusters))
    right_or_wrong = all(score in (0, 1) for score in (*a, *b))
    only_a = sum(d > 0 for d in differences) if right_or_wrong else None
    only_b = sum(d < 0 for d in differences) if right_or_wrong else None
    if right_or_wrong and count == n:
        assert only_a is not None
        assert only_b is not None
        p, test = mcnemar(only_a, only_b), "exact McNemar"
    else:
        p, test = sign_flip(differences, clusters), "sign flip" + (" of clusters" if count < n else "")
    error, interval, inner, method = _interval(differences, clusters, count)
    return Paired(
        n, count, mean(differences), error, *interval, inner, p, method, test, _correlation(a, b), only_a, only_b
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of McNemar's test: the binomial test of the smaller count among those that differ."""
    stats = _scipy()
    return float(stats.binomtest(min(only_a, only_b), only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0


def sign_flip(differences: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Two-sided p of the permutation test that flips the sign of each cluster's sum; exact for few clusters."""
    sums: dict[Hashable, list[float]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        sums.setdefault(cluster, []).append(difference)
    units = [total for total in (fsum(values) for values in sums.values()) if abs(total) > 1e-12]
    seen = abs(fsum(units)) - 1e-9
    if len(units) <= EXACT_UNITS:
        extreme = sum(
            abs(fsum(s * u for s, u in zip(signs, units, strict=True))) >= seen for signs in _signs(len(units))
        )
        return extreme / 2 ** len(units)
    numpy = _numpy()
    draws = numpy.random.default_rng(_seed(units)).choice([-1.0, 1.0], size=(FLIPS, len(units)))
    return float((1 + (abs(draws @ numpy.array(units)) >= seen).sum()) / (FLIPS + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm 1979)."""
    if len(p_values) < 2:
        return list(p_values)
    try:
        from statsmodels.stats.multitest import multipletests
    except ImportError as error:
        raise MissingExtra("statsmodels", "adjusting several p-values", "eval") from error
    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def _signs(count: int):
    return itertools.product((-1, 1), repeat=count)


def _interval(
    differences: list[float], clusters: list[Hashable], count: int
) -> tuple[float, tuple[float, float], tuple[float, float], str]:
    """(standard error, 95 % interval, 90 % interval, method) of the mean difference.

    Where no question differs, the share that differs may still be up to 1 - alpha^(1/n) (the rule of three), and so may
    the difference.
    """
    centre, n = mean(differences), len(differences)
    if count < min(n, FEWEST_CLUSTERS):
        means = _resampled(differences, clusters)
        cut95, cut90 = len(means) // 40, len(means) // 20
        error = stderr(means) * sqrt(len(means))
        return error, (means[cut95 - 1], means[-cut95]), (means[cut90 - 1], means[-cut90]), "cluster bootstrap"
    if not any(differences):
        wide, narrow = 1 - 0.05 ** (1 / count), 1 - 0.10 ** (1 / count)
        return wide / 2, (-wide, wide), (-narrow, narrow), "no difference seen: as many may differ as could be missed"
    error = clustered_stderr(differences, clusters) if count < n else stderr(differences)
    t = _scipy().t
    wide, narrow = (float(t.ppf(level, count - 1)) * error for level in (0.975, 0.95))
    method = "clustered t" if count < n else "t"
    return error, (centre - wide, centre + wide), (centre - narrow, centre + narrow), method


def _resampled(differences: list[float], clusters: list[Hashable]) -> list[float]:
    """Means over resampled clusters, sorted; equal data give equal means."""
    groups: dict[Hashable, list[float]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        groups.setdefault(cluster, []).append(difference)
    sums = [(fsum(group), len(group)) for group in groups.values()]
    drawn = random.Random(_seed([total for total, _ in sums]))
    means = []
    for _ in range(RESAMPLES):
        chosen = drawn.choices(sums, k=len(sums))
        means.append(fsum(total for total, _ in chosen) / sum(size for _, size in chosen))
    return sorted(means)


def _correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Pearson's; None if one side does not vary."""
    mean_a, mean_b = mean(a), mean(b)
    spread = fsum((x - mean_a) ** 2 for x in a) * fsum((y - mean_b) ** 2 for y in b)
    return fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True)) / sqrt(spread) if spread else None


def _seed(values: Sequence[float]) -> int:
    return int.from_bytes(hashlib.sha256(repr(sorted(values)).encode()).digest()[:8])


def _scipy():
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("scipy", "comparing systems", "eval") from error
    return stats


def _numpy():
    import numpy

    return numpy


def status_rate(counts: Mapping[str, int], n: int) -> float:
    """Share of answers that could not be read: unparsed or cut off."""
    return (counts.get("unparsed", 0) + counts.get("truncated", 0)) / n if n else 0.0
