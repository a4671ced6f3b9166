"""Answers of the engine on an event loop: rows that are worked on together, until the client has gone."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from .. import bridge
from ..engine import EngineLoop, Event
from ..errors import NotNumbers
from ..models.local.reply import Reply
from ..values import Delta
from .refusal import RequestRefused, stopped

Row = tuple[int, Event | None, Delta | None]
log = logging.getLogger("uvicorn.error")


async def rows(engine_loop: EngineLoop, replies: Sequence[Reply]) -> AsyncGenerator[Row, None]:
    """(row, event, what it adds) as it comes; the last of each row has no event. Leaving early ends all of them."""
    numbers: list[int] = []

    def begin(post: Callable[[tuple[int, Event | BaseException]], None]) -> Callable[[], None]:
        def sink(row: int) -> Callable[[Event | BaseException], None]:
            return lambda event: post((row, event))

        def stop() -> None:
            for number in numbers:
                engine_loop.cancel(number)

        numbers.extend(engine_loop.submit_all([(reply.decode, sink(row)) for row, reply in enumerate(replies)]))
        return stop

    left = len(replies)
    async with aclosing(bridge.posted(begin)) as events:
        async for row, event in events:
            if isinstance(event, BaseException):
                raise event
            reply = replies[row]
            if reply.ended:
                continue
            yield row, event, reply.push(event)
            if reply.ended:
                engine_loop.cancel(numbers[row])
                yield row, None, reply.last()
                left -= 1
            if not left:
                return


class ModelResponse(Response):
    """Sends what `work()` yields: one JSON object, or, if `stream`, each as an event of a stream that ends with [DONE].

    The work ends when the client goes away, and when the server is stopped, which is then its last event. `unheeded`
    names fields for the header, and may grow until the first item.
    """

    def __init__(
        self, work: Callable[[], AsyncGenerator[Mapping[str, object], None]], stream: bool, unheeded: Sequence[str]
    ):
        self.work, self.stream, self.unheeded = work, stream, unheeded
        self.background = None
        self.begun = self.ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_gone(receive, self._write(scope, receive, send))
        except asyncio.CancelledError:  # by the server alone: it is stopped
            if not self.ended:
                await self._break_off(stopped(), scope, receive, send)
                await self._end(send)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self.work()) as items:
                async for item in items:
                    if not self.stream:
                        self.ended = True
                        await JSONResponse(item, headers=unheeded_header(self.unheeded))(scope, receive, send)
                        return
                    if not self.begun:
                        self.begun = True
                        await send({"type": "http.response.start", "status": 200, "headers": self._stream_headers()})
                    await send({"type": "http.response.body", "body": _event(item), "more_body": True})
        except Exception as error:
            await self._break_off(_refused(error), scope, receive, send)
        await self._end(send)

    def _stream_headers(self) -> list[tuple[bytes, bytes]]:
        extra = unheeded_header(self.unheeded)
        return [*STREAM_HEADERS, *((name.encode(), value.encode()) for name, value in extra.items())]

    async def _break_off(self, refused: RequestRefused, scope: Scope, receive: Receive, send: Send) -> None:
        """Say why there is no answer, or no more of it."""
        if self.begun:
            await send({"type": "http.response.body", "body": _event(refused.body), "more_body": True})
            return
        self.ended = True
        await refused.response(scope, receive, send)

    async def _end(self, send: Send) -> None:
        if not self.ended:
            self.ended = True
            await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})


UNHEEDED = "x-llms-unheeded"
LONGEST_HEADER = 2_000  # characters
STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def unheeded_header(names: Sequence[str]) -> dict[str, str]:
    """The header that names what of a request was taken and changed nothing; empty if there is nothing to name."""
    text = ", ".join(dict.fromkeys(ascii(name)[1:-1] for name in names))
    return {UNHEEDED: text[:LONGEST_HEADER]} if text else {}


def _event(item: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(item, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n\n"


def _refused(error: Exception) -> RequestRefused:
    if isinstance(error, RequestRefused):
        return error
    if isinstance(error, NotNumbers):
        return RequestRefused(str(error), status=500)
    log.error("a request failed", exc_info=error)
    return RequestRefused("the server failed to answer; its log says why", status=500)


async def unless_gone(receive: Receive, work: Coroutine[object, None, None]) -> None:
    """Carry out `work`; it is cancelled once the client has gone away."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
    if not working.cancelled():
        working.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
