"""The abilities of an endpoint and its model, tested by asking: each check says what was seen.

A check that fails on the way is `unknown`, with the reason; one that a server accepts and does not obey is `no`.
"""

import asyncio
import base64
import json
import struct
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from ...bridge import run
from ...errors import LlmsError
from ...values import Json, JsonObject, Usage
from .connection import Events
from .errors import EndpointError, StatusError
from .handshake import listed, shake_hands
from .model import ApiModel
from .response import piece
from .transport import HttpExchange

YES, NO, UNKNOWN, NONE = "yes", "no", "unknown", "none"
TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city now",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}
FILLERS = (1_500, 6_000, 24_000)  # tokens, about, between a needle and the question for it
NEEDLE = "QX7-4410"


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """`value` is yes, no, unknown, a number of tokens, or words of the protocol; `detail` what was seen."""

    value: str
    detail: str = ""


class _Prober:
    """Chat requests of the probe."""

    def __init__(self, model: ApiModel):
        self.model, self.client = model, model.session.client

    async def chat(self, content: str | Sequence[JsonObject], most: int = 32, **options: Json) -> Json:
        """The answer to a question; `content` is its text, or all messages."""
        return await self.client.post("/chat/completions", {**self._body(content, most), **options})

    async def stream(self, text: str, most: int, exchange: HttpExchange | None = None) -> Events:
        return await self.client.open("/chat/completions", self._body(text, most), exchange or HttpExchange())

    def _body(self, content: str | Sequence[JsonObject], most: int) -> JsonObject:
        messages = [{"role": "user", "content": content}] if isinstance(content, str) else content
        return {"model": self.client.name.model, "messages": messages, self.client.endpoint.max_tokens: most}


def most(model: ApiModel) -> Usage:
    """The most that all checks together use up; looking for an unknown window takes the larger part."""
    return Usage(6_000 if model.price_row.window else 6_000 + sum(FILLERS) * 2, 1_500)


async def probe(model: ApiModel) -> dict[str, ProbeFinding]:
    """Every check, one after the other. Raises ModelError if the endpoint does not answer, or refuses the key."""
    ask = _Prober(model)
    checks: tuple[tuple[str, Callable[[_Prober], Awaitable[ProbeFinding]]], ...] = (
        ("listed", _listed),
        ("stream", _stream),
        ("window", _window),
        ("cancel", _cancel),
        ("system_role", _system),
        ("image", _image),
        ("tools", _tools),
        ("forced_tool", _forced),
        ("json_schema", _schema),
        ("logprobs", _logprobs),
        ("echo", _echo),
        ("seed", _seed),
        ("unknown_parameter", _unknown),
    )
    facts: dict[str, ProbeFinding] = {}
    for name, check in checks:
        try:
            facts[name] = await check(ask)
        except EndpointError as error:
            facts[name] = ProbeFinding(UNKNOWN, ask.client.failure_of(error).reason)
        if name == "stream":
            facts["usage_in_stream"] = await _usage(ask)
    facts["limit"] = ProbeFinding(model.dialect.limit, "the name of the limit of new tokens")
    facts["refused"] = ProbeFinding(", ".join(sorted(model.dialect.refused)) or NONE, "parameters that are left out")
    price = model.price(Usage(1_000_000, 0)), model.price(Usage(0, 1_000_000))
    known = None not in price
    facts["price"] = (
        ProbeFinding(YES, f"${price[0]} and ${price[1]} per million tokens in and out")
        if known
        else ProbeFinding(UNKNOWN)
    )
    return facts


async def _listed(ask: _Prober) -> ProbeFinding:
    models, _ = await listed(ask.client)
    if models is None:
        return ProbeFinding(UNKNOWN, "the server lists no models")
    return ProbeFinding(YES if ask.client.name.model in models else NO, f"{len(models)} models")


async def _stream(ask: _Prober) -> ProbeFinding:
    """Also the first request of all: what fails here would fail everywhere."""
    started, pieces, first = time.monotonic(), 0, 0.0
    async for event in await ask.stream("Count from 1 to 20.", 48):
        chunk = piece(event)
        if chunk and (chunk.text or chunk.reasoning):
            pieces += 1
            first = first or time.monotonic() - started
    return ProbeFinding(YES if pieces > 1 else NO, f"{pieces} pieces, the first after {first:.2f} s")


async def _usage(ask: _Prober) -> ProbeFinding:
    exchange = HttpExchange()
    try:
        async for _ in await ask.stream("Say hello.", 8, exchange):
            pass
    except EndpointError as error:
        return ProbeFinding(UNKNOWN, ask.client.failure_of(error).reason)
    return ProbeFinding(YES if exchange.usage.reported else NO)


async def _window(ask: _Prober) -> ProbeFinding:
    """As the server, else the table of prices states it, else the largest filler over which a needle is found again."""
    _, stated = await listed(ask.client)
    if stated:
        return ProbeFinding(str(stated), "stated by the server")
    if table := ask.model.price_row.window:
        return ProbeFinding(str(table), "stated by the table of prices")
    held = 0
    for size in FILLERS:
        words = "The grass is green, the sky is blue, and so it goes on. " * (size // 14)
        try:
            answer = piece(await ask.chat(f"The code is {NEEDLE}.\n{words}\nWhat is the code? Reply with it.", 16))
        except StatusError as error:
            return ProbeFinding(
                str(held) if held else UNKNOWN, f"about {size} tokens: {ask.client.failure_of(error).reason}"
            )
        if answer is None or NEEDLE not in answer.text:
            return ProbeFinding(str(held) if held else UNKNOWN, f"a code was not found again over about {size} tokens")
        held = size
    return ProbeFinding(
        str(table or held), "stated by the table of prices" if table else f"at least; a code was found over {held}"
    )


async def _cancel(ask: _Prober) -> ProbeFinding:
    """Whether the next request is answered as fast after a long answer was broken off as before: then the server
    stopped, or has room for others. What it bills cannot be seen."""
    started = time.monotonic()
    await ask.chat("Say hello.", 4)
    alone = time.monotonic() - started
    coming = await ask.stream("Count from 1 to 200, with words.", 400)
    async for event in coming:
        chunk = piece(event)
        if chunk and (chunk.text or chunk.reasoning):
            break
    await coming.close()
    started = time.monotonic()
    await ask.chat("Say hello.", 4)
    after = time.monotonic() - started
    seen = f"answered in {after:.2f} s after a break, in {alone:.2f} s before"
    return ProbeFinding(YES if after < max(2 * alone, alone + 0.5) else NO, seen)


async def _system(ask: _Prober) -> ProbeFinding:
    messages: list[JsonObject] = [
        {"role": "system", "content": "Reply with the word BLUE only."},
        {"role": "user", "content": "Hello."},
    ]
    try:
        answer = piece(await ask.chat(messages, 16))
    except StatusError as error:
        return ProbeFinding(NO, ask.client.failure_of(error).reason)
    obeyed = answer is not None and "blue" in answer.text.lower()
    return ProbeFinding(YES, "accepted and followed" if obeyed else "accepted; the model did not follow it")


async def _image(ask: _Prober) -> ProbeFinding:
    parts: list[JsonObject] = [
        {"type": "text", "text": "What colour is this?"},
        {"type": "image_url", "image_url": {"url": _red()}},
    ]
    try:
        answer = piece(await ask.chat([{"role": "user", "content": parts}], 16))
    except StatusError as error:
        return ProbeFinding(NO, ask.client.failure_of(error).reason)
    seen = answer is not None and "red" in answer.text.lower()
    return ProbeFinding(YES if seen else NO, "a red square was called red" if seen else "accepted, but not seen")


def _red(size: int = 32) -> str:
    """A red square as a data URL (PNG)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + b"\xff\x00\x00" * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(image).decode()


async def _tools(ask: _Prober) -> ProbeFinding:
    try:
        calls = _calls(await ask.chat("What is the weather in Rome, and what in Oslo?", 128, tools=[TOOL]))
    except StatusError as error:
        return ProbeFinding(NO, ask.client.failure_of(error).reason)
    return ProbeFinding(
        YES if calls else NO, f"{len(calls)} calls for two cities" if calls else "accepted, but not used"
    )


async def _forced(ask: _Prober) -> ProbeFinding:
    choice: JsonObject = {"type": "function", "function": {"name": "get_weather"}}
    try:
        calls = _calls(await ask.chat("Say hello.", 64, tools=[TOOL], tool_choice=choice))
    except StatusError as error:
        return ProbeFinding(NO, ask.client.failure_of(error).reason)
    return ProbeFinding(YES if calls else NO, "" if calls else "accepted, but ignored")


def _calls(data: Json) -> list[JsonObject]:
    """Arguments of the calls to TOOL that fit it."""
    answer, fitting = piece(data), list[JsonObject]()
    for call in answer.calls if answer else ():
        function = call.get("function")
        if not isinstance(function, Mapping) or function.get("name") != "get_weather":
            continue
        try:
            arguments = json.loads(str(function.get("arguments")))
        except ValueError:
            continue
        if isinstance(arguments, dict) and isinstance(arguments.get("city"), str):
            fitting.append(arguments)
    return fitting


async def _schema(ask: _Prober) -> ProbeFinding:
    form: JsonObject = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
    try:
        answer = piece(await ask.chat("Write two lines about the sea.", 64, response_format=form))
    except StatusError as error:
        return ProbeFinding(NO, ask.client.failure_of(error).reason)
    try:
        values = json.loads(answer.text if answer else "")
        fits = (
            set(values) == {"colour", "count"} and values["colour"] in ("red", "green") and type(values["count"]) is int
        )
    except (ValueError, TypeError):
        fits = False
    return ProbeFinding(YES if fits else NO, "" if fits else "accepted, but not obeyed")


async def _logprobs(ask: _Prober) -> ProbeFinding:
    try:
        data = await ask.chat("Say hello.", 4, logprobs=True, top_logprobs=2)
    except StatusError as error:
        return ProbeFinding(NO, ask.client.failure_of(error).reason)
    answer = piece(data)
    chances = answer.chances if answer else ()
    good, tops = bool(chances), min((len(chance.top) for chance in chances), default=0)
    return ProbeFinding(YES if good else NO, f"{tops} alternatives a token" if good else "accepted, but not given")


async def _echo(ask: _Prober) -> ProbeFinding:
    """Whether choices can be scored."""
    if ask.client.endpoint.raw is False:
        return ProbeFinding(NO, "it is reached through chat")
    why = (await shake_hands(ask.client)).no_echo
    return ProbeFinding(NO if why else YES, why)


async def _seed(ask: _Prober) -> ProbeFinding:
    texts = []
    for seed in (7, 7, 8):
        answer = piece(await ask.chat("Invent a name for a cat, a dog and a horse.", 24, temperature=1, seed=seed))
        texts.append(answer.text if answer else "")
    if texts[0] != texts[1]:
        return ProbeFinding(NO, "two answers with one seed differ")
    return (
        ProbeFinding(YES)
        if texts[0] != texts[2]
        else ProbeFinding(UNKNOWN, "answers with different seeds are the same, too")
    )


async def _unknown(ask: _Prober) -> ProbeFinding:
    """`no`: it is refused; `yes`: it is taken, and so a misspelt parameter goes unnoticed."""
    try:
        await ask.chat("Say hello.", 4, no_such_parameter=1)
    except StatusError as error:
        return ProbeFinding(NO, ask.client.failure_of(error).reason)
    return ProbeFinding(YES, "ignored")


def run_probe(model: ApiModel) -> dict[str, ProbeFinding]:
    """`probe`, for synchronous callers."""
    _ = model.session  # here: what it imports would hold up the event loop
    try:
        return run(asyncio.wait_for(probe(model), 600))
    except TimeoutError as error:
        raise LlmsError(f"{model.name.text}: the probe took longer than 600 s; is the endpoint overloaded?") from error
