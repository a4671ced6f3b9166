"""Bytes of requests, counted as they arrive: a header may state too few of them, or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

CREDIT = 4096  # bytes of each request that need no room: the small ones are answered while large ones fill it


class BodyBudget:
    """At most `each` bytes of a request and `together` of all that are being worked on.

    `too_large` makes the error for a size in bytes, as text, `full` the one for want of room.
    """

    def __init__(
        self, each: int, together: int, too_large: Callable[[str], HTTPException], full: Callable[[], HTTPException]
    ):
        self._each, self._together, self._too_large, self._full = each, together, too_large, full
        self._held = 0

    def check(self, headers: Headers) -> None:
        """Raises the error for a request whose headers state too much."""
        stated = headers.get("content-length", "0")
        size = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 20 else self._each + 1
        if size > self._each:
            raise self._too_large(stated)
        if self._held + size > self._together and size > CREDIT:
            raise self._full()

    @contextmanager
    def counted(self, receive: Receive) -> Iterator[Receive]:
        """`receive`, which raises the error once too much has come; the bytes are held until the context ends."""
        read = 0

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            size = len(message.get("body", b""))
            read, self._held = read + size, self._held + size
            if read > self._each:
                raise self._too_large(f"more than {self._each}")
            if self._held > self._together and read > CREDIT:
                raise self._full()
            return message

        try:
            yield counting
        finally:
            self._held -= read
