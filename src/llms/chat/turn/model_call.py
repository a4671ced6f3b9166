"""One request of a turn: its payload, its answer as it comes, its usage, and what it shows of the server."""

import asyncio
import time
from dataclasses import replace
from functools import partial

from pydantic_ai.messages import (
    AgentStreamEvent,
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

from ...models.waiting import Waiting
from ...tokens.count import impossible
from ..conversation.marks import marked
from ..conversation.messages import Part, arguments, calls, index, visible, with_parts
from ..conversation.tree import State
from ..window.fit_result import FitResult
from ..window.served import ObservedAnswer, named_limit
from ..window.sizes import estimate_text
from .events import (
    CallStarted,
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
from .state import ModelCall, TurnState

SAID_SECONDS = 2  # a pause after a lost connection that is shorter is not worth a word
WRITTEN_SECONDS = 3.0  # how often the text so far is written into its message


class ModelCalls:
    """The requests of one turn, one at a time: begin, send, receive …, finish."""

    def __init__(self, state: TurnState):
        self._state, self._events = state, state.events

    @property
    def _setup(self) -> Setup:
        return self._state.setup

    def begin(self, clock: asyncio.Timeout) -> ModelCall:
        """The message of the answer, before anything of it is known."""
        state, before = self._state, self._state.continues
        purpose: Purpose = "finalise" if state.phase == "finalising" else "chat"
        prefix = visible(before.message) if before else ""
        message = ModelResponse(parts=[TextPart(prefix)] if prefix else [])
        state.call = ModelCall(state.branch.begin(message, self._setup.name, before), purpose, clock, prefix)
        return state.call

    def send(self, fit_result: FitResult) -> None:
        """Note that the request leaves with this payload."""
        call, report = self._current(), fit_result.report
        call.fit_result, call.sent = fit_result, time.monotonic()
        self._expect(call, self._setup.limits.first_token_seconds)
        self._events.emit(
            CallStarted(
                call=call.id, node=call.node.id, purpose=call.purpose, tokens=report.count, budget=report.budget,
                grade=report.grade, fates={fate.node: fate.what for fate in report.fates if fate.what != "sent"}, prefix=call.prefix,
            )
        )  # fmt: skip
        for repair in report.repairs:
            self._state.tell(
                "repaired", f"repaired before sending: {repair.partition(': ')[2]}"
            )  # behind the message's id
        left_out = sum(fate.what == "dropped" for fate in report.fates)
        if left_out:
            text = f"{left_out} earlier {'message was' if left_out == 1 else 'messages were'} not sent: no room in the window"
            self._state.tell("left_out", text, {"messages": left_out})

    def receive(self, event: AgentStreamEvent) -> None:
        """One event of the model's stream; text may also come in the event that begins a part."""
        call, events = self._current(), self._events
        node = call.node.id
        self._expect(call, self._setup.limits.token_seconds)
        if call.first_token is None and isinstance(event, PartStartEvent | PartDeltaEvent):
            call.first_token = time.monotonic()
        match event:
            case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                call.text += text
                events.delta(TextDelta(node=node, text=text))
            case (
                PartStartEvent(part=ThinkingPart(content=text))
                | PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text)))
            ):
                call.reasoning += text
                events.delta(ReasoningDelta(node=node, text=text))
            case PartStartEvent(part=ToolCallPart() as part):
                call.tool_calls[part.tool_call_id] = part
                events.emit(ToolCallStarted(node=node, tool_call=part.tool_call_id, name=part.tool_name))
                if isinstance(part.args, str):
                    events.delta(ToolArgsDelta(tool_call=part.tool_call_id, text=part.args))
            case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=str(text), tool_call_id=str(id))):
                events.delta(ToolArgsDelta(tool_call=id, text=text))
            case PartEndEvent(part=ToolCallPart() as part):
                call.tool_calls[part.tool_call_id] = part
                args = arguments(part)
                events.emit(ToolCallReady(node=node, tool_call=part.tool_call_id, name=part.tool_name, args=args))
            case _:
                pass  # other parts and events of pydantic-ai's are in the message when it is whole
        self.write()
        events.writes.check()

    def write(self) -> None:
        """Keep the text so far, now and then."""
        call, journal = self._state.call, self._state.journal
        if call is not None and time.monotonic() - call.written >= WRITTEN_SECONDS:
            call.written = time.monotonic()
            self._events.writes.put(partial(journal.write, call.node.id, call.message()))

    def finish(self, message: ModelResponse, state: State, error: str | None = None) -> None:
        """Store an answer and its usage, and say so."""
        call, branch = self._current(), self._state.branch
        self._events.settle()
        answer = self._observed(call, message) if call.fit_result is not None and error is None else None
        if answer is not None and self._setup.served.truncated(answer):
            mark = {"server_truncated": {"sent": answer.counted, "read": answer.read}}
            message = replace(message, metadata={**(message.metadata or {}), **mark})
        if call.prefix:
            message = replace(message, metadata={**(message.metadata or {}), "continued": "by instruction"})
        if answer is not None:
            self._compare(answer)
        elif call.fit_result is not None and error is not None:
            self._take_limit(error)
        if state == "complete" and self._state.phase != "finalising" and not calls(message):
            self._tell_end(call, message)
        message = marked(message, (error or "") if state == "failed" else "", call.notices)
        self._state.call = None
        node = branch.finish(call.node.id, message, state)
        self._state.finished_characters += len(visible(message)) - len(call.prefix)
        if call.fit_result is not None:
            self._account(call, call.fit_result, message, error)
        branch.committed(node)

    def account(self, record: CallRecord) -> None:
        """Keep a request with its usage."""
        self._events.writes.put(partial(self._state.journal.call, record))
        self._events.emit(
            UsageReported(
                call=record.id, prompt_tokens=record.prompt_tokens, cached_tokens=record.cached_tokens,
                tokens=record.tokens, reasoning_tokens=record.reasoning_tokens, source=record.source,
                cost=None if record.cost is None else str(record.cost),
                first_token_seconds=record.first_token_seconds, seconds=record.seconds,
            )
        )  # fmt: skip

    def _current(self) -> ModelCall:
        assert self._state.call is not None
        return self._state.call

    def _observed(self, call: ModelCall, message: ModelResponse) -> ObservedAnswer | None:
        """An answer as it shows the server; None where the server counts nothing."""
        assert call.fit_result is not None
        report, used = call.fit_result.report, message.usage
        if not used.has_values():
            return None
        sent = (part.text for one in call.fit_result.payload.messages for part in index(one) if part.kind == "text")
        partly, cut = impossible(used.input_tokens, sent), message.finish_reason == "length"
        return ObservedAnswer(
            report.count, report.grade, used.input_tokens, used.output_tokens, report.reserve, cut, partly
        )

    def _account(self, call: ModelCall, fit_result: FitResult, message: ModelResponse, error: str | None) -> None:
        setup, report, payload = self._setup, fit_result.report, fit_result.payload
        reported = message.usage.has_values()
        own = RequestUsage(input_tokens=report.count, output_tokens=estimate_text(call.text + call.reasoning))
        used = message.usage if reported else own
        stored = {id(node.message): node.id for node in self._state.branch.path}
        record = CallRecord(
            call.id, call.node.id, setup.name, setup.endpoint, call.purpose, payload,
            tuple(stored.get(id(sent)) for sent in payload.messages),
            {"max_tokens": setup.window.reserve, **setup.settings}, report,
            prompt_tokens=used.input_tokens, cached_tokens=used.cache_read_tokens, tokens=used.output_tokens,
            reasoning_tokens=used.output_reasoning_tokens, source="reported" if reported else "own", grade=report.grade,
            counted=report.count, first_token_seconds=None if call.first_token is None else call.first_token - call.sent,
            seconds=time.monotonic() - call.sent, finish=message.finish_reason or "", cost=setup.cost(used), error=error,
        )  # fmt: skip
        self.account(record)

    def _compare(self, answer: ObservedAnswer) -> None:
        """Learn from the numbers that the server reports; tell the user what it did to the conversation."""
        known = self._setup.served
        after = known.after(answer)
        if known.truncated(answer):
            text = (
                f"the server read {answer.read} of {answer.counted} tokens: it cut the conversation without saying so, "
                f"and this answer is not reliable. Its window is taken to be {after.window} tokens from now on; send again "
                "to fit it"
            )
            more = {"sent": answer.counted, "read": answer.read, "window": after.window}
            self._state.tell("server_truncated", text, more)
        elif known.most_output is None and after.most_output is not None:
            text = (
                f"the server ended this answer after {answer.wrote} of {answer.reserve} tokens: a limit of its own on "
                "answers, not of the conversation. Continue goes on with it"
            )
            self._state.tell("output_limit", text, {"tokens": answer.wrote})
        if after != known:
            self._learn(answer)

    def _tell_end(self, call: ModelCall, message: ModelResponse) -> None:
        """Say why an answer is not whole."""
        state, details = self._state, message.provider_details or {}
        if message.finish_reason == "length":
            state.reason = "length"
            if all(one.code != "output_limit" for one in call.notices):
                count = message.usage.output_tokens
                state.tell(
                    "cut",
                    f"cut short after {count:,} tokens" if count else "cut short: it has as many tokens as it may",
                )
        elif message.finish_reason == "content_filter":
            state.reason = "refused"
            by = "the model" if call.text.strip() else "the provider's filter"
            why = f": {details['refusal']}" if details.get("refusal") else ""
            state.tell("refused", f"refused by {by}{why}")
        elif not call.text.strip():
            state.reason = "empty"
            state.tell("empty_answer", f"the model answered nothing{' beside its thinking' if call.reasoning else ''}")

    def wait(self, waiting: Waiting) -> None:
        """Say that the server wants time before it is asked again, and do not count it as silence."""
        seconds = max(1, round(waiting.seconds))
        if self._state.call is not None:
            self._expect(self._state.call, self._setup.limits.first_token_seconds + waiting.seconds)
        if not waiting.status and seconds < SAID_SECONDS:
            return  # it is tried again before anybody has read so
        what = {0: "the connection was lost", 429: "the server asks to wait (429: too many requests)"}
        text = what.get(waiting.status, f"the server answered {waiting.status}")
        self._state.tell("waiting", f"{text}; trying again in {seconds} s", {"seconds": seconds}, lasts=False)

    def _take_limit(self, error: str) -> None:
        """Learn the window that an error names, if it is smaller than the one that was assumed."""
        limit = named_limit(error)
        if limit is not None and limit < self._setup.window.tokens:
            self._learn(limit)
            text = f"the server takes {limit} tokens, which is its window from now on; send again to fit it"
            self._state.tell("window_named", text, {"window": limit})

    def _learn(self, shown: ObservedAnswer | int) -> None:
        self._events.writes.put(partial(self._state.journal.learned, shown))

    def _expect(self, call: ModelCall, seconds: float) -> None:
        call.clock.reschedule(asyncio.get_running_loop().time() + seconds)


def without_calls(message: ModelResponse, instead: str) -> ModelResponse:
    """An answer whose tool calls are not made; `instead` is its text if it has none."""
    parts: list[Part] = [part for part in message.parts if not isinstance(part, ToolCallPart)]
    answer = with_parts(message, parts)
    return answer if visible(answer).strip() else with_parts(answer, [*parts, TextPart(instead)])


def prefixed(message: ModelResponse, prefix: str) -> ModelResponse:
    """An answer that goes on from `prefix`, which is put before its first text."""
    parts: list[Part] = []
    missing = True
    for part in message.parts:
        if missing and isinstance(part, TextPart):
            part, missing = replace(part, content=prefix + part.content), False
        parts.append(part)
    return with_parts(message, [*parts, TextPart(prefix)] if missing else parts)
