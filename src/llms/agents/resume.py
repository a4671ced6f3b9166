"""A run that was cut off, read from its stored events: what it goes on from, and its finished steps."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter

from ..values import JsonObject
from .board import Entry
from .budget import Purpose, Used
from .events import Budget, Planned, Remembered, StepEnded, TaskChanged, Written, from_plain
from .memory import Fact
from .plan import Task, TeamPlan
from .step import StepResult

Output = TypeVar("Output", bound=str | BaseModel)


@dataclass(frozen=True)
class ResumePoint:
    """The state of a run after its last event; that of a new run is empty."""

    entries: tuple[Entry, ...] = ()
    plan: TeamPlan = field(default_factory=TeamPlan)
    steps: tuple[StepEnded, ...] = ()
    used: Used = field(default_factory=Used)
    memory: tuple[Fact, ...] = ()


def resume_point(stored: Iterable[JsonObject]) -> ResumePoint:
    """The state that stored events, as `events.plain` writes them, leave; a task that was running is open again.

    Steps of versions that kept no results are left out, and so are asked again.
    """
    entries: list[Entry] = []
    tasks: dict[str, Task] = {}
    steps: list[StepEnded] = []
    used, memory = Used(), tuple[Fact, ...]()
    for row in stored:
        match from_plain(row):
            case Written(entry=entry):
                entries.append(entry)
            case Planned(tasks=planned):
                tasks = {task.id: task for task in planned}
            case TaskChanged(task=task):
                tasks[task.id] = task
            case StepEnded() as step if "value" in row:
                steps.append(step)
            case Budget(used=so_far):
                used = so_far
            case Remembered(facts=facts):
                memory = facts
    plan = TeamPlan(tuple(replace(t, state="open") if t.state == "running" else t for t in tasks.values()))
    return ResumePoint(tuple(entries), plan, tuple(steps), used, memory)


class FinishedSteps:
    """Steps that had ended: each is given once, to the same role, task and purpose, in the order in which they ended.

    A pattern that begins anew walks the same way again, failures included. One that goes on from its board (`keeps_board`)
    makes new attempts at what failed, and needs no planner if it has tasks.
    """

    def __init__(self, steps: Sequence[StepEnded] = (), keeps_board: bool = False, has_plan: bool = False):
        self._steps: dict[tuple[str, str | None, Purpose], deque[StepEnded]] = defaultdict(deque)
        for step in steps:
            if not (keeps_board and step.problem) and not (has_plan and step.purpose == "plan"):
                self._steps[step.role, step.task, step.purpose].append(step)

    def take(self, role: str, task: str | None, purpose: Purpose, output: type[Output]) -> StepResult[Output] | None:
        """The result of the next such step; None if it must be asked."""
        waiting = self._steps.get((role, task, purpose))
        if not waiting:
            return None
        step = waiting.popleft()
        value = None if step.value is None else TypeAdapter(output).validate_python(step.value)
        return StepResult(value, step.problem, used=step.used)
