"""Scores and what was spent, as reports hold them in the store, of this version and those before."""

from collections.abc import Mapping
from math import isfinite
from typing import TypedDict

from ..values import Billed, Score, Spent


class StoredScore(TypedDict, total=False):
    """A Score as it is stored; versions before this one left `clusters` out."""

    value: float | None
    low: float | None
    high: float | None
    stderr: float | None
    n: int
    method: str
    clusters: int | None


StoredScores = Mapping[str, StoredScore]


class StoredSpent(TypedDict, total=False):
    """A Spent as it is stored."""

    seconds: float
    tokens: int
    peak_memory_bytes: int
    cost: float | None
    billed: Mapping[str, int] | None


def spent_from(fields: StoredSpent) -> Spent:
    billed = fields.get("billed")
    return Spent(
        fields.get("seconds", 0.0),
        fields.get("tokens", 0),
        fields.get("peak_memory_bytes", 0),
        fields.get("cost", 0.0),
        Billed(**billed) if billed else None,
    )


def scores_from(fields: StoredScores) -> dict[str, Score]:
    """Scores as they were stored. Older versions kept infinite bounds where nothing was known, and values that are not
    numbers: those are no scores."""
    scores = {}
    for metric, stored in fields.items():
        value = _finite(stored["value"])
        if value is None:
            continue
        low, high, error = _finite(stored["low"]), _finite(stored["high"]), _finite(stored["stderr"])
        if low is None or high is None or error is None:
            low = high = error = None
        scores[metric] = Score(value, low, high, error, stored["n"], stored["method"], stored.get("clusters"))
    return scores


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None
