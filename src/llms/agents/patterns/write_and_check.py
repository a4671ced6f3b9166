"""A writer and a critic: the draft is written again until nothing is wrong with it, or the rounds are used up.

Where the workspace has a check, which is code, it judges in place of the critic.
"""

from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from ... import bridge
from ..events import StopReason
from ..prompts import fenced
from ..role import Role
from ..workspace import Workspace
from .pattern import Pattern

REWRITES = 2


class CriticVerdict(BaseModel):
    """A critic's structured answer."""

    model_config = ConfigDict(extra="forbid")
    good: bool
    problems: list[str] = Field(default_factory=list, max_length=10)


async def _work(workspace: Workspace) -> StopReason:
    writer, critic = workspace.roles
    prompt = workspace.goal
    for rewrites in range(REWRITES + 1):
        result = await workspace.run_step(writer, prompt, str)
        if result.value is None:
            return "done" if workspace.draft and not result.exhausted else workspace.stop_reason(result)
        workspace.draft = result.value
        workspace.write("result", result.value, writer.name, result)
        problems = await _problems(workspace, critic, result.value)
        if not problems:
            return "done"
        workspace.write("critique", "\n".join(problems), critic.name)
        if rewrites < REWRITES:
            prompt = _rewrite_prompt(workspace.goal, result.value, problems)
    return "no progress"


async def _problems(workspace: Workspace, critic: Role, draft: str) -> list[str]:
    if workspace.check is not None:
        problem = await bridge.in_daemon(partial(workspace.check, draft))
        workspace.write("fact", getattr(workspace.check, "finding", ""), "tool:check")
        return [problem] if problem else []
    verdict = (await workspace.run_step(critic, _critic_prompt(workspace.goal, draft), CriticVerdict, "check")).value
    if verdict is None or verdict.good:
        return []
    return [problem for problem in verdict.problems if problem.strip()]


def _critic_prompt(goal: str, draft: str) -> str:
    return f"The goal:\n{goal}\n\nThe draft:\n{draft}\n\nIs it good? List what is wrong, most important first."


def _rewrite_prompt(goal: str, draft: str, problems: Sequence[str]) -> str:
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Goal: {goal}\n\nYour draft:\n{fenced(draft)}\n\nWhat is wrong with it:\n{listed}\n\nWrite it again, better."
    )


WRITE_AND_CHECK = Pattern("write-and-check", _work, most_roles=2, writer=0)
