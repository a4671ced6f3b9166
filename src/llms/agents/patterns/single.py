"""One agent that does everything: the baseline that a team must beat."""

from ..events import StopReason
from ..role import Role
from ..workspace import Workspace
from .pattern import Pattern


async def alone(workspace: Workspace, role: Role) -> StopReason:
    """One step towards the whole goal; its result is the answer."""
    last_call = workspace.budget.left().calls <= 1
    result = await workspace.run_step(role, workspace.goal, str, "answer" if last_call else "work")
    if result.value is None:
        return workspace.stop_reason(result)
    workspace.draft = result.value
    return "done"


async def _work(workspace: Workspace) -> StopReason:
    return await alone(workspace, workspace.roles[0])


SINGLE = Pattern("single", _work, least_roles=1, most_roles=1, writer=0)
