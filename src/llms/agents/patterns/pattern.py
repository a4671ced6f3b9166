"""A pattern, as every file beside this one declares its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..events import StopReason
from ..workspace import Workspace

MOST_ROLES = 12


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way for a team to work: `work` lets the roles take steps in a workspace and returns why it ended.

    It raises nothing for what a model, a tool or a budget does: a step that fails is a result that says so. `writer` is
    the index of the role that gives the final answer where the work itself left none.

    A run that was cut off begins `work` anew, and its finished steps are given again. One that `keeps_board` also finds
    the board and the plan as they were, and tries again what had failed.
    """

    name: str
    work: Callable[[Workspace], Awaitable[StopReason]]
    least_roles: int = 2
    most_roles: int = MOST_ROLES
    writer: int = -1
    keeps_board: bool = False
