"""The journal of a turn: the protocol that a store implements, and the records that go through it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from pydantic_ai.messages import ModelMessage

from ...values import Json
from ..conversation.tree import Node, State
from ..window.fit_result import FitReport, Summary
from ..window.served import ObservedAnswer
from ..window.sizes import Grade, Payload
from .events import Event, Purpose, Reason, RunState

ToolState = Literal["waiting", "done", "failed", "denied", "cancelled", "not executed"]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request to a model. `nodes` names, for each message of the payload, the stored one that it is, or None.

    `counted` is our own count; `source` says whose count the usage is. `cost` None: not known, which is not 0.
    `key` is what an answer is found again by, where it is kept for that.
    """

    id: str
    node: str | None
    model: str
    endpoint: str
    purpose: Purpose
    payload: Payload
    nodes: tuple[str | None, ...]
    params: Mapping[str, object]
    report: FitReport | None = None
    answer: str | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    reasoning_tokens: int = 0
    source: Literal["reported", "own"] = "own"
    grade: Grade = "estimated"
    counted: int = 0
    first_token_seconds: float | None = None
    seconds: float = 0.0
    finish: str = ""
    cost: Decimal | None = None
    error: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """One call of a tool; `args_edited` are those that a person put in place of the model's."""

    id: str
    node: str
    name: str
    args: Json
    state: ToolState
    args_edited: Mapping[str, object] | None = None
    approved_by: str | None = None
    result: str | None = None
    seconds: float | None = None


class Journal(Protocol):
    """One run's; every method is durable when it returns, and raises StoreError if it cannot be. They may wait for the
    disk: no event loop calls them, a WriteQueue does."""

    run: str
    seq: int  # of the last event that is stored

    def add(self, node: Node) -> None:
        """A message after the active leaf, as the new one."""

    def write(self, node: str, message: ModelMessage) -> None:
        """The text of a streaming message so far."""

    def finish(self, node: str, message: ModelMessage, state: State) -> Node:
        """A message's final text and state."""

    def events(self, events: Sequence[Event]) -> None: ...

    def call(self, record: CallRecord) -> None: ...

    def tool(self, record: ToolRecord) -> None: ...

    def beat(self) -> None:
        """This run is alive."""

    def end(self, state: RunState, reason: Reason, seen: int | None = None) -> None:
        """The run's last state, or that it waits."""

    def cached(self, key: str) -> str | None:
        """The answer to a call with this key, if one was kept."""

    def summary(self, summary: Summary, tokens: int) -> None:
        """A summary that was accepted."""

    def learned(self, shown: ObservedAnswer | int) -> None:
        """An observation of the server: an answer, or the window that one of its errors named."""
