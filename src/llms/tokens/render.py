"""Messages to the text a model was trained on, by its chat template (Jinja, as transformers renders it)."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from ..errors import ModelError
from ..values import Message


def render(template: str, messages: Sequence[Message], tokens: Mapping[str, str], reply: bool = True) -> str:
    """The prompt text; `tokens` are the special tokens by name (`bos_token` …), `reply` opens the model's turn.

    Raises ModelError with the template's own words when it refuses the messages.
    """
    import jinja2

    try:
        return _compile(template).render(
            messages=[{"role": m.role, "content": m.content} for m in messages], add_generation_prompt=reply, **tokens
        )
    except jinja2.TemplateError as error:
        raise ModelError(f"the chat template refuses these messages: {error}") from error


@lru_cache(maxsize=16)
def _compile(template: str):
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str):
        raise TemplateError(message)

    def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)
