"""Marks of an answer: why it failed, and what a person should know of it. In its metadata, which no model reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic_ai.messages import ModelMessage, ModelResponse

_ERROR, _NOTICES = "error", "notices"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a person should know of an answer; `code` names it."""

    code: str
    text: str


def marked(message: ModelResponse, error: str = "", notices: Sequence[Mark] = ()) -> ModelResponse:
    """`message` with why it failed and what was said of it."""
    more: dict[str, object] = {_ERROR: error} if error else {}
    if notices:
        more[_NOTICES] = [{"code": one.code, "text": one.text} for one in notices]
    return replace(message, metadata={**(message.metadata or {}), **more}) if more else message


def error_of(message: ModelMessage) -> str:
    """Why an answer failed, in words; empty if it did not, or nothing is known."""
    return str((message.metadata or {}).get(_ERROR) or "")


def notices_of(message: ModelMessage) -> list[Mark]:
    """The notices of an answer, in order; an import may hold anything there."""
    stored = (message.metadata or {}).get(_NOTICES)
    listed = stored if isinstance(stored, list) else []
    return [Mark(str(one.get("code", "")), str(one.get("text", ""))) for one in listed if isinstance(one, dict)]
