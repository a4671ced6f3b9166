"""The events of a team's run, as they happen: small values that a terminal, a page and a store can all use.

`TeamEvent` is closed: whoever handles it handles every kind, and the type checker holds that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from functools import cache
from typing import Literal, get_args

from pydantic import TypeAdapter

from ..values import Json, JsonObject
from .board import Entry
from .budget import Limit, Purpose, Used
from .memory import Fact
from .plan import Task
from .step import ToolUse

StopReason = (
    Literal["stopped by the user", "a model failed", "done", "repeated state", "no progress", "too many rounds"] | Limit
)


@dataclass(frozen=True, slots=True)
class Began:
    team: str
    pattern: str
    goal: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """The facts from memory that the agents are sent, before anything is asked."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan, or why there is none and one agent goes on alone."""

    tasks: tuple[Task, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class TaskChanged:
    task: Task


@dataclass(frozen=True, slots=True)
class StepBegan:
    role: str
    task: str | None
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class StepEnded:
    """`problem` empty: it went well. A resumed run goes on with `value`, which is JSON, and the tools `used`."""

    role: str
    task: str | None
    seconds: float
    problem: str = ""
    purpose: Purpose = "work"
    value: object = None
    used: tuple[ToolUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    entry: Entry


@dataclass(frozen=True, slots=True)
class Budget:
    """The use of the whole team so far, and its limits."""

    used: Used
    calls: int
    tool_calls: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """There is always an answer; `complete` says whether it is more than what was left when a budget ended."""

    answer: str
    reason: StopReason
    used: Used
    seconds: float
    complete: bool
    open_tasks: tuple[str, ...] = ()


TeamEvent = Began | Remembered | Planned | TaskChanged | StepBegan | StepEnded | Written | Budget | Finished


def plain(event: TeamEvent) -> dict[str, Json]:
    """The event as JSON values, with its `type`."""
    return {"type": type(event).__name__, **{field.name: _json(getattr(event, field.name)) for field in fields(event)}}


def from_plain(row: JsonObject) -> TeamEvent | None:
    """The event that `plain` wrote; None for a kind that this version does not know."""
    reader = _readers().get(str(row["type"]))
    return None if reader is None else reader.validate_python({k: v for k, v in row.items() if k != "type"})


@cache
def _readers() -> dict[str, TypeAdapter[TeamEvent]]:
    return {kind.__name__: TypeAdapter(kind) for kind in get_args(TeamEvent)}


def _json(value: object) -> Json:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return float(value)
        case Mapping():
            return {str(key): _json(item) for key, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
    if is_dataclass(value):
        return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"an event holds a {type(value).__name__}, which is not JSON")
