"""What a team does, told while it does it: small values that a terminal, a page and a store can all use."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from .board import Entry
from .budget import Used
from .memory import Fact
from .plan import Task
from .step import ToolUse

StopReason = Literal[
    "stopped by the user", "a model failed", "done", "time", "cost", "tokens", "calls", "tool calls", "repeated state", "no progress"
]  # fmt: skip
PRECEDENCE: tuple[StopReason, ...] = (
    "stopped by the user", "a model failed", "done", "time", "cost", "tokens", "calls", "tool calls", "repeated state", "no progress"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Began:
    team: str
    pattern: str
    goal: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the agents are told from memory, before anything is asked."""

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
    purpose: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """`problem` empty: it went well. `value`, as JSON, and the tools `used` are what a resumed run goes on with."""

    role: str
    task: str | None
    seconds: float
    problem: str = ""
    purpose: str = "work"
    value: Any = None
    used: tuple[ToolUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    entry: Entry


@dataclass(frozen=True, slots=True)
class Budget:
    """What the whole team has used so far, and the limits it may use."""

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


Event = Began | Remembered | Planned | TaskChanged | StepBegan | StepEnded | Written | Budget | Finished


def plain(event: Event) -> dict[str, Any]:
    """The event as JSON values, with its `type`."""
    return {"type": type(event).__name__, **_json(asdict(event))}


def _json(value: Any) -> Any:
    match value:
        case dict():
            return {key: _json(item) for key, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
        case Decimal():
            return float(value)
    return value
