"""One turn: the model answers the last message of a path, calls tools, is stopped, fails or waits for a person.

pydantic-ai's agent runs the loop; what is sent is what `fit` says. Whatever happens is an event, and in the journal
before that: the assistant's message exists before its first word is shown, `run_finished` comes after everything is
stored. However a turn ends, the path it leaves may be sent again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic_ai import Agent, CancellationToken, RunCancelled
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import FunctionToolResultEvent, ModelMessage, ModelResponse, ToolReturnPart
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import DeferredToolRequests, ToolDenied
from pydantic_ai.usage import UsageLimits

from ...errors import BudgetExceeded, LlmsError
from ...tools.consent import Decision
from ..conversation.messages import calls, user, visible
from ..conversation.tree import Node, now
from ..window.fit import fit
from ..window.fit_result import Fitted
from .branch import Branch
from .event_stream import STORED_SECONDS, Feed
from .events import Event, Notice, Reason, RunFinished, RunStarted, RunState, TextDelta
from .journal import Journal
from .model_call import Requesting, prefixed, without_calls
from .setup import Setup, TurnHistory
from .side_requests import Aside, own_cause
from .tool_calls import Rounds

BEAT_SECONDS = 10.0
_FINALISE = (
    "Answer now with what is there, without calling any tool. If something is missing, say what in one sentence."
)
_CONTINUE = "Continue your last answer exactly where it stopped. Do not repeat anything of it."
_EXPECTED = (LlmsError, AgentRunError, UserError, OSError, TimeoutError)


class _TooLarge(Exception):
    """The question must be read in parts."""

    def __init__(self, fitted: Fitted):
        super().__init__("the question does not fit the window")
        self.fitted = fitted


class Turn:
    """Answers the last message of `path`. Make it in a thread, for the path is read from the store; `start` it on a running
    loop, where it goes on whether or not anybody reads.

    `decisions` resumes a turn that waited: what a person said to each tool call, by id. `continues` is an answer that
    was cut short, beside `path`; the new one becomes its sibling and begins with its text.
    """

    def __init__(
        self,
        path: Sequence[Node],
        setup: Setup,
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
        self.feed = Feed(journal)
        self._setup, self._journal, self._conversation = setup, journal, conversation
        self._branch = Branch(path, journal, self.feed, setup.consent, edits)
        self.rounds = Rounds(self._branch, setup.limits, setup.consent, decisions)
        self._requesting = Requesting(self._branch, setup)
        self._aside = Aside(self._branch, self._requesting, setup)
        self._continues, self._resumed = continues, bool(decisions)
        if continues is not None:
            _ = continues.message  # read here: what runs on the event loop reads nothing from the disk
        self._token = CancellationToken()
        self._task: asyncio.Task[None] | None = None
        self._stopping, self._outside = False, False
        self._seen: int | None = None
        self._cut, self._summary, self._summarised = past.cut, past.summary, False
        self.finalising = False
        self._reason: Reason = "answered"

    @property
    def path(self) -> list[Node]:
        """What is stored, the question and its answers at the end."""
        return self._branch.path

    @property
    def run(self) -> str:
        return self._journal.run

    @property
    def ended(self) -> bool:
        """Whether no event follows: it is over, or waits for a person."""
        return self.feed.closed

    def start(self) -> "Turn":
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"turn-{self._journal.run}")
        return self

    def events(self, after: int = 0) -> AsyncIterator[Event]:
        """This turn's events with numbers above `after`, to its end."""
        return self.feed.read(after)

    async def wait(self) -> None:
        """Until everything is stored. Raises what the turn itself did not expect."""
        if self._task is not None:
            await asyncio.wait({self._task})
            self._task.result()

    def stop(self, seen: int | None = None) -> None:
        """End the turn now, from any thread, any number of times. `seen` characters of its text were shown to the
        user; what came after them is not kept."""
        if self._stopping or self.feed.closed:
            return
        self._stopping, self._seen = True, seen
        self._token.cancel()
        if self._outside and self._task is not None:  # no run of pydantic-ai's is there to be cancelled
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def _run(self) -> None:
        state: RunState = "failed"
        text = ""
        ticking = asyncio.create_task(self._tick())
        try:
            if not self._resumed:
                question = self._branch.question.id
                self.feed.emit(RunStarted, conversation=self._conversation, node=question, model=self._setup.name)
            state = await self._answer()
        except (RunCancelled, asyncio.CancelledError) as cancelled:
            state, self._reason = ("stopped", "stopped") if self._stopping else ("interrupted", "interrupted")
            self._close_off(state, "stopped by the user" if self._stopping else "the program ended")
            if not self._stopping and isinstance(cancelled, asyncio.CancelledError):
                raise
        except BaseException as error:
            error = own_cause(error)
            self._reason = "timeout" if isinstance(error, TimeoutError) else "error"
            self._reason = "budget" if isinstance(error, BudgetExceeded) else self._reason
            text = str(error) or type(error).__name__
            self._close_off("failed", text)
            self.feed.emit(Notice, code="error", text=text, more={"class": type(error).__name__})
            if not isinstance(error, _EXPECTED):
                raise
        finally:
            ticking.cancel()
            await self._end(state, text)

    async def _end(self, state: RunState, text: str) -> None:
        """Store the run's end, then say it; readers come to theirs even if nothing can be stored any more."""
        writes = self.feed.writes
        try:
            self.feed.settle()
            self.feed.flush()
            writes.put(partial(self._journal.end, state, self._reason, self._seen))
            await writes.settled()
            if state != "waiting":
                self.feed.emit(RunFinished, state=state, reason=self._reason, node=self.path[-1].id, text=text)
                await writes.settled()
        except LlmsError:
            self.feed.lose(RunFinished, state="failed", reason="error", node=self.path[-1].id, text=text)
        finally:
            self.feed.close()
            writes.close()

    async def _answer(self) -> RunState:
        output: Any = None
        try:
            output = await self._rounds_of_the_agent()
        except _TooLarge as large:
            self._outside = True
            if not await self._aside.read_in_parts(large.fitted):
                self._reason = "budget"
                self._close_off("failed", "the text is larger than the user agreed to read")
                return "failed"
        except AgentRunError as error:
            stored = self._requesting.call is None and self.path[-1].role == "assistant"
            if isinstance(error, RunCancelled) or not stored or calls(self.path[-1].message):
                raise
            # pydantic-ai takes an answer without text for an error; it is stored, and the user is told
        if isinstance(output, DeferredToolRequests):
            self._reason = "waiting"
            self.rounds.wait_for(output)
            return "waiting"
        if not visible(self.path[-1].message).strip():
            self.feed.emit(Notice, code="empty_answer", text="the model answered without any text")
        return "finished"

    async def _rounds_of_the_agent(self) -> Any:
        """Requests and tools until the model has answered; what the agent gave."""
        agent: Agent[None, Any] = Agent(
            self._setup.model,
            toolsets=[self._setup.toolset] if self._setup.toolset else [],
            capabilities=[_Hooks(self)],
            output_type=[str, DeferredToolRequests],
            retries={"tools": 1000, "output": 0},  # the limits are ours
        )
        history = [replace(self._branch.as_sent(node).message) for node in self._branch.turn]  # theirs to write in
        async with agent.iter(
            message_history=[user(_CONTINUE)] if self._continues else history,
            deferred_tool_results=self.rounds.decided(),
            cancellation_token=self._token,
            model_settings=ModelSettings(max_tokens=self._setup.window.reserve) | self._setup.settings,
            usage_limits=UsageLimits(request_limit=None),
        ) as run:
            async for step in run:
                if Agent.is_model_request_node(step):
                    self.rounds.store(step.request)
                    if await self._request(step, run):
                        return None
                elif Agent.is_call_tools_node(step):
                    async with step.stream(run.ctx) as events:
                        async for event in events:
                            if isinstance(event, FunctionToolResultEvent) and isinstance(event.part, ToolReturnPart):
                                self.rounds.finished(event.part)
            self.rounds.store(run.all_messages()[-1])
            return run.result.output if run.result else None

    async def _request(self, step: Any, run: Any) -> bool:
        """Send one request and keep its answer. True if nothing may follow it."""
        self.finalising = self.finalising or self.rounds.limit_reached
        try:
            async with asyncio.timeout(None) as clock:
                call = self._requesting.begin("finalise" if self.finalising else "chat", clock, self._continues)
                async with step.stream(run.ctx) as events:
                    async for event in events:
                        self._requesting.heard(event)
        except TimeoutError as silent:
            raise TimeoutError(f"{self._setup.name} said nothing for too long; try again") from silent
        response = run.all_messages()[-1]
        assert isinstance(response, ModelResponse)
        if self.finalising:
            self._reason = "tool_limit"
            whole = without_calls(response, self.rounds.what_was_done())
            self.feed.delta(TextDelta, visible(whole)[len(call.text) :], node=call.node.id)
            response = whole
        elif response.finish_reason == "length" and not calls(response):
            self._reason = "length"
        self._requesting.finish(prefixed(response, call.prefix) if call.prefix else response, "complete")
        await self.feed.writes.settled()  # before anything is done because of it
        return self.finalising

    async def fitted(self, tools: Sequence[Any]) -> Fitted:
        """What to send now. Raises _TooLarge for a question that must be read in parts."""
        fitted = await self._fit(tools)
        if fitted.evict and not self._summarised:
            self._summarised = True
            made = await self._aside.summary(fitted, self._summary)
            if made is not None:
                self._summary, self._cut = made, None
                fitted = await self._fit(tools)
        if fitted.overflow:
            raise _TooLarge(fitted)
        self._cut = fitted.report.cut or self._cut
        self._requesting.sending(fitted)
        await self.feed.writes.settled()
        return fitted

    async def _fit(self, tools: Sequence[Any]) -> Fitted:
        setup, path = self._setup, [self._branch.as_sent(node) for node in self.path]
        if self._continues is not None:
            path += [self._continues, _instruction(self._continues)]
        notes = (*setup.pinned.notes, _FINALISE) if self.finalising else setup.pinned.notes
        return await asyncio.to_thread(
            fit, path, setup.window, setup.count, setup.policy, self._cut, pinned=replace(setup.pinned, notes=notes),
            summary=self._summary, tools=tools, sizes=setup.sizes,
        )  # fmt: skip

    @property
    def schema(self) -> dict[str, Any] | None:
        return self._setup.schema

    @property
    def asks(self) -> bool:
        return self._setup.consent.mode != "never"

    def _close_off(self, state: RunState, why: str) -> None:
        """Store what there is, so that the path may be sent again: the text that was shown, a result for every call."""
        call = self._requesting.call
        if call is not None:
            length = None
            if state == "stopped" and self._seen is not None:
                length = max(0, self._seen - self._requesting.length) + len(call.prefix)
            message = call.message(length)
            self._requesting.finish(message, state if state in ("stopped", "failed") else "interrupted", why)
        self.rounds.close(why)

    async def _tick(self) -> None:
        """Store what has come while the model is silent, and say that this run is alive."""
        beat = time.monotonic()
        while True:
            await asyncio.sleep(STORED_SECONDS)
            self.feed.flush()
            self._requesting.write()
            if time.monotonic() - beat >= BEAT_SECONDS:
                beat = time.monotonic()
                self.feed.writes.put(self._journal.beat)


@dataclass
class _Hooks(AbstractCapability[None]):
    """The turn's part in pydantic-ai's loop."""

    turn: Turn

    async def prepare_model_request(self, ctx: Any, request_context: Any) -> Any:
        fitted = await self.turn.fitted(tuple(request_context.model_request_parameters.function_tools))
        request_context.messages = list(fitted.payload.messages)
        if (schema := self.turn.schema) is not None:
            request_context.model_request_parameters = replace(
                request_context.model_request_parameters,
                output_mode="native",
                output_object=OutputObjectDefinition(json_schema=schema, name="answer"),
            )
        return request_context

    async def prepare_tools(self, ctx: Any, tool_defs: list[Any]) -> list[Any]:
        return [] if self.turn.finalising else tool_defs

    async def wrap_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any, handler: Any) -> Any:
        return await self.turn.rounds.run(call, args, handler)

    async def handle_deferred_tool_calls(self, ctx: Any, *, requests: DeferredToolRequests) -> Any:
        if self.turn.asks:
            return None
        denied = ToolDenied("denied: this run may not call tools that ask first")
        return requests.build_results(approvals={call.tool_call_id: denied for call in requests.approvals})


def _instruction(after: Node) -> Node:
    message: ModelMessage = user(_CONTINUE)
    return Node(f"{after.id}-more", after.id, "user", f"{after.digest}-more", lambda: message, created=now())
