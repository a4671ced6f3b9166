"""A request for text as the body that OpenAI's protocol has for it."""

from base64 import b64encode
from collections.abc import Mapping

from ...errors import UsageError
from ...values import Json, JsonObject, Media, Message
from ..system import Generate, ToolSchema
from .endpoints import Endpoint

SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
DOCUMENTS = ("application/pdf",)


def body(
    request: Generate, model: str, endpoint: Endpoint, sampling: JsonObject | None = None
) -> tuple[str, dict[str, Json]]:
    """(path, body): raw text to /completions, messages to chat. `sampling` are the fields that say how to choose tokens,
    in place of the request's. Raises UsageError for what the endpoint cannot do."""
    fields: dict[str, Json] = {"model": model}
    if isinstance(request.prompt, str):
        path = "/completions"
        fields |= {"prompt": request.prompt, "max_tokens": request.max_tokens}
        fields |= {} if request.top is None else {"logprobs": request.top}
    else:
        path = "/chat/completions"
        fields |= {"messages": [message(m) for m in request.prompt], endpoint.max_tokens: request.max_tokens}
        fields |= {} if request.top is None else {"logprobs": True, "top_logprobs": request.top}
        if request.tools:
            fields["tools"] = [{"type": "function", "function": _function(tool)} for tool in request.tools]
            fields["tool_choice"] = _choice(request.tool_choice)
            fields |= {} if request.parallel_calls else {"parallel_tool_calls": False}
    fields |= _sampling(request) if sampling is None else sampling
    if fields.get("top_k") and not endpoint.top_k:
        raise UsageError(f"{endpoint.name} takes no top_k; leave it out")
    if stop := [string for string in request.stop if string][: endpoint.stops]:
        fields["stop"] = stop
    if request.schema is not None:
        schema: JsonObject = {"name": "answer", "strict": strict(request.schema), "schema": dict(request.schema)}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return path, fields


def _function(tool: ToolSchema) -> JsonObject:
    return {"name": tool["name"], "description": tool["description"], "parameters": tool["parameters"]}


def _sampling(request: Generate) -> dict[str, Json]:
    fields: dict[str, Json] = {"temperature": request.temperature}
    if request.temperature > 0:
        fields |= {"top_p": request.top_p, "seed": request.seed % 2**31}
        fields |= {"top_k": request.top_k} if request.top_k else {}
    return fields


def strict(schema: Json) -> bool:
    """Whether OpenAI takes a schema as a strict one: every object names all its fields as required and allows no others.
    https://platform.openai.com/docs/guides/structured-outputs"""
    if isinstance(schema, list):
        return all(map(strict, schema))
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names, required = schema.get("properties") or {}, schema.get("required") or ()
        if not isinstance(names, Mapping) or not isinstance(required, list | tuple):
            return False
        if schema.get("additionalProperties") is not False or set(names) != set(required):
            return False
    return all(map(strict, schema.values()))


def message(message: Message) -> dict[str, Json]:
    """A message as chat takes it. Raises UsageError for an attachment that it has no part for."""
    fields: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.parts:
        fields["content"] = [_part(part) for part in message.parts]
    if message.tool_calls:
        fields["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
                **(call.extra or {}),
            }
            for call in message.tool_calls
        ]
        fields["content"] = fields["content"] or None
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields | dict(message.extra or {})


def _part(part: str | Media) -> dict[str, Json]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.media_type.partition("/")[0]
    address = part.url or f"data:{part.media_type};base64,{b64encode(part.data).decode()}"
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": address, **part.options}}
    if kind == "audio" and part.media_type in SOUNDS and not part.url:
        sound: JsonObject = {"data": b64encode(part.data).decode(), "format": SOUNDS[part.media_type]}
        return {"type": "input_audio", "input_audio": sound}
    if part.media_type in DOCUMENTS and not part.url:
        return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": address}}
    raise UsageError(
        f"{part.name or 'an attachment'} is {part.media_type}, which chat takes no such part for; convert it"
    )


def _choice(choice: str) -> Json:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}
