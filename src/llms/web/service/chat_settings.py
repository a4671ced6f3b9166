"""Settings of conversations and presets of them, as far as requests may reach."""

import asyncio
from dataclasses import dataclass, replace

from ...chat.chat_settings import POLICIES, ChatSettings, settings_of
from ...errors import UnknownName, UsageError
from ...store.conversations import Conversations
from ...store.presets import Preset, keep_settings
from ...values import JsonObject
from ...workbench import presets
from ...workbench.chat.resolve import stored_settings, system_of
from .model_pool import ModelPool


@dataclass(frozen=True, slots=True)
class SettingsResponse:
    """As a conversation is asked: `temperature`, `max_tokens` and `seed` None are the model's own. `preset` names where all
    of it comes from; None where something was changed since."""

    model: str
    system: str
    tools: list[str]
    temperature: float | None
    max_tokens: int | None
    seed: int | None
    policy: str
    memory: bool
    preset: str | None


@dataclass(frozen=True, slots=True)
class PresetResponse:
    """`settings` holds what the preset says; `note` why these pages cannot take it up, empty if they can."""

    name: str
    settings: ChatSettings
    note: str


def shown(settings: ChatSettings, default: str, system: str) -> SettingsResponse:
    """Settings with what holds where they say nothing: the model `default`, and the `system` prompt that is sent."""
    return SettingsResponse(
        settings.model or default, system, list(settings.tools or ()), settings.temperature, settings.max_tokens,
        settings.seed, settings.policy or POLICIES[0], bool(settings.memory), settings.preset,
    )  # fmt: skip


def of_conversation(store: Conversations, id: str, default: str) -> SettingsResponse:
    """Raises UnknownName."""
    settings = stored_settings(store, store.about(id))
    return shown(settings, default, system_of(store.open(id).path(), settings))


class SettingsService:
    """`change` names the fields it changes, as JSON: null takes one back, `preset` takes a whole preset up."""

    def __init__(self, store: Conversations, models: ModelPool):
        self._store, self._models = store, models

    async def check(self, settings: JsonObject, change: JsonObject) -> SettingsResponse:
        """The settings of a conversation that is not stored yet. Raises UsageError, which names the field."""
        return await asyncio.to_thread(self._check, settings, change)

    def _check(self, settings: JsonObject, change: JsonObject) -> SettingsResponse:
        changed = self.changed(settings_of(settings), change)
        return shown(changed, self._models.default, changed.system or "")

    async def change(self, id: str, change: JsonObject) -> SettingsResponse:
        """The settings of a stored conversation, from its next request on. Raises UnknownName or UsageError."""
        return await asyncio.to_thread(self._change, id, change)

    def _change(self, id: str, change: JsonObject) -> SettingsResponse:
        before = stored_settings(self._store, self._store.about(id))
        if change:
            after = self.changed(before, change)
            keep_settings(self._store, id, replace(after, policy=after.policy or POLICIES[0]))
        return of_conversation(self._store, id, self._models.default)

    def changed(self, before: ChatSettings, change: JsonObject) -> ChatSettings:
        """Raises UsageError for what is wrong or out of reach."""
        try:
            named = settings_of(change).preset
            after = before.changed(change) if named is None else presets.taken(presets.preset(named), before)
            return self._reached(after)
        except UnknownName as error:  # it is a value that is wrong, not the address
            raise UsageError(str(error)) from error

    def _reached(self, settings: ChatSettings) -> ChatSettings:
        if settings.model is not None:
            self._models.reach.check_model(settings.model)
        self._models.reach.check_tools(settings.tools or ())  # before a file is looked at
        return presets.check(settings)

    async def presets(self) -> list[PresetResponse]:
        return await asyncio.to_thread(lambda: [self._shown(one) for one in presets.presets()])

    def _shown(self, one: Preset) -> PresetResponse:
        try:
            self._reached(one.settings)
        except UsageError as error:
            return PresetResponse(one.name, one.settings, str(error))
        return PresetResponse(one.name, one.settings, "")

    async def save_preset(self, name: str, settings: JsonObject) -> None:
        """Keep settings under a name. Raises UsageError."""
        await asyncio.to_thread(lambda: presets.save(name.strip(), self._reached(settings_of(settings))))

    async def delete_preset(self, name: str) -> None:
        """Raises UnknownName."""
        await asyncio.to_thread(presets.delete, name)
