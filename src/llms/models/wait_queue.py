"""Tasks of any event loop waiting for something to change; may be woken from any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class WaitQueue:
    """First come, first served. The state that `take` looks at is changed only under `lock`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    async def until(self, take: Callable[[], bool], first: bool = False) -> None:
        """Return once `take()`, called under the lock, has taken what is waited for and says so. It may raise."""
        import asyncio  # whoever only keeps an account need not wait for it

        add = self._waiting.appendleft if first else self._waiting.append
        while True:
            with self.lock:
                if take():
                    return
                loop = asyncio.get_running_loop()
                woken: asyncio.Future[None] = loop.create_future()
                add((loop, woken))
            add = self._waiting.appendleft  # who was woken in vain stays first
            try:
                await woken
            except asyncio.CancelledError:
                self.wake(1)  # in case the wake-up was meant for this one
                raise

    def wake(self, count: int) -> None:
        """Let the first `count` look again."""
        while count > 0:
            with self.lock:
                if not self._waiting:
                    return
                loop, woken = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(_set, woken)
            except RuntimeError:  # its loop is closed
                continue
            count -= 1


def _set(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
