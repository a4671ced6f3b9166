"""Messages to the text a model was trained on, by its chat template (Jinja, as transformers renders it)."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

from ..errors import ModelError
from ..values import Json, Message

if TYPE_CHECKING:
    from jinja2 import Template


def text_of(message: Message) -> Json:
    """The content of a message for templates that take a text."""
    return message.content


def parts_of(message: Message) -> Json:
    """The content of a message for templates that take a list of texts and places of pictures."""
    parts = message.parts or (message.content,)
    return [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in parts]


def render(
    template: str,
    messages: Sequence[Message],
    tokens: Mapping[str, str],
    reply: bool = True,
    tools: Sequence[Mapping[str, object]] = (),
    content: Callable[[Message], Json] = text_of,
) -> str:
    """The prompt text; `tokens` are the special tokens by name (`bos_token` …), `reply` opens the model's turn, `content`
    gives what a message says in the form that the template takes.

    `tools` are function schemas, offered where the template knows how (`knows_tools`). Raises ModelError with the
    template's own words when it refuses the messages.
    """
    import jinja2

    offered = [{"type": "function", "function": dict(tool)} for tool in tools] or None
    try:
        text: str = _compile(template).render(
            messages=[_plain(message, content(message)) for message in messages],
            tools=offered,
            add_generation_prompt=reply,
            **tokens,
        )
        return text
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise ModelError(f"the chat template refuses these messages: {error}") from error


def knows_tools(template: str) -> bool:
    """Whether the template shows tools to the model by itself."""
    return bool(re.search(r"\btools\b", template))


def _plain(message: Message, content: Json) -> dict[str, Json]:
    """As templates expect it: arguments of tool calls are objects, not text, where they can be read."""
    plain: dict[str, Json] = {"role": message.role, "content": content}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"type": "function", "id": c.id, "function": {"name": c.name, "arguments": _object(c.arguments)}}
            for c in message.tool_calls
        ]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _object(arguments: str) -> Json:
    try:
        value: Json = json.loads(arguments)
        return value
    except ValueError:
        return arguments


@lru_cache(maxsize=16)
def _compile(template: str) -> "Template":
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    def to_json(
        value: object,
        ensure_ascii: bool = False,
        indent: int | str | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)
