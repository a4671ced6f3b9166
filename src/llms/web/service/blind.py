"""The part of a battle that may be seen before the vote: words, tools and files of both answers, and nothing that names a model.

Identifiers of tool calls are replaced by their number, as their form tells providers apart; errors, usage, prices and times
are left out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from ...chat.conversation.tree import Conversation
from ...values import Json
from .view_models import FileResponse, MessageResponse, TextResponse, ToolCallResponse, path

TOLD = {"text_delta", "reasoning_delta", "call_started", "tool_call_ready", "tool_finished", "notice", "run_finished"}
FIELDS = ("type", "text", "prefix", "name", "args", "outcome", "files", "state", "tool_call")
WORDLESS = {"notice", "run_finished"}  # events whose text may name a model or its address
BROKEN = ("failed", "stopped", "interrupted")


@dataclass(frozen=True, slots=True)
class AnswerResponse:
    """One side's answer to one question. `state` is done, running, failed, stopped or interrupted; `cut`: it ended at its
    limit of tokens. `error` says why it failed, once the names are known."""

    parts: list[TextResponse | FileResponse | ToolCallResponse]
    state: str
    cut: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class BattleTurnResponse:
    """A question with its files, and the answers of both sides; None: not there yet."""

    text: str
    files: list[FileResponse] = field(default_factory=list)
    a: AnswerResponse | None = None
    b: AnswerResponse | None = None


def turns(a: Conversation, b: Conversation, errors: Mapping[str, str]) -> list[BattleTurnResponse]:
    """The questions of a battle with the answers of its sides. `errors` are by node; empty before the vote."""
    sides = [list(_exchanges(path(side, {}, errors))) for side in (a, b)]
    return [
        BattleTurnResponse(
            "\n\n".join(part.text for part in question.parts if isinstance(part, TextResponse)),
            [part for part in question.parts if isinstance(part, FileResponse)],
            answer_a,
            _answer(sides[1][number][1]) if number < len(sides[1]) else None,
        )
        for number, (question, answer_a) in enumerate((q, _answer(messages)) for q, messages in sides[0])
    ]


def _exchanges(messages: Iterable[MessageResponse]) -> Iterator[tuple[MessageResponse, list[MessageResponse]]]:
    """Each question with the messages that answer it."""
    question: MessageResponse | None = None
    answer: list[MessageResponse] = []
    for message in messages:
        if message.role != "user":
            answer.append(message)
            continue
        if question is not None:
            yield question, answer
        question, answer = message, []
    if question is not None:
        yield question, answer


def _answer(messages: list[MessageResponse]) -> AnswerResponse | None:
    if not messages:
        return None
    last, numbers = messages[-1], count(1)
    parts = [
        replace(part, id=str(next(numbers))) if isinstance(part, ToolCallResponse) else part
        for message in messages
        for part in message.parts
    ]
    state = "running" if last.state == "streaming" else last.state if last.state in BROKEN else "done"
    return AnswerResponse(parts, state, last.cut, last.error)


class BlindEvents:
    """Events of one side's run, as they may be told before the vote."""

    def __init__(self, side: str):
        self._side, self._numbers = side, dict[str, str]()

    def shown(self, event: Mapping[str, Json]) -> dict[str, Json] | None:
        """The event without what could name the model; None where nothing of it may be told."""
        if event["type"] not in TOLD:
            return None
        seen = {name: event[name] for name in FIELDS if name in event}
        if event["type"] in WORDLESS:
            seen.pop("text", None)
        if isinstance(call := event.get("tool_call"), str):
            seen["tool_call"] = self._numbers.setdefault(call, str(len(self._numbers) + 1))
        return {"side": self._side, **seen}

    def to_json(self, text: str) -> str | None:
        """As `shown`, from and to JSON."""
        seen = self.shown(json.loads(text))
        return None if seen is None else json.dumps(seen, ensure_ascii=False)
