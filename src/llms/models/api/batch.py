"""Many requests at once, each with a result or a Failure of its own, in order of completion."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from contextlib import closing
from itertools import islice
from typing import TypeVar

from ...bridge import iterate
from ...values import Failure
from .client import EndpointClient
from .errors import EndpointError
from .transport import EXCHANGE, HttpExchange

T = TypeVar("T")
R = TypeVar("R")
IN_FLIGHT = 128  # requests that are held at once; the limiter lets in fewer, `RetryPolicy.most`


def each(
    client: EndpointClient, items: Iterable[T], work: Callable[[T], Awaitable[R]]
) -> Generator[tuple[int, R | Failure], None, None]:
    """(index, result of `work`); at most IN_FLIGHT items are held, and the next is read as one is done.

    `items` are read in the caller's thread, never on the event loop: making one may itself have to ask the endpoint, or
    read a file that belongs to this thread. After an error that all would meet nothing more is sent, what is on its way is
    waited for, and the error raised. Closing this generator ends what is on its way.
    """
    source = enumerate(items)
    ready = deque(islice(source, IN_FLIGHT))
    with closing(iterate(_each(client, ready, work))) as results:
        for result in results:
            ready.extend(islice(source, 1))
            yield result


async def _each(
    client: EndpointClient, ready: deque[tuple[int, T]], work: Callable[[T], Awaitable[R]]
) -> AsyncIterator[tuple[int, R | Failure]]:
    """Starts whatever is `ready`, which is added to only while this generator stands at its `yield`."""
    ended: asyncio.Queue[asyncio.Task[R | Failure]] = asyncio.Queue()
    tasks: dict[asyncio.Task[R | Failure], tuple[int, HttpExchange]] = {}
    fatal: BaseException | None = None
    try:
        while True:
            while ready and not fatal:
                index, item = ready.popleft()
                exchange = HttpExchange()
                task = asyncio.create_task(_one(client, item, work, exchange))
                task.add_done_callback(ended.put_nowait)
                tasks[task] = index, exchange
            if not tasks:
                break
            task = await ended.get()
            index, _ = tasks.pop(task)
            if task.cancelled():
                continue
            if error := task.exception():
                fatal = fatal or error
                for other, (_, exchange) in tasks.items():
                    if not exchange.sent:
                        other.cancel()
                continue
            yield index, task.result()
        if fatal:
            raise fatal
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one(
    client: EndpointClient, item: T, work: Callable[[T], Awaitable[R]], exchange: HttpExchange
) -> R | Failure:
    EXCHANGE.set(exchange)
    try:
        return await work(item)
    except EndpointError as error:
        return client.failure_of(error)
