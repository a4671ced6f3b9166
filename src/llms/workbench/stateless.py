"""The lesson of statelessness: three calls, what each sends, and what sending the history again adds up to.

The check is on what is sent, not on what comes back: the second payload must not hold the name, the third must. A
small model may guess, or fail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..models.system import Generate, Model
from ..values import Delta, Message

TOKENS_PER_EXCHANGE = 200


@dataclass(frozen=True, slots=True)
class Called:
    """One of the three calls: what was sent, how many tokens that was, what came back."""

    title: str
    messages: tuple[Message, ...]
    tokens: int
    answer: str
    holds_name: bool
    as_expected: bool


def three_calls(model: Model, name: str) -> list[Called]:
    """(A) the user says a name; (B) a new payload asks for it; (C) the payload of A with its answer asks for it."""
    told = Message("user", f"My name is {name}.")
    asked = Message("user", "What is my name?")
    first = _call(model, "A: the user says a name", (told,), name, True)
    answer = Message("assistant", first.answer or "Hello!")
    return [
        first,
        _call(model, "B: a new call asks for it", (asked,), name, False),
        _call(model, "C: the same call, with the history", (told, answer, asked), name, True),
    ]


def _call(model: Model, title: str, messages: tuple[Message, ...], name: str, expected: bool) -> Called:
    answer = "".join(delta.text for delta in _answered(model, messages)).strip()
    holds = any(name in message.content for message in messages)
    return Called(title, messages, model.count_tokens(list(messages)), answer, holds, holds == expected)


def _answered(model: Model, messages: tuple[Message, ...]) -> list[Delta]:
    return list(model.stream(Generate(messages, max_tokens=60)))


def growth(turns: Sequence[int], tokens: int = TOKENS_PER_EXCHANGE) -> list[tuple[int, int]]:
    """(turns, input tokens sent in all) where each turn sends everything before it again: half an exchange is new."""
    return [(n, tokens * n * n // 2) for n in turns]


def shown(model: str, name: str, models: Any) -> dict[str, Any]:
    """The three calls as JSON values."""
    calls = three_calls(models.get(model), name)
    return {
        "calls": [
            {
                "title": call.title,
                "payload": "\n".join(f"{message.role}: {message.content}" for message in call.messages),
                "tokens": call.tokens,
                "answer": call.answer,
                "holds_name": call.holds_name,
                "as_expected": call.as_expected,
            }
            for call in calls
        ]
    }
