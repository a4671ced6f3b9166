"""A team at work: from a goal to an answer, always, within one ledger.

Each pattern is an async method that works until it is done or must stop, and says why it stopped; then the writer
answers out of what is on the board, from the reserve that nothing else may spend. If even that fails, what is on the
board is the answer. Text never ends a run: an agent is done when its structured result says so, or its step ends.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_ai import CancellationToken

from .board import Board, Entry, Kind
from .budget import Share, StepBudget
from .events import (
    PRECEDENCE,
    Began,
    Budget,
    Event,
    Finished,
    Planned,
    Remembered,
    StepBegan,
    StepEnded,
    StopReason,
    TaskChanged,
    Written,
)
from .memory import Fact
from .plan import BadPlan, PlanDraft, Task, TeamPlan, validate
from .prompts import answer_prompt, critic_prompt, instructions, plan_prompt, task_prompt, turn_prompt
from .resume import RESULT, Steps, ended
from .step import StepResult, Worker, act
from .team import Role, Team

ATTEMPTS = 2  # per task
ROUNDS = 12  # of a blackboard
REPLANS = 2
CHECKS = 2  # rounds of a critic
TOGETHER = {True: 2, False: 8}  # agents at once: models here, models elsewhere
CHARACTERS = 6000  # of the board that one agent is shown

Check = Callable[[str], str | None]  # one with a text `said` states it as a fact


class CriticVerdict(BaseModel):
    """A critic's structured answer."""

    model_config = ConfigDict(extra="forbid")
    good: bool
    problems: list[str] = Field(default_factory=list, max_length=10)


class Contribution(BaseModel):
    """What one agent adds to the board in one turn. `done`: the goal is reached as far as it can see."""

    model_config = ConfigDict(extra="forbid")
    kind: Kind
    text: str = Field(max_length=8000)
    sources: list[str] = Field(default_factory=list, max_length=10)
    done: bool = False


class Work:
    """One run of `team`. `worker(role)` gives a role its model and tools; `check(answer)`, where there is one, says in
    code what is wrong with an answer (None: nothing), in place of a critic.

    `ledger`, `board`, `plan` and the `steps` that ended may be those of a run that was cut off: then it goes on from there.
    `memory` are facts that every role is told, those of a role's own scope that role alone.
    `journal` is told each event as it happens, before what follows from it is begun.
    """

    def __init__(
        self,
        team: Team,
        goal: str,
        worker: Callable[[Role], Worker],
        *,
        ledger: StepBudget | None = None,
        board: Board | None = None,
        plan: TeamPlan | None = None,
        steps: Sequence[StepEnded] = (),
        memory: Sequence[Fact] = (),
        check: Check | None = None,
        cancel: CancellationToken | None = None,
        journal: Callable[[Event], None] | None = None,
    ):
        self.team, self.goal = team, goal
        self.ledger = ledger or StepBudget(team.limits)
        planned = team.pattern == "plan-and-parallel"
        self.board = (board if planned else None) or Board()  # the other patterns write theirs again, from their steps
        self.plan = plan or TeamPlan()
        self._known = frozenset(board.entries() if board else ())
        self._steps = Steps(steps, planned, bool(self.plan.tasks))
        self._memory = tuple(memory)
        self._worker, self._check, self._cancel = worker, check, cancel or CancellationToken()
        self._journal = journal
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._reasons: list[StopReason] = []
        self._draft = ""  # the best answer so far, where a pattern has one
        self.problem = ""  # what went wrong last
        self._begun = time.monotonic()

    def stop(self) -> None:
        """End the run at the user's wish; what is on the board becomes the answer."""
        self._reasons.append("stopped by the user")
        self._cancel.cancel()

    async def run(self) -> AsyncIterator[Event]:
        """Everything that happens, the last event being Finished."""
        task = asyncio.ensure_future(self._whole())
        try:
            while (event := await self._events.get()) is not None:
                yield event
            await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _whole(self) -> None:
        try:
            self._tell(Began(self.team.name, self.team.pattern, self.goal))
            if self._memory:
                self._tell(Remembered(self._memory))
            patterns = {
                "single": self._single,
                "pipeline": self._pipeline,
                "plan-and-parallel": self._plan_and_parallel,
                "blackboard": self._blackboard,
                "write-and-check": self._write_and_check,
            }
            try:
                self._because(await patterns[self.team.pattern]())
            except asyncio.CancelledError:
                if "stopped by the user" not in self._reasons:
                    raise
            await self._finish()
        finally:
            self._events.put_nowait(None)

    # patterns: each returns why it ended

    async def _single(self) -> StopReason:
        return await self._solo(self.team.roles[0])

    async def _solo(self, role: Role) -> StopReason:
        got = await self._step(role, self.goal, "answer" if self.ledger.left().calls <= 1 else "work")
        if got.value is None:
            return self._why(got)
        self._draft = got.value
        return "done"

    async def _pipeline(self) -> StopReason:
        text = ""
        for role in self.team.roles:
            got = await self._step(role, task_prompt(self.goal, role, text))
            if got.value is None:
                return self._why(got)
            text = got.value
            self._write("result", text, role.name, got)
        self._draft = text
        return "done"

    async def _plan_and_parallel(self) -> StopReason:
        for attempt in range(REPLANS + 1):
            if not self.plan.tasks:
                note = await self._make_plan(f"r{attempt}t" if attempt else "t")
                if note is not None:
                    return await self._solo(self.team.writer)
            before = len(self.board.entries())
            reason = await self._carry_out()
            if reason is not None:
                return reason
            if all(task.state == "done" for task in self.plan.tasks):
                return "done"
            if len(self.board.entries()) == before:
                return "no progress"
            self.plan = TeamPlan()
        return "no progress"

    async def _make_plan(self, prefix: str) -> str | None:
        """A plan, or the reason why one agent goes on alone."""
        planner, owners = self.team.roles[0], self.team.specialists
        prompt = plan_prompt(self.goal, owners, self._shown(self.goal))
        for _ in range(2):
            got = await self._step(planner, prompt, "plan", PlanDraft, tools=False)
            if got.value is None:
                note = got.problem
                if got.budget:
                    break
                continue
            if not got.value.tasks:
                note = "the planner found nothing to split"
                break
            try:
                self.plan = validate(got.value, [role.name for role in owners], prefix)
            except BadPlan as error:
                note = str(error)
                prompt = f"{prompt}\n\nYour last plan was wrong: {error}. Write a better one."
                continue
            self._tell(Planned(self.plan.tasks))
            return None
        self._tell(Planned((), f"no plan: {note}; one agent goes on alone"))
        return note

    async def _carry_out(self) -> StopReason | None:
        """Work off what is ready, several at once, until nothing is; a reason if the whole run must stop."""
        local = all(self._worker(role).free for role in self.team.specialists)
        running: dict[asyncio.Task[StopReason | None], Share] = {}
        reason: StopReason | None = None
        try:
            while True:
                ready = self.plan.ready() if reason is None else []
                for task in ready[: TOGETHER[local] - len(running)]:
                    share = self.ledger.share(1 / max(1, len(self.plan.open()) - len(running)))
                    self._change(task.id, state="running", attempts=task.attempts + 1)
                    running[asyncio.ensure_future(self._do(self.plan.task(task.id), share))] = share
                if not running:
                    return reason
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for future in done:
                    running.pop(future).give_back()
                    reason = reason or future.result()
                self._budget()
        finally:
            for future, share in running.items():
                future.cancel()
                share.give_back()
            await asyncio.gather(*running, return_exceptions=True)

    async def _do(self, task: Task, share: Share) -> StopReason | None:
        role = next(role for role in self.team.specialists if role.name == task.owner)
        shown = self._shown(task.goal, task.needs)
        got = await self._step(role, turn_prompt(self.goal, task, shown), ledger=share, task=task.id)
        if got.value is not None:
            self._write("result", got.value, role.name, got, task.id)
            self._change(task.id, state="done")
            return None
        again = task.attempts < ATTEMPTS and not got.budget
        self._change(task.id, state="open" if again else "failed")
        whole = self.ledger.exhausted()
        return self._why(replace(got, budget=whole)) if whole else None

    async def _blackboard(self) -> StopReason:
        states: set[tuple] = set()
        idle = 0
        self._write("question", self.goal, "user")
        seen = dict.fromkeys((role.name for role in self.team.specialists), 0)
        for _ in range(ROUNDS):
            role = self._next(seen)
            if role is None:
                return "no progress"
            now = self.board.sequence
            got = await self._step(role, turn_prompt(self.goal, None, self._shown(self.goal)), output=Contribution)
            seen[role.name] = now
            if got.budget:
                return self._why(got)
            new = False
            if got.value is not None and got.value.text.strip():
                known = {entry.id for entry in self.board.entries()}
                sources = [source for source in got.value.sources if source in known]
                new = self._write(got.value.kind, got.value.text, role.name, got, sources=sources)
                if got.value.done:
                    return "done"
            idle = 0 if new else idle + 1
            if idle >= 2 * max(1, len(seen)):
                return "no progress"
            state = (self.board.sequence, role.name, got.problem, tuple(sorted(seen.items())))
            if state in states:
                return "repeated state"
            states.add(state)
        return "no progress"

    def _next(self, seen: dict[str, int]) -> Role | None:
        """Who has waited longest among those whose interests got a new entry since their last turn."""
        entries = self.board.entries()

        def awake(role: Role) -> bool:
            fresh = [entry for entry in entries[seen[role.name] :] if entry.author != role.name]
            return any(not role.interests or entry.kind in role.interests for entry in fresh)

        waiting = [role for role in self.team.specialists if awake(role)]
        return min(waiting, key=lambda role: seen[role.name], default=None)

    async def _write_and_check(self) -> StopReason:
        writer, critic = self.team.roles
        prompt = self.goal
        for round in range(CHECKS + 1):
            got = await self._step(writer, prompt)
            if got.value is None:
                return "done" if self._draft and not got.budget else self._why(got)
            self._draft = got.value
            self._write("result", got.value, writer.name, got)
            problems = await self._problems(critic, got.value)
            if not problems:
                return "done"
            self._write("critique", "\n".join(problems), critic.name)
            if round == CHECKS:
                return "no progress"
            prompt = critic_prompt(self.goal, got.value, problems)
        return "no progress"

    async def _problems(self, critic: Role, draft: str) -> list[str]:
        if self._check is not None:
            problem = await asyncio.to_thread(self._check, draft)
            self._write("fact", getattr(self._check, "said", ""), "tool:check")
            return [problem] if problem else []
        asked = (
            f"The goal:\n{self.goal}\n\nThe draft:\n{draft}\n\nIs it good? List what is wrong, most important first."
        )
        got = await self._step(critic, asked, "check", CriticVerdict)
        if got.value is None or got.value.good:
            return []
        return [problem for problem in got.value.problems if problem.strip()]

    # what every pattern does

    async def _step(
        self,
        role: Role,
        prompt: str,
        purpose: Any = "work",
        output: Any = str,
        *,
        ledger: StepBudget | None = None,
        task: str | None = None,
        tools: bool = True,
    ) -> StepResult:
        got = self._steps.take(role.name, task, purpose, output)
        before = got is not None
        started = time.monotonic()
        if got is None:
            self._tell(StepBegan(role.name, task, purpose))
            asked = (prompt, ledger or self.ledger, purpose, output, self._cancel, tools)
            got = await act(self._worker(role), instructions(role, self._memory), *asked)
        for use in got.used:
            self._write(
                "fact", f"{use.name}: {use.result}"[:RESULT], f"tool:{use.name}", task=task, tainted=use.tainted
            )
        self.problem = got.problem or self.problem
        if not before:
            self._tell(ended(got, role.name, task, purpose, time.monotonic() - started))
            self._budget()
        return got

    async def _finish(self) -> None:
        reasons: list[StopReason] = self._reasons or ["no progress"]
        reason = min(reasons, key=PRECEDENCE.index)
        answer, complete = self._draft, bool(self._draft) and reason == "done"
        if not answer and reason != "stopped by the user":
            writer = replace(self.team.writer, tools=())
            entries = self.board.current()
            got = await act(
                self._worker(writer), instructions(writer, self._memory), answer_prompt(self.goal, entries, self.plan, reason), self.ledger,
                "answer", tools=False,
            )  # fmt: skip
            answer, complete = got.value or "", bool(got.value) and reason == "done"
        missing = tuple(task.title for task in self.plan.tasks if task.state != "done")
        used = self.ledger.used
        self._tell(
            Finished(answer or self._rest(reason), reason, used, time.monotonic() - self._begun, complete, missing)
        )

    def _rest(self, reason: str) -> str:
        """The answer when no model gives one: what was found, in order."""
        found = [entry.text for entry in self.board.current() if entry.kind in ("result", "fact", "claim", "decision")]
        head = f"No model gave an answer ({reason})."
        return f"{head} This is what was found:\n\n" + "\n\n".join(found) if found else f"{head} Nothing was found."

    def _shown(self, goal: str, needs: Sequence[str] = ()) -> tuple[Entry, ...]:
        return self.board.relevant(goal, needs, CHARACTERS)

    def _write(
        self,
        kind: Kind,
        text: str,
        author: str,
        got: StepResult | None = None,
        task: str | None = None,
        sources: Sequence[str] = (),
        tainted: bool = False,
    ) -> bool:
        """Whether it was new. What rests on a tool's result says so, and inherits that it came from outside."""
        sources = [*sources, *(f"tool:{use.id}" for use in (got.used if got else ()))]
        if not text.strip():
            return False
        tainted = tainted or any(use.tainted for use in (got.used if got else ()))
        entry, new = self.board.write(kind, text, author, sources=sources, task=task, tainted=tainted)
        if new and entry not in self._known:
            self._tell(Written(entry))
        return new

    def _change(self, id: str, **changes: Any) -> None:
        before = {task.id: task for task in self.plan.tasks}
        self.plan = self.plan.with_task(id, **changes)
        for task in self.plan.tasks:
            if before.get(task.id) != task:
                self._tell(TaskChanged(task))

    def _why(self, got: StepResult) -> StopReason:
        if "stopped by the user" in self._reasons:
            return "stopped by the user"
        return next((reason for reason in PRECEDENCE if reason == got.budget), "a model failed")

    def _because(self, reason: StopReason) -> None:
        self._reasons.append(reason)

    def _budget(self) -> None:
        limits = self.ledger.limits
        self._tell(Budget(self.ledger.used, limits.calls, limits.tool_calls, limits.tokens, limits.seconds))

    def _tell(self, event: Event) -> None:
        if self._journal is not None:
            self._journal(event)
        self._events.put_nowait(event)
