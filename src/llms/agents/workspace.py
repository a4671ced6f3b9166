"""The room in which a pattern works: one run's goal and roles, its board, plan and budget, and steps of agents.

A step that had ended before the run was cut off is given again instead of asked. Knows no pattern.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel
from pydantic_ai import CancellationToken

from .board import Board, Entry, EntryKind
from .budget import Purpose, StepBudget
from .events import Budget, StepBegan, StepEnded, StopReason, TeamEvent, Written
from .memory import Fact
from .plan import TeamPlan
from .prompts import instructions
from .resume import FinishedSteps
from .role import Role
from .step import StepResult, ToolUse, Worker, run_step

CHARACTERS = 6000  # of the board that one agent is shown
RESULT = 2000  # characters of a tool's result that are kept

Check = Callable[[str], str | None]  # what is wrong with a draft; one with a text `finding` states it as a fact
Output = TypeVar("Output", bound=str | BaseModel)


@dataclass(kw_only=True)
class Workspace:
    """One run as its pattern sees it. A pattern sets `draft` to the best answer so far, and `plan` where it has one.

    `worker(role)` gives a role its model and tools; `check`, where there is one, says in code what is wrong with a draft;
    `memory` are facts that every role is told, those of a role's own scope that role alone. `known` are entries that
    were told before the run was cut off. `tell` takes each event as it happens.
    """

    goal: str
    roles: Sequence[Role]
    worker: Callable[[Role], Worker]
    budget: StepBudget
    tell: Callable[[TeamEvent], None]
    board: Board = field(default_factory=Board)
    plan: TeamPlan = field(default_factory=TeamPlan)
    finished: FinishedSteps = field(default_factory=FinishedSteps)
    known: frozenset[Entry] = frozenset()
    memory: Sequence[Fact] = ()
    check: Check | None = None
    cancel: CancellationToken = field(default_factory=CancellationToken)
    draft: str = ""
    problem: str = ""  # what went wrong last
    stopped: bool = False  # by the user
    fatal: StepResult[str] | None = None  # a step that met what every further one would meet

    async def run_step(
        self,
        role: Role,
        prompt: str,
        output: type[Output],
        purpose: Purpose = "work",
        *,
        budget: StepBudget | None = None,
        task: str | None = None,
        tools: bool = True,
    ) -> StepResult[Output]:
        """One agent's answer to `prompt`: text, or a value of the pydantic class `output`. Its tool results become facts
        on the board. `budget` is a share for this step, None: the whole."""
        if self.fatal is not None:
            return StepResult(None, self.fatal.problem, self.fatal.exhausted, fatal=self.fatal.fatal)
        result = self.finished.take(role.name, task, purpose, output)
        is_new = result is None
        started = time.monotonic()
        if result is None:
            self.tell(StepBegan(role.name, task, purpose))
            result = await run_step(
                replace(self.worker(role), read=self.board.untrusted()), instructions(role, self.memory), prompt, budget or self.budget, purpose, output,
                self.cancel, tools,
            )  # fmt: skip
        for use in result.used:
            text = f"{use.name}: {use.result}"[:RESULT]
            self.write("fact", text, f"tool:{use.name}", task=task, tainted=use.tainted)
        self.problem = result.problem or self.problem
        if result.fatal is not None:
            self.fatal = StepResult(None, result.problem, result.exhausted, fatal=result.fatal)
        if is_new:
            self.tell(_ended(result, role.name, task, purpose, time.monotonic() - started))
            self.tell_budget()
        return result

    def write(
        self,
        kind: EntryKind,
        text: str,
        author: str,
        result: StepResult[Output] | None = None,
        *,
        task: str | None = None,
        sources: Sequence[str] = (),
        tainted: bool = False,
    ) -> bool:
        """Put an entry on the board; whether it was new. What rests on a tool's result (those that the step `result`
        used) says so; it inherits that it came from outside, and so does what an agent writes once the board holds such."""
        if not text.strip():
            return False
        used: Sequence[ToolUse] = result.used if result else ()
        sources = [*sources, *(f"tool:{use.id}" for use in used)]
        by_agent = author != "user" and not author.startswith("tool:")
        tainted = tainted or any(use.tainted for use in used) or (by_agent and bool(self.board.untrusted()))
        entry, is_new = self.board.write(kind, text, author, sources=sources, task=task, tainted=tainted)
        if is_new and entry not in self.known:
            self.tell(Written(entry))
        return is_new

    def relevant(self, goal: str, tasks: Sequence[str] = ()) -> tuple[Entry, ...]:
        """The entries that one agent is shown: those of `tasks` first, then the best for `goal`."""
        return self.board.relevant(goal, tasks, CHARACTERS)

    def stop_reason(self, result: StepResult[Output]) -> StopReason:
        """Why a pattern ends whose step failed."""
        if self.stopped:
            return "stopped by the user"
        return result.exhausted or ("too many rounds" if result.rounds_over else "a model failed")

    def tell_budget(self) -> None:
        limits = self.budget.limits
        self.tell(Budget(self.budget.used, limits.calls, limits.tool_calls, limits.tokens, limits.seconds))


def _ended(result: StepResult[Output], role: str, task: str | None, purpose: Purpose, seconds: float) -> StepEnded:
    """The event of a step that ended, with what FinishedSteps needs to give it again."""
    value = result.value.model_dump(mode="json") if isinstance(result.value, BaseModel) else result.value
    used = tuple(replace(use, result=use.result[:RESULT]) for use in result.used)
    return StepEnded(role, task, seconds, result.problem, purpose, value, used)
