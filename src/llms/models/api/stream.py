"""One answer as a stream of Deltas, which may be cancelled from any thread."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

from ...errors import ModelError, UsageError
from ...values import Delta, Failure, Json, JsonObject
from ..system import Generate
from .chat_stream import ChatStreamReader
from .client import EndpointClient
from .errors import EndpointError
from .request import body
from .transport import HttpExchange

POLL_SECONDS = 0.02  # how often a stream looks whether it is cancelled
T = TypeVar("T")


async def stream(client: EndpointClient, request: Generate, cancel: threading.Event) -> AsyncIterator[Delta]:
    """The answer to `request`; cancelling closes the connection, and what came until then is billed."""
    endpoint = client.endpoint
    path, fields = body(request, client.name.model, endpoint)
    if endpoint.stops is not None and len(list(filter(None, request.stop))) > endpoint.stops:
        raise UsageError(f"{endpoint.name} takes at most {endpoint.stops} stop strings in a stream")
    exchange, reader, failed = (
        HttpExchange(),
        ChatStreamReader(endpoint.redactor, isinstance(request.prompt, str)),
        None,
    )
    try:
        async with aclosing(_until(_events(client, path, fields, exchange), cancel)) as coming:
            async for event in coming:
                read = reader.push(event)
                if read.text or read.reasoning or read.thought or read.chances:
                    yield Delta(read.text, read.reasoning + read.thought, (), read.chances)
        if reader.finish is None and not reader.begun and not cancel.is_set():
            failed = Failure("infra", f"{endpoint.name}: no stream came")
    except EndpointError as error:
        try:
            failed = client.failure_of(error)
        except ModelError as fatal:
            if not reader.begun:
                raise
            failed = Failure("infra", str(fatal))
    rest, whole = reader.flush(), not failed and not cancel.is_set()
    yield Delta(
        rest.text,
        rest.reasoning + rest.thought,
        reader.calls if whole else (),
        finish=reader.finish or ("stop" if whole else None),
        usage=exchange.usage,
        failure=failed,
    )


async def _events(
    client: EndpointClient, path: str, fields: JsonObject, exchange: HttpExchange
) -> AsyncGenerator[Json, None]:
    events = await client.open(path, fields, exchange)
    try:
        async with aclosing(aiter(events)) as coming:
            async for event in coming:
                yield event
    finally:
        await events.close()


async def _until(items: AsyncGenerator[T, None], cancel: threading.Event) -> AsyncGenerator[T, None]:
    """The items until `cancel` is set, by any thread; whoever leaves early ends what makes them."""
    try:
        while True:
            following = asyncio.ensure_future(_next(items))
            try:
                while not following.done() and not cancel.is_set():
                    await asyncio.wait({following}, timeout=POLL_SECONDS)
            finally:
                if not following.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
            if cancel.is_set() or not (item := following.result()):
                return
            yield item[0]
    finally:
        await items.aclose()


async def _next(items: AsyncIterator[T]) -> tuple[T] | tuple[()]:
    """The next item; an empty tuple at the end, since a task cannot raise StopAsyncIteration."""
    async for item in items:
        return (item,)
    return ()
