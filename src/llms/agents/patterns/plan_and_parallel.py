"""A planner splits the goal into tasks, specialists carry them out, several at once, a writer puts it together.

Without a plan that can be carried out the writer does everything alone.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ..board import Entry
from ..budget import Share
from ..events import Planned, StopReason, TaskChanged
from ..plan import MOST_TASKS, BadPlan, PlanDraft, Task, TaskState, TeamPlan, validate
from ..prompts import board_block, turn_prompt
from ..role import Role
from ..workspace import Workspace
from .pattern import Pattern
from .single import alone

ATTEMPTS = 2  # per task
REPLANS = 2
DRAFTS = 2  # of one plan
AT_ONCE_LOCAL, AT_ONCE_REMOTE = 2, 8  # agents: with models on this machine, with models elsewhere


async def _work(workspace: Workspace) -> StopReason:
    for attempt in range(REPLANS + 1):
        if not workspace.plan.tasks:
            planned = await _make_plan(workspace, f"r{attempt}t" if attempt else "t")
            if not planned:
                return await alone(workspace, workspace.roles[-1])
        before = workspace.board.sequence
        reason = await _carry_out(workspace)
        if reason is not None:
            return reason
        if all(task.state == "done" for task in workspace.plan.tasks):
            return "done"
        if workspace.board.sequence == before:
            return "no progress"
        workspace.plan = TeamPlan()
    return "no progress"


def _specialists(workspace: Workspace) -> Sequence[Role]:
    return workspace.roles[1:-1]


async def _make_plan(workspace: Workspace, prefix: str) -> bool:
    """Whether there is a plan now; if not, the event of planning says why."""
    planner, owners = workspace.roles[0], _specialists(workspace)
    prompt = _plan_prompt(workspace.goal, owners, workspace.relevant(workspace.goal))
    problem = ""
    for _ in range(DRAFTS):
        result = await workspace.run_step(planner, prompt, PlanDraft, "plan", tools=False)
        if result.value is None:
            problem = result.problem
            if result.exhausted:
                break
            continue
        if not result.value.tasks:
            problem = "the planner found nothing to split"
            break
        try:
            workspace.plan = validate(result.value, [role.name for role in owners], prefix)
        except BadPlan as error:
            problem = str(error)
            prompt = f"{prompt}\n\nYour last plan was wrong: {error}. Write a better one."
            continue
        workspace.tell(Planned(workspace.plan.tasks))
        return True
    workspace.tell(Planned((), f"no plan: {problem}; one agent goes on alone"))
    return False


async def _carry_out(workspace: Workspace) -> StopReason | None:
    """Work off what is ready, several at once, until nothing is; a reason if the whole run must stop."""
    local = all(workspace.worker(role).local for role in _specialists(workspace))
    most_at_once = AT_ONCE_LOCAL if local else AT_ONCE_REMOTE
    running: dict[asyncio.Task[StopReason | None], Share] = {}
    reason: StopReason | None = None
    try:
        while True:
            ready = workspace.plan.ready() if reason is None else []
            for task in ready[: most_at_once - len(running)]:
                share = workspace.budget.share(1 / max(1, len(workspace.plan.open()) - len(running)))
                _change(workspace, task.id, "running", task.attempts + 1)
                running[asyncio.ensure_future(_do(workspace, workspace.plan.task(task.id), share))] = share
            if not running:
                return reason
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                running.pop(future).give_back()
                reason = reason or future.result()
            workspace.tell_budget()
    finally:
        for future, share in running.items():
            future.cancel()
            share.give_back()
        await asyncio.gather(*running, return_exceptions=True)


async def _do(workspace: Workspace, task: Task, share: Share) -> StopReason | None:
    role = next(role for role in _specialists(workspace) if role.name == task.owner)
    prompt = turn_prompt(workspace.goal, task, workspace.relevant(task.goal, task.needs))
    result = await workspace.run_step(role, prompt, str, budget=share, task=task.id)
    if result.value is not None:
        workspace.write("result", result.value, role.name, result, task=task.id)
        _change(workspace, task.id, "done")
        return None
    again = task.attempts < ATTEMPTS and not result.exhausted
    _change(workspace, task.id, "open" if again else "failed")
    # a share that is used up ends its task alone; the run ends when the whole budget is
    exhausted = result.exhausted if result.fatal else workspace.budget.exhausted()
    return workspace.stop_reason(replace(result, exhausted=exhausted)) if exhausted else None


def _change(workspace: Workspace, id: str, state: TaskState, attempts: int | None = None) -> None:
    before = {task.id: task for task in workspace.plan.tasks}
    workspace.plan = workspace.plan.with_task(id, state=state, attempts=attempts)
    for task in workspace.plan.tasks:
        if before.get(task.id) != task:
            workspace.tell(TaskChanged(task))


def _plan_prompt(goal: str, owners: Sequence[Role], entries: Sequence[Entry]) -> str:
    roles = "\n".join(f"- {role.name}: {role.prompt.partition('.')[0]}" for role in owners)
    return (
        f"Goal: {goal}\n\nSpecialists:\n{roles}\n\n"
        f"Split the goal into at most {MOST_TASKS} tasks, each with an owner from the list, a goal, how one sees that it "
        "is done, and the numbers of the tasks it needs first. If one specialist can do it all in one step, give no tasks."
        + board_block(entries)
    )


PLAN_AND_PARALLEL = Pattern("plan-and-parallel", _work, least_roles=3, keeps_board=True)
