"""A team: roles with prompt, model and tools, and the pattern by which they work. A declaration, nothing that runs."""

from dataclasses import dataclass, field

from ..errors import UsageError
from .budget import TeamLimits
from .patterns import PATTERNS
from .role import Role


@dataclass(frozen=True)
class Team:
    """`roles` in the order that the pattern, one of `patterns.PATTERNS`, asks for.

    Raises UsageError if the roles do not suit the pattern.
    """

    name: str
    about: str
    pattern: str
    roles: tuple[Role, ...]
    model: str = "smollm2"
    limits: TeamLimits = field(default_factory=TeamLimits)

    def __post_init__(self) -> None:
        pattern = PATTERNS.get(self.pattern)
        if pattern is None:
            raise UsageError(f"the pattern {self.pattern!r} is unknown; patterns are {', '.join(PATTERNS)}")
        if not pattern.least_roles <= len(self.roles) <= pattern.most_roles:
            raise UsageError(
                f"the team {self.name} has {len(self.roles)} roles; "
                f"{self.pattern} takes {pattern.least_roles} to {pattern.most_roles}"
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
        """The name of every model that some role uses."""
        return tuple(dict.fromkeys(role.model or self.model for role in self.roles))

    @property
    def writer(self) -> Role:
        """The role that gives the final answer."""
        return self.roles[PATTERNS[self.pattern].writer]
