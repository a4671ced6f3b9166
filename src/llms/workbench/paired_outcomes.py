"""Outcomes of two systems on the same items, compared by a mean over items or by a metric of all items together."""

from collections.abc import Sequence

from ..errors import UsageError
from ..statistics.corpus import METRICS, corpus_value
from ..statistics.paired import Paired, compare
from ..statistics.paired_corpus import compare_corpus
from ..values import Scored


def paired_outcomes(metric: str, pairs: Sequence[tuple[Scored, Scored]]) -> tuple[float, float, Paired]:
    """The score of either side, and the comparison."""
    clusters = [x.cluster for x, _ in pairs]
    if metric in METRICS and all(metric in x.counts and metric in y.counts for x, y in pairs):
        a, b = [x.counts[metric] for x, _ in pairs], [y.counts[metric] for _, y in pairs]
        return corpus_value(metric, a), corpus_value(metric, b), compare_corpus(metric, a, b, clusters)
    left, right = [x.scores[metric] for x, _ in pairs], [y.scores[metric] for _, y in pairs]
    return sum(left) / len(left), sum(right) / len(right), compare(left, right, clusters)


def refuse_corpus(metric: str) -> None:
    """Raise UsageError for a metric whose difference cannot be followed item by item."""
    if metric in METRICS:
        raise UsageError(
            f"{metric} belongs to all items together, so that it is not decided item by item; leave out --until-decided"
        )
