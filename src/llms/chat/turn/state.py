"""The state of one turn, which turn.py owns and its companions share: who answers, the path so far, the request on its way."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic_ai.messages import ModelResponse, ModelResponsePart, TextPart, ThinkingPart, ToolCallPart

from ..conversation.marks import Mark
from ..conversation.messages import arguments
from ..conversation.tree import Node, new_id
from ..window.fit_result import FitResult, Summary, WindowCut
from .branch import Branch
from .event_stream import EventStream
from .events import Notice, Purpose, Reason
from .journal import Journal
from .setup import PendingSetup, Setup

Phase = Literal["preparing", "answering", "finalising", "reading", "ending"]


@dataclass
class ModelCall:
    """A request on its way. `prefix` is text that its message had before; `tool_calls` are those of the answer, by id."""

    node: Node
    purpose: Purpose
    clock: asyncio.Timeout
    prefix: str = ""
    id: str = field(default_factory=new_id)
    text: str = ""
    reasoning: str = ""
    tool_calls: dict[str, ToolCallPart] = field(default_factory=dict)
    fit_result: FitResult | None = None
    sent: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    written: float = field(default_factory=time.monotonic)
    notices: list[Mark] = field(default_factory=list)

    def message(self, length: int | None = None) -> ModelResponse:
        """The answer so far; of the text at most `length` characters, beyond which tool calls are not kept either."""
        text = self.prefix + self.text
        shorter = length is not None and length < len(text)
        parts: list[ModelResponsePart] = [ThinkingPart(self.reasoning)] if self.reasoning else []
        parts.append(TextPart(text[:length] if shorter else text))
        whole = [call for call in self.tool_calls.values() if isinstance(arguments(call), dict) and call.args]
        return ModelResponse(parts=parts if shorter else [*parts, *whole], model_name=None)


@dataclass
class TurnState:
    """Phases, of which a turn never goes back to an earlier one:

    preparing   the model is loaded, or asked what it is
    answering   requests and tool calls alternate, in pydantic-ai's loop
    finalising  the limit of tool calls is reached: no tool is offered, and the next answer is the last
    reading     the question is larger than the window and is read in parts, outside of pydantic-ai's loop
    ending      its end is stored, which nothing may cut short

    Any of them may be stopped by a person; `stopping` is then true for good. The turn is over when `events` is closed.
    """

    chosen: Setup | PendingSetup
    branch: Branch
    events: EventStream
    journal: Journal
    continues: Node | None = None  # the answer that was cut short and that the new one goes on from
    phase: Phase = "preparing"
    reason: Reason = "answered"  # why the turn ends, if it ends now
    stopping: bool = False
    seen: int | None = None  # characters of this turn's text that the user saw before they stopped it; None: all
    call: ModelCall | None = None  # set exactly while `branch` has an answer begun that is not finished
    finished_characters: int = 0  # of this turn's finished answers: where the text of `call` begins in what was seen
    cut: WindowCut | None = None  # of the last request; made without `summary` it is None, for it cuts other messages
    summary: Summary | None = None
    notices: list[Mark] = field(default_factory=list)
    summarised: bool = False  # one summary a turn: what it does not make room for is left out

    @property
    def setup(self) -> Setup:
        assert isinstance(self.chosen, Setup), "asked for while the model is prepared"
        return self.chosen

    def tell(self, code: str, text: str, more: Mapping[str, object] | None = None, lasts: bool = True) -> None:
        """Say something to the person; what `lasts` is kept with the answer that is being written."""
        call = self.call
        if lasts and call is not None:
            if Mark(code, text) in self.notices:
                return  # by an earlier request of this turn
            self.notices.append(Mark(code, text))
            call.notices.append(Mark(code, text))
        node = call.node.id if call is not None else ""
        self.events.emit(Notice(code=code, text=text, more=more or {}, node=node, lasts=lasts))

    def stop(self, seen: int | None) -> None:
        self.stopping, self.seen = True, seen
