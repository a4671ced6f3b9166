"""System prompt, tools, sampling, window policy and memory of a conversation, as one value and as JSON. Knows neither models nor tools: whoever takes a
value from outside checks what it names."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeVar

from ..errors import UnknownName, UsageError
from ..values import Json, JsonObject

PolicyName = Literal["truncate", "summarise", "strict"]
POLICIES: tuple[PolicyName, ...] = ("truncate", "summarise", "strict")
HOTTEST = 2.0  # OpenAI's protocol knows no higher temperature
MOST_TOOLS = 50
LONGEST_SYSTEM = 100_000  # characters
LONGEST_NAME = 300
_SEEDS = range(-(1 << 63), 1 << 63)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """None: not said, so that the model's own holds, or the program's default. An empty `system` is none at all.

    `preset` names the one that all of it was taken from.
    """

    model: str | None = None
    system: str | None = None
    tools: tuple[str, ...] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    policy: PolicyName | None = None
    memory: bool | None = None
    preset: str | None = None

    def over(self, under: "ChatSettings") -> "ChatSettings":
        """These settings, completed by those of `under`. Raises UsageError for a value out of its range."""
        return settings_of({**under.to_json(), **self.to_json()})

    def changed(self, changes: JsonObject) -> "ChatSettings":
        """With these fields as JSON gives them; null takes one back. Raises UsageError for a wrong name or value.

        What is changed by hand is no preset any more.
        """
        return settings_of({**self.to_json(), "preset": None, **changes})

    def to_json(self) -> dict[str, Json]:
        """The fields that are said."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }


def policy_named(name: str) -> PolicyName:
    """The policy of that name. Raises UnknownName."""
    for policy in POLICIES:
        if policy == name:
            return policy
    raise UnknownName("policy", name, POLICIES)


def settings_of(values: JsonObject) -> ChatSettings:
    """The settings in a JSON object. Raises UsageError, which names the field, its value and what was expected."""
    for name in values:
        if name not in _NAMES:
            raise UnknownName("setting", name, _NAMES)

    def read(name: str, check: Callable[[Json], T | None], expected: str) -> T | None:
        value = values.get(name)
        if value is None:
            return None
        if (checked := check(value)) is None:
            raise UsageError(f"{name.replace('_', ' ')} {_short(value)} is not taken; expected {expected}")
        return checked

    return ChatSettings(
        read("model", _text(LONGEST_NAME), "the name of a model, as in smollm2"),
        read("system", _text(LONGEST_SYSTEM, empty=True), f"a text of at most {LONGEST_SYSTEM:,} characters"),
        read("tools", _names, f"a list of at most {MOST_TOOLS} names of tools"),
        read("temperature", _number(0, HOTTEST), f"a number from 0 (greedy) to {HOTTEST:g}"),
        read("max_tokens", _whole(range(1, 1 << 31)), "a whole number of tokens, at least 1"),
        read("seed", _whole(_SEEDS), "a whole number of at most 64 bits"),
        read("policy", _policy, f"one of {', '.join(POLICIES)}"),
        read("memory", lambda value: value if isinstance(value, bool) else None, "true or false"),
        read("preset", _text(LONGEST_NAME), "the name of a preset"),
    )


_NAMES = tuple(field.name for field in fields(ChatSettings))


def _text(longest: int, empty: bool = False) -> Callable[[Json], str | None]:
    def check(value: Json) -> str | None:
        right = isinstance(value, str) and len(value) <= longest and (empty or bool(value.strip()))
        return value if right and isinstance(value, str) else None

    return check


def _names(value: Json) -> tuple[str, ...] | None:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > MOST_TOOLS:
        return None
    names = [name for name in value if isinstance(name, str) and name.strip()]
    return tuple(dict.fromkeys(names)) if len(names) == len(value) else None


def _number(lowest: float, highest: float) -> Callable[[Json], float | None]:
    def check(value: Json) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value) if lowest <= value <= highest else None

    return check


def _whole(bounds: range) -> Callable[[Json], int | None]:
    def check(value: Json) -> int | None:
        if isinstance(value, float) and value.is_integer():  # browsers have no other numbers
            value = int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) and value in bounds else None

    return check


def _policy(value: Json) -> PolicyName | None:
    return next((policy for policy in POLICIES if policy == value), None)


def _short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
