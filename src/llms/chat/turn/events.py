"""The events of a turn: values in a gapless sequence, the same live, stored and read again.

run_started          a question is being answered
call_started         a request goes to the model: its size, and what was left out of it
text_delta           text of the answer; ends between characters as a person counts them
reasoning_delta      text of the thinking channel
tool_call_started    the model begins to call a tool; then tool_args_delta, tool_call_ready
approval_needed      a tool waits for a person
tool_started         then tool_progress, tool_finished
usage                what a request took
notice               something the user should know
node_committed       a message is stored in its final form
run_finished         the last event; everything is stored
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, get_args

from ...tools.results import KeptFile
from ...values import Json
from ..conversation.messages import Role

RunState = Literal["running", "waiting", "finished", "stopped", "failed", "interrupted"]
Purpose = Literal[
    "chat", "finalise", "summary", "map", "reduce", "title", "planner", "specialist", "critic", "memory", "vote"
]
Reason = Literal[
    "answered", "stopped", "tool_limit", "length", "refused", "empty", "waiting", "error", "timeout", "interrupted",
    "budget", "strict", "usage",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEvent:
    """`seq` counts from 1 within the run; `time` is ISO 8601, UTC. The EventStream sets all three."""

    run: str = ""
    seq: int = 0
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(TurnEvent):
    """`node` is the message that is being answered."""

    conversation: str
    node: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(TurnEvent):
    """`tokens` of at most `budget` are sent, counted with `grade`; `fates` says for each message that was not sent
    as it is what became of it. `prefix` is the text that the answer goes on from."""

    call: str
    node: str
    purpose: Purpose
    tokens: int
    budget: int
    grade: str
    fates: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta(TurnEvent):
    node: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta(TurnEvent):
    node: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallStarted(TurnEvent):
    node: str
    tool_call: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolArgsDelta(TurnEvent):
    tool_call: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallReady(TurnEvent):
    node: str
    tool_call: str
    name: str
    args: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeeded(TurnEvent):
    """`sources` are the untrusted texts that the model has read in this run."""

    tool_call: str
    name: str
    args: Json
    tool_kind: str
    why: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted(TurnEvent):
    tool_call: str
    name: str
    args: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProgress(TurnEvent):
    tool_call: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished(TurnEvent):
    """`outcome` is success, failed, denied, or interrupted; `files` are what the tool made besides text."""

    tool_call: str
    name: str
    outcome: str
    text: str
    seconds: float
    files: tuple[KeptFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported(TurnEvent):
    """`cost` is a decimal number as text, None where the price is not known. `source` is who counted."""

    call: str
    prompt_tokens: int
    cached_tokens: int
    tokens: int
    reasoning_tokens: int
    source: Literal["reported", "own"]
    cost: str | None
    first_token_seconds: float | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(TurnEvent):
    """`code` names what happened, `text` says it to a person, `more` has the numbers. One that `lasts` is kept with the
    message `node`; any other says what happens just now, and the next one of its code takes its place."""

    code: str
    text: str
    more: Mapping[str, object] = field(default_factory=dict)
    node: str = ""
    lasts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCommitted(TurnEvent):
    node: str
    role: Role
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(TurnEvent):
    """`node` ends the path that this run made; `text` is why it failed."""

    state: RunState
    reason: Reason
    node: str
    text: str = ""


Event = (
    RunStarted
    | CallStarted
    | TextDelta
    | ReasoningDelta
    | ToolCallStarted
    | ToolArgsDelta
    | ToolCallReady
    | ApprovalNeeded
    | ToolStarted
    | ToolProgress
    | ToolFinished
    | UsageReported
    | Notice
    | NodeCommitted
    | RunFinished
)  # closed: whoever translates events names every one of them, and ends with assert_never


def kind_of(event: Event | type[Event]) -> str:
    """`text_delta` for TextDelta: the name of an event in JSON and in server-sent events."""
    name = (event if isinstance(event, type) else type(event)).__name__
    return "usage" if name == "UsageReported" else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


KINDS: dict[str, type[Event]] = {kind_of(event): event for event in get_args(Event)}


def to_json(event: Event) -> str:
    """One object: `type`, then the event's fields."""
    return json.dumps({"type": kind_of(event)} | asdict(event), ensure_ascii=False, default=str)


def from_json(text: str) -> Event:
    """The event that `to_json` wrote."""
    values = json.loads(text)
    kind = KINDS[values.pop("type")]
    known = {f.name for f in fields(kind)}
    values = {name: tuple(v) if name in ("sources", "files") else v for name, v in values.items() if name in known}
    return kind(**values)
