"""The one way to an endpoint, below `connection`: whoever asks one comes through here.

Each request waits at the limiter, reserves its cost, is sent, repeated where that is right, and settled when its answer
has ended, however it ended. Nothing here knows what a prompt or an answer means.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from weakref import WeakKeyDictionary

import httpx2

from ... import settings
from ...values import Usage
from ..spending import ZERO, SpendingLedger
from ..waiting import WAITING, Waiting
from .errors import USED_UP
from .limiter import Limiter, retry_after
from .meter import Meter, RequestEstimate
from .retry_policy import RetryPolicy

ANSWER_BYTES = 256 << 20  # an answer in one piece that is larger is refused
TOO_MANY = (429, 503, 529)


@dataclass(slots=True)
class HttpExchange:
    """The record of one request, for the task that has set EXCHANGE to it. Seconds are the last try's."""

    sent: bool = False
    tries: int = 0
    seconds: float = 0.0
    usage: Usage = field(default_factory=Usage)


EXCHANGE: ContextVar[HttpExchange | None] = ContextVar("exchange", default=None)


class Transport(httpx2.AsyncBaseTransport):
    """The transport of one endpoint; works on any event loop. `charge` is the price of a usage.

    `answered` tells whether the server ever sent anything, `silent` how many requests in a row it left without.
    """

    def __init__(
        self, retry_policy: RetryPolicy, charge: Callable[[Usage], Decimal | None], ledger: Callable[[], SpendingLedger]
    ):
        self.retry_policy, self.charge, self.ledger = retry_policy, charge, ledger
        self.limiter = Limiter(retry_policy)
        self.answered = False
        self.silent = 0
        self._inner: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncHTTPTransport] = WeakKeyDictionary()

    def inner(self, url: str) -> httpx2.AsyncHTTPTransport:
        """The connections of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._inner:
            safe = url.startswith("https:")  # else certificates would be loaded for nothing
            self._inner[loop] = httpx2.AsyncHTTPTransport(verify=safe, proxy=settings.proxy(url))
        return self._inner[loop]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises what httpx2 raises, BudgetExceeded, or UsageError; an error status is a response like others."""
        await request.aread()
        exchange = EXCHANGE.get() or HttpExchange()
        estimate = RequestEstimate.read(request.url.path, request.content)
        lost = limited = 0
        await self.limiter.enter()
        while True:
            attempt = await self._admit(estimate, exchange)
            failed: httpx2.TransportError | None = None
            try:
                response = await attempt.go(request)
            except httpx2.TransportError as error:
                failed = error
            except BaseException:
                attempt.end()
                raise
            if failed is None:
                self.silent = 0
                if response.status_code < 400:
                    return response
            wait = self._wait(attempt, failed, None if failed else response, lost, limited)
            if wait is None:
                attempt.end()
                if failed is None:
                    return response
                self.silent += 1
                raise failed
            attempt.settle()
            many = failed is None and response.status_code == 429
            lost, limited = lost + (not many), limited + many
            if (tell := WAITING.get()) is not None:
                tell(Waiting(wait, response.status_code if failed is None else 0))
            await self._rest(wait, many)

    async def _admit(self, estimate: RequestEstimate, exchange: HttpExchange) -> "Attempt":
        try:
            ledger = self.ledger()
            reserved = await ledger.reserve(self.charge(estimate.most)) if estimate.most else ZERO
        except BaseException:
            self.limiter.leave()
            raise
        exchange.sent, exchange.tries = True, exchange.tries + 1
        return Attempt(self, estimate, exchange, ledger, reserved)

    async def _rest(self, seconds: float, many: bool) -> None:
        """Wait between two tries: outside the limiter if it was too many, else inside, so that a server in trouble is
        not sent others meanwhile."""
        if many:
            self.limiter.leave()
            await asyncio.sleep(seconds)
            await self.limiter.enter(first=True)
            return
        try:
            await asyncio.sleep(seconds)
        except BaseException:
            self.limiter.leave()
            raise

    def _wait(
        self, attempt: "Attempt", failed: Exception | None, response: httpx2.Response | None, lost: int, limited: int
    ) -> float | None:
        """Seconds until the next try; None if there is none."""
        retry_policy = self.retry_policy
        backoff = min(retry_policy.longest_wait_seconds, retry_policy.backoff_seconds * 2 ** (lost + limited))
        backoff *= random.uniform(0.5, 1)
        if response is None:
            # a server that is slow to answer may still be at it, and bill it
            slow = isinstance(failed, httpx2.ReadTimeout | httpx2.WriteTimeout)
            return None if slow or lost + 1 >= retry_policy.tries else backoff
        status = response.status_code
        many = status == 429
        if many and any(word.encode() in response.content for word in USED_UP):
            return None
        if not many and ((status not in (408, 409) and status < 500) or status == 501):
            return None
        if limited + 1 >= retry_policy.rate_tries if many else lost + 1 >= retry_policy.tries:
            return None
        stated = retry_after(response.headers)
        if stated is not None and stated > retry_policy.longest_wait_seconds:
            return None
        wait = backoff if stated is None else stated
        if status in TOO_MANY:
            self.limiter.too_many(attempt.started, wait)
        return wait

    async def aclose(self) -> None:
        """Close the connections of every loop that still runs."""
        here = asyncio.get_running_loop()
        for loop, inner in list(self._inner.items()):
            if loop is here:
                await inner.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(inner.aclose(), loop))
        self._inner.clear()


class Attempt:
    """One try of one request: from the moment it is sent until its answer has ended."""

    def __init__(
        self,
        transport: Transport,
        estimate: RequestEstimate,
        exchange: HttpExchange,
        ledger: SpendingLedger,
        reserved: Decimal,
    ):
        self.transport, self.estimate, self.exchange, self.ledger, self.reserved = (
            transport,
            estimate,
            exchange,
            ledger,
            reserved,
        )
        self.meter = Meter(estimate)
        self.started = time.monotonic()
        self.billed = estimate.most is not None  # until it is certain that the server did nothing
        self.settled = self.over = False

    async def go(self, request: httpx2.Request) -> httpx2.Response:
        """The response, whole, or a stream that has brought its first token."""
        retry_policy, stream = self.transport.retry_policy, self.estimate.stream
        request.headers["accept-encoding"] = "identity"
        request.extensions["timeout"] = {"connect": retry_policy.connect_seconds}
        brief = stream or self.estimate.most is None  # nothing is generated for a list of models
        seconds = retry_policy.first_token_seconds if brief else retry_policy.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._open(request)
        except TimeoutError:
            raise httpx2.ReadTimeout(f"nothing came for {seconds:g} s") from None

    async def _open(self, request: httpx2.Request) -> httpx2.Response:
        try:
            raw = await self.transport.inner(str(request.url)).handle_async_request(request)
        except httpx2.TransportError:
            self.billed = False
            raise
        self.transport.answered = True
        self.transport.limiter.heed(raw.headers)
        assert isinstance(raw.stream, httpx2.AsyncByteStream)
        try:
            self.billed = self.billed and raw.status_code < 400
            events = raw.headers.get("content-type", "").lower().startswith("text/event-stream")
            if self.billed and self.estimate.stream and events:
                return await self._open_stream(raw)
            content = await self._read(raw.stream)
        except BaseException:
            await raw.stream.aclose()
            raise
        await raw.stream.aclose()
        if raw.status_code < 400:
            self.end(well=True)
        return httpx2.Response(raw.status_code, headers=raw.headers, content=content, extensions=raw.extensions)

    async def _read(self, stream: httpx2.AsyncByteStream) -> bytes:
        content, chunks = bytearray(), aiter(stream)
        try:
            async for chunk in chunks:
                content += chunk
                if len(content) > ANSWER_BYTES:
                    raise httpx2.RemoteProtocolError(f"the answer is larger than {ANSWER_BYTES >> 20} MB")
        finally:
            await _end(chunks)
            if self.billed:
                self.meter.whole(bytes(content))
        return bytes(content)

    async def _open_stream(self, raw: httpx2.Response) -> httpx2.Response:
        assert isinstance(raw.stream, httpx2.AsyncByteStream)
        chunks, came = aiter(raw.stream), list[bytes]()
        try:
            while not self.meter.begun:
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    if not self.meter.ended:
                        raise httpx2.RemoteProtocolError("the stream ended before its first token") from None
                    break
                self.meter.feed(chunk)
                came.append(chunk)
        except BaseException:
            await _end(chunks)
            raise
        stream = _WatchedBody(self, raw.stream, came, chunks)
        return httpx2.Response(raw.status_code, headers=raw.headers, stream=stream, extensions=raw.extensions)

    def settle(self) -> None:
        """Book what was used up, once."""
        if self.settled:
            return
        self.settled = True
        usage = self.meter.usage if self.billed else None
        self.exchange.seconds = time.monotonic() - self.started
        self.exchange.usage = usage or Usage()
        if self.estimate.most:
            self.ledger.settle(self.reserved, usage, self.transport.charge(usage) if usage else None)

    def end(self, well: bool = False) -> None:
        """Book it and let the next one in, once."""
        self.settle()
        if self.over:
            return
        self.over = True
        if well:
            self.transport.limiter.went_well()
        self.transport.limiter.leave()


class _WatchedBody(httpx2.AsyncByteStream):
    """The body of a streamed answer, watched; a silence that is too long, or an end that is too early, is an error."""

    def __init__(self, attempt: Attempt, raw: httpx2.AsyncByteStream, came: list[bytes], chunks: AsyncIterator[bytes]):
        self._attempt, self._raw, self._came, self._chunks = attempt, raw, came, chunks
        self._read = False  # whether somebody reads it, who then also ends the chunks

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        meter, seconds = self._attempt.meter, self._attempt.transport.retry_policy.between_tokens_seconds
        self._read = True
        try:
            for chunk in self._came:
                yield chunk
            while True:
                try:
                    async with asyncio.timeout(seconds):
                        chunk = await anext(self._chunks)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    raise httpx2.ReadTimeout(f"nothing came for {seconds:g} s") from None
                meter.feed(chunk)
                yield chunk
            if not meter.ended:
                raise httpx2.RemoteProtocolError("the stream ended before its answer did")
        finally:
            await _end(self._chunks)

    async def aclose(self) -> None:
        """Called however the answer ended; one that was not read to its end closes the connection."""
        try:
            await self._raw.aclose()
            if not self._read:
                await _end(self._chunks)
        finally:
            self._attempt.end(well=self._attempt.meter.ended)


async def _end(chunks: AsyncIterator[bytes]) -> None:
    """Close what was left before its end. Left to the garbage collector, whose thread may be another, that can fail."""
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()
