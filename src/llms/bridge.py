"""The one place where synchronous and asynchronous code meet. Knows neither models nor pages.

run         a coroutine's result, for synchronous callers; `start` does not wait for it
iterate     an async generator as an ordinary one
in_thread   an ordinary generator as an async one, worked off in a thread
in_daemon   what blocks for long, in a thread that nobody has to wait for
posted      what other threads call back with, as an async generator

All coroutines that synchronous code waits for run on one event loop, in a thread of its own, so that clients
which belong to a loop (HTTP connections) serve every call of the process; a notebook's own loop is not touched.
"""

import asyncio
import contextvars
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Generic, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")
_AHEAD = 64  # items that a producer may be ahead of its reader


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="llms-bridge", daemon=True).start()
    return loop


def run(coroutine: Coroutine[object, None, T]) -> T:
    """The result of `coroutine`, or what it raises. An interrupt of the caller cancels it."""
    loop = _loop()
    if asyncio._get_running_loop() is loop:
        coroutine.close()
        raise RuntimeError(
            "bridge.run was called on its own event loop, which would wait for itself; call it in a thread"
        )
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def start(coroutine: Coroutine[object, None, T]) -> Future[T]:
    """`coroutine` on the bridge's loop, while the caller goes on; `cancel` of what is returned cancels it."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop())


def iterate(stream: AsyncIterator[T]) -> Generator[T, None, None]:
    """The items of `stream`; closing this generator closes `stream` at once.

    An interrupt of the caller, at whatever moment, cancels what `stream` is doing; what that does on being cancelled
    (to keep what came) has ended when the interrupt goes on to the caller.
    """
    reading = _Reading(stream)
    try:
        while True:
            try:
                yield run(reading.next())
            except StopAsyncIteration:
                return
    finally:
        run(reading.close())


class _Reading(Generic[T]):
    """Of one stream, on the bridge's loop: a stream is closed only when nothing reads it any more."""

    def __init__(self, stream: AsyncIterator[T]):
        self._stream = stream
        self._asking: asyncio.Task[object] | None = None

    async def next(self) -> T:
        self._asking = asyncio.current_task()
        return await anext(self._stream)

    async def close(self) -> None:
        if self._asking is not None and not self._asking.done():
            if not self._asking.cancelling():  # twice would cut short how it keeps what came
                self._asking.cancel()
            await asyncio.wait({self._asking})
        if isinstance(self._stream, _Closable):
            await self._stream.aclose()


@runtime_checkable
class _Closable(Protocol):
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class _End:
    """The producer ended, with this error if there was one."""

    error: BaseException | None


async def in_thread(make: Callable[[threading.Event], Iterator[T]]) -> AsyncGenerator[T, None]:
    """The items of `make(cancel)`, produced in a thread; leaving early sets `cancel`, which the producer obeys.

    The producer is told to stop between two items: it never runs more than a few items ahead of its reader.
    """
    cancel, items = threading.Event(), queue.Queue[_Item[T] | _End](_AHEAD)
    loop, ready = asyncio.get_running_loop(), asyncio.Event()

    def put(entry: _Item[T] | _End) -> None:
        while not cancel.is_set():
            try:
                items.put(entry, timeout=0.1)
            except queue.Full:
                continue
            with suppress(RuntimeError):  # the loop was closed, and nobody reads any more
                loop.call_soon_threadsafe(ready.set)
            return

    def produce() -> None:
        try:
            for item in make(cancel):
                put(_Item(item))
                if cancel.is_set():
                    return
            put(_End(None))
        except BaseException as error:  # travels to the reader, who decides
            put(_End(error))

    thread = threading.Thread(target=produce, name="llms-producer", daemon=True)
    thread.start()
    try:
        while True:
            try:
                entry = items.get_nowait()
            except queue.Empty:
                ready.clear()
                if items.empty():
                    await ready.wait()
                continue
            if isinstance(entry, _End):
                if entry.error is not None:
                    raise entry.error
                return
            yield entry.value
    finally:
        cancel.set()


async def in_daemon(work: Callable[[], T]) -> T:
    """The result of `work`, done in a thread of its own. Who is cancelled while it goes on leaves it behind, and a program
    that ends does not wait for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: Callable[[], None]) -> None:
        if not done.done():
            outcome()

    def go() -> None:
        try:
            outcome = partial(done.set_result, context.run(work))
        except BaseException as failure:
            outcome = partial(done.set_exception, _carried(failure))
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=go, name="llms-in-daemon", daemon=True).start()
    return await done


def _carried(failure: BaseException) -> BaseException:
    """A future does not take StopIteration."""
    return RuntimeError(str(failure)) if isinstance(failure, StopIteration) else failure


async def posted(begin: Callable[[Callable[[T], None]], Callable[[], None]]) -> AsyncGenerator[T, None]:
    """The items that are posted from any thread, in order, without end: `begin(post)` starts those who post and returns what
    stops them, which is called when the reader leaves. To post never waits; the reader bounds what it asks for."""
    loop, items, came = asyncio.get_running_loop(), deque[T](), asyncio.Event()

    def post(item: T) -> None:
        items.append(item)
        with suppress(RuntimeError):  # the loop was closed, and nobody reads any more
            loop.call_soon_threadsafe(came.set)

    stop = begin(post)
    try:
        while True:
            await came.wait()
            came.clear()
            while items:
                yield items.popleft()
    finally:
        stop()
