"""Requests to one endpoint and its answers as JSON, keys hidden: the one way for evaluation, chat, agents and pages.

Below it `transport` waits, repeats and books; nothing here knows what a prompt or an answer means.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import httpx2

from ... import settings
from ...values import Json, JsonObject
from .endpoints import Endpoint
from .errors import WEB_PAGE, BadAnswer, StatusError, Unreachable, is_page, one_line, stated_error, status_error
from .transport import EXCHANGE, HttpExchange, Transport

MOST_EVENT_BYTES = 64 << 20  # a line of a stream that is longer is refused


class EndpointConnection:
    """`get` and `post` return JSON, `open` a stream of it, `download` a file. Each raises an EndpointError, BudgetExceeded or
    UsageError."""

    def __init__(self, endpoint: Endpoint, transport: Transport):
        self.endpoint, self.transport = endpoint, transport
        self._headers = _headers(endpoint)

    async def get(self, path: str) -> Json:
        return self._json(await self._send(path, None))

    async def post(self, path: str, body: JsonObject) -> Json:
        return self._json(await self._send(path, body))

    async def download(self, path: str, body: JsonObject) -> bytes:
        """The bytes of an answer that is a file; one of JSON or of text is no file."""
        response = await self._send(path, body)
        kind = response.headers.get("content-type", "").lower()
        if kind.startswith(("application/json", "text/")):
            self._json(response)
            raise BadAnswer(f"the answer is {kind.partition(';')[0]}, not a file")
        return response.content

    async def open(self, path: str, body: JsonObject, exchange: HttpExchange) -> "Events":
        """The answer to `body`, once its first token is there; `exchange` is told what it took."""
        token = EXCHANGE.set(exchange)
        try:
            response = await self._send(path, body)
        finally:
            EXCHANGE.reset(token)
        return Events(response, self.endpoint)

    async def _send(self, path: str, body: JsonObject | None) -> httpx2.Response:
        url = path if path.startswith(("http://", "https://")) else self.endpoint.base_url + path
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        try:
            headers = self._headers if body is None else {**self._headers, "content-type": "application/json"}
            request = httpx2.Request("GET" if body is None else "POST", url, headers=headers, content=content)
            response = await self.transport.handle_async_request(request)
            if response.status_code < 300:
                return response
            await response.aread()
        except httpx2.InvalidURL as error:
            raise Unreachable(one_line(f"{url} is not an address: {error}", self.endpoint)) from None
        except (httpx2.TransportError, httpx2.StreamError, httpx2.DecodingError) as error:
            raise lost(error, self.endpoint) from None
        if response.status_code < 400:
            location = one_line(response.headers.get("location", "elsewhere"), self.endpoint)
            raise StatusError(
                response.status_code, f"it redirects to {location}; give that as the base URL if it is right"
            )
        raise status_error(response.status_code, response.content, self.endpoint, response.reason_phrase)

    def _json(self, response: httpx2.Response) -> Json:
        try:
            answer = self.endpoint.redactor.parse(response.content)
        except (ValueError, RecursionError) as error:
            raise unreadable(response.content, error, self.endpoint) from None
        if isinstance(answer, Mapping) and answer.get("error") and not answer.get("choices"):
            raise stated_error(answer, self.endpoint, response.status_code)
        return answer


class Events:
    """The events of a streamed answer as JSON. A server that ignores `stream` sends its whole answer, the one event."""

    def __init__(self, response: httpx2.Response, endpoint: Endpoint):
        self._response, self._endpoint = response, endpoint
        self._redactor = endpoint.redactor

    async def __aiter__(self) -> AsyncGenerator[Json, None]:
        """Raises EndpointError where the stream breaks, or holds what is not JSON, or an error."""
        kind = self._response.headers.get("content-type", "").lower()
        try:
            if not kind.startswith("text/event-stream") and (whole := self._whole(await self._response.aread())):
                yield whole[0]
                return
            async with aclosing(self._lines()) as lines:
                async for name, data in lines:
                    if data == "[DONE]":
                        return
                    yield self._event(name, data)
        except (httpx2.TransportError, httpx2.StreamError, httpx2.DecodingError) as error:
            raise lost(error, self._endpoint) from None
        finally:
            await self.close()

    async def close(self) -> None:
        """End the answer, from any task: a connection that is still sending is closed."""
        await self._response.aclose()

    def _whole(self, content: bytes) -> list[Json]:
        """The one answer in `content`; empty if it is a stream under a wrong name."""
        try:
            return [self._checked(self._redactor.parse(content))]
        except (ValueError, RecursionError) as error:
            if content.lstrip().startswith((b"data:", b"event:", b":")):
                return []
            raise unreadable(content, error, self._endpoint) from None

    def _event(self, name: str, data: str) -> Json:
        try:
            event = self._redactor.parse(data)
        except (ValueError, RecursionError) as error:
            if name == "error":
                raise BadAnswer(one_line(data, self._endpoint)) from None
            raise unreadable(data.encode(), error, self._endpoint) from None
        if name == "error":
            raise stated_error(event, self._endpoint)
        return self._checked(event)

    def _checked(self, event: Json) -> Json:
        if isinstance(event, Mapping) and (event.get("error") or event.get("object") == "error"):
            raise stated_error(event, self._endpoint)
        return event

    async def _lines(self) -> AsyncGenerator[tuple[str, str], None]:
        """(name, data) of each server-sent event. https://html.spec.whatwg.org/multipage/server-sent-events.html"""
        async with aclosing(_split(self._response.aiter_bytes())) as lines:
            name, data = "", list[str]()
            async for line in lines:
                if not line:
                    if data:
                        yield name, "\n".join(data)
                    name, data = "", []
                    continue
                field, _, value = line.partition(":")
                if field == "data":
                    if data and _complete(data):  # servers leave out the empty line between two events
                        yield name, "\n".join(data)
                        data = []
                    data.append(value.removeprefix(" "))
                elif field == "event":
                    name = value.strip()
            if data:
                yield name, "\n".join(data)


async def _split(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[str, None]:
    """Lines, which end in LF, CR LF or CR, however they are cut; closes `chunks`."""
    rest = b""
    async with aclosing(chunks):
        async for chunk in chunks:
            rest += chunk
            if len(rest) > MOST_EVENT_BYTES:
                raise httpx2.RemoteProtocolError(f"a line of the stream is longer than {MOST_EVENT_BYTES >> 20} MB")
            held = b"\r" if rest.endswith(b"\r") else b""  # the next chunk may begin with its LF
            lines = rest.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            rest = lines.pop() + held
            for line in lines:
                yield line.decode("utf-8", "replace").removeprefix("\ufeff")
    if rest.strip():
        yield rest.decode("utf-8", "replace").rstrip("\r")


def _complete(data: list[str]) -> bool:
    try:
        json.loads("\n".join(data))
    except (ValueError, RecursionError):
        return data == ["[DONE]"]
    return True


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {
        "authorization": f"Bearer {endpoint.key or 'none'}",
        "accept": "application/json, text/event-stream",
        "user-agent": "llms",
    }
    if endpoint.name == "openai":
        others = {"openai-organization": "OPENAI_ORG_ID", "openai-project": "OPENAI_PROJECT_ID"}
        headers |= {name: value for name, variable in others.items() if (value := settings.get(variable))}
    return headers


def lost(error: Exception, endpoint: Endpoint) -> Unreachable:
    """The error for a request that was lost on the way. The client's own error is left behind: its words may hold what the server sent."""
    slow = isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout)
    absent = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout))
    return Unreachable(one_line(str(error) or type(error).__name__, endpoint), slow, absent)


def unreadable(content: bytes, error: Exception, endpoint: Endpoint) -> BadAnswer:
    text = content.decode("utf-8", "replace")
    if is_page(text):
        return BadAnswer(WEB_PAGE)
    if not text.strip():
        return BadAnswer("the answer is not JSON: it is empty")
    return BadAnswer(f"the answer is not JSON: {one_line(str(error), endpoint)}")
