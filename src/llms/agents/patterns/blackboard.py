"""Roles that act when something on the board concerns them, until one says that the goal is reached or nothing is new.

The last role takes no turn: it writes the answer from the board.
"""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from ..board import EntryKind
from ..events import StopReason
from ..prompts import turn_prompt
from ..role import Role
from ..workspace import Workspace
from .pattern import Pattern

TURNS = 12


class Contribution(BaseModel):
    """An agent's entry for the board, one a turn. `done`: the goal is reached as far as it can see."""

    model_config = ConfigDict(extra="forbid")
    kind: EntryKind
    text: str = Field(max_length=8000)
    sources: list[str] = Field(default_factory=list, max_length=10)
    done: bool = False


async def _work(workspace: Workspace) -> StopReason:
    board, roles = workspace.board, workspace.roles[:-1]
    workspace.write("question", workspace.goal, "user")
    last_seen = dict.fromkeys((role.name for role in roles), 0)  # sequence number of the board at each role's last turn
    states: set[tuple[object, ...]] = set()
    idle = 0
    for _ in range(TURNS):
        role = _next_role(workspace, roles, last_seen)
        if role is None:
            return "no progress"
        sequence = board.sequence
        prompt = turn_prompt(workspace.goal, None, workspace.relevant(workspace.goal))
        result = await workspace.run_step(role, prompt, Contribution)
        last_seen[role.name] = sequence
        if result.exhausted:
            return workspace.stop_reason(result)
        is_new = False
        if result.value is not None and result.value.text.strip():
            known = {entry.id for entry in board.entries()}
            sources = [source for source in result.value.sources if source in known]
            is_new = workspace.write(result.value.kind, result.value.text, role.name, result, sources=sources)
            if result.value.done:
                return "done"
        idle = 0 if is_new else idle + 1
        if idle >= 2 * max(1, len(roles)):
            return "no progress"
        # a deterministic team that comes back to a state would go round for ever
        state = (board.sequence, role.name, result.problem, tuple(sorted(last_seen.items())))
        if state in states:
            return "repeated state"
        states.add(state)
    return "no progress"


def _next_role(workspace: Workspace, roles: Sequence[Role], last_seen: Mapping[str, int]) -> Role | None:
    """The one that has waited longest among those whose interests got a new entry since their last turn."""
    entries = workspace.board.entries()

    def awake(role: Role) -> bool:
        fresh = [entry for entry in entries[last_seen[role.name] :] if entry.author != role.name]
        return any(not role.interests or entry.kind in role.interests for entry in fresh)

    return min(filter(awake, roles), key=lambda role: last_seen[role.name], default=None)


BLACKBOARD = Pattern("blackboard", _work)
