"""A team: roles with prompt, model and tools, and the pattern by which they work. A declaration, nothing that runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..errors import UsageError
from .board import Kind
from .budget import TeamLimits

Pattern = Literal["single", "pipeline", "plan-and-parallel", "blackboard", "write-and-check"]
PATTERNS: tuple[Pattern, ...] = ("single", "pipeline", "plan-and-parallel", "blackboard", "write-and-check")


@dataclass(frozen=True, slots=True)
class Role:
    """One agent. `model` None: the team's. `interests`: on a blackboard, the kinds of entry that wake it up."""

    name: str
    prompt: str
    tools: tuple[str, ...] = ()
    model: str | None = None
    interests: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class Team:
    """`roles` in the order of the pattern: single: the one; pipeline: first to last; plan-and-parallel: planner,
    specialists, writer; blackboard: those who act, then the writer; write-and-check: writer, critic.

    Raises UsageError if the roles do not suit the pattern.
    """

    name: str
    about: str
    pattern: Pattern
    roles: tuple[Role, ...]
    model: str = "smollm2"
    limits: TeamLimits = field(default_factory=TeamLimits)

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise UsageError(f"the pattern {self.pattern!r} is unknown; patterns are {', '.join(PATTERNS)}")
        least = {"single": 1, "pipeline": 2, "plan-and-parallel": 3, "blackboard": 2, "write-and-check": 2}[
            self.pattern
        ]
        most = {"single": 1, "write-and-check": 2}.get(self.pattern, 12)
        if not least <= len(self.roles) <= most:
            raise UsageError(
                f"the team {self.name} has {len(self.roles)} roles; {self.pattern} takes {least} to {most}"
            )
        names = [role.name for role in self.roles]
        if len(set(names)) < len(names):
            raise UsageError(f"the team {self.name} has two roles of one name: {', '.join(sorted(names))}")

    @property
    def tools(self) -> tuple[str, ...]:
        """Every tool that some role may call."""
        return tuple(dict.fromkeys(tool for role in self.roles for tool in role.tools))

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(role.model or self.model for role in self.roles))

    @property
    def writer(self) -> Role:
        """Who gives the final answer."""
        return self.roles[0] if self.pattern in ("single", "write-and-check") else self.roles[-1]

    @property
    def specialists(self) -> Sequence[Role]:
        return self.roles[1:-1] if self.pattern == "plan-and-parallel" else self.roles[:-1] or self.roles
