"""The 95 % interval of a mean of per-item scores: Wilson, t, or clustered.

All sums are exact (`math.fsum`), so the order of items never shows in a result. Sources: Wilson 1927; Miller 2024,
arXiv 2411.00640, for clustered errors; Bell and McCaffrey 2002 for few clusters.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from math import fsum, inf, isfinite, sqrt

from ..values import Score
from .student import Z, t_quantile

FEW_CLUSTERS = 40  # below it the clustered error is CR2, with Satterthwaite's degrees of freedom
FEWEST_CLUSTERS = 6  # below it a reader is warned: the interval rests on hardly anything


def choose(scores: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Score:
    """The mean of `scores` with the interval that suits them; `clusters[i]` names the cluster of `scores[i]`.

    - clusters that hold several items: clustered error with t, CR2 below 40 clusters
    - else, all scores 0 or 1: Wilson
    - else: t

    An interval of scores that lie in [0, 1] is clipped to it, and is never empty: where no variance is seen,
    Wilson's stands in, with the number of independent units as n. One cluster of several items says nothing about
    others, nor do one score or equal ones on an open scale: there is no interval, and `method` says so. Raises
    ValueError without scores, and for scores that are not finite numbers.
    """
    n = len(scores)
    if n == 0:
        raise ValueError("no scores; an interval needs at least one item")
    if not all(map(isfinite, scores)):
        raise ValueError(f"scores are not all finite numbers: {[s for s in scores if not isfinite(s)][:3]}")
    if clusters is not None and len(clusters) != n:
        raise ValueError(f"{len(clusters)} clusters for {n} scores; each score needs one")
    count = n if clusters is None else len(set(clusters))
    if count == 1 < n:
        return Score(mean(scores), None, None, None, n, "no interval: one cluster", 1)
    if clusters is not None and count < n:
        return _clustered(scores, clusters, count)
    if all(score in (0, 1) for score in scores):
        return _wilson_score(mean(scores), n, n, "wilson", stderr(scores))
    return _bounded(scores, *t_interval(scores), stderr(scores), n, "t")


def open_scale(scores: Sequence[float], clusters: Sequence[Hashable]) -> Score:
    """The mean of amounts that are not negative and have no upper end, such as seconds: as `choose`, but neither right nor
    wrong, and bounded below by 0 alone."""
    largest = max(scores, default=0.0)
    if largest <= 0:
        return Score(0.0, None, None, None, len(scores), "no interval: all scores are equal")
    scale = 2 / largest  # where no score is beyond 1, `choose` takes them for shares
    score = choose([amount * scale for amount in scores], clusters)
    low, high, error = (None if bound is None else bound / scale for bound in (score.low, score.high, score.stderr))
    return replace(score, value=mean(scores), low=None if low is None else max(0.0, low), high=high, stderr=error)


def caution(clusters: int | None) -> str:
    """A warning that a reader needs of an interval from so many clusters; empty where there is nothing to say."""
    if clusters is None or clusters >= FEW_CLUSTERS:
        return ""
    if clusters == 1:
        return "no interval: all items belong to one cluster"
    if clusters < FEWEST_CLUSTERS:
        return f"the interval rests on {clusters} clusters only"
    return f"the interval comes from {clusters} clusters of items"


def mean(scores: Sequence[float]) -> float:
    return fsum(scores) / len(scores)


def stderr(scores: Sequence[float]) -> float:
    """Sample standard deviation over the square root of n; infinite for one score."""
    n, centre = len(scores), mean(scores)
    return sqrt(fsum((score - centre) ** 2 for score in scores) / (n * (n - 1))) if n > 1 else inf


def clustered_stderr(scores: Sequence[float], clusters: Sequence[Hashable], *, corrected: bool = True) -> float:
    """Miller's clustered standard error; `corrected` multiplies the variance by C/(C−1), C clusters."""
    centre = mean(scores)
    residuals = defaultdict(list)
    for score, cluster in zip(scores, clusters, strict=True):
        residuals[cluster].append(score - centre)
    count = len(residuals)
    variance = fsum(fsum(group) ** 2 for group in residuals.values()) / len(scores) ** 2
    if corrected:
        variance = variance * count / (count - 1) if count > 1 else inf
    return sqrt(variance)


def few_clusters_error(scores: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, float]:
    """(standard error, degrees of freedom) of the mean from two or more clusters, few or of unequal sizes.

    CR2 with Satterthwaite's degrees of freedom (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018, eqs. 4 and 11)
    for a model of nothing but a mean, where both have a closed form. Clusters of equal size have C/(C-1) and C-1, as
    the t interval of the clusters' means.
    """
    centre, n = mean(scores), len(scores)
    residuals = defaultdict(list)
    for score, cluster in zip(scores, clusters, strict=True):
        residuals[cluster].append(score - centre)
    sizes = [len(group) for group in residuals.values()]
    weights = [1 / (1 - size / n) for size in sizes]
    variance = fsum(w * fsum(group) ** 2 for w, group in zip(weights, residuals.values(), strict=True)) / n**2
    # the trace of the quadratic form that estimates the variance, and of its square, for independent items
    trace = fsum(w * (size - size * size / n) for w, size in zip(weights, sizes, strict=True))
    squares = fsum((w * size * (1 - size / n)) ** 2 for w, size in zip(weights, sizes, strict=True))
    crossed = [w * size * size / n for w, size in zip(weights, sizes, strict=True)]
    squares += fsum(crossed) ** 2 - fsum(x * x for x in crossed)
    return sqrt(variance), trace**2 / squares


def t_interval(scores: Sequence[float]) -> tuple[float, float]:
    """mean ± t(n−1) · stderr; unbounded for one score."""
    if len(scores) < 2:
        return -inf, inf
    centre, half = mean(scores), t_quantile(len(scores) - 1) * stderr(scores)
    return centre - half, centre + half


def wilson(mean: float, n: float) -> tuple[float, float]:
    """Wilson's interval of a proportion `mean` seen in `n` trials; `n` may be an effective, fractional size."""
    shrink = 1 + Z * Z / n
    centre = (mean + Z * Z / (2 * n)) / shrink
    half = Z * sqrt(mean * (1 - mean) / n + Z * Z / (4 * n * n)) / shrink
    return (max(0.0, min(mean, centre - half)) if mean > 0 else 0.0), (
        min(1.0, max(mean, centre + half)) if mean < 1 else 1.0
    )


def _clustered(scores: Sequence[float], clusters: Sequence[Hashable], count: int) -> Score:
    centre, naive = mean(scores), stderr(scores)
    if count < FEW_CLUSTERS:
        error, df = few_clusters_error(scores, clusters)
        method = f"clustered t (CR2, {df:.1f} df)"
    else:
        error, df, method = clustered_stderr(scores, clusters), count - 1, "clustered t"
    half = t_quantile(df) * error
    effect = f", design effect {(error / naive) ** 2:.1f}" if naive > 0 else ""
    return _bounded(scores, centre - half, centre + half, error, count, method + effect, count)


def _bounded(
    scores: Sequence[float], low: float, high: float, error: float, units: int, method: str, clusters: int | None = None
) -> Score:
    """The score with its interval clipped to [0, 1] if the scores lie there; Wilson's if there is no variance."""
    centre, n = mean(scores), len(scores)
    if any(not 0 <= score <= 1 for score in scores):
        if error == inf or error < 1e-12:
            why = "one item" if error == inf else "all scores are equal"
            return Score(centre, None, None, None, n, f"no interval: {why}", clusters)
        return Score(centre, low, high, error, n, method, clusters)
    if not high - low > 1e-12 or error == inf:
        return _wilson_score(centre, n, units, f"wilson, n = {units}", error, clusters)
    return Score(centre, max(0.0, low), min(1.0, high), error, n, method, clusters)


def _wilson_score(centre: float, n: int, units: int, method: str, error: float, clusters: int | None = None) -> Score:
    """Where the formula gives no standard error, or none but 0, the interval's half width over z takes its place."""
    low, high = wilson(centre, units)
    return Score(centre, low, high, error if 1e-12 < error < inf else (high - low) / (2 * Z), n, method, clusters)
