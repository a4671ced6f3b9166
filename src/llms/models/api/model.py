"""Models behind an endpoint that speaks OpenAI's protocol: hosted, or served on one's own machines.

No connection is made, and no client of HTTP imported, before the first request.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import ModelError, UsageError
from ...lazy import lazy
from ..name import Name
from ..system import Capabilities, Generate, Model
from .endpoints import Endpoint, endpoint
from .retry_policy import RetryPolicy

if TYPE_CHECKING:
    from ...values import Completion, Delta, Failure, Identity, LogLikelihood, Message, Usage
    from .connection import EndpointConnection, Events
    from .dialect import Dialect
    from .errors import EndpointError
    from .handshake import Handshake
    from .transport import HttpExchange

ASSUMED_WINDOW = 8192  # where neither the server nor the table of prices says
POLL_SECONDS = 0.02  # how often a stream looks whether it is cancelled
END = object()
T = TypeVar("T")
R = TypeVar("R")


def open_api(name: Name, retry_policy: RetryPolicy = RetryPolicy()) -> ApiModel:
    """The model that `name` names; no connection is made."""
    return ApiModel(name, endpoint(name.provider, name.address), retry_policy)


class ApiModel(Model):
    """A System over an endpoint. All its requests, and those of its `chat_model`, go one way: `transport`."""

    def __init__(self, name: Name, endpoint: Endpoint, retry_policy: RetryPolicy):
        self.name, self.endpoint, self.retry_policy = name, endpoint, retry_policy

    @property
    def identity(self) -> Identity:
        from ...values import Identity

        return Identity(self.name.text, f"{self.endpoint.base_url}#{self.name.model}", template="of the endpoint")

    @lazy
    def capabilities(self) -> Capabilities:
        """Known of named endpoints; one that is named by its URL is asked. Raises ModelError if it does not answer."""
        window, scores, raw = self.price_row.window, False, self.endpoint.raw
        if raw is None:
            window, scores, raw = self.handshake.window or window, not self.handshake.no_echo, self.handshake.raw
        elif self.endpoint.name == "ollama":
            window = self._ollama_window()
        return Capabilities(scores, True, True, window or ASSUMED_WINDOW, raw_text=raw, renders=False)

    def _ollama_window(self) -> int:
        from ...bridge import run
        from .ollama import ASSUMED_WINDOW, window

        _ = self.connection
        return run(window(self)) or ASSUMED_WINDOW

    @lazy
    def handshake(self) -> Handshake:
        """What the server says of itself, asked once."""
        from ...bridge import run
        from .handshake import shake_hands

        _ = self.connection  # imported here rather than while the event loop waits
        return run(shake_hands(self))

    @lazy
    def price_row(self):
        from ..prices import Price

        return Price(self.endpoint, self.name.model)

    @property
    def note(self) -> str | None:
        if not self.dialect.refused:
            return None
        left = ", ".join(sorted(self.dialect.refused - {"stream_options"}))
        return f"{self.name.text} does not take {left}; left to the server's own settings" if left else None

    def check(self) -> None:
        _ = self.endpoint.key

    def price(self, usage: Usage):
        return self.price_row.of(usage)

    @lazy
    def transport(self):
        from .transport import Transport

        return Transport(self.retry_policy, lambda usage: self.price(usage), lambda: self.ledger)

    @lazy
    def connection(self) -> EndpointConnection:
        """Raises MissingKey."""
        from .connection import EndpointConnection

        return EndpointConnection(self.endpoint, self.transport)

    @property
    def dialect(self) -> Dialect:
        """What the server takes, as far as it has said."""
        from .dialect import dialect

        return dialect(self.endpoint.base_url, self.name.model, self.endpoint.max_tokens)

    def chat_model(self):
        from .chat_model import ApiChatModel

        _ = self.connection
        return ApiChatModel(self)

    def render(self, messages: Sequence[Message]) -> str:
        raise ModelError(f"{self.name.text} keeps its chat template to itself; give it messages instead of raw text")

    def prepare(self) -> None:
        _ = self.connection
        if self.endpoint.raw is None:
            _ = self.handshake

    def score(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """(index, result) in order of completion, through /completions with echo. Raises ModelError where the server
        does not really score the text it is given."""
        if self.endpoint.raw is False or self.handshake.no_echo:
            why = "is reached through chat" if self.endpoint.raw is False else self.handshake.no_echo
            raise ModelError(f"{self.name.text} gives no log-probabilities of a given text: {why}")
        yield from self._each(pairs, self._score)

    def complete(self, requests: Sequence[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result) in order of completion. Raises ModelError where every request would fail alike."""
        if any(isinstance(request.prompt, str) for request in requests):
            _ = self.capabilities  # asked before the event loop waits for the answer
        yield from self._each(requests, self._complete)

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """Cancelling, or closing this generator, closes the connection; what came until then is billed."""
        from ...bridge import iterate

        _ = self.connection
        if isinstance(request.prompt, str):
            _ = self.capabilities
        yield from iterate(self._stream(request, cancel or threading.Event()))

    def close(self) -> None:
        from ...bridge import run

        if "transport" in self.__dict__:
            run(self.transport.aclose())
            del self.__dict__["transport"]
            self.__dict__.pop("connection", None)

    # ---- requests

    def body(self, request: Generate) -> tuple[str, dict[str, Any]]:
        from .request import body

        if isinstance(request.prompt, str) and not self.capabilities.raw_text:
            raise UsageError(f"{self.name.text} is reached through chat only; give it messages")
        return body(request, self.name.model, self.endpoint)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer's JSON, keys hidden. Raises EndpointError, BudgetExceeded or UsageError."""
        return await self.dialect.carried(body, lambda spoken: self.connection.post(path, spoken))

    async def open(self, path: str, body: dict[str, Any], exchange: HttpExchange, stream: bool = True) -> Events:
        """The events of an answer; `exchange` is told what it took. Raises as `post`."""
        more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        return await self.dialect.carried(body | more, lambda spoken: self.connection.open(path, spoken, exchange))

    async def _complete(self, request: Generate) -> Completion | Failure:
        from ...values import Completion, Failure
        from .errors import StatusError, refused
        from .response import completion, cut
        from .transport import EXCHANGE

        done = EXCHANGE.get()
        assert done
        try:
            data = await self.post(*self.body(request))
        except StatusError as error:
            if refused(error):
                return Completion("", 0, "refused", seconds=done.seconds)
            raise
        found = completion(data, request.stop, done.usage, done.seconds)
        if isinstance(found, Failure):
            return Failure(found.kind, f"{self.endpoint.name}: {self.endpoint.scrub(found.reason)}")
        if self.endpoint.own and (why := cut(request.prompt, done.usage)):
            return Failure("infra", f"{self.endpoint.name}: {why}")
        return replace(found, text=self.endpoint.redactor.clean(found.text))

    async def _score(self, pair: tuple[str, str]) -> LogLikelihood | Failure:
        from ...values import Failure
        from .response import NoEcho, NoNumber

        try:
            return await self.likelihood(pair)
        except NoNumber as error:
            return Failure("infra", f"{self.endpoint.name}: {error}")
        except NoEcho as error:
            raise ModelError(f"{self.name.text} gives no log-probabilities of a given text: {error}") from error

    async def likelihood(self, pair: tuple[str, str]) -> LogLikelihood:
        """One pair, scored. Raises NoEcho."""
        from ...tokens.pair import move_spaces
        from .response import likelihood
        from .transport import EXCHANGE

        context, continuation = move_spaces(*pair)
        asked = {"prompt": context + continuation, "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}
        data = await self.post("/completions", {"model": self.name.model, **asked})
        done = EXCHANGE.get()
        return likelihood(data, context, continuation, done.seconds if done else 0.0)

    def _each(self, asked: Sequence[T], work: Callable[[T], Awaitable[R]]) -> Iterator[tuple[int, R | Failure]]:
        from ...bridge import iterate

        _ = self.connection
        yield from iterate(self._all(asked, work))

    async def _all(
        self, asked: Sequence[T], work: Callable[[T], Awaitable[R]]
    ) -> AsyncIterator[tuple[int, R | Failure]]:
        """Work on all at once, as far as the limiter lets in. After an error that all would meet nothing more is sent, what
        is on its way is waited for, and the error raised."""
        import asyncio

        from .transport import HttpExchange

        exchanges = [HttpExchange() for _ in asked]
        ended: asyncio.Queue[asyncio.Task[R | Failure]] = asyncio.Queue()
        tasks: dict[asyncio.Task[R | Failure], int] = {}
        for index, (item, exchange) in enumerate(zip(asked, exchanges, strict=True)):
            task = asyncio.create_task(self._one(item, work, exchange))
            task.add_done_callback(ended.put_nowait)
            tasks[task] = index
        fatal: BaseException | None = None
        try:
            for _ in asked:
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

    async def _one(self, item: T, work: Callable[[T], Awaitable[R]], exchange: Any) -> R | Failure:
        from .errors import EndpointError
        from .transport import EXCHANGE

        EXCHANGE.set(exchange)
        try:
            return await work(item)
        except EndpointError as error:
            return self.failure_of(error)

    def failure_of(self, error: EndpointError) -> Failure:
        """The Failure that `error` is. Raises ModelError if nothing can be expected of the endpoint."""
        from .errors import failure, unreachable

        found = failure(error, self.endpoint, self.name.model)
        if unreachable(error) and not self.transport.answered:
            raise ModelError(f"{self.endpoint.base_url} does not answer ({found.reason}); is it running?") from error
        if self.transport.silent >= self.retry_policy.silent:
            raise ModelError(
                f"{self.endpoint.name} has stopped answering ({found.reason}). What was answered is kept; run again to "
                "go on, with --retry-failed for what failed"
            ) from error
        return found

    async def _stream(self, request: Generate, cancel: threading.Event) -> AsyncIterator[Delta]:
        from ...values import Delta, Failure
        from .chat_stream import ChatStreamReader
        from .errors import EndpointError
        from .transport import HttpExchange

        path, body = self.body(request)
        if self.endpoint.stops is not None and len(list(filter(None, request.stop))) > self.endpoint.stops:
            raise UsageError(f"{self.endpoint.name} takes at most {self.endpoint.stops} stop strings in a stream")
        exchange, reader, failed = HttpExchange(), ChatStreamReader(self.endpoint.redactor), None
        try:
            async for event in _until(self._events(path, body, exchange), cancel):
                read = reader.push(event)
                if read.text or read.reasoning or read.chances:
                    yield Delta(read.text, read.reasoning, (), read.chances)
            if reader.finish is None and not reader.begun and not cancel.is_set():
                failed = Failure("infra", f"{self.endpoint.name}: no stream came")
        except EndpointError as error:
            try:
                failed = self.failure_of(error)
            except ModelError as fatal:
                if not reader.begun:
                    raise
                failed = Failure("infra", str(fatal))
        rest, whole = reader.flush(), not failed and not cancel.is_set()
        finish = reader.finish or ("stop" if whole else None)
        yield Delta(
            rest.text,
            rest.reasoning,
            reader.calls if whole else (),
            finish=finish,
            usage=exchange.usage,
            failure=failed,
        )

    async def _events(self, path: str, body: dict[str, Any], exchange: HttpExchange) -> AsyncIterator[Any]:
        events = await self.open(path, body, exchange)
        try:
            async for event in events:
                yield event
        finally:
            await events.close()


async def _until(items: AsyncIterator[T], cancel: threading.Event) -> AsyncIterator[T]:
    """The items until `cancel` is set, by any thread; whoever leaves early ends what makes them."""
    import asyncio

    try:
        while True:
            following = asyncio.ensure_future(anext(items, END))
            try:
                while not following.done() and not cancel.is_set():
                    await asyncio.wait({following}, timeout=POLL_SECONDS)
            finally:
                if not following.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
            if cancel.is_set() or (item := following.result()) is END:
                return
            yield item  # type: ignore[misc]
    finally:
        await items.aclose()  # type: ignore[attr-defined]
