"""A plan: tasks with owners and acceptance checks, in an order that their dependencies allow. Values and rules.

What a planner writes is untrusted JSON: it is read into PlanDraft (pydantic), then checked as a whole by `validate`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import LlmsError

MOST_TASKS = 7
TaskState = Literal["open", "running", "done", "failed", "dropped"]


class BadPlan(LlmsError):
    """A plan cannot be carried out; the message says what the planner must change."""


class TaskDraft(BaseModel):
    """One task as a planner writes it."""

    model_config = ConfigDict(extra="forbid")
    title: str = Field(max_length=200)
    goal: str = Field(max_length=2000)
    owner: str = Field(max_length=60)
    accept: str = Field(max_length=500, description="how one sees that the task is done")
    needs: list[int] = Field(
        default_factory=list, max_length=MOST_TASKS, description="numbers of earlier tasks, from 1"
    )


class PlanDraft(BaseModel):
    """A planner's answer. No tasks: one agent should do it alone."""

    model_config = ConfigDict(extra="forbid")
    tasks: list[TaskDraft] = Field(default_factory=list, max_length=20)


@dataclass(frozen=True, slots=True)
class Task:
    """`needs` are ids of tasks that must be done first; `attempts` were made so far."""

    id: str
    title: str
    goal: str
    owner: str
    accept: str
    needs: tuple[str, ...] = ()
    state: TaskState = "open"
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class TeamPlan:
    tasks: tuple[Task, ...] = field(default_factory=tuple)

    def ready(self) -> list[Task]:
        """Open tasks whose needs are done."""
        done = {task.id for task in self.tasks if task.state == "done"}
        return [task for task in self.tasks if task.state == "open" and done.issuperset(task.needs)]

    def open(self) -> list[Task]:
        return [task for task in self.tasks if task.state in ("open", "running")]

    def task(self, id: str) -> Task:
        return next(task for task in self.tasks if task.id == id)

    def with_task(self, id: str, *, state: TaskState, attempts: int | None = None) -> "TeamPlan":
        """The plan with one task changed (`attempts` None: as before); what needs a failed or dropped task is dropped, too."""
        tasks: list[Task] = []
        lost: set[str] = set()
        for task in self.tasks:  # in order of dependency, so that one pass is enough
            if task.id == id:
                task = replace(task, state=state, attempts=task.attempts if attempts is None else attempts)
            if task.state == "open" and lost.intersection(task.needs):
                task = replace(task, state="dropped")
            if task.state in ("failed", "dropped"):
                lost.add(task.id)
            tasks.append(task)
        return TeamPlan(tuple(tasks))


def validate(draft: PlanDraft, owners: Iterable[str], prefix: str = "t") -> TeamPlan:
    """The TeamPlan of a draft, tasks in an order in which each comes after what it needs.

    Raises BadPlan: no or too many tasks, an unknown owner, an empty goal or check, a need that is not there, a cycle.
    """
    known = sorted(owners)
    if not draft.tasks:
        raise BadPlan("the plan has no tasks")
    if len(draft.tasks) > MOST_TASKS:
        raise BadPlan(f"the plan has {len(draft.tasks)} tasks; at most {MOST_TASKS} are allowed")
    for number, task in enumerate(draft.tasks, 1):
        if task.owner not in known:
            raise BadPlan(f"task {number} belongs to {task.owner!r}; owners are {', '.join(known)}")
        if not task.goal.strip() or not task.accept.strip():
            raise BadPlan(f"task {number} needs a goal and a way to see that it is done")
        wrong = [need for need in task.needs if not 1 <= need <= len(draft.tasks)]
        if wrong:
            raise BadPlan(
                f"task {number} needs task {wrong[0]}, which does not exist; tasks are 1 to {len(draft.tasks)}"
            )
    tasks = [
        Task(f"{prefix}{number}", task.title, task.goal, task.owner, task.accept, tuple(f"{prefix}{need}" for need in task.needs))
        for number, task in enumerate(draft.tasks, 1)
    ]  # fmt: skip
    return TeamPlan(tuple(_in_order({task.id: task for task in tasks})))


def _in_order(tasks: Mapping[str, Task]) -> Sequence[Task]:
    """Kahn's algorithm; raises BadPlan with the tasks of a cycle."""
    remaining, ordered = dict(tasks), list[Task]()
    while remaining:
        free = [task for task in remaining.values() if not any(need in remaining for need in task.needs)]
        if not free:
            raise BadPlan(f"the tasks {', '.join(remaining)} wait for each other in a circle")
        for task in free:
            ordered.append(remaining.pop(task.id))
    return ordered
