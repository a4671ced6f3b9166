"""Many requests at once, each with a result or a Failure of its own, in order of completion."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from ...values import Failure
from .client import EndpointClient
from .errors import EndpointError
from .transport import EXCHANGE, HttpExchange

T = TypeVar("T")
R = TypeVar("R")


async def each(
    client: EndpointClient, items: Sequence[T], work: Callable[[T], Awaitable[R]]
) -> AsyncIterator[tuple[int, R | Failure]]:
    """(index, result of `work`) for all items at once, as far as the limiter lets in.

    After an error that all would meet nothing more is sent, what is on its way is waited for, and the error raised.
    """
    exchanges = [HttpExchange() for _ in items]
    ended: asyncio.Queue[asyncio.Task[R | Failure]] = asyncio.Queue()
    tasks: dict[asyncio.Task[R | Failure], int] = {}
    for index, (item, exchange) in enumerate(zip(items, exchanges, strict=True)):
        task = asyncio.create_task(_one(client, item, work, exchange))
        task.add_done_callback(ended.put_nowait)
        tasks[task] = index
    fatal: BaseException | None = None
    try:
        for _ in items:
            task = await ended.get()
            if task.cancelled():
                continue
            if error := task.exception():
                fatal = fatal or error
                for other, index in tasks.items():
                    if not exchanges[index].sent:
                        other.cancel()
                continue
            yield tasks[task], task.result()
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
