"""pydantic-ai's messages and settings as what our models are asked: one reading for local models and for endpoints."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress

from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    BinaryContent,
    CachePoint,
    FileUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from ..values import JsonObject, Media, Message, ToolCall
from .system import ToolSchema

Contents = str | Sequence[UserContent]


def plain(messages: Sequence[ModelMessage], instructions: str, endpoint: str = "", sees: bool = False) -> list[Message]:
    """All messages, part by part: instructions first, leading system messages joined into one, as most chat templates
    want it. What an `endpoint` wrote for itself (its reasoning since the last question, signatures) goes back to it.
    Files that tools gave follow their results where an endpoint is asked; pictures alone where a model that `sees` is."""
    question = max((at for at, each in enumerate(messages) if _asks(each)), default=0)
    plain = [Message("system", instructions)] if instructions else []
    for at, message in enumerate(messages):
        if isinstance(message, ModelResponse):
            plain += _answer(message, endpoint, at > question)
        else:
            plain += _request(message, bool(endpoint), sees)
    return _one_system(plain)


def choice(settings: ModelSettings, parameters: ModelRequestParameters) -> str:
    """The tools that may or must be called; pydantic-ai leaves it open, or asks for output through a tool only."""
    wanted = settings.get("tool_choice")
    if isinstance(wanted, str) and wanted != "auto":
        return wanted
    if isinstance(wanted, list | tuple) and len(wanted) == 1:
        return wanted[0]
    return "auto" if parameters.allow_text_output else "required"


def tools(parameters: ModelRequestParameters) -> tuple[ToolSchema, ...]:
    """Schemas of the functions that may be called."""
    return tuple(
        {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters_json_schema}
        for tool in (*parameters.declared_function_tools, *parameters.output_tools)
    )


def schema(parameters: ModelRequestParameters) -> JsonObject | None:
    """The JSON schema that the answer itself obeys."""
    native = parameters.output_mode == "native" and parameters.output_object
    return parameters.output_object.json_schema if native and parameters.output_object else None


def _asks(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest) and any(isinstance(part, UserPromptPart) for part in message.parts)


def _answer(message: ModelResponse, endpoint: str, recent: bool) -> list[Message]:
    text = "".join(part.content for part in message.parts if isinstance(part, TextPart))
    calls = tuple(_call(part, endpoint) for part in message.parts if isinstance(part, ToolCallPart))
    thoughts = [part for part in message.parts if isinstance(part, ThinkingPart) and part.id and recent]
    own = {part.id: part.content for part in thoughts if part.id and endpoint and part.provider_name == endpoint}
    return [Message("assistant", text, calls, extra=own or None)]


def _call(part: ToolCallPart, endpoint: str) -> ToolCall:
    own = part.provider_details if endpoint and part.provider_name == endpoint else None
    return ToolCall(part.tool_call_id, part.tool_name, part.args_as_json_str(), own)


def _request(message: ModelRequest, media: bool, sees: bool) -> Iterator[Message]:
    files: list[UserContent] = []
    for part in message.parts:
        match part:
            case SystemPromptPart():
                yield Message("system", part.content)
            case UserPromptPart():
                yield _user(part.content)
            case ToolReturnPart():
                shown = part.model_response_str_and_user_content()[1] if media or sees else []
                files += [one for one in shown if media or _is_picture(one)]
                yield Message("tool", _returned(part, media or sees), tool_call_id=part.tool_call_id)
            case RetryPromptPart() if part.tool_name:
                yield Message("tool", part.model_response(), tool_call_id=part.tool_call_id)
            case RetryPromptPart():
                yield Message("user", part.model_response())
            case _:
                raise UserError(f"a {type(part).__name__} cannot be sent to this model")
    if files:
        yield _user(files)


def _is_picture(content: UserContent) -> bool:
    return isinstance(content, BinaryContent) and content.media_type.startswith("image/")


def _returned(part: ToolReturnPart, media: bool) -> str:
    """The result of a tool as a model reads it. A failure that is JSON goes as that JSON, not as text with every quote
    escaped."""
    if part.outcome == "failed" and isinstance(part.content, str) and part.content.startswith("{"):
        with suppress(ValueError):
            return json.dumps({"error": json.loads(part.content)}, ensure_ascii=False)
    return part.model_response_str_and_user_content()[0] if media else part.model_response_str()


def _user(content: Contents) -> Message:
    if isinstance(content, str):
        return Message("user", content)
    parts = [_part(part) for part in content if not isinstance(part, CachePoint)]
    text = "\n\n".join(part for part in parts if isinstance(part, str))
    return Message("user", text, parts=tuple(parts) if any(isinstance(part, Media) for part in parts) else ())


def _part(part: UserContent) -> str | Media:
    if isinstance(part, str):
        return part
    if isinstance(part, TextContent):
        return part.content
    if isinstance(part, BinaryContent) and part.media_type.startswith("text/"):
        return part.data.decode("utf-8", "replace")
    more = getattr(part, "vendor_metadata", None) or {}
    options = {"detail": more["detail"]} if "detail" in more else {}
    if isinstance(part, BinaryContent):
        return Media(part.media_type, part.data, "", str(more.get("name", "")), options)
    if isinstance(part, FileUrl):
        return Media(part.media_type, b"", part.url, "", options)
    raise UserError(f"a {type(part).__name__} cannot be sent to this model")


def _one_system(messages: Sequence[Message]) -> list[Message]:
    count = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    if count < 2:
        return list(messages)
    return [Message("system", "\n\n".join(m.content for m in messages[:count])), *messages[count:]]
