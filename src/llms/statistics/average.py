"""Averages of scores, each with a standard error of its own: a macro mean never borrows a micro error.

A micro mean over items is `intervals.choose` on all of them; what is averaged here are parts: subsets of a
benchmark, or benchmarks of a view.
"""

from collections.abc import Sequence
from math import fsum, inf, sqrt

from ..values import Score
from .intervals import wilson
from .student import Z, t_quantile


def macro(scores: Sequence[Score]) -> Score:
    """The plain mean of independent `scores`."""
    return weighted(scores, [1.0] * len(scores))


def weighted(scores: Sequence[Score], weights: Sequence[float]) -> Score:
    """The mean of independent `scores` by `weights` (any positive scale); SE² = Σ w² SE² with Σ w = 1.

    Degrees of freedom are Satterthwaite's. A part with one item, or without an interval, shows no variance of its own;
    then the spread between the parts is used, which is too wide rather than too narrow. Raises ValueError for no scores or
    weights that do not sum to more than 0.
    """
    total = fsum(weights)
    if not scores or len(scores) != len(weights) or total <= 0 or min(weights) < 0:
        raise ValueError(
            f"{len(scores)} scores with weights {list(weights)}; each needs a weight ≥ 0, one of them more"
        )
    if len(scores) == 1:
        return scores[0]
    shares = [weight / total for weight in weights]
    value = fsum(share * score.value for share, score in zip(shares, scores, strict=True))
    n, parts = sum(score.n for score in scores), len(scores)
    errors = [score.stderr for score in scores if score.stderr is not None and score.n > 1]
    if len(errors) < parts:
        variance = (
            fsum((share * (s.value - value)) ** 2 for share, s in zip(shares, scores, strict=True))
            * parts
            / (parts - 1)
        )
        df, method = parts - 1.0, f"t between {parts} parts"
    else:
        variances = [(share * error) ** 2 for share, error in zip(shares, errors, strict=True)]
        variance = fsum(variances)
        spread = fsum(v * v / _df(score) for v, score in zip(variances, scores, strict=True))
        df, method = (variance**2 / spread if spread else inf), f"t over {parts} parts"
    bounds = [bound for score in scores for bound in (score.low, score.high, score.value) if bound is not None]
    if not all(0 <= bound <= 1 for bound in bounds):
        half = t_quantile(df) * sqrt(variance)
        return Score(value, value - half, value + half, sqrt(variance), n, method)
    if variance < 1e-24:
        units = 1 / fsum(share * share / score.n for share, score in zip(shares, scores, strict=True))
        low, high = wilson(value, units)
        return Score(value, low, high, (high - low) / (2 * Z), n, f"wilson, n = {units:.0f}")
    half = t_quantile(df) * sqrt(variance)
    return Score(value, max(0.0, value - half), min(1.0, value + half), sqrt(variance), n, method)


def _df(score: Score) -> float:
    return max(1, (score.clusters or score.n) - 1)
