"""Metrics of a whole corpus, which are no means over items: F1 of spans, macro-F1, BLEU, chrF, error rates, loss per token.

Counts of each item enter, such as its hits and misses; they are added up, and the metric is computed of the sums. The
interval is a bootstrap over items, or over whole clusters of them: BCa (Efron 1987), seeded, so that equal counts give
equal intervals. Values are shares of 1; an error rate may exceed it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

from ..values import Score
from .intervals import wilson
from .student import Z

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

RESAMPLES = 2000
SEED = 0
AT_ONCE = 1 << 21  # draws that exist at a time: 16 MB
Counts = Sequence[Sequence[float]]  # of each item
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class CorpusMetric:
    """`parts`: counts (n, c) of items as what may be added up (n, k); `value`: sums (r, k) -> the metric (r,)."""

    value: Callable[[Array], Array]
    parts: Callable[[Array], Array] = lambda counts: counts


def _ratio(above: Array, below: Array) -> Array:
    """0 where nothing is below."""
    import numpy as np

    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _f1(sums: Array) -> Array:
    hits, wrong, missed = sums.T
    return _ratio(2 * hits, 2 * hits + wrong + missed)


def _precision(sums: Array) -> Array:
    return _ratio(sums[:, 0], sums[:, 0] + sums[:, 1])


def _recall(sums: Array) -> Array:
    return _ratio(sums[:, 0], sums[:, 0] + sums[:, 2])


def _error_rate(sums: Array) -> Array:
    """Edits per word (or character) of the references; of references without any, the edits themselves."""
    import numpy as np

    return sums[:, 0] / np.maximum(sums[:, 1], 1)


def _per_unit(sums: Array) -> Array:
    """Nats or bits of all items over their tokens or bytes."""
    return sums[:, 0] / sums[:, 1]


def _accuracy(sums: Array) -> Array:
    return 1 - _error_rate(sums)


def _by_label(counts: Array) -> Array:
    """(right label, answered label) by number -> per label that is right somewhere: hits, wrongly answered, missed. An
    answer that is none of these labels misses the right one, and is nobody's."""
    import numpy as np

    right, answered = counts.T
    labels = np.unique(right)
    is_right, is_answer = right[:, None] == labels, answered[:, None] == labels
    parts = (is_right & is_answer, is_answer & ~is_right, is_right & ~is_answer)
    return np.concatenate(parts, axis=1).astype(float)


def _macro_f1(sums: Array) -> Array:
    """The mean of the F1 of labels; in a resample, of those that occur in it."""
    import numpy as np

    hits, wrong, missed = np.split(sums, 3, axis=1)
    occurs = hits + wrong + missed
    return _ratio(_ratio(2 * hits, occurs + hits).sum(axis=1), (occurs > 0).sum(axis=1).astype(float))


def _bleu(sums: Array) -> Array:
    """BLEU-4 (Papineni et al. 2002) of hits and n-grams of orders 1 to 4 and the lengths of answer and reference, with
    exponential smoothing, as sacrebleu computes it by default."""
    import numpy as np

    hits, totals, length, reference = sums[:, :4], sums[:, 4:8], sums[:, 8], sums[:, 9]
    halvings = np.cumsum(hits == 0, axis=1)
    smoothed = np.where(hits > 0, hits, 0.5**halvings)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        precision = np.log(smoothed / totals).mean(axis=1)
        brevity = np.where(length < reference, 1 - reference / length, 0.0)
        scores = np.exp(precision + brevity)
    return np.where(hits.any(axis=1) & (totals > 0).all(axis=1), scores, 0.0)


def _chrf(sums: Array) -> Array:
    """chrF2 (Popović 2015) of answered, right and common character n-grams of orders 1 to 6, as sacrebleu computes it."""
    answered, right, common = sums[:, 0::3], sums[:, 1::3], sums[:, 2::3]
    both = (answered > 0) & (right > 0)
    orders = both.sum(axis=1).astype(float)
    precision = _ratio((_ratio(common, answered) * both).sum(axis=1), orders)
    recall = _ratio((_ratio(common, right) * both).sum(axis=1), orders)
    return _ratio(5 * precision * recall, 4 * precision + recall)


METRICS: Mapping[str, CorpusMetric] = {
    "macro_f1": CorpusMetric(_macro_f1, _by_label),
    "entity_f1": CorpusMetric(_f1),
    "entity_precision": CorpusMetric(_precision),
    "entity_recall": CorpusMetric(_recall),
    "word_accuracy": CorpusMetric(_accuracy),
    "wer": CorpusMetric(_error_rate),
    "wer_normalized": CorpusMetric(_error_rate),
    "cer": CorpusMetric(_error_rate),
    "bleu": CorpusMetric(_bleu),
    "chrf": CorpusMetric(_chrf),
    "nats_per_token": CorpusMetric(_per_unit),
    "bits_per_byte": CorpusMetric(_per_unit),
}


def corpus_value(metric: str, counts: Counts) -> float:
    """The metric of all items together. Raises ValueError without items."""
    each = METRICS[metric]
    return float(each.value(each.parts(as_array(counts)).sum(axis=0, keepdims=True))[0])


def corpus_score(metric: str, counts: Counts, clusters: Sequence[Hashable]) -> Score:
    """The metric with its 95 % interval; `clusters[i]` names the cluster of item i.

    Where no resample differs, Wilson's interval of so many units stands in for a value in [0, 1], as it does for means.
    """
    import numpy as np

    each, n = METRICS[metric], len(counts)
    parts = each.parts(as_array(counts))
    units = units_of(parts, clusters)
    value = float(each.value(parts.sum(axis=0, keepdims=True))[0])
    grouped = len(units) if len(units) < n else None
    if grouped == 1:
        return Score(value, None, None, None, n, "no interval: one cluster", 1)
    draws = np.concatenate([each.value(sums) for sums in resampled(units)])
    error = float(draws.std())
    if error < 1e-12:
        if not 0 <= value <= 1:
            return Score(value, None, None, None, n, "no interval: no resample differs", grouped)
        low, high = wilson(value, len(units))
        return Score(value, low, high, (high - low) / (2 * Z), n, f"wilson, n = {len(units)}", grouped)
    left_out = each.value(parts.sum(axis=0) - units)
    low, high = bca(draws, value, left_out)
    method = f"bootstrap (BCa, {RESAMPLES:,} resamples{' of clusters' if grouped else ''})"
    return Score(value, min(low, value), max(high, value), error, n, method, grouped)


def bca(draws: Array, value: float, left_out: Array, level: float = 0.95) -> tuple[float, float]:
    """The bias-corrected and accelerated bootstrap interval of `value` from resampled values and those without each unit."""
    import numpy as np

    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    bias = NORMAL.inv_cdf(float(min(max(below, 0.5 / len(draws)), 1 - 0.5 / len(draws))))
    spread = left_out.mean() - left_out
    squares = float((spread**2).sum())
    acceleration = float((spread**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
    shares = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + NORMAL.inv_cdf(tail)
        shares.append(NORMAL.cdf(bias + shifted / max(1 - acceleration * shifted, 1e-9)))
    low, high = np.quantile(draws, shares)
    return float(low), float(high)


def contributions(metric: str, counts: Counts) -> list[float]:
    """One number per item, whose mean is the metric of all, and whose spread is that of its influence (jackknife, Efron
    1982): with them a corpus metric is compared item by item as a mean is."""
    each = METRICS[metric]
    parts = each.parts(as_array(counts))
    total = parts.sum(axis=0)
    value = float(each.value(total[None])[0])
    if len(parts) < 2:
        return [value] * len(parts)
    left_out = each.value(total - parts)
    result: list[float] = (value + (len(parts) - 1) * (left_out.mean() - left_out)).tolist()
    return result


def as_array(counts: Counts) -> Array:
    import numpy as np

    if not len(counts):
        raise ValueError("no counts; a metric needs at least one item")
    return np.asarray(counts, dtype=np.float64)


def units_of(parts: Array, clusters: Sequence[Hashable]) -> Array:
    """The sums of each cluster (u, k)."""
    import numpy as np

    numbers: dict[Hashable, int] = {}
    rows = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    units = np.zeros((len(numbers), parts.shape[1]))
    np.add.at(units, rows, parts)
    return units


def resampled(units: Array) -> Iterator[Array]:
    """Sums (r, k) of units that were drawn with replacement, RESAMPLES in all. Equal units are drawn together."""
    import numpy as np

    generator, count = np.random.default_rng(SEED), len(units)
    distinct, times = np.unique(units, axis=0, return_counts=True)
    rows = max(1, min(RESAMPLES, AT_ONCE // count))
    for start in range(0, RESAMPLES, rows):
        size = min(rows, RESAMPLES - start)
        if 4 * len(distinct) <= count:
            yield generator.multinomial(count, times / count, size=size) @ distinct
            continue
        drawn = generator.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count) @ units
