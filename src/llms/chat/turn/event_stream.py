"""The events of a running turn: to every reader at once, and in batches to the journal. No reader holds it up.

An event is told once it is stored; only deltas are told before that, unless an event before them is still being stored.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from ..conversation.tree import now
from ..window.graphemes import whole
from .events import Event, ReasoningDelta, TextDelta, ToolArgsDelta
from .journal import Journal
from .write_queue import WriteQueue

SHOWN_SECONDS = 0.04  # deltas closer together become one: 25 a second are as many as anybody sees
STORED_SECONDS, STORED_BYTES = 0.2, 2048  # at most so much is lost when the process dies
Delta = type[TextDelta] | type[ReasoningDelta] | type[ToolArgsDelta]


class Feed:
    """Belongs to one event loop; readers may be on others. Texts come out between grapheme clusters, the first piece at once."""

    def __init__(self, journal: Journal):
        self._journal, self.writes = journal, WriteQueue()
        self._first = journal.seq + 1
        self._log: list[Event] = []
        self._stored = self._bytes = 0  # events on their way to the journal; size of the others
        self._told = self._pending = 0  # events that readers may have; those that are told only when they are stored
        self._stored_at = self._shown_at = 0.0
        self._kind: Delta = TextDelta
        self._fields: dict[str, Any] = {}
        self._held = ""
        self._timer: asyncio.TimerHandle | None = None
        self._readers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.closed = False

    def emit(self, kind: type[Event], **fields: Any) -> None:
        """One more event, told when it is stored."""
        self.settle()
        self._pending += 1
        self._append(kind, **fields)
        self.flush(partial(self._is_stored, len(self._log)))

    def delta(self, kind: Delta, text: str, **fields: Any) -> None:
        """More text of `kind`; several become one event where they come fast."""
        if kind is not self._kind or fields != self._fields:
            self.settle()
            self._kind, self._fields = kind, fields
        self._held += text
        wait = self._shown_at + SHOWN_SECONDS - time.monotonic()
        if wait <= 0:
            self._show()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._show)
        if self._bytes >= STORED_BYTES or time.monotonic() - self._stored_at >= STORED_SECONDS:
            self.flush()

    def settle(self) -> None:
        """Nothing follows what is held back, so it is whole."""
        self._show(all=True)

    def flush(self, then: Callable[[], object] | None = None) -> None:
        """Store what is not stored yet."""
        events = self._log[self._stored :]
        if events:
            self.writes.put(partial(self._journal.events, events), then)
        self._stored, self._bytes, self._stored_at = len(self._log), 0, time.monotonic()

    def lose(self, kind: type[Event], **fields: Any) -> None:
        """An event that can only be told, because nothing can be stored any more."""
        self._append(kind, **fields)

    def close(self) -> None:
        """No event follows; readers come to their end."""
        self._told = len(self._log)
        self.closed = True
        self._wake()

    async def read(self, after: int = 0) -> AsyncIterator[Event]:
        """The events of this feed with numbers above `after`, then those to come, to the end."""
        place, woken = max(0, after - self._first + 1), asyncio.Event()
        reader = asyncio.get_running_loop(), woken
        self._readers.add(reader)
        try:
            while True:
                woken.clear()  # what comes from here on wakes again
                last = self.closed
                while place < self._told:
                    place += 1
                    yield self._log[place - 1]
                if last:
                    return
                await woken.wait()
        finally:
            self._readers.discard(reader)

    def _show(self, all: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        end = len(self._held) if all else whole(self._held)
        if end:
            text, self._held = self._held[:end], self._held[end:]
            self._append(self._kind, text=text, **self._fields)
            self._shown_at = time.monotonic()

    def _append(self, kind: type[Event], **fields: Any) -> None:
        event = kind(run=self._journal.run, seq=self._first + len(self._log), time=now(), **fields)
        self._log.append(event)
        text = getattr(event, "text", "")
        self._bytes += len(text) + 100
        self._tell()

    def _is_stored(self, count: int) -> None:
        self._pending -= 1
        self._told = max(self._told, count)
        self._tell()

    def _tell(self) -> None:
        if not self._pending:
            self._told = len(self._log)
        self._wake()

    def _wake(self) -> None:
        for loop, woken in tuple(self._readers):
            with contextlib.suppress(RuntimeError):  # that loop was closed, and nobody reads there any more
                loop.call_soon_threadsafe(woken.set)
