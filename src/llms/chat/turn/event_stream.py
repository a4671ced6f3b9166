"""The events of a running turn: to every reader at once, and in batches to the journal. No reader holds it up.

An event is shown once it is stored; only deltas are shown before that, unless an event before them is still being stored.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from ...errors import StoreError
from ..conversation.tree import now
from ..window.graphemes import whole
from .events import Event, ReasoningDelta, TextDelta, ToolArgsDelta
from .journal import Journal

SHOWN_SECONDS = 0.04  # deltas closer together become one: 25 a second are as many as anybody sees
STORED_SECONDS, STORED_BYTES = 0.2, 2048  # at most so much is lost when the process dies
Delta = TextDelta | ReasoningDelta | ToolArgsDelta


class WriteQueue:
    """A turn's writes, one after the other in a thread of their own: no event loop ever waits for the disk.

    Belongs to one event loop. What could not be stored stays first and is tried again with the next write, so that
    nothing is lost by a store that was busy; `check` and `settled` raise what failed."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], object], Callable[[], object] | None]] = deque()
        self._thread = ThreadPoolExecutor(1, "llms-store")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: BaseException | None = None

    def put(self, write: Callable[[], object], then: Callable[[], object] | None = None) -> None:
        """Do `write` after those before it; `then` is called on this loop once it is durable."""
        self._loop = self._loop or asyncio.get_running_loop()
        self._waiting.append((write, then))
        self._begin()

    def check(self) -> None:
        """Raise what a write failed with since this was asked last."""
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    async def settled(self) -> None:
        """Return when everything is durable. Raises what a write failed with."""
        working = self._begin()
        if working is not None:
            await asyncio.wrap_future(working)
        self.check()

    def close(self) -> None:
        """No write follows; what waits is still written."""
        self._begin()
        self._thread.shutdown(wait=False)

    def _begin(self) -> Future[None] | None:
        try:
            return self._thread.submit(self._work_off)
        except RuntimeError:  # the program is ending, and starts no thread any more
            self._work_off()
            return None

    def _work_off(self) -> None:
        while self._waiting:
            write, then = self._waiting[0]
            try:
                write()
                if isinstance(self._failed, StoreError):
                    self._failed = None  # what it could not store is stored now
            except StoreError as error:
                self._failed = error
                return
            except BaseException as error:  # the write itself is wrong, and stays so
                self._failed = error
            self._waiting.popleft()
            if then is not None and self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody reads any more
                    self._loop.call_soon_threadsafe(then)


class EventStream:
    """Belongs to one event loop; readers may be on others. Texts come out between grapheme clusters, the first piece at once."""

    def __init__(self, journal: Journal):
        self._journal, self.writes = journal, WriteQueue()
        self._first = journal.seq + 1
        # _log[:_stored] is on its way to the journal or there; _log[:_shown] may be read. An event that must be stored
        # first holds back all that follow it, so readers and the journal have one order.
        self._log: list[Event] = []
        self._stored = self._shown = 0
        self._unstored_bytes = 0  # about the size of _log[_stored:]
        self._pending = 0  # events that readers may have only once they are stored
        self._stored_at = self._shown_at = 0.0
        self._held: Delta | None = None  # text that is not in the log yet
        self._timer: asyncio.TimerHandle | None = None
        self._readers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.closed = False

    def emit(self, event: Event) -> None:
        """Add an event, which readers have once it is stored."""
        self.settle()
        self._pending += 1
        self._append(event)
        self.flush(partial(self._is_stored, len(self._log)))

    def delta(self, event: Delta) -> None:
        """Add text; several become one event where they come fast."""
        held = self._held
        if held is not None and replace(held, text="") != replace(event, text=""):
            self.settle()
            held = None
        self._held = event if held is None else replace(held, text=held.text + event.text)
        wait = self._shown_at + SHOWN_SECONDS - time.monotonic()
        if wait <= 0:
            self._show()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._show)
        if self._unstored_bytes >= STORED_BYTES or time.monotonic() - self._stored_at >= STORED_SECONDS:
            self.flush()

    def settle(self) -> None:
        """Put what is held back into the log: nothing follows it, so it is whole."""
        self._show(all=True)

    def flush(self, then: Callable[[], object] | None = None) -> None:
        """Store what is not stored yet."""
        events = self._log[self._stored :]
        if events:
            self.writes.put(partial(self._journal.events, events), then)
        self._stored, self._unstored_bytes, self._stored_at = len(self._log), 0, time.monotonic()

    def lose(self, event: Event) -> None:
        """Add an event that can only be shown, because nothing can be stored any more."""
        self._append(event)

    def close(self) -> None:
        """No event follows; readers come to their end."""
        self._shown = len(self._log)
        self.closed = True
        self._wake()

    async def read(self, after: int = 0) -> AsyncIterator[Event]:
        """The events of this stream with numbers above `after`, then those to come, to the end."""
        index, woken = max(0, after - self._first + 1), asyncio.Event()
        reader = asyncio.get_running_loop(), woken
        self._readers.add(reader)
        try:
            while True:
                woken.clear()  # what comes from here on wakes again
                last = self.closed
                while index < self._shown:
                    index += 1
                    yield self._log[index - 1]
                if last:
                    return
                await woken.wait()
        finally:
            self._readers.discard(reader)

    def _show(self, all: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held = self._held
        if held is None:
            return
        end = len(held.text) if all else whole(held.text)
        if end:
            self._append(replace(held, text=held.text[:end]))
            self._held = replace(held, text=held.text[end:])
            self._shown_at = time.monotonic()

    def _append(self, event: Event) -> None:
        self._log.append(replace(event, run=self._journal.run, seq=self._first + len(self._log), time=now()))
        self._unstored_bytes += len(getattr(event, "text", "")) + 100
        self._show_more()

    def _is_stored(self, count: int) -> None:
        self._pending -= 1
        self._shown = max(self._shown, count)
        self._show_more()

    def _show_more(self) -> None:
        if not self._pending:
            self._shown = len(self._log)
        self._wake()

    def _wake(self) -> None:
        for loop, woken in tuple(self._readers):
            with contextlib.suppress(RuntimeError):  # that loop was closed, and nobody reads there any more
                loop.call_soon_threadsafe(woken.set)
