"""/v1/chat/completions."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from ..engine import Event
from ..errors import LlmsError, UsageError
from ..models.local.reply import Reply
from ..models.system import Generate
from ..values import Delta, Message, ToolCall, Usage
from . import answers
from .refusal import RequestRefused, too_long
from .requests import ChatMessage, ChatRequest, ToolParam
from .served import ServedModel

MAX_TOKENS = 1024  # of an answer, where the request says nothing: a row's memory is set aside for all it may need
LEAST_LOGPROB = -9999.0  # JSON knows no infinity


async def chat(served: ServedModel, asked: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
    """The answer as one object, or as the chunks of a stream. Raises Refused."""
    with served.room(asked.n or 1, "n"):
        replies = await asyncio.to_thread(prepare, served, asked)
        forming = _Chunks(asked) if asked.stream else _Whole(asked)
        for chunk in forming.begin(len(replies)):
            yield chunk
        async with aclosing(answers.rows(served.engine_loop, replies)) as rows:
            async for row, event, delta in rows:
                for chunk in forming.add(row, _entry(served, event) if event and asked.logprobs else None, delta):
                    yield chunk
        for chunk in forming.end():
            yield chunk


def prepare(served: ServedModel, asked: ChatRequest) -> list[Reply]:
    """One Reply for each of the n answers. Raises Refused."""
    request = as_request(asked)
    try:
        prompt = served.model.read(request)
    except LlmsError as error:
        raise RequestRefused(str(error), "messages") from error
    window, length = served.model.context_window, len(prompt.ids)
    wanted = asked.max_completion_tokens or asked.max_tokens
    most = wanted or min(MAX_TOKENS, window - length)
    if length + most > window or most < 1:
        raise too_long(window, length, wanted or 1, "messages")
    served.weigh(most * (asked.n or 1), request.top, "top_logprobs")
    seed = secrets.randbits(62) if asked.seed is None else asked.seed
    try:
        return [
            served.model.reply(replace(request, max_tokens=most, seed=seed + row), prompt)
            for row in range(asked.n or 1)
        ]
    except UsageError as error:
        raise RequestRefused(str(error), "response_format" if request.schema is not None else "tools") from error


def as_request(asked: ChatRequest) -> Generate:
    return Generate(
        tuple(message(given) for given in asked.messages),
        stop=tuple(asked.stop),
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_k=asked.top_k or 0,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        schema=asked.response_format.wanted if asked.response_format else None,
        tools=tools(asked.tools),
        tool_choice=asked.tool_choice or "auto",
        parallel_calls=asked.parallel_tool_calls is not False,
        top=(asked.top_logprobs or 0) if asked.logprobs else None,
    )


def message(given: ChatMessage) -> Message:
    role = "system" if given.role == "developer" else given.role
    calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in given.tool_calls)
    return Message(role, given.text, calls, given.tool_call_id or "")


def tools(given: Sequence[ToolParam]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "name": tool.function.name,
            "description": tool.function.description or "",
            "parameters": tool.function.parameters or {"type": "object", "properties": {}},
        }
        for tool in given
    )


def _entry(served: ServedModel, event: Event) -> dict[str, Any]:
    """A token with its log-probability and the likeliest ones, as chat completions write it."""
    return {
        **_token(served, event.token, event.logprob or 0.0),
        "top_logprobs": [_token(served, token, logprob) for token, logprob in event.top],
    }


def _token(served: ServedModel, token: int, logprob: float) -> dict[str, Any]:
    return {"token": served.name(token), "logprob": max(logprob, LEAST_LOGPROB), "bytes": list(served.data(token))}


def usage(prompt_tokens: int, found: Sequence[Usage]) -> dict[str, Any]:
    new = sum(usage.tokens for usage in found)
    thought = sum(usage.reasoning_tokens for usage in found)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": new,
        "total_tokens": prompt_tokens + new,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


@dataclass
class _ChatRow:
    calls: int = 0
    pending: list[dict[str, Any]] = field(default_factory=list)  # log-probabilities of text that is held back
    text: str = ""
    reasoning: str = ""
    made: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish: str | None = None


class _ChatChunks:
    """Puts what rows bring into the form of the protocol."""

    kind = ""

    def __init__(self, asked: ChatRequest):
        self._asked = asked
        self._base = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": self.kind,
            "created": int(time.time()),
            "model": asked.model,
        }
        self._rows: list[_ChatRow] = []
        self._found: list[Usage] = []

    def begin(self, rows: int) -> list[dict[str, Any]]:
        self._rows = [_ChatRow() for _ in range(rows)]
        return []

    def add(self, row: int, entry: dict[str, Any] | None, delta: Delta | None) -> list[dict[str, Any]]:
        here = self._rows[row]
        if entry is not None:
            here.pending.append(entry)
        if delta is None:
            return []
        calls = [self._call(here, call) for call in delta.tool_calls]
        logprobs, here.pending = (here.pending if delta.text else [], [])
        if delta.usage is not None:
            self._found.append(delta.usage)
        finish = "tool_calls" if here.calls and delta.finish == "stop" else delta.finish
        return self._take(row, delta, calls, logprobs, finish)

    def _call(self, row: _ChatRow, call: ToolCall) -> dict[str, Any]:
        row.calls += 1
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}

    def _take(self, row: int, delta: Delta, calls: list, logprobs: list, finish: str | None) -> list[dict[str, Any]]:
        raise NotImplementedError

    def end(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    @property
    def _usage(self) -> dict[str, Any]:
        return usage(self._found[0].prompt_tokens, self._found)

    def _logprobs(self, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
        return {"content": entries, "refusal": None} if self._asked.logprobs else None


class _Whole(_ChatChunks):
    kind = "chat.completion"

    def _take(self, row, delta, calls, logprobs, finish):
        here = self._rows[row]
        here.text += delta.text
        here.reasoning += delta.reasoning
        here.made += calls
        here.logprobs += logprobs
        here.finish = finish
        return []

    def end(self):
        choices = [self._choice(index, row) for index, row in enumerate(self._rows)]
        return [{**self._base, "choices": choices, "usage": self._usage}]

    def _choice(self, index: int, row: _ChatRow) -> dict[str, Any]:
        said: dict[str, Any] = {"role": "assistant", "content": row.text, "refusal": None}
        if row.made:
            said |= {"content": row.text or None, "tool_calls": row.made}
        if row.reasoning:
            said["reasoning_content"] = row.reasoning
        return {"index": index, "message": said, "logprobs": self._logprobs(row.logprobs), "finish_reason": row.finish}


class _Chunks(_ChatChunks):
    kind = "chat.completion.chunk"

    def begin(self, rows):
        super().begin(rows)
        if self._asked.usage_wanted:
            self._base["usage"] = None
        return [self._chunk(row, {"role": "assistant", "content": "", "refusal": None}) for row in range(rows)]

    def _take(self, row, delta, calls, logprobs, finish):
        said: dict[str, Any] = {}
        if delta.text:
            said["content"] = delta.text
        if delta.reasoning:
            said["reasoning_content"] = delta.reasoning
        if calls:
            first = self._rows[row].calls - len(calls)
            said["tool_calls"] = [{"index": first + place, **call} for place, call in enumerate(calls)]
        chunks = [self._chunk(row, said, logprobs)] if said else []
        return [*chunks, self._chunk(row, {}, finish=finish)] if finish else chunks

    def end(self):
        return [{**self._base, "choices": [], "usage": self._usage}] if self._asked.usage_wanted else []

    def _chunk(self, row: int, said: dict[str, Any], logprobs: Sequence[dict] = (), finish: str | None = None):
        choice = {
            "index": row,
            "delta": said,
            "logprobs": self._logprobs(list(logprobs)) if logprobs else None,
            "finish_reason": finish,
        }
        return {**self._base, "choices": [choice]}
