"""One agent of a team, as it is declared."""

from dataclasses import dataclass

from .board import EntryKind


@dataclass(frozen=True, slots=True)
class Role:
    """One agent. `model` None: the team's. `interests`: on a blackboard, the kinds of entry that wake it up."""

    name: str
    prompt: str
    tools: tuple[str, ...] = ()
    model: str | None = None
    interests: tuple[EntryKind, ...] = ()
