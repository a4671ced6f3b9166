"""/v1/chat/completions."""

import asyncio
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import NotRequired, TypedDict

from ..engine import Event
from ..errors import LlmsError, UsageError
from ..models.local.reply import Reply
from ..models.system import Generate, ToolSchema
from ..values import Delta, Message, ToolCall, Usage, is_json
from . import answers
from .refusal import RequestRefused, too_long
from .requests import ChatMessage, ChatRequest, ToolParam
from .served import ServedModel

MAX_TOKENS = 1024  # of an answer, where the request says nothing: a row's memory is set aside for all it may need
LEAST_LOGPROB = -9999.0  # JSON knows no infinity


async def chat(
    served: ServedModel, asked: ChatRequest, unheeded: list[str]
) -> AsyncGenerator[Mapping[str, object], None]:
    """The answer as one object, or as the chunks of a stream. Before the first, `unheeded` gets what of a schema is not
    enforced. Raises RequestRefused."""
    with served.room(asked.n or 1, "n"):
        replies = await asyncio.to_thread(prepare, served, asked)
        unheeded += replies[0].unenforced
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
    """One Reply for each of the n answers. Raises RequestRefused."""
    request = as_request(asked, served.engine_loop.vocabulary)
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
            served.model.reply(replace(request, max_tokens=most, seed=seed + row), prompt, lenient=True)
            for row in range(asked.n or 1)
        ]
    except UsageError as error:
        raise RequestRefused(str(error), "response_format" if request.schema is not None else "tools") from error


def as_request(asked: ChatRequest, vocabulary: int) -> Generate:
    return Generate(
        tuple(message(one) for one in asked.messages),
        stop=tuple(asked.stop),
        **asked.sampling(vocabulary),
        schema=asked.response_format.wanted if asked.response_format else None,
        tools=tools(asked.tools),
        tool_choice=asked.tool_choice or "auto",
        parallel_calls=asked.parallel_tool_calls is not False,
        top=(asked.top_logprobs or 0) if asked.logprobs else None,
    )


def message(param: ChatMessage) -> Message:
    role = "system" if param.role == "developer" else param.role
    calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in param.tool_calls)
    return Message(role, param.text, calls, param.tool_call_id or "", param.parts)


def tools(params: Sequence[ToolParam]) -> tuple[ToolSchema, ...]:
    return tuple(tool.function.as_tool for tool in params)


class TokenEntry(TypedDict):
    token: str
    logprob: float
    bytes: list[int]


class LogprobEntry(TokenEntry):
    """A token with its log-probability and the likeliest ones, as chat completions write it."""

    top_logprobs: list[TokenEntry]


class CalledFunctionChunk(TypedDict):
    name: str
    arguments: str


class ToolCallChunk(TypedDict):
    """`index` stands in chunks of a stream alone."""

    index: NotRequired[int]
    id: str
    type: str
    function: CalledFunctionChunk


class UsageBody(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: dict[str, int]


def _entry(served: ServedModel, event: Event) -> LogprobEntry:
    top = [_token(served, token, logprob) for token, logprob in event.top]
    return {**_token(served, event.token, event.logprob or 0.0), "top_logprobs": top}


def _token(served: ServedModel, token: int, logprob: float) -> TokenEntry:
    return {"token": served.name(token), "logprob": max(logprob, LEAST_LOGPROB), "bytes": list(served.data(token))}


def usage(prompt_tokens: int, rows: Sequence[Usage]) -> UsageBody:
    """Tokens of one request: its prompt once, and the answers of all rows."""
    new = sum(row.tokens for row in rows)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": new,
        "total_tokens": prompt_tokens + new,
        "completion_tokens_details": {"reasoning_tokens": sum(row.reasoning_tokens for row in rows)},
    }


def _call(call: ToolCall) -> ToolCallChunk:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


@dataclass
class _ChatRow:
    """One of the n answers: what is held back, and, for an answer in one piece, what came so far."""

    calls: int = 0
    cut: bool = False  # the last call is not whole
    pending: list[LogprobEntry] = field(default_factory=list)  # log-probabilities of text that is held back
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallChunk] = field(default_factory=list)
    logprobs: list[LogprobEntry] = field(default_factory=list)
    finish: str | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """An addition to the answer of a row."""

    text: str
    reasoning: str
    calls: list[ToolCallChunk]
    logprobs: list[LogprobEntry]
    finish: str | None


class _ChatChunks(ABC):
    """Puts what rows bring into the form of the protocol."""

    kind = ""

    def __init__(self, asked: ChatRequest):
        self._asked = asked
        self._base: dict[str, object] = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": self.kind,
            "created": int(time.time()),
            "model": asked.model,
        }
        self._rows: list[_ChatRow] = []
        self._used: list[Usage] = []

    def begin(self, rows: int) -> list[dict[str, object]]:
        self._rows = [_ChatRow() for _ in range(rows)]
        return []

    def add(self, row: int, entry: LogprobEntry | None, delta: Delta | None) -> list[dict[str, object]]:
        here = self._rows[row]
        if entry is not None:
            here.pending.append(entry)
        if delta is None:
            return []
        here.calls += len(delta.tool_calls)
        logprobs, here.pending = (here.pending if delta.text else [], [])
        if delta.usage is not None:
            self._used.append(delta.usage)
        here.cut = here.cut or not all(is_json(call.arguments) for call in delta.tool_calls)
        finish = "tool_calls" if here.calls and delta.finish == "stop" and not here.cut else delta.finish
        calls = [_call(call) for call in delta.tool_calls]
        return self._take(row, _Piece(delta.text, delta.reasoning, calls, logprobs, finish))

    @abstractmethod
    def _take(self, row: int, piece: _Piece) -> list[dict[str, object]]: ...

    @abstractmethod
    def end(self) -> list[dict[str, object]]: ...

    @property
    def _usage(self) -> UsageBody:
        return usage(self._used[0].prompt_tokens, self._used)

    def _logprobs(self, entries: list[LogprobEntry]) -> dict[str, object] | None:
        return {"content": entries, "refusal": None} if self._asked.logprobs else None


class _Whole(_ChatChunks):
    kind = "chat.completion"

    def _take(self, row: int, piece: _Piece) -> list[dict[str, object]]:
        here = self._rows[row]
        here.text += piece.text
        here.reasoning += piece.reasoning
        here.tool_calls += piece.calls
        here.logprobs += piece.logprobs
        here.finish = piece.finish
        return []

    def end(self) -> list[dict[str, object]]:
        choices = [self._choice(index, row) for index, row in enumerate(self._rows)]
        return [{**self._base, "choices": choices, "usage": self._usage}]

    def _choice(self, index: int, row: _ChatRow) -> dict[str, object]:
        answer: dict[str, object] = {"role": "assistant", "content": row.text, "refusal": None}
        if row.tool_calls:
            answer |= {"content": row.text or None, "tool_calls": row.tool_calls}
        if row.reasoning:
            answer["reasoning_content"] = row.reasoning
        logprobs = self._logprobs(row.logprobs)
        return {"index": index, "message": answer, "logprobs": logprobs, "finish_reason": row.finish}


class _Chunks(_ChatChunks):
    kind = "chat.completion.chunk"

    def begin(self, rows: int) -> list[dict[str, object]]:
        super().begin(rows)
        if self._asked.usage_wanted:
            self._base["usage"] = None
        return [self._chunk(row, {"role": "assistant", "content": "", "refusal": None}) for row in range(rows)]

    def _take(self, row: int, piece: _Piece) -> list[dict[str, object]]:
        delta: dict[str, object] = {}
        if piece.text:
            delta["content"] = piece.text
        if piece.reasoning:
            delta["reasoning_content"] = piece.reasoning
        if piece.calls:
            first = self._rows[row].calls - len(piece.calls)
            delta["tool_calls"] = [{"index": first + number, **call} for number, call in enumerate(piece.calls)]
        chunks = [self._chunk(row, delta, piece.logprobs)] if delta else []
        return [*chunks, self._chunk(row, {}, finish=piece.finish)] if piece.finish else chunks

    def end(self) -> list[dict[str, object]]:
        return [{**self._base, "choices": [], "usage": self._usage}] if self._asked.usage_wanted else []

    def _chunk(
        self, row: int, delta: Mapping[str, object], logprobs: Sequence[LogprobEntry] = (), finish: str | None = None
    ) -> dict[str, object]:
        choice = {
            "index": row,
            "delta": delta,
            "logprobs": self._logprobs(list(logprobs)) if logprobs else None,
            "finish_reason": finish,
        }
        return {**self._base, "choices": [choice]}
