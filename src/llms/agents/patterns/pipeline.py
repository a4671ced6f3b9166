"""Roles from first to last: each works on the text of the one before it, the last text is the answer."""

from ..events import StopReason
from ..prompts import fenced
from ..workspace import Workspace
from .pattern import Pattern


async def _work(workspace: Workspace) -> StopReason:
    text = ""
    for role in workspace.roles:
        result = await workspace.run_step(role, _prompt(workspace.goal, text), str)
        if result.value is None:
            return workspace.stop_reason(result)
        text = result.value
        workspace.write("result", text, role.name, result)
    workspace.draft = text
    return "done"


def _prompt(goal: str, before: str) -> str:
    return f"Goal: {goal}" + (f"\n\nWhat the one before you wrote:\n{fenced(before)}" if before else "")


PIPELINE = Pattern("pipeline", _work)
