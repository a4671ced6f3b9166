"""The events of a running turn: to every reader at once, and in batches to the journal. No reader holds it up."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from .conversation import now
from .events import Event, ReasoningDelta, TextDelta, ToolArgsDelta
from .graphemes import whole
from .journal import Journal

SHOWN_SECONDS = 0.04  # deltas closer together become one: 25 a second are as many as anybody sees
STORED_SECONDS, STORED_BYTES = 0.2, 2048  # at most so much is lost when the process dies
Delta = type[TextDelta] | type[ReasoningDelta] | type[ToolArgsDelta]


class Feed:
    """Belongs to one event loop. Texts come out between grapheme clusters, the first piece at once."""

    def __init__(self, journal: Journal):
        self._journal = journal
        self._first = journal.seq + 1
        self._log: list[Event] = []
        self._stored = self._bytes = 0  # events in the journal; size of the others
        self._stored_at = self._shown_at = 0.0
        self._kind: Delta = TextDelta
        self._fields: dict[str, Any] = {}
        self._held = ""
        self._timer: asyncio.TimerHandle | None = None
        self._readers: set[asyncio.Event] = set()
        self.closed = False
        self.shown = 0  # characters of answers that readers have got

    def emit(self, kind: type[Event], **fields: Any) -> None:
        """One more event, stored before this returns."""
        self.settle()
        self._append(kind, **fields)
        self.flush()

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

    def flush(self) -> None:
        """Store what is not stored yet."""
        events = self._log[self._stored :]
        if events:
            self._journal.events(events)
        self._stored, self._bytes, self._stored_at = len(self._log), 0, time.monotonic()

    def lose(self, kind: type[Event], **fields: Any) -> None:
        """An event that can only be told, because nothing can be stored any more."""
        self._append(kind, **fields)

    def close(self) -> None:
        """No event follows; readers come to their end."""
        self.closed = True
        self._wake()

    async def read(self, after: int = 0) -> AsyncIterator[Event]:
        """The events of this feed with numbers above `after`, then those to come, to the end."""
        place, woken = max(0, after - self._first + 1), asyncio.Event()
        self._readers.add(woken)
        try:
            while True:
                while place < len(self._log):
                    place += 1
                    yield self._log[place - 1]
                if self.closed:
                    return
                woken.clear()
                await woken.wait()
        finally:
            self._readers.discard(woken)

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
        self.shown += len(text) if kind is TextDelta else 0
        self._wake()

    def _wake(self) -> None:
        for woken in self._readers:
            woken.set()
