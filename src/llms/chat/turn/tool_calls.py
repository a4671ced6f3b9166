"""The tool calls of a turn: how many may be made, which wait for a person, and a result for each, whatever happens."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from pydantic_ai.exceptions import ApprovalRequired, ToolFailed
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolCallPart, ToolReturnPart
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults

from ...tools.consent import Decision
from ...tools.guard import approval_requests, approval_result
from ..conversation.messages import arguments, calls, result_text, result_words, results
from .events import ApprovalNeeded, ToolFinished, ToolStarted
from .journal import ToolRecord, ToolState
from .setup import TurnLimits
from .state import TurnState

_STATES: dict[str, ToolState] = {"success": "done", "denied": "denied", "interrupted": "cancelled"}
Args = TypeVar("Args", bound=Mapping[str, object])
Result = TypeVar("Result")


class ToolCalls:
    """Counted from the stored messages, so that limits hold when a turn goes on after a restart.

    A call is begun (in `_begun`), then has a result that no message holds yet (in `_results`), then is answered: the
    branch holds the message with its result. `close` brings every call there.
    """

    def __init__(self, state: TurnState, decisions: Mapping[str, Decision]):
        self._state, self._branch, self._events = state, state.branch, state.events
        self._decisions = decisions
        self._turn_begun = time.monotonic()
        self._begun: dict[str, float] = {}
        self._results: dict[str, ToolReturnPart] = {}

    @property
    def _limits(self) -> TurnLimits:
        return self._state.setup.limits

    @property
    def limit_reached(self) -> bool:
        """Whether the next answer must be the last."""
        rounds = sum(bool(calls(node.message)) for node in self._branch.turn)
        late = time.monotonic() - self._turn_begun > self._limits.seconds
        return late or rounds >= self._limits.rounds or len(self._branch.tool_calls) >= self._limits.calls

    async def run(self, call: ToolCallPart, args: Args, work: Callable[[Args], Awaitable[Result]]) -> Result:
        """The result of `work`. Raises ToolFailed for a call beyond the limit; one that asks first has not begun."""
        every = [call.tool_call_id for _, call in self._branch.tool_calls]
        if call.tool_call_id in every[self._limits.calls :]:
            text = f"not executed: at most {self._limits.calls} tool calls are made for one answer"
            raise ToolFailed(json.dumps({"type": "limit", "message": text}))
        working = asyncio.ensure_future(work(args))
        try:
            await asyncio.sleep(0)  # consent is asked for before anything else
        except asyncio.CancelledError:
            working.cancel()
            raise
        asks = working.done() and not working.cancelled() and isinstance(working.exception(), ApprovalRequired)
        if not asks:
            self._begun[call.tool_call_id] = time.monotonic()
            self._events.emit(ToolStarted(tool_call=call.tool_call_id, name=call.tool_name, args=args))
        return await working

    def finished(self, part: ToolReturnPart) -> None:
        """Keep a result, and say so."""
        begun = self._begun.pop(part.tool_call_id, None)
        seconds = time.monotonic() - begun if begun is not None else 0.0
        self._results[part.tool_call_id] = part
        text, decision = result_text(part), self._decisions.get(part.tool_call_id)
        edited = dict(decision.args) if decision and decision.allowed and decision.args is not None else None
        node, args = next(
            (node, arguments(call)) for node, call in self._branch.tool_calls if call.tool_call_id == part.tool_call_id
        )
        state = _STATES.get(part.outcome, "failed")
        if state == "cancelled" and begun is None:
            state = "not executed"
        by = "user" if decision else None
        files = part.metadata.get("files", ()) if isinstance(part.metadata, dict) else ()
        record = ToolRecord(part.tool_call_id, node, part.tool_name, args, state, edited, by, text, seconds)
        self._events.writes.put(partial(self._state.journal.tool, record))
        self._events.emit(
            ToolFinished(
                tool_call=part.tool_call_id, name=part.tool_name, outcome=part.outcome, text=result_words(part),
                seconds=seconds, files=tuple(files),
            )
        )  # fmt: skip

    def store(self, request: ModelMessage) -> None:
        """Keep a request that holds results, unless it is one that was stored before."""
        if isinstance(request, ModelRequest) and {p.tool_call_id for p in results(request)} - self._branch.answered:
            self._branch.store(ModelRequest(parts=list(request.parts), timestamp=request.timestamp), "tools")
            self._results.clear()

    def wait_for(self, deferred: DeferredToolRequests) -> None:
        """Ask a person; the turn goes on with what they decide."""
        sources = tuple(self._state.setup.consent.sources)
        requests = {request.tool_call: request for request in approval_requests(deferred, sources)}
        for node, call in self._branch.tool_calls:
            request = requests.get(call.tool_call_id)
            if request is None:
                continue
            args = arguments(call)
            record = ToolRecord(call.tool_call_id, node, call.tool_name, args, "waiting")
            self._events.writes.put(partial(self._state.journal.tool, record))
            why = "the model has read what others wrote" if sources else f"a tool of kind {request.kind} asks first"
            self._events.emit(
                ApprovalNeeded(
                    tool_call=call.tool_call_id, name=call.tool_name, args=args, tool_kind=request.kind, why=why,
                    sources=sources,
                )
            )  # fmt: skip

    def decided(self) -> DeferredToolResults | None:
        """The person's decisions, for the calls without a result. A call that nobody decided on is not made."""
        if not self._decisions:
            return None
        nobody = Decision(False, reason="nobody decided")
        return DeferredToolResults(
            approvals={
                call.tool_call_id: approval_result(self._decisions.get(call.tool_call_id, nobody))
                for _, call in self._branch.tool_calls
                if call.tool_call_id not in self._branch.answered
            }
        )

    def close(self, why: str) -> None:
        """Store a result for every call that has none: the one that came, or that it was not made."""
        parts = []
        for _, call in self._branch.tool_calls:
            if call.tool_call_id in self._branch.answered:
                continue
            if call.tool_call_id not in self._results:
                text = "cancelled while running" if call.tool_call_id in self._begun else "not executed"
                self.finished(
                    ToolReturnPart(call.tool_name, f"{text}: {why}", call.tool_call_id, outcome="interrupted")
                )
            parts.append(self._results[call.tool_call_id])
        if parts:
            self._branch.store(ModelRequest(parts=parts), "tools")
            self._results.clear()

    def summary(self) -> str:
        """The answer where the model gave none."""
        names = ", ".join(dict.fromkeys(call.tool_name for _, call in self._branch.tool_calls))
        done = f"{len(self._branch.tool_calls)} calls were made ({names}); their results are kept above"
        return f"The limit of tool calls was reached without an answer. {done}."
