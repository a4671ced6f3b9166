"""The 95 % interval of a mean of per-item scores: Wilson, t, clustered, or a bootstrap of clusters.

All sums are exact (`math.fsum`), so the order of items never shows in a result. Sources: Wilson 1927; Miller 2024,
arXiv 2411.00640, for clustered errors.
"""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from math import fsum, inf, sqrt

from ..values import Score
from .student import Z, t_quantile

FEWEST_CLUSTERS = 10  # below it the clustered formula is not trusted and clusters are resampled
FEW_CLUSTERS = 40  # below it the clustered formula is used, and a reader is warned
RESAMPLES = 2000


def choose(scores: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Score:
    """The mean of `scores` with the interval that suits them; `clusters[i]` names the cluster of `scores[i]`.

    - clusters that hold several items: clustered error with t, or the bootstrap below 10 clusters
    - else, all scores 0 or 1: Wilson
    - else: t

    An interval of scores that lie in [0, 1] is clipped to it, and is never empty: where no variance is seen,
    Wilson's stands in, with the number of independent units as n. One cluster alone says nothing about others;
    its items then count as independent, and `method` says so. Raises ValueError without scores.
    """
    n = len(scores)
    if n == 0:
        raise ValueError("no scores; an interval needs at least one item")
    if clusters is not None and len(clusters) != n:
        raise ValueError(f"{len(clusters)} clusters for {n} scores; each score needs one")
    count = n if clusters is None else len(set(clusters))
    if clusters is not None and 1 < count < n:
        return _clustered(scores, clusters, count)
    note = ", one cluster" if count == 1 < n else ""
    if all(score in (0, 1) for score in scores):
        return _wilson_score(mean(scores), n, n, "wilson" + note, stderr(scores))
    return _bounded(scores, *t_interval(scores), stderr(scores), n, "t" + note)


def few_clusters(score: Score) -> bool:
    """Whether so few clusters (under 40) stand behind the interval that it is likely too narrow."""
    return score.clusters is not None and score.clusters < FEW_CLUSTERS


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
    error = clustered_stderr(scores, clusters)
    if count < FEWEST_CLUSTERS:
        low, high, error = _bootstrap(scores, clusters)
        return _bounded(scores, low, high, error, count, "cluster bootstrap", count)
    centre, half = mean(scores), t_quantile(count - 1) * error
    naive = stderr(scores)
    effect = f", design effect {(error / naive) ** 2:.1f}" if naive > 0 else ""
    return _bounded(scores, centre - half, centre + half, error, count, f"clustered t{effect}", count)


def _bounded(
    scores: Sequence[float], low: float, high: float, error: float, units: int, method: str, clusters: int | None = None
) -> Score:
    """The score with its interval clipped to [0, 1] if the scores lie there; Wilson's if there is no variance."""
    centre, n = mean(scores), len(scores)
    if any(not 0 <= score <= 1 for score in scores):
        return Score(centre, low, high, error, n, method, clusters)
    if not high - low > 1e-12 or error == inf:
        return _wilson_score(centre, n, units, f"wilson, n = {units}", error, clusters)
    return Score(centre, max(0.0, low), min(1.0, high), error, n, method, clusters)


def _wilson_score(centre: float, n: int, units: int, method: str, error: float, clusters: int | None = None) -> Score:
    """Where the formula gives no standard error, or none but 0, the interval's half width over z takes its place."""
    low, high = wilson(centre, units)
    return Score(centre, low, high, error if 1e-12 < error < inf else (high - low) / (2 * Z), n, method, clusters)


def _bootstrap(scores: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, float, float]:
    """Percentile interval and standard error of the mean over resampled clusters; equal data, equal interval."""
    members = defaultdict(list)
    for score, cluster in zip(scores, clusters, strict=True):
        members[cluster].append(score)
    groups = sorted((fsum(group), len(group)) for group in members.values())
    generator = random.Random(hashlib.sha256(repr(groups).encode()).digest())
    means = []
    for _ in range(RESAMPLES):
        drawn = Counter(generator.choices(range(len(groups)), k=len(groups)))
        means.append(
            fsum(groups[i][0] * times for i, times in drawn.items())
            / sum(groups[i][1] * times for i, times in drawn.items())
        )
    means.sort()
    cut = RESAMPLES // 40
    centre = mean(means)
    return means[cut - 1], means[-cut], sqrt(fsum((m - centre) ** 2 for m in means) / (RESAMPLES - 1))
