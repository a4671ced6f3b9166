"""Waiting that a server asked for is said when it begins, to whoever made the request. Nobody hears unless told to."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """The next try comes in `seconds`; `status` is HTTP's, 0 where the connection was lost."""

    seconds: float
    status: int


WAITING: ContextVar[Callable[[Waiting], None] | None] = ContextVar("waiting", default=None)
