"""Rankings against what is relevant: recall at k, and the normalized discounted cumulative gain (Järvelin, Kekäläinen 2002)."""

from collections.abc import Collection, Sequence
from math import log2


def recall_at(ranking: Sequence[int], relevant: Collection[int], k: int) -> float:
    """The share of the relevant ones that stand among the first `k`."""
    return len(set(ranking[:k]) & set(relevant)) / len(set(relevant))


def ndcg_at(ranking: Sequence[int], relevant: Collection[int], k: int) -> float:
    """The gain of the first `k`, each relevant one 1 / log2(1 + rank), as a share of the best that is possible."""
    wanted = set(relevant)
    gain = sum(1 / log2(rank + 1) for rank, each in enumerate(ranking[:k], 1) if each in wanted)
    return gain / sum(1 / log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))
