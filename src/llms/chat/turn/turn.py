"""One turn: the model answers the last message of a path, calls tools, is stopped, fails or waits for a person.

pydantic-ai's agent runs the loop; what is sent is what `fit` says. Whatever happens is an event, and in the journal
before that: the assistant's message exists before its first word is shown, `run_finished` comes after everything is
stored. However a turn ends, the path it leaves may be sent again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import TypeAlias

import pydantic_ai
from pydantic_ai import Agent, AgentRun, CancellationToken, ModelRequestNode, RunCancelled, ToolDefinition
from pydantic_ai.exceptions import AgentRunError, ModelHTTPError, UserError
from pydantic_ai.messages import (
    FunctionToolResultEvent,
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolReturnPart,
)
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import DeferredToolRequests
from pydantic_ai.usage import UsageLimits

from ... import bridge
from ...errors import BudgetExceeded, LlmsError, PolicyRefusal, UsageError
from ...models.waiting import WAITING
from ...tools.consent import Decision
from ...tools.tool import Deps
from ..conversation.marks import marked
from ..conversation.messages import calls, user, visible
from ..conversation.tree import Node, State, now
from ..window.fit import fit
from ..window.fit_result import FitRequest, FitResult
from .branch import Branch
from .event_stream import STORED_SECONDS, EventStream
from .events import Event, Reason, RunFinished, RunStarted, RunState, TextDelta
from .hooks import Hooks
from .journal import Journal
from .model_call import ModelCalls, prefixed, without_calls
from .setup import PendingSetup, Setup, TurnHistory
from .side_requests import SideRequests, own_cause
from .state import Phase, TurnState
from .tool_calls import ToolCalls

pydantic_ai.BANNER_ENABLED = False  # an advertisement before the first answer of a process

BEAT_SECONDS = 10.0
SILENT_SECONDS = 1.0  # after which it is said what is waited for
_FINALISE = (
    "Answer now with what is there, without calling any tool. If something is missing, say what in one sentence."
)
_CONTINUE = "Continue your last answer exactly where it stopped. Do not repeat anything of it."
_EXPECTED = (LlmsError, AgentRunError, UserError, OSError, TimeoutError)
_REASONS: Mapping[type[BaseException], Reason] = {
    TimeoutError: "timeout",
    BudgetExceeded: "budget",
    PolicyRefusal: "strict",
    UsageError: "usage",
}
Output: TypeAlias = str | DeferredToolRequests


class _TooLarge(Exception):
    """The question must be read in parts."""

    def __init__(self, fit_result: FitResult):
        super().__init__("the question does not fit the window")
        self.fit_result = fit_result


class Turn:
    """Answers the last message of `path`. Make it in a thread, for the path is read from the store; `start` it on a running
    loop, where it goes on whether or not anybody reads. A `setup` that is pending is made then.

    `decisions` resumes a turn that waited: a person's answer to each tool call, by id. `continues` is an answer that
    was cut short, beside `path`; the new one becomes its sibling and begins with its text.
    """

    def __init__(
        self,
        path: Sequence[Node],
        setup: Setup | PendingSetup,
        journal: Journal,
        conversation: str = "",
        past: TurnHistory = TurnHistory(),
        decisions: Mapping[str, Decision] | None = None,
        continues: Node | None = None,
    ):
        decisions = decisions or {}
        edits = dict(past.edits) | {
            id: decision.args for id, decision in decisions.items() if decision.allowed and decision.args is not None
        }
        events = EventStream(journal)
        branch = Branch(path, journal, events, setup.consent, edits)
        self._state = TurnState(setup, branch, events, journal, continues, cut=past.cut, summary=past.summary)
        self._model_calls = ModelCalls(self._state)
        self._tool_calls = ToolCalls(self._state, decisions)
        self._side_requests = SideRequests(self._state, self._model_calls)
        self._conversation, self._resumed = conversation, bool(decisions)
        if continues is not None:
            _ = continues.message  # read here: what runs on the event loop reads nothing from the disk
        self._cancellation = CancellationToken()
        self._task: asyncio.Task[None] | None = None

    @property
    def path(self) -> list[Node]:
        """The stored path, the question and its answers at the end."""
        return self._state.branch.path

    @property
    def run(self) -> str:
        return self._state.journal.run

    @property
    def ended(self) -> bool:
        """Whether no event follows: it is over, or waits for a person."""
        return self._state.events.closed

    def start(self) -> "Turn":
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"turn-{self.run}")
        return self

    def notice(self, code: str, text: str) -> None:
        """Say something that a person should know, from the turn's event loop, while it runs."""
        self._state.tell(code, text)

    def events(self, after: int = 0) -> AsyncIterator[Event]:
        """This turn's events with numbers above `after`, to its end."""
        return self._state.events.read(after)

    async def followed(self) -> AsyncIterator[Event]:
        """Start, and yield all events; leaving early stops the turn, and what was not yielded was not seen."""
        self.start()
        seen = 0
        try:
            async for event in self.events():
                seen += len(event.text) if isinstance(event, TextDelta) else 0
                yield event
        finally:
            self.stop(seen)
            await self.wait()

    async def wait(self) -> None:
        """Return when everything is stored. Raises whatever the turn itself did not expect."""
        if self._task is not None:
            await asyncio.wait({self._task})
            self._task.result()

    def stop(self, seen: int | None = None) -> None:
        """End the turn now, from any thread, any number of times. `seen` characters of its text were shown to the
        user; what came after them is not kept."""
        if self._state.stopping or self.ended:
            return
        self._state.stop(seen)
        self._cancellation.cancel()
        if (task := self._task) is not None:
            task.get_loop().call_soon_threadsafe(self._cancel, task)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        """Where no run of pydantic-ai's is there to be cancelled; what stores the end is let alone."""
        if self._state.phase in ("preparing", "reading"):
            task.cancel()

    async def _run(self) -> None:
        turn, text = self._state, ""
        run_state: RunState = "failed"
        ticking = asyncio.create_task(self._tick())
        try:
            if not self._resumed:
                question = turn.branch.question.id
                turn.events.emit(RunStarted(conversation=self._conversation, node=question, model=turn.chosen.name))
            WAITING.set(self._model_calls.wait)
            await self._prepare()
            run_state = await self._answer()
        except (RunCancelled, asyncio.CancelledError) as cancelled:
            run_state, turn.reason = ("stopped", "stopped") if turn.stopping else ("interrupted", "interrupted")
            self._close_off(run_state, "stopped by the user" if turn.stopping else "the program ended")
            if not turn.stopping and isinstance(cancelled, asyncio.CancelledError):
                raise
        except BaseException as error:
            error = own_cause(error)
            turn.reason = next((reason for kind, reason in _REASONS.items() if isinstance(error, kind)), "error")
            text = str(error) or type(error).__name__
            if isinstance(error, ModelHTTPError):
                text = f"{error.model_name} answered {error.status_code}: {error.body}. Try again"
            if not isinstance(error, _EXPECTED):
                text = f"llms itself failed ({type(error).__name__}: {text}); try again, and report it if it stays"
            self._close_off("failed", text)
            if not isinstance(error, _EXPECTED):
                raise
        finally:
            ticking.cancel()
            turn.phase = "ending"
            await self._end(run_state, text)

    async def _end(self, run_state: RunState, text: str) -> None:
        """Store the run's end, then say it; readers come to theirs even if nothing can be stored any more."""
        turn, events = self._state, self._state.events
        try:
            events.settle()
            events.flush()
            events.writes.put(partial(turn.journal.end, run_state, turn.reason, turn.seen))
            await events.writes.settled()
            if run_state != "waiting":
                node = self.path[-1].id
                events.emit(RunFinished(state=run_state, reason=turn.reason, node=node, text=text))
                await events.writes.settled()
        except LlmsError:
            events.lose(RunFinished(state="failed", reason="error", node=self.path[-1].id, text=text))
        finally:
            events.close()
            events.writes.close()

    async def _prepare(self) -> None:
        """Have the model ready, which may take minutes. In a thread that nothing waits for once this is cancelled."""
        turn = self._state
        if isinstance(turn.chosen, PendingSetup):
            self._enter("preparing")  # nothing is loaded for one who has gone
            turn.chosen = await bridge.in_daemon(turn.chosen.load)
        self._enter("answering")

    def _enter(self, phase: Phase) -> None:
        """Raises CancelledError where a person has stopped the turn by now."""
        if self._state.stopping:
            raise asyncio.CancelledError
        self._state.phase = phase

    async def _answer(self) -> RunState:
        turn = self._state
        output: Output | None = None
        try:
            output = await self._run_agent()
        except _TooLarge as large:
            self._enter("reading")
            if not await self._side_requests.read_in_parts(large.fit_result.overflow == "attachments"):
                raise BudgetExceeded("the text is larger than the user agreed to read") from None
        except AgentRunError as error:
            stored = turn.call is None and self.path[-1].role == "assistant"
            if isinstance(error, RunCancelled) or not stored or calls(self.path[-1].message):
                raise
            # pydantic-ai takes an answer without text for an error; it is stored, and the user is told
        if isinstance(output, DeferredToolRequests):
            turn.reason = "waiting"
            self._tool_calls.wait_for(output)
            return "waiting"
        return "finished"

    async def _run_agent(self) -> Output | None:
        """Requests and tools until the model has answered; the agent's output."""
        turn, setup = self._state, self._state.setup
        agent: Agent[Deps, Output] = Agent(
            setup.model,
            toolsets=[setup.toolset] if setup.toolset else [],
            capabilities=[Hooks(turn, self._tool_calls, self._fit_to_window)],
            output_type=[str, DeferredToolRequests],
            retries={"tools": 1000, "output": 0},  # the limits are ours
        )
        history = [replace(turn.branch.as_sent(node).message) for node in turn.branch.turn]  # theirs to write in
        async with agent.iter(
            message_history=[user(_CONTINUE)] if turn.continues else history,
            deferred_tool_results=self._tool_calls.decided(),
            cancellation_token=self._cancellation,
            model_settings=ModelSettings(max_tokens=setup.window.reserve) | setup.settings,
            usage_limits=UsageLimits(request_limit=None),
        ) as run:
            async for step in run:
                if Agent.is_model_request_node(step):
                    self._tool_calls.store(step.request)
                    if await self._request(step, run):
                        return None
                elif Agent.is_call_tools_node(step):
                    async with step.stream(run.ctx) as events:
                        async for event in events:
                            if isinstance(event, FunctionToolResultEvent) and isinstance(event.part, ToolReturnPart):
                                self._tool_calls.finished(event.part)
            self._tool_calls.store(run.all_messages()[-1])
            return run.result.output if run.result else None

    async def _request(self, step: ModelRequestNode[Deps, Output], run: AgentRun[Deps, Output]) -> bool:
        """Send one request and keep its answer. True if nothing may follow it."""
        turn = self._state
        if self._tool_calls.limit_reached:
            turn.phase = "finalising"
        try:
            async with asyncio.timeout(None) as clock:
                call = self._model_calls.begin(clock)
                async with step.stream(run.ctx) as events:
                    async for event in events:
                        self._model_calls.receive(event)
        except TimeoutError as silent:
            raise TimeoutError(f"{turn.setup.name} said nothing for too long; try again") from silent
        response = run.all_messages()[-1]
        assert isinstance(response, ModelResponse)
        last = turn.phase == "finalising"
        if last:
            turn.reason = "tool_limit"
            response = without_calls(response, self._tool_calls.summary())
            turn.events.delta(TextDelta(node=call.node.id, text=visible(response)[len(call.text) :]))
        self._model_calls.finish(prefixed(response, call.prefix) if call.prefix else response, "complete")
        await turn.events.writes.settled()  # before anything is done because of it
        return last

    async def _fit_to_window(self, tools: Sequence[ToolDefinition]) -> FitResult:
        """The payload to send now. Raises _TooLarge for a question that must be read in parts."""
        turn = self._state
        result = await self._fit(tools)
        if result.evict and not turn.summarised:
            turn.summarised = True
            summary = await self._side_requests.summary(result.evict[-1])
            if summary is not None:
                turn.summary, turn.cut = summary, None
                result = await self._fit(tools)
        if result.overflow:
            raise _TooLarge(result)
        turn.cut = result.report.cut or turn.cut
        self._model_calls.send(result)
        await turn.events.writes.settled()
        return result

    async def _fit(self, tools: Sequence[ToolDefinition]) -> FitResult:
        turn, setup = self._state, self._state.setup
        path = [turn.branch.as_sent(node) for node in self.path]
        if turn.continues is not None:
            path += [turn.continues, _instruction(turn.continues)]
        notes = (*setup.pinned.notes, _FINALISE) if turn.phase == "finalising" else setup.pinned.notes
        request = FitRequest(
            path, setup.window, setup.count, setup.policy, turn.cut, pinned=replace(setup.pinned, notes=notes),
            summary=turn.summary, tools=tools, sizes=setup.sizes,
        )  # fmt: skip
        return await asyncio.to_thread(fit, request)

    def _close_off(self, run_state: RunState, why: str) -> None:
        """Store what there is, so that the path may be sent again: the text that was shown, a result for every call."""
        turn, call = self._state, self._state.call
        state: State = run_state if run_state in ("stopped", "failed") else "interrupted"
        if call is not None:
            length = None
            if run_state == "stopped" and turn.seen is not None:
                length = max(0, turn.seen - turn.finished_characters) + len(call.prefix)
            message = call.message(length)
            self._model_calls.finish(message, state, why)
        self._tool_calls.close(why)
        if call is None and self.path[-1].role != "assistant":  # nothing was begun that could say what happened
            empty = marked(ModelResponse(parts=[TextPart("")]), why if state == "failed" else "")
            begun = turn.branch.begin(empty, turn.chosen.name)
            turn.branch.committed(turn.branch.finish(begun.id, empty, state))

    async def _tick(self) -> None:
        """Store what has come while the model is silent, and say that this run is alive."""
        begun = beat = time.monotonic()
        while True:
            await asyncio.sleep(STORED_SECONDS)
            if self._state.phase == "preparing" and time.monotonic() - begun >= SILENT_SECONDS:
                self._state.tell("preparing", f"waiting for {self._state.chosen.name} to be ready", lasts=False)
                begun = inf
            self._state.events.flush()
            self._model_calls.write()
            if time.monotonic() - beat >= BEAT_SECONDS:
                beat = time.monotonic()
                self._state.events.writes.put(self._state.journal.beat)


def _instruction(after: Node) -> Node:
    message: ModelMessage = user(_CONTINUE)
    return Node(f"{after.id}-more", after.id, "user", f"{after.digest}-more", lambda: message, created=now())
