"""pydantic-ai's messages, read: role, texts, tool calls, an index of parts, a content hash, and JSON with blobs apart."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    CompactionPart,
    FilePart,
    FileUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["text", "reasoning", "image", "audio", "file", "tool_call", "tool_result", "summary", "notice"]
_SURROGATES = re.compile("[\ud800-\udfff]")
_FILES = "_files"  # where blobs belong, beside the fields of a message


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One part of a message as search and attachments see it; `more` is its JSON beside the text.

    `blob` is the SHA-256 of attached bytes.
    """

    kind: Kind
    text: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    blob: str | None = None


def role_of(message: ModelMessage) -> Role:
    """A request with something from the user is the user's; one with results only is a tool's."""
    if isinstance(message, ModelResponse):
        return "assistant"
    if any(isinstance(part, UserPromptPart) for part in message.parts):
        return "user"
    return "system" if all(isinstance(part, SystemPromptPart) for part in message.parts) else "tool"


def user(text: str, attachments: Sequence[UserContent] = ()) -> ModelRequest:
    """What a person says; attachments come after the text."""
    text = clean(text)
    return ModelRequest(parts=[UserPromptPart([text, *attachments] if attachments else text)])


def system(text: str) -> ModelRequest:
    return ModelRequest(parts=[SystemPromptPart(clean(text))])


def document(name: str, text: str) -> TextContent:
    """A text file as an attachment."""
    return TextContent(clean(text), metadata={"attachment": name})


def contents(part: UserPromptPart) -> list[UserContent]:
    return [part.content] if isinstance(part.content, str) else list(part.content)


def calls(message: ModelMessage) -> list[ToolCallPart]:
    """Calls that need a result from us; what a provider called and answered by itself is not among them."""
    return [part for part in message.parts if isinstance(part, ToolCallPart)]


def results(message: ModelMessage) -> list[ToolReturnPart]:
    return [part for part in message.parts if isinstance(part, ToolReturnPart)]


def with_parts(message: Any, parts: Sequence[Any]) -> Any:
    """The same message with other parts."""
    return replace(message, parts=list(parts))


def visible(message: ModelMessage) -> str:
    """The text that a person wrote or is shown as the answer: no reasoning, no tool results, no attachments."""
    return "".join(part.text for part in index(message) if part.kind == "text")


def index(message: ModelMessage) -> tuple[MessagePart, ...]:
    """Every part of a message, in order."""
    found: list[MessagePart] = []
    for part in message.parts:
        found += _index(part)
    return tuple(found)


def digest(message: ModelMessage, parent: str) -> str:
    """SHA-256 over role, ordered parts and the parent's digest: equal beginnings of two branches have equal ones.

    Times, and what a provider adds for itself, do not count.
    """
    content = [role_of(message), [[p.kind, p.text, p.more, p.blob] for p in index(message)], parent]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def clean(text: str) -> str:
    """`text` without lone surrogates, which no encoding can carry."""
    return _SURROGATES.sub("\ufffd", text)


def dump(message: ModelMessage) -> tuple[str, dict[str, bytes]]:
    """JSON of a message, and the attached bytes by SHA-256; `load` makes an equal message of them."""
    from pydantic_core import PydanticSerializationError

    try:
        fields = json.loads(_adapter().dump_json(message))
    except PydanticSerializationError:  # a lone surrogate
        text = json.dumps(_adapter().dump_python(message, mode="json"), ensure_ascii=False)
        fields = json.loads(clean(text))
    fields = {name: value for name, value in fields.items() if value is not None}
    fields["parts"] = [
        {name: value for name, value in part.items() if value is not None or name == "content"}
        for part in fields["parts"]
    ]
    blobs: dict[str, bytes] = {}
    files: list[tuple[list[str | int], str]] = []
    for path, place in _binaries(fields):
        content = _decoded(place["data"])
        if content is not None:
            name = hashlib.sha256(content).hexdigest()
            blobs[name] = content
            place["data"] = ""
            files.append((path, name))
    if files:
        fields[_FILES] = files
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")), blobs


def load(text: str, blob: Callable[[str], bytes]) -> ModelMessage:
    """The message that `dump` wrote; `blob` finds attached bytes by SHA-256."""
    if f'"{_FILES}"' not in text:
        return _adapter().validate_json(text)
    fields = json.loads(text)
    for path, name in fields.pop(_FILES, ()):
        place = fields
        for step in path:
            place = place[step]
        place["data"] = base64.urlsafe_b64encode(blob(name)).decode()
    return _adapter().validate_json(json.dumps(fields))


@cache
def _adapter():
    from pydantic import TypeAdapter

    return TypeAdapter(ModelMessage)


def _binaries(value: Any) -> Iterable[tuple[list[str | int], dict[str, Any]]]:
    """(path, object) of everything that looks like attached bytes."""
    waiting: list[tuple[list[str | int], Any]] = [([], value)]
    while waiting:
        path, place = waiting.pop()
        if isinstance(place, dict):
            if place.get("kind") == "binary" and isinstance(place.get("data"), str):
                yield path, place
            waiting += [([*path, key], inner) for key, inner in place.items()]
        elif isinstance(place, list):
            waiting += [([*path, at], inner) for at, inner in enumerate(place)]


def _decoded(data: str) -> bytes | None:
    """The bytes behind base64 that would come out the same again."""
    try:
        content = base64.urlsafe_b64decode(data)
    except ValueError:
        return None
    return content if base64.urlsafe_b64encode(content).decode() == data else None


def _index(part: Any) -> list[MessagePart]:
    match part:
        case UserPromptPart():
            return [item for content in contents(part) for item in _content(content)]
        case TextPart() | SystemPromptPart():
            return [MessagePart("text", part.content)]
        case ThinkingPart():
            return [MessagePart("reasoning", part.content)]
        case CompactionPart():
            return [MessagePart("summary", part.content or "")]
        case FilePart():
            return _content(part.content)
        case ToolCallPart() | NativeToolCallPart():
            return [
                MessagePart("tool_call", "", {"name": part.tool_name, "id": part.tool_call_id, "args": arguments(part)})
            ]
        case ToolReturnPart() | NativeToolReturnPart():
            more = {"name": part.tool_name, "id": part.tool_call_id, "outcome": part.outcome}
            return [MessagePart("tool_result", result_text(part), more), *_files(part)]
        case _:
            text = getattr(part, "content", "")
            return [MessagePart("notice", text if isinstance(text, str) else "", {"part": part.part_kind})]


def arguments(call: ToolCallPart | NativeToolCallPart) -> Any:
    """The arguments of a call as values; as text where they are no JSON."""
    if not isinstance(call.args, str):
        return call.args or {}
    try:
        return json.loads(call.args) if call.args.strip() else {}
    except ValueError:
        return call.args


def result_text(part: ToolReturnPart | NativeToolReturnPart) -> str:
    """A tool's result as the model reads it."""
    return part.model_response_str_and_user_content(wrap_if_error=False)[0]


def _files(part: ToolReturnPart | NativeToolReturnPart) -> list[MessagePart]:
    """What came with a result: pictures and sounds in it, and what a tool left to be kept (see its metadata)."""
    items = part.model_response_str_and_user_content(wrap_if_error=False)[1]
    found = [piece for item in items if isinstance(item, BinaryContent) for piece in _content(item)]
    kept = part.metadata.get("files", ()) if isinstance(part.metadata, dict) else ()
    for file in kept:
        if isinstance(file, dict) and file.get("kept"):
            found.append(
                MessagePart("file", "", {"name": file.get("name"), "media_type": file.get("media_type")}, file["kept"])
            )
    return found


def _content(content: Any) -> list[MessagePart]:
    match content:
        case str():
            return [MessagePart("text", content)]
        case TextContent():
            name = content.metadata.get("attachment") if isinstance(content.metadata, dict) else None
            return (
                [MessagePart("file", content.content, {"name": name})]
                if name
                else [MessagePart("text", content.content)]
            )
        case BinaryContent():
            name = (content.vendor_metadata or {}).get("name")
            more = {"media_type": content.media_type, "bytes": len(content.data)} | ({"name": name} if name else {})
            return [MessagePart(_sense(content.media_type), "", more, hashlib.sha256(content.data).hexdigest())]
        case FileUrl():
            return [MessagePart(_sense(type(content).__name__.removesuffix("Url").lower()), "", {"url": content.url})]
        case CachePoint():
            return []
        case _:
            return [MessagePart("notice", "", {"part": getattr(content, "kind", type(content).__name__)})]


def _sense(media_type: str) -> Kind:
    kind = media_type.split("/")[0]
    return kind if kind in ("image", "audio") else "file"  # type: ignore[return-value]
