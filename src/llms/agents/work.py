"""A team at work: from a goal to an answer, always, within one budget.

The team's pattern works until it is done or must stop, and says why it stopped; then the writer answers out of what is
on the board, from the reserve that nothing else may spend. If even that fails, what is on the board is the answer. Text
never ends a run: an agent is done when its structured result says so, or its step ends.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from ..errors import LlmsError
from .board import Board
from .budget import StepBudget
from .events import Began, Finished, Remembered, StopReason, TeamEvent
from .memory import Fact
from .patterns import PATTERNS
from .prompts import answer_prompt, instructions
from .resume import FinishedSteps, ResumePoint
from .role import Role
from .step import Worker, run_step
from .team import Team
from .workspace import Check, Workspace


class Work:
    """One run of `team`. `worker(role)` gives a role its model and tools; `check(draft)`, where there is one, says in
    code what is wrong with a draft (None: nothing), in place of a critic.

    From a `resume` point a run that was cut off goes on, and `budget` is charged what it had used; `memory` are facts
    that every role is told, those of a role's own scope that role alone. `journal` is told each event as it happens,
    before what follows from it is begun.
    """

    def __init__(
        self,
        team: Team,
        goal: str,
        worker: Callable[[Role], Worker],
        *,
        budget: StepBudget | None = None,
        resume: ResumePoint | None = None,
        memory: Sequence[Fact] = (),
        check: Check | None = None,
        journal: Callable[[TeamEvent], None] | None = None,
    ):
        self._team, self._pattern = team, PATTERNS[team.pattern]
        self._journal = journal
        self._events: asyncio.Queue[TeamEvent | None] = asyncio.Queue()
        self._begun = time.monotonic()
        resume, keeps = resume or ResumePoint(), self._pattern.keeps_board
        budget = budget or StepBudget(team.limits)
        budget.charge(resume.used)
        self._workspace = Workspace(
            goal=goal,
            roles=team.roles,
            worker=worker,
            budget=budget,
            tell=self._tell,
            board=Board(resume.entries if keeps else ()),  # the other patterns write theirs again, from their steps
            plan=resume.plan,
            finished=FinishedSteps(resume.steps, keeps, bool(resume.plan.tasks)),
            known=frozenset(resume.entries),
            memory=tuple(memory),
            check=check,
        )

    @property
    def problem(self) -> str:
        """The last thing that went wrong in a step; empty if nothing did."""
        return self._workspace.problem

    @property
    def fatal(self) -> LlmsError | None:
        """The error that ended the run and would end every other one, too: no account, no money, no key."""
        return self._workspace.fatal.fatal if self._workspace.fatal else None

    def stop(self) -> None:
        """End the run at the user's wish; what is on the board becomes the answer."""
        self._workspace.stopped = True
        self._workspace.cancel.cancel()

    async def run(self) -> AsyncIterator[TeamEvent]:
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
        workspace = self._workspace
        try:
            self._tell(Began(self._team.name, self._team.pattern, workspace.goal))
            if workspace.memory:
                self._tell(Remembered(tuple(workspace.memory)))
            reason: StopReason = "stopped by the user"
            try:
                async with asyncio.timeout(
                    workspace.budget.seconds_for("work")
                ):  # also for what is no step: checks, consent
                    reason = await self._pattern.work(workspace)
            except TimeoutError:
                reason = "time"
            except asyncio.CancelledError:
                if not workspace.stopped:
                    raise
            await self._finish("stopped by the user" if workspace.stopped else reason)
        finally:
            self._events.put_nowait(None)

    async def _finish(self, reason: StopReason) -> None:
        workspace = self._workspace
        answer, is_whole = workspace.draft, bool(workspace.draft) and reason == "done"
        can_ask = workspace.fatal is None and workspace.budget.seconds_for("answer") > 0
        if not answer and reason != "stopped by the user" and can_ask:
            writer = replace(self._team.writer, tools=())
            result = await run_step(
                workspace.worker(writer),
                instructions(writer, workspace.memory),
                answer_prompt(workspace.goal, workspace.board.current(), workspace.plan, reason),
                workspace.budget,
                "answer",
                str,
                tools=False,
            )
            answer, is_whole = result.value or "", bool(result.value) and reason == "done"
        open_tasks = tuple(task.title for task in workspace.plan.tasks if task.state != "done")
        seconds = time.monotonic() - self._begun
        self._tell(
            Finished(answer or self._from_board(reason), reason, workspace.budget.used, seconds, is_whole, open_tasks)
        )

    def _from_board(self, reason: StopReason) -> str:
        """The answer when no model gives one: the results on the board, in order."""
        kinds = ("result", "fact", "claim", "decision")
        texts = [entry.text for entry in self._workspace.board.current() if entry.kind in kinds]
        head = f"No model gave an answer ({self.fatal or reason})."
        return f"{head} This is what was found:\n\n" + "\n\n".join(texts) if texts else f"{head} Nothing was found."

    def _tell(self, event: TeamEvent) -> None:
        if self._journal is not None:
            self._journal(event)
        self._events.put_nowait(event)
