"""A turn's writes, one after the other in a thread of their own: no event loop ever waits for the disk."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ...errors import StoreError


class WriteQueue:
    """Belongs to one event loop. What could not be stored stays first and is tried again with the next write, so that
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
        """Until everything is durable. Raises what a write failed with."""
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
