"""From names to the systems that take part in a battle."""

from collections.abc import Sequence
from dataclasses import replace

from ...models.load import load as load_model
from ...models.name import OF_SYSTEMS, parse
from ...models.system import Model
from ..probe import recall
from ..system import load
from .battles import Contender


def open_system(name: str) -> Model:
    """The system of that name, computed as in chats: it is the same one wherever it fights. Raises as `llms.load` does."""
    parsed = parse(name)
    if parsed.provider == "team" or set(OF_SYSTEMS) & set(dict(parsed.options)):
        return load(name)
    return recall(load_model(name, chat=True))


def contender(model: Model, conversation: str | None = None, tools: Sequence[str] = ()) -> Contender:
    """A loaded model as a side of a battle; with `tools` it is another system than without, and named so."""
    name, identity = model.name.text, model.identity
    if tools:
        name = f"{name}{'&' if '?' in name else '?'}tools={','.join(tools)}"
        identity = replace(identity, extra={**identity.extra, "tools": ",".join(tools)})
    return Contender(name, identity, conversation)
