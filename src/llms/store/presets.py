"""Named settings of conversations, and the settings that a conversation has: tables presets and conversations."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..chat.chat_settings import ChatSettings, settings_of
from ..errors import UnknownName, UsageError
from .database import Database


@dataclass(frozen=True, slots=True)
class Preset:
    """`updated` is ISO 8601, UTC."""

    name: str
    settings: ChatSettings
    updated: str


class Presets(Database):
    """The presets of one database file; a context manager."""

    def all(self) -> list[Preset]:
        """By name."""
        rows = self.read("SELECT name, settings, updated FROM presets ORDER BY name COLLATE NOCASE, name")
        return [Preset(name, _parsed(text), updated) for name, text, updated in rows]

    def get(self, name: str) -> Preset:
        """Raises UnknownName, which offers the nearest."""
        presets = {preset.name: preset for preset in self.all()}
        if name not in presets:
            if not presets:
                raise UsageError(f"there is no preset {name!r}, nor any other yet; llms presets save NAME makes one")
            raise UnknownName("preset", name, presets)
        return presets[name]

    def save(self, name: str, settings: ChatSettings) -> Preset:
        """Keep settings under a name, in the place of an earlier one."""
        preset = Preset(name, replace(settings, preset=None), datetime.now(UTC).isoformat(timespec="seconds"))
        text = json.dumps(preset.settings.to_json(), ensure_ascii=False)
        with self.transaction() as db:
            db.execute(
                "INSERT INTO presets VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET settings = excluded.settings, updated = excluded.updated",
                (name, text, preset.updated),
            )
        return preset

    def delete(self, name: str) -> None:
        """Raises UnknownName. Conversations that took it keep what it said."""
        self.get(name)
        with self.transaction() as db:
            db.execute("DELETE FROM presets WHERE name = ?", (name,))


def settings_in(store: Database, conversation: str) -> ChatSettings:
    """The settings of a stored conversation, without its model and policy, which it has by itself."""
    for text in store.texts("SELECT settings FROM conversations WHERE id = ?", conversation):
        return _parsed(text)
    return ChatSettings()


def keep_settings(store: Database, conversation: str, settings: ChatSettings) -> None:
    """Let a stored conversation have these settings; its model and policy are changed where they are said."""
    own = replace(settings, model=None, policy=None)
    values = (json.dumps(own.to_json(), ensure_ascii=False), settings.model, settings.policy, conversation)
    with store.transaction() as db:
        db.execute(
            "UPDATE conversations SET settings = ?, model = COALESCE(?, model), policy = COALESCE(?, policy) WHERE id = ?",
            values,
        )


def _parsed(text: str) -> ChatSettings:
    """The stored settings; none where a later version wrote what this one does not take."""
    try:
        values = json.loads(text)
        return settings_of(values)
    except (ValueError, UsageError):
        return ChatSettings()
