"""What is sent: a request for text, as the body that OpenAI's protocol has for it."""

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..values import Message
from .endpoints import Endpoint
from .system import Generate


def body(request: Generate, model: str, endpoint: Endpoint) -> tuple[str, dict[str, Any]]:
    """(path, body): raw text to /completions, messages to chat. Raises UsageError for what the endpoint cannot do."""
    fields: dict[str, Any] = {"model": model, "temperature": request.temperature}
    if isinstance(request.prompt, str):
        path = "/completions"
        fields |= {"prompt": request.prompt, "max_tokens": request.max_tokens}
        fields |= {} if request.top is None else {"logprobs": request.top}
    else:
        path = "/chat/completions"
        fields |= {"messages": [_message(m) for m in request.prompt], endpoint.max_tokens: request.max_tokens}
        fields |= {} if request.top is None else {"logprobs": True, "top_logprobs": request.top}
        if request.tools:
            fields["tools"] = [{"type": "function", "function": dict(tool)} for tool in request.tools]
            fields["tool_choice"] = _choice(request.tool_choice)
    if request.temperature > 0:
        fields |= {"top_p": request.top_p, "seed": request.seed % 2**31}
        if request.top_k and not endpoint.top_k:
            raise UsageError(f"{endpoint.name} takes no top_k; leave it out")
        fields |= {"top_k": request.top_k} if request.top_k else {}
    if stop := [string for string in request.stop if string][: endpoint.stops]:
        fields["stop"] = stop
    if request.schema is not None:
        schema = {"name": "answer", "strict": True, "schema": dict(request.schema)}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return path, fields


def _message(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        calls = [(call.id, {"name": call.name, "arguments": call.arguments}) for call in message.tool_calls]
        fields["tool_calls"] = [{"id": id, "type": "function", "function": function} for id, function in calls]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def _choice(choice: str) -> str | Mapping[str, Any]:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}
