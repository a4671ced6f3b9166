"""The verb `presets`: a model, a system prompt, tools and sampling under a name, for the terminal and the pages."""

from dataclasses import replace

from .. import settings
from ..chat.chat_settings import ChatSettings
from ..errors import UsageError
from ..models.name import parse
from ..store.presets import Preset, Presets
from ..tools import catalogue

LONGEST_NAME = 60


def presets() -> list[Preset]:
    """All presets, by name."""
    with Presets(settings.database()) as store:
        return store.all()


def preset(name: str) -> Preset:
    """Raises UnknownName."""
    with Presets(settings.database()) as store:
        return store.get(name)


def save(name: str, chosen: ChatSettings) -> Preset:
    """Keep settings under a name. Raises UsageError for a name that cannot be typed, or for settings that name nothing."""
    if not name.strip() or name != " ".join(name.split()) or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"{name!r} is not a name for a preset; expected 1 to {LONGEST_NAME} printable characters")
    check(chosen)
    with Presets(settings.database()) as store:
        return store.save(name, chosen)


def delete(name: str) -> None:
    """Raises UnknownName."""
    with Presets(settings.database()) as store:
        store.delete(name)


def taken(chosen: Preset, before: ChatSettings) -> ChatSettings:
    """The settings of a conversation that takes a preset up: all that the preset says, and nothing else of `before` but
    its model and window policy where the preset says none."""
    return replace(chosen.settings, preset=chosen.name).over(ChatSettings(model=before.model, policy=before.policy))


def check(chosen: ChatSettings) -> ChatSettings:
    """`chosen`, if its model and its tools can be named so. Raises UnknownName or UsageError."""
    if chosen.model is not None:
        parse(chosen.model)
    for name in chosen.tools or ():
        catalogue.tools_of(name)
    return chosen
