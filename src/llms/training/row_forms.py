"""A row of the user's file as a conversation, a raw text or a pair of answers; what is wrong is named by row and column.

messages                          {role, content, tool_calls, tool_call_id, weight} …; beside it `tools`, JSON schemas
conversations                     ShareGPT's {from, value} …; beside it `system`, `tools`
question, answer                  a user's message and its answer; beside it `system`
instruction, output               Alpaca's; `input` is added to the instruction
prompt, completion                lists of messages; or texts, which are raw: no chat template
text                              raw text, all of it trained
prompt, chosen, rejected          a preference pair: lists of messages, or raw texts; without `prompt`, both lists begin with it
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..data.dataset import Row
from ..errors import DataError
from ..models.system import ToolSchema
from ..values import Message, ToolCall

Role = Literal["system", "user", "assistant", "tool"]
ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
}  # fmt: skip
SPEAKERS: dict[str, Role] = {
    **ROLES, "human": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "observation": "tool", "function_response": "tool", "function_call": "assistant",
}  # fmt: skip
BEFORE: dict[Role, tuple[str, ...]] = {  # which role may stand before; "" is the beginning
    "system": ("",),
    "user": ("", "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}
FORMS = (  # by columns, the first that fits
    ("messages",), ("conversations",), ("prompt", "chosen", "rejected"), ("chosen", "rejected"), ("prompt", "completion"),
    ("question", "answer"), ("instruction", "output"), ("text",),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A conversation; `answers` are the indices of the messages to be trained."""

    source: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...]
    answers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RawRow:
    """Raw text: the completion is trained, after a prompt that may be empty."""

    source: str
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """Two answers to one prompt: messages with one more each, or raw texts."""

    source: str
    prompt: tuple[Message, ...] | str
    chosen: Message | str
    rejected: Message | str
    tools: tuple[ToolSchema, ...] = ()


TrainingRow: TypeAlias = "ChatRow | RawRow | PreferenceRow"


def form_of(row: Row, source: str) -> tuple[str, ...]:
    """The columns by which the row is read. Raises DataError where it has none of the known ones."""
    for form in FORMS:
        if all(column in row for column in form):
            return form
    raise DataError(
        f"{source}: no columns that can be trained on; found {', '.join(map(str, row)) or 'none'}; expected "
        f"{'; or '.join(', '.join(form) for form in FORMS)}"
    )


def read_row(row: Row, form: tuple[str, ...], source: str) -> TrainingRow:
    """The row by the columns of `form`. Raises DataError naming the row and the column."""
    for column in form:
        if column not in row:
            raise DataError(
                f"{source}: no column {column!r}; found {', '.join(map(str, row))}; the first row has {', '.join(form)}, and "
                "all rows must have the same form"
            )
    match form:
        case ("messages",):
            return _chat(
                source, _messages(row["messages"], "messages", source), row, "messages", _weights(row["messages"])
            )
        case ("conversations",):
            return _chat(source, _system(row, source) + _spoken(row["conversations"], source), row, "conversations")
        case ("prompt", "completion"):
            return _completion(row, source)
        case ("text",):
            return RawRow(source, "", _text(row["text"], "text", source))
        case (*_, "chosen", "rejected"):
            return _preference(row, source)
        case (asked, answered):
            return _answered(row, asked, answered, source)
    raise AssertionError(form)


def _answered(row: Row, asked: str, answered: str, source: str) -> ChatRow:
    if "choices" in row:
        raise DataError(
            f"{source}, column 'choices': rows with choices are for measuring; to train, give question and answer, the answer "
            "as the text that the model is to write"
        )
    words = _text(row[asked], asked, source)
    if asked == "instruction" and row.get("input"):
        words += "\n\n" + _text(row["input"], "input", source)
    answer = Message("assistant", _text(row[answered], answered, source))
    return _chat(source, (*_system(row, source), Message("user", words), answer), row, answered)


def _completion(row: Row, source: str) -> ChatRow | RawRow:
    prompt, completion = _opened(row["prompt"]), _opened(row["completion"])
    if isinstance(prompt, str) and isinstance(completion, str):
        return RawRow(source, _text(prompt, "prompt", source, blank=True), _text(completion, "completion", source))
    if isinstance(prompt, str) or isinstance(completion, str):
        raise DataError(
            f"{source}: column 'prompt' is {_kind(prompt)}, 'completion' {_kind(completion)}; expected two texts, or two lists "
            "of messages"
        )
    asked = _messages(prompt, "prompt", source)
    messages = asked + _messages(completion, "completion", source)
    return _chat(source, messages, row, "completion", [1] * len(messages), len(asked))


def _preference(row: Row, source: str) -> PreferenceRow:
    chosen, rejected, prompt = _opened(row["chosen"]), _opened(row["rejected"]), _opened(row.get("prompt", ""))
    if isinstance(chosen, str) and isinstance(rejected, str):
        if "prompt" not in row or not isinstance(prompt, str):
            raise DataError(
                f"{source}: columns 'chosen' and 'rejected' are texts, 'prompt' is {_kind(prompt)}; expected a text too, which "
                "both answer"
            )
        texts = _text(chosen, "chosen", source), _text(rejected, "rejected", source)
        _differ(*texts, source)
        return PreferenceRow(source, _text(prompt, "prompt", source, blank=True), *texts)
    if isinstance(chosen, str) or isinstance(rejected, str):
        raise DataError(
            f"{source}: column 'chosen' is {_kind(chosen)}, 'rejected' {_kind(rejected)}; expected two texts, or two lists of "
            "messages"
        )
    first, second = _messages(chosen, "chosen", source), _messages(rejected, "rejected", source)
    if first[0].role == "assistant":
        asked = _messages(prompt, "prompt", source) if not isinstance(prompt, str) else _as_user(prompt, source)
    else:  # both hold the prompt
        asked, first, second = first[:-1], first[-1:], (second[-1:] if second[:-1] == first[:-1] else second)
    if len(first) != 1 or len(second) != 1 or first[0].role != "assistant" or second[0].role != "assistant":
        raise DataError(
            f"{source}, columns 'chosen' and 'rejected': {len(first)} and {len(second)} messages behind the prompt; expected "
            "one answer each (role assistant) to the same messages"
        )
    _check_order((*asked, first[0]), "chosen", source)
    _check_order((*asked, second[0]), "rejected", source)
    _differ(first[0], second[0], source)
    return PreferenceRow(source, asked, first[0], second[0], _tools(row, source))


def _as_user(prompt: str, source: str) -> tuple[Message, ...]:
    return (Message("user", _text(prompt, "prompt", source)),)


def _differ(chosen: object, rejected: object, source: str) -> None:
    if chosen == rejected:
        answer = chosen.content or chosen.tool_calls if isinstance(chosen, Message) else chosen
        raise DataError(
            f"{source}: 'chosen' and 'rejected' are equal, {_shown(answer)}; a pair must say which of two different answers is "
            "better. Leave the row out"
        )


def _chat(
    source: str,
    messages: tuple[Message, ...],
    row: Row,
    column: str,
    weights: Sequence[int] = (),
    first: int = 0,
) -> ChatRow:
    """A checked conversation, whose answers from message `first` on are trained where `weights`, if any, do not say 0."""
    _check_order(messages, column, source)
    answers = tuple(
        index
        for index, message in enumerate(messages)
        if message.role == "assistant" and index >= first and (not weights or weights[index])
    )
    return ChatRow(source, messages, _tools(row, source), answers)


def _check_order(messages: Sequence[Message], column: str, source: str) -> None:
    before = ""
    for number, message in enumerate(messages, 1):
        if before not in BEFORE[message.role]:
            after = f"after {before!r}" if before else "at the beginning"
            allowed = [role for role, befores in BEFORE.items() if before in befores]
            raise DataError(
                f"{source}, column {column!r}, message {number}: role {message.role!r} {after}; expected {' or '.join(allowed)}"
            )
        if message.role == "tool" and before == "assistant" and not messages[number - 2].tool_calls:
            raise DataError(
                f"{source}, column {column!r}, message {number}: role 'tool' after an answer that calls no tool; the message "
                "before it needs tool_calls"
            )
        before = message.role
    if not any(message.role == "user" for message in messages):
        raise DataError(f"{source}, column {column!r}: no message of the user; expected user, then assistant")
    if before != "assistant":
        raise DataError(
            f"{source}, column {column!r}: it ends with role {before!r}, which nobody answers; the last message must be the "
            "assistant's"
        )


def _messages(value: object, column: str, source: str) -> tuple[Message, ...]:
    return tuple(
        _message(entry, f"{source}, column {column!r}, message {number}")
        for number, entry in enumerate(_list(value, column, source), 1)
    )


def _message(entry: object, location: str) -> Message:
    if not isinstance(entry, Mapping) or "role" not in entry:
        raise DataError(f"{location}: {_shown(entry)}; expected an object with role and content")
    role = ROLES.get(entry["role"]) if isinstance(entry["role"], str) else None
    if role is None:
        raise DataError(f"{location}: role {entry['role']!r} is unknown; expected {', '.join(ROLES)}")
    calls = tuple(_call(call, location) for call in entry.get("tool_calls") or ())
    content = _content(entry.get("content"), location, blank=bool(calls) or role == "tool")
    if calls and role != "assistant":
        raise DataError(f"{location}: role {role!r} calls tools; only the assistant does")
    return Message(role, content, calls, str(entry.get("tool_call_id") or ""))


def _spoken(value: object, source: str) -> tuple[Message, ...]:
    """ShareGPT's messages, and the calls of LLaMA-Factory's function_call."""
    messages = []
    for number, entry in enumerate(_list(value, "conversations", source), 1):
        location = f"{source}, column 'conversations', message {number}"
        if isinstance(entry, Mapping) and "role" in entry and "content" in entry:
            messages.append(_message(entry, location))
            continue
        if not isinstance(entry, Mapping) or not {"from", "value"} <= entry.keys():
            raise DataError(f"{location}: {_shown(entry)}; expected an object with from and value")
        role = SPEAKERS.get(entry["from"]) if isinstance(entry["from"], str) else None
        if role is None:
            raise DataError(f"{location}: from {entry['from']!r} is unknown; expected {', '.join(SPEAKERS)}")
        if entry["from"] == "function_call":
            messages.append(Message(role, "", (_call(_opened(entry["value"]), location),)))
        else:
            messages.append(Message(role, _content(entry["value"], location, blank=role == "tool")))
    return tuple(messages)


def _system(row: Row, source: str) -> tuple[Message, ...]:
    return (Message("system", _text(row["system"], "system", source)),) if row.get("system") else ()


def _weights(value: object) -> list[int]:
    """1 for each message that may be trained, 0 for those of `weight` 0 (OpenAI's format)."""
    opened = _opened(value)
    return [0 if entry.get("weight", 1) == 0 else 1 for entry in opened] if isinstance(opened, list) else []


def _call(value: object, location: str) -> ToolCall:
    """A call in OpenAI's form, or {name, arguments} alone."""
    function = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise DataError(f"{location}: the call {_shown(value)} names no tool; expected {{name, arguments}}")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            json.loads(arguments)
        except ValueError as error:
            raise DataError(
                f"{location}: the arguments {arguments!r:.60} of {function['name']} are not JSON ({error})"
            ) from error
    else:
        arguments = json.dumps(arguments, ensure_ascii=False)
    named = value.get("id") if isinstance(value, Mapping) else ""
    return ToolCall(str(named or ""), function["name"], arguments)


def _tools(row: Row, source: str) -> tuple[ToolSchema, ...]:
    value = _opened(row.get("tools") or [])
    if not isinstance(value, list):
        raise DataError(f"{source}, column 'tools': {_shown(value)}; expected a list of JSON schemas of functions")
    return tuple(_schema(entry, f"{source}, column 'tools', tool {number}") for number, entry in enumerate(value, 1))


def _schema(value: object, location: str) -> ToolSchema:
    function = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise DataError(f"{location}: {_shown(value)}; expected {{name, description, parameters}}")
    return ToolSchema(
        name=function["name"],
        description=str(function.get("description") or ""),
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
    )


def _list(value: object, column: str, source: str) -> list[object]:
    opened = _opened(value)
    if not isinstance(opened, list) or not opened:
        raise DataError(f"{source}, column {column!r}: {_shown(value)}; expected a list of messages")
    return opened


def _opened(value: object) -> object:
    """A list or an object that stands as JSON in a cell, as in CSV; else the value itself."""
    if isinstance(value, str) and value.lstrip()[:2] in ("[{", "[]", '{"'):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _content(value: object, location: str, blank: bool = False) -> str:
    if isinstance(value, list):
        value = "".join(_parts(value, location))
    if value is None and blank:
        return ""
    return _checked_text(value, f"{location}: content", blank)


def _parts(parts: Iterable[object], location: str) -> Iterable[str]:
    for part in parts:
        if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise DataError(f"{location}: content has a part {_shown(part)}; only text is trained on")
        yield part["text"]


def _text(value: object, column: str, source: str, blank: bool = False) -> str:
    return _checked_text(value, f"{source}, column {column!r}", blank)


def _checked_text(value: object, location: str, blank: bool) -> str:
    if not isinstance(value, str):
        raise DataError(f"{location} is {_shown(value)}; expected a text")
    if not blank and not value.strip():
        raise DataError(f"{location} is empty, {value!r:.20}; expected a text. Leave the row out")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{location} holds half a character (U+{ord(value[error.start]):04X}) at {error.start}; write it whole"
            ) from error
    return value


def _kind(value: object) -> str:
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def _shown(value: object) -> str:
    return f"{value!r:.60} ({type(value).__name__})"
