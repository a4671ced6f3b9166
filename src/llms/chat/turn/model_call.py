"""One request of a turn: what is sent, its answer as it comes, what it took, and what it shows of the server."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic_ai.messages import (
    ModelResponse,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.usage import RequestUsage

from ...tokens.count import impossible
from ..conversation.messages import arguments, index, visible, with_parts
from ..conversation.tree import Node, State, new_id
from ..window.fit_result import Fitted
from ..window.served import ObservedAnswer, named_limit
from ..window.sizes import estimate_text
from .branch import Branch
from .events import (
    CallStarted,
    Notice,
    Purpose,
    ReasoningDelta,
    TextDelta,
    ToolArgsDelta,
    ToolCallReady,
    ToolCallStarted,
    UsageReported,
)
from .journal import CallRecord
from .setup import Setup

WRITTEN_SECONDS = 3.0  # how often the text so far is written into its message


@dataclass
class ModelCall:
    """A request on its way. `prefix` is text that its message had before; `ready` are whole tool calls."""

    node: Node
    purpose: Purpose
    clock: asyncio.Timeout
    prefix: str = ""
    id: str = field(default_factory=new_id)
    text: str = ""
    thought: str = ""
    tools: dict[str, ToolCallPart] = field(default_factory=dict)
    fitted: Fitted | None = None
    sent: float = field(default_factory=time.monotonic)
    first: float | None = None
    written: float = field(default_factory=time.monotonic)

    def message(self, length: int | None = None) -> ModelResponse:
        """What has come; of the text at most `length` characters, beyond which tool calls are not kept either."""
        text = self.prefix + self.text
        shorter = length is not None and length < len(text)
        parts: list[Any] = [ThinkingPart(self.thought)] if self.thought else []
        parts.append(TextPart(text[:length] if shorter else text))
        whole = [part for part in self.tools.values() if isinstance(arguments(part), dict) and part.args]
        return ModelResponse(parts=parts if shorter else [*parts, *whole], model_name=None)


class Requesting:
    """The requests of one turn, one at a time."""

    def __init__(self, branch: Branch, setup: Setup):
        self._branch, self._setup, self._feed = branch, setup, branch.feed
        self.call: ModelCall | None = None
        self.length = 0  # characters of this turn's finished answers

    def begin(self, purpose: Purpose, clock: asyncio.Timeout, continues: Node | None) -> ModelCall:
        """The message of the answer, before anything of it is known."""
        prefix = visible(continues.message) if continues else ""
        message = ModelResponse(parts=[TextPart(prefix)] if prefix else [])
        self.call = ModelCall(self._branch.begin(message, self._setup.name, continues), purpose, clock, prefix)
        return self.call

    def sending(self, fitted: Fitted) -> None:
        """The request leaves with this payload."""
        assert self.call is not None
        call, report = self.call, fitted.report
        call.fitted, call.sent = fitted, time.monotonic()
        self._expect(call, self._setup.limits.first_token_seconds)
        self._feed.emit(
            CallStarted, call=call.id, node=call.node.id, purpose=call.purpose, tokens=report.count,
            budget=report.budget, grade=report.grade,
            fates={fate.node: fate.what for fate in report.fates if fate.what != "sent"},
        )  # fmt: skip
        for repair in report.repairs:
            self._feed.emit(Notice, code="repaired", text=f"repaired before sending: {repair}")

    def heard(self, event: Any) -> None:
        """One event of the model's stream; text may also come in the event that begins a part."""
        assert self.call is not None
        call, node = self.call, self.call.node.id
        self._expect(call, self._setup.limits.token_seconds)
        if call.first is None and isinstance(event, PartStartEvent | PartDeltaEvent):
            call.first = time.monotonic()
        match event:
            case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                call.text += text
                self._feed.delta(TextDelta, text, node=node)
            case (
                PartStartEvent(part=ThinkingPart(content=text))
                | PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text)))
            ):
                call.thought += text
                self._feed.delta(ReasoningDelta, text, node=node)
            case PartStartEvent(part=ToolCallPart() as part):
                call.tools[part.tool_call_id] = part
                self._feed.emit(ToolCallStarted, node=node, tool_call=part.tool_call_id, name=part.tool_name)
                if isinstance(part.args, str):
                    self._feed.delta(ToolArgsDelta, part.args, tool_call=part.tool_call_id)
            case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=str(text), tool_call_id=str(id))):
                self._feed.delta(ToolArgsDelta, text, tool_call=id)
            case PartEndEvent(part=ToolCallPart() as part):
                call.tools[part.tool_call_id] = part
                args = arguments(part)
                self._feed.emit(ToolCallReady, node=node, tool_call=part.tool_call_id, name=part.tool_name, args=args)
        self.write()
        self._feed.writes.check()

    def write(self) -> None:
        """Keep the text so far, now and then."""
        call = self.call
        if call is not None and time.monotonic() - call.written >= WRITTEN_SECONDS:
            call.written = time.monotonic()
            self._feed.writes.put(partial(self._branch.journal.write, call.node.id, call.message()))

    def finish(self, message: ModelResponse, state: State, error: str | None = None) -> None:
        """Store an answer, what it took, and say so."""
        assert self.call is not None
        call, self.call = self.call, None
        self._feed.settle()
        answer = self._answered(call, message) if call.fitted is not None and error is None else None
        if answer is not None and self._setup.served.truncated(answer):
            mark = {"server_truncated": {"sent": answer.counted, "read": answer.read}}
            message = replace(message, metadata={**(message.metadata or {}), **mark})
        if call.prefix:
            message = replace(message, metadata={**(message.metadata or {}), "continued": "by instruction"})
        node = self._branch.finish(call.node.id, message, state)
        self.length += len(visible(message)) - len(call.prefix)
        if call.fitted is not None:
            self._account(call, call.fitted, message, answer, error)
        self._branch.committed(node)

    def _answered(self, call: ModelCall, message: ModelResponse) -> ObservedAnswer | None:
        """What an answer shows of the server; None where it counts nothing."""
        assert call.fitted is not None
        report, used = call.fitted.report, message.usage
        if not used.has_values():
            return None
        sent = (part.text for one in call.fitted.payload.messages for part in index(one) if part.kind == "text")
        partly, cut = impossible(used.input_tokens, sent), message.finish_reason == "length"
        return ObservedAnswer(
            report.count, report.grade, used.input_tokens, used.output_tokens, report.reserve, cut, partly
        )

    def _account(
        self, call: ModelCall, fitted: Fitted, message: ModelResponse, answer: ObservedAnswer | None, error: str | None
    ) -> None:
        setup, report = self._setup, fitted.report
        reported = message.usage.has_values()
        own = RequestUsage(input_tokens=report.count, output_tokens=estimate_text(call.text + call.thought))
        used = message.usage if reported else own
        known = {id(node.message): node.id for node in self._branch.path}
        record = CallRecord(
            call.id, call.node.id, setup.name, setup.endpoint, call.purpose, fitted.payload,
            tuple(known.get(id(sent)) for sent in fitted.payload.messages),
            {"max_tokens": setup.window.reserve, **setup.settings}, report,
            prompt_tokens=used.input_tokens, cached_tokens=used.cache_read_tokens, tokens=used.output_tokens,
            reasoning_tokens=used.output_reasoning_tokens, source="reported" if reported else "own", grade=report.grade,
            counted=report.count, first_token_seconds=None if call.first is None else call.first - call.sent,
            seconds=time.monotonic() - call.sent, finish=message.finish_reason or "", cost=setup.cost(used), error=error,
        )  # fmt: skip
        self.tell(record)
        if answer is not None:
            self._compare(answer)
        elif error is not None and (limit := named_limit(error)) is not None and limit < setup.window.tokens:
            self._learn(limit)
            text = f"the server takes {limit} tokens, which is its window from now on; send again to fit it"
            self._feed.emit(Notice, code="window_named", text=text, more={"window": limit})

    def tell(self, record: CallRecord) -> None:
        """Keep what a request took."""
        self._feed.writes.put(partial(self._branch.journal.call, record))
        self._feed.emit(
            UsageReported, call=record.id, prompt_tokens=record.prompt_tokens, cached_tokens=record.cached_tokens,
            tokens=record.tokens, reasoning_tokens=record.reasoning_tokens, source=record.source,
            cost=None if record.cost is None else str(record.cost), first_token_seconds=record.first_token_seconds,
            seconds=record.seconds,
        )  # fmt: skip

    def _compare(self, answer: ObservedAnswer) -> None:
        """Learn from what the server says it read and wrote; tell the user what it did to the conversation."""
        known = self._setup.served
        after = known.after(answer)
        if known.truncated(answer):
            text = (
                f"the server read {answer.read} of {answer.counted} tokens: it cut the conversation without saying so, "
                f"and this answer is not reliable. Its window is taken to be {after.window} tokens from now on; send again "
                "to fit it"
            )
            more = {"sent": answer.counted, "read": answer.read, "window": after.window}
            self._feed.emit(Notice, code="server_truncated", text=text, more=more)
        elif known.most_output is None and after.most_output is not None:
            text = (
                f"the server ended this answer after {answer.wrote} of {answer.reserve} tokens: a limit of its own on "
                "answers, not of the conversation. Continue (/more) goes on"
            )
            self._feed.emit(Notice, code="output_limit", text=text, more={"tokens": answer.wrote})
        if after != known:
            self._learn(answer)

    def _learn(self, shown: ObservedAnswer | int) -> None:
        self._feed.writes.put(partial(self._branch.journal.learned, shown))

    def _expect(self, call: ModelCall, seconds: float) -> None:
        call.clock.reschedule(asyncio.get_running_loop().time() + seconds)


def without_calls(message: ModelResponse, instead: str) -> ModelResponse:
    """An answer whose tool calls are not made; `instead` is its text if it has none."""
    parts: list[Any] = [part for part in message.parts if not isinstance(part, ToolCallPart)]
    kept = with_parts(message, parts)
    return kept if visible(kept).strip() else with_parts(kept, [*parts, TextPart(instead)])


def prefixed(message: ModelResponse, prefix: str) -> ModelResponse:
    """An answer that goes on from `prefix`."""
    parts: list[Any] = list(message.parts)
    place = next((at for at, part in enumerate(parts) if isinstance(part, TextPart)), None)
    if place is None:
        return with_parts(message, [*parts, TextPart(prefix)])
    parts[place] = replace(parts[place], content=prefix + parts[place].content)
    return with_parts(message, parts)
