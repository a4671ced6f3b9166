"""Entities in a text: a span counts as a hit where its start, its end and its kind are those of a right one."""

from collections.abc import Iterable

Entity = tuple[int, int, str]  # characters from start to end (exclusive), and the kind


def entity_counts(right: Iterable[Entity], answered: Iterable[Entity]) -> tuple[float, float, float]:
    """Hits, wrong ones and missed ones. Case in the name of a kind means nothing; one that is given twice counts once."""
    expected, answers = _folded(right), _folded(answered)
    hits = len(expected & answers)
    return float(hits), float(len(answers) - hits), float(len(expected) - hits)


def _folded(entities: Iterable[Entity]) -> set[Entity]:
    return {(start, end, kind.strip().casefold()) for start, end, kind in entities}
