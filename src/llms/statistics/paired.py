"""Two systems on the same questions: difference, interval, p-value, verdict (Miller 2024, arXiv 2411.00640).

scipy does what it has, and is imported when used.
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from ..errors import MissingExtra
from .intervals import FEW_CLUSTERS, clustered_stderr, few_clusters_error, mean, stderr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["better", "worse", "no detectable difference", "equivalent", "not comparable"]
Bounds = tuple[float, float]
ALPHA = 0.05
FLIPS = 10_000
FLIPS_AT_ONCE = 1 << 20  # signs that exist at a time: 8 MB
EXACT_UNITS = 20  # up to so many units that differ, every pattern of signs is counted


@dataclass(frozen=True, slots=True)
class Paired:
    """A minus B over `n` questions, in score units. `low`, `high` bound 95 %, `inner` 90 % for equivalence.

    They and `stderr` are None where there is no interval (all questions of one cluster); `method` says why.
    `only_a`, `only_b` count questions that one got right and the other wrong (None if scores are not 0 or 1).
    """

    n: int
    clusters: int
    difference: float
    stderr: float | None
    low: float | None
    high: float | None
    inner: Bounds | None
    p: float
    method: str
    test: str
    correlation: float | None
    only_a: int | None
    only_b: int | None

    def verdict(
        self, margin: float, alpha: float = ALPHA, p: float | None = None, more_is_better: bool = True
    ) -> Verdict:
        """In one word, of A; p decides. `p` may be adjusted for several comparisons; `margin` is the largest difference
        that is none. Equivalent: the 90 % interval lies within the margin (two one-sided tests at 5 %)."""
        if (self.p if p is None else p) < alpha:
            return "better" if (self.difference > 0) == more_is_better else "worse"
        if self.inner and -margin < self.inner[0] and self.inner[1] < margin:
            return "equivalent"
        return "no detectable difference"

    def note(self, alpha: float = ALPHA, p: float | None = None) -> str:
        """Why p and the interval seem to contradict each other; empty where they agree."""
        if self.low is None or self.high is None:
            return ""
        if self.clusters < self.n and (least := 2 / 2**self.clusters) >= alpha:
            return f"with {self.clusters} clusters p cannot be less than {least:.2f}, whatever the difference"
        p, outside = self.p if p is None else p, not self.low <= 0 <= self.high
        if outside == (p < alpha):
            return ""
        if outside and self.p < alpha:
            return "the interval leaves out 0, but p, which decides, is adjusted for several comparisons"
        what = "leaves out 0, p does not" if outside else "holds 0, p does not"
        return f"the interval {what}: p ({self.test}) decides, the interval ({self.method}) is the rougher of the two"


def compare(a: Sequence[float], b: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Paired:
    """The paired comparison of scores `a` and `b` of the same questions.

    p is exact McNemar's for independent right-or-wrong scores, else by flipping the signs of differences (of whole
    clusters). The interval is t with (clustered) standard errors, CR2 below 40 clusters; where all differences are equal
    it comes from how many others could have been missed. Raises ValueError for fewer than two questions, unequal lengths
    and scores that are not finite.
    """
    n = len(a)
    if n != len(b) or n < 2:
        raise ValueError(
            f"{n} and {len(b)} scores; a paired comparison needs two or more of each, of the same questions"
        )
    if not all(map(isfinite, (*a, *b))):
        raise ValueError("scores are not all finite numbers")
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
    error, (low, high), inner, method = _interval(differences, clusters, count)
    correlation = _correlation(a, b)
    return Paired(n, count, mean(differences), error, low, high, inner, p, method, test, correlation, only_a, only_b)


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of McNemar's test: the binomial test of the smaller count among those that differ."""
    stats = _scipy()
    return float(stats.binomtest(min(only_a, only_b), only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0


def sign_flip(differences: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Two-sided p of the permutation test that flips the sign of each cluster's sum; exact for up to 20 that are not 0,
    else from 10,000 seeded draws."""
    numpy = _numpy()
    sums: dict[Hashable, list[float]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        sums.setdefault(cluster, []).append(difference)
    units = [total for total in (fsum(values) for values in sums.values()) if abs(total) > 1e-12]
    seen = abs(fsum(units)) - 1e-9
    if not units:
        return 1.0
    if len(units) <= EXACT_UNITS:
        totals = numpy.array([units[0]])  # the other half of all patterns are these with every sign turned
        for unit in units[1:]:
            totals = numpy.concatenate([totals + unit, totals - unit])
        return float((abs(totals) >= seen).mean())
    generator, values, extreme = numpy.random.default_rng(_seed(units)), numpy.array(units), 0
    rows = max(1, FLIPS_AT_ONCE // len(units))
    for start in range(0, FLIPS, rows):
        count = min(rows, FLIPS - start)
        bits = numpy.unpackbits(numpy.frombuffer(generator.bytes(count * -(-len(units) // 8)), numpy.uint8))
        totals = numpy.einsum("ij,j->i", bits.reshape(count, -1)[:, : len(units)], values)  # no threads to wake
        extreme += int((abs(2 * totals - values.sum()) >= seen).sum())
    return (1 + extreme) / (FLIPS + 1)


def holm(p_values: "Sequence[float] | NDArray[np.float64]") -> list[float]:
    """p-values adjusted for being several (Holm 1979), in the order given."""
    numpy = _numpy()
    p = numpy.asarray(p_values, float)
    order = numpy.argsort(p, kind="stable")
    adjusted = numpy.empty_like(p)
    adjusted[order] = numpy.maximum.accumulate(p[order] * numpy.arange(len(p), 0, -1)).clip(max=1)
    result: list[float] = adjusted.tolist()
    return result


def _interval(
    differences: list[float], clusters: list[Hashable], count: int
) -> tuple[float | None, tuple[float | None, float | None], Bounds | None, str]:
    """(standard error, 95 % interval, 90 % interval, method) of the mean difference."""
    centre, n = mean(differences), len(differences)
    if count == 1:
        return None, (None, None), None, "no interval: one cluster"
    if count < min(n, FEW_CLUSTERS):
        error, df = few_clusters_error(differences, clusters)
        method = f"clustered t (CR2, {df:.1f} df)"
    elif count < n:
        error, df, method = clustered_stderr(differences, clusters), count - 1.0, "clustered t"
    else:
        error, df, method = stderr(differences), count - 1.0, "t"
    if error < 1e-12:
        return _no_variance(centre, count, "items" if count == n else "clusters")
    t = _scipy().t
    wide, narrow = (float(t.ppf(level, df)) * error for level in (0.975, 0.95))
    return error, (centre - wide, centre + wide), (centre - narrow, centre + narrow), method


def _no_variance(
    centre: float, units: int, what: str
) -> tuple[float | None, tuple[float | None, float | None], Bounds | None, str]:
    """The same where all differences are equal: a share of up to 1 - alpha^(1/units) may differ without being seen (the
    rule of three), in either direction as far as differences in [-1, 1] can."""
    if not -1 <= centre <= 1:
        return None, (None, None), None, "no interval: all differences are equal"

    def bounds(alpha: float) -> Bounds:
        missed = 1 - alpha ** (1 / units)
        return centre - missed * (centre + 1), centre + missed * (1 - centre)

    low, high = bounds(0.05)
    return (
        (high - low) / 4,
        (low, high),
        bounds(0.10),
        f"all {units} {what} alike: as many may differ as could be missed",
    )


def _correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Pearson's; None if one side does not vary."""
    mean_a, mean_b = mean(a), mean(b)
    spread = fsum((x - mean_a) ** 2 for x in a) * fsum((y - mean_b) ** 2 for y in b)
    return fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True)) / sqrt(spread) if spread else None


def _seed(values: Sequence[float]) -> int:
    return int.from_bytes(hashlib.sha256(repr(sorted(values)).encode()).digest()[:8])


def _scipy() -> ModuleType:
    try:
        from scipy import stats
    except ImportError as error:
        raise MissingExtra("scipy", "comparing systems", "eval") from error
    module: ModuleType = stats
    return module


def _numpy() -> ModuleType:
    import numpy

    return numpy


def status_rate(counts: Mapping[str, int], n: int) -> float:
    """Share of answers that could not be read: unparsed or cut off."""
    return (counts.get("unparsed", 0) + counts.get("truncated", 0)) / n if n else 0.0
