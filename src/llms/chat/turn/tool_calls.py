"""The tool calls of a turn: how many may be made, which wait for a person, and a result for each, whatever happens."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from pydantic_ai.exceptions import ApprovalRequired, ToolFailed
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolCallPart, ToolReturnPart
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied

from ...tools.consent import Consent, Decision
from ..conversation.messages import arguments, calls, result_text, results
from .branch import Branch
from .events import ApprovalNeeded, ToolFinished, ToolStarted
from .journal import ToolRecord, ToolState
from .setup import TurnLimits

_STATES: dict[str, ToolState] = {"success": "done", "denied": "denied", "interrupted": "cancelled"}


class Rounds:
    """Counted from the stored messages, so that limits hold when a turn goes on after a restart."""

    def __init__(self, branch: Branch, limits: TurnLimits, consent: Consent, decisions: Mapping[str, Decision]):
        self._branch, self._limits, self._consent, self._decisions = branch, limits, consent, decisions
        self._begun = time.monotonic()
        self._running: dict[str, float] = {}  # when a call began
        self._given: dict[str, ToolReturnPart] = {}  # results that no message holds yet

    @property
    def limit_reached(self) -> bool:
        """Whether the next answer must be the last."""
        made = sum(bool(calls(node.message)) for node in self._branch.turn)
        late = time.monotonic() - self._begun > self._limits.seconds
        return late or made >= self._limits.rounds or len(self._branch.tool_calls) >= self._limits.calls

    async def run(self, call: ToolCallPart, args: Any, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """What `work` gives. Raises ToolFailed for a call beyond the limit; one that asks first has not begun."""
        every = [call.tool_call_id for _, call in self._branch.tool_calls]
        if call.tool_call_id in every[self._limits.calls :]:
            told = f"not executed: at most {self._limits.calls} tool calls are made for one answer"
            raise ToolFailed(json.dumps({"type": "limit", "message": told}))
        working = asyncio.ensure_future(work(args))
        try:
            await asyncio.sleep(0)  # consent is asked for before anything else
        except asyncio.CancelledError:
            working.cancel()
            raise
        asks = working.done() and not working.cancelled() and isinstance(working.exception(), ApprovalRequired)
        if not asks:
            self._running[call.tool_call_id] = time.monotonic()
            self._branch.feed.emit(ToolStarted, tool_call=call.tool_call_id, name=call.tool_name, args=args)
        return await working

    def finished(self, part: ToolReturnPart) -> None:
        begun = self._running.pop(part.tool_call_id, None)
        seconds = time.monotonic() - begun if begun is not None else 0.0
        self._given[part.tool_call_id] = part
        text, decision = result_text(part), self._decisions.get(part.tool_call_id)
        edited = dict(decision.args) if decision and decision.allowed and decision.args is not None else None
        node, args = next(
            (node, arguments(call)) for node, call in self._branch.tool_calls if call.tool_call_id == part.tool_call_id
        )
        state = _STATES.get(part.outcome, "failed")
        if state == "cancelled" and begun is None:
            state = "not executed"
        by = "user" if decision else None
        record = ToolRecord(part.tool_call_id, node, part.tool_name, args, state, edited, by, text, seconds)
        self._branch.feed.writes.put(partial(self._branch.journal.tool, record))
        self._branch.feed.emit(
            ToolFinished,
            tool_call=part.tool_call_id,
            name=part.tool_name,
            outcome=part.outcome,
            text=text,
            seconds=seconds,
        )

    def store(self, request: ModelMessage) -> None:
        """Keep a request that holds results, unless it is one that was stored before."""
        if isinstance(request, ModelRequest) and {p.tool_call_id for p in results(request)} - self._branch.answered:
            self._branch.store(ModelRequest(parts=list(request.parts), timestamp=request.timestamp), "tools")
            self._given.clear()

    def wait_for(self, requests: DeferredToolRequests) -> None:
        """Ask a person; the turn goes on with what they decide."""
        sources = tuple(self._consent.sources)
        for node, call in self._branch.tool_calls:
            if call.tool_call_id not in {asked.tool_call_id for asked in requests.approvals}:
                continue
            args = arguments(call)
            kind = str(requests.metadata.get(call.tool_call_id, {}).get("kind", "external"))
            record = ToolRecord(call.tool_call_id, node, call.tool_name, args, "waiting")
            self._branch.feed.writes.put(partial(self._branch.journal.tool, record))
            why = "the model has read what others wrote" if sources else f"a tool of kind {kind} asks first"
            self._branch.feed.emit(
                ApprovalNeeded, tool_call=call.tool_call_id, name=call.tool_name, args=args, tool_kind=kind, why=why,
                sources=sources,
            )  # fmt: skip

    def decided(self) -> DeferredToolResults | None:
        """What a person decided, for the calls without a result. A call that nobody decided on is not made."""
        if not self._decisions:
            return None
        found: dict[str, Any] = {}
        for _, call in self._branch.tool_calls:
            if call.tool_call_id in self._branch.answered:
                continue
            decision = self._decisions.get(call.tool_call_id, Decision(False, reason="nobody decided"))
            because = f": {decision.reason}" if decision.reason else ""
            args = dict(decision.args) if decision.args is not None else None
            found[call.tool_call_id] = (
                ToolApproved(override_args=args) if decision.allowed else ToolDenied(f"denied by the user{because}")
            )
        return DeferredToolResults(approvals=found)

    def close(self, why: str) -> None:
        """A result for every call that has none: what came, or that it was not made."""
        parts = []
        for _, call in self._branch.tool_calls:
            if call.tool_call_id in self._branch.answered:
                continue
            if call.tool_call_id not in self._given:
                told = "cancelled while running" if call.tool_call_id in self._running else "not executed"
                self.finished(
                    ToolReturnPart(call.tool_name, f"{told}: {why}", call.tool_call_id, outcome="interrupted")
                )
            parts.append(self._given[call.tool_call_id])
        if parts:
            self._branch.store(ModelRequest(parts=parts), "tools")
            self._given.clear()

    def what_was_done(self) -> str:
        """The answer where the model gave none."""
        names = ", ".join(dict.fromkeys(call.tool_name for _, call in self._branch.tool_calls))
        made = f"{len(self._branch.tool_calls)} calls were made ({names}); their results are kept above"
        return f"The limit of tool calls was reached without an answer. {made}."
