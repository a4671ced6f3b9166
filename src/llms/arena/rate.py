"""`llms.rate`: ratings from votes."""

from collections.abc import Iterable

from .battle import Battle, Ratings


def rate(battles: Iterable[Battle]) -> Ratings:
    """Bradley-Terry ratings with their intervals."""
    raise NotImplementedError
