"""A mean by a judge who is not exact, corrected by a part that people labelled too."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt

from .intervals import mean
from .student import Z


@dataclass(frozen=True, slots=True)
class Corrected:
    """`value` with its standard error and 95 % interval; `power` is how much the judge was relied on, 1 fully, 0 not at all."""

    value: float
    stderr: float
    low: float
    high: float
    power: float


def prediction_powered(
    judged: Sequence[float], judged_and_labelled: Sequence[float], labels: Sequence[float], *, tuned: bool = True
) -> Corrected:
    """The mean of true scores from N `judged` items and n further `labels` of people, whose items the judge scored too.

    λ mean(judged) + mean(label - λ judge), with variance λ² Var(judge)/N + Var(label - λ judge)/n (Angelopoulos and others
    2023, Science 382; λ by their PPI++, arXiv 2311.01453: Cov(label, judge)/((1 + n/N) Var(judge))); without `tuned` λ = 1.
    Raises ValueError for fewer than two of either.
    """
    count, n = len(judged), len(labels)
    if min(count, n) < 2 or len(judged_and_labelled) != n:
        raise ValueError(
            f"{count} judged items, {len(judged_and_labelled)} judged of {n} labelled ones; two of each are the least"
        )
    spread = _covariance(judged, judged)
    power = 1.0
    if tuned:
        power = _covariance(labels, judged_and_labelled) / ((1 + n / count) * spread) if spread > 0 else 0.0
    rests = [label - power * score for label, score in zip(labels, judged_and_labelled, strict=True)]
    value = power * mean(judged) + mean(rests)
    error = sqrt(power**2 * spread / count + _covariance(rests, rests) / n)
    return Corrected(value, error, value - Z * error, value + Z * error, power)


def binary_judge(right: int, judged: int, negatives: tuple[int, int], positives: tuple[int, int]) -> Corrected:
    """The share of truly right answers where a yes-or-no judge called `right` of `judged` ones right (arXiv 2511.21140).

    `negatives` and `positives` are (the judge was right, items) on answers that people labelled wrong and right: specificity
    q0 and sensitivity q1. The share is (p + q0 - 1)/(q0 + q1 - 1), its error by the delta method over all three samples, the
    interval clipped to [0, 1]. Raises ValueError where q0 + q1 - 1 is below 0.2: such a judge says next to nothing.
    """
    if min(judged, negatives[1], positives[1]) < 1:
        raise ValueError(
            f"{judged} judged, {negatives[1]} wrong and {positives[1]} right items; each needs one or more"
        )
    p, q0, q1 = right / judged, negatives[0] / negatives[1], positives[0] / positives[1]
    power = q0 + q1 - 1
    if power < 0.2:
        raise ValueError(
            f"specificity {q0:.2f} and sensitivity {q1:.2f} exceed chance by {power:.2f}; 0.2 is the least"
        )
    value = (p + q0 - 1) / power
    variance = p * (1 - p) / judged
    variance += (1 - value) ** 2 * q0 * (1 - q0) / negatives[1] + value**2 * q1 * (1 - q1) / positives[1]
    error = sqrt(variance) / power
    value = min(1.0, max(0.0, value))
    return Corrected(value, error, max(0.0, value - Z * error), min(1.0, value + Z * error), power)


def _covariance(a: Sequence[float], b: Sequence[float]) -> float:
    centre_a, centre_b = mean(a), mean(b)
    return fsum((x - centre_a) * (y - centre_b) for x, y in zip(a, b, strict=True)) / (len(a) - 1)
