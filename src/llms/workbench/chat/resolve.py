"""The settings of a chat, from its options, a preset and its conversation; and the path as it is sent under them."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic_ai.settings import ModelSettings

from ...chat.chat_settings import POLICIES, ChatSettings
from ...chat.conversation.messages import digest, visible
from ...chat.conversation.messages import system as system_message
from ...chat.conversation.tree import Node
from ...errors import UsageError
from ...models.default import for_chats
from ...store.conversations import Conversations, ConversationSummary
from ...store.presets import settings_in
from ..presets import preset, taken
from .config import ChatConfig, ChatTool


def resolve(config: ChatConfig, model: str | None, stored: ChatSettings) -> ChatSettings:
    """The options, over those of the preset that is named, over what the conversation has. Raises UnknownName."""
    options = ChatSettings(
        model=model, system=config.system, tools=_named(config),
        temperature=config.temperature, max_tokens=config.max_tokens, seed=config.seed, policy=config.policy,
        memory=config.memory,
    )  # fmt: skip
    if config.preset is None:
        return options.over(stored if options == ChatSettings() else replace(stored, preset=None))
    whole = options.over(taken(preset(config.preset), stored))
    return whole if options == ChatSettings() else replace(whole, preset=None)


def _named(config: ChatConfig) -> tuple[str, ...] | None:
    """The names among the tools that were passed; functions and toolsets are the caller's, and not remembered."""
    if not isinstance(config.tools, Sequence):
        return None
    names = tuple(tool for tool in config.tools if isinstance(tool, str))
    return None if config.tools and not names else names


def stored_settings(store: Conversations, about: ConversationSummary) -> ChatSettings:
    """Of a conversation, its model and policy among them."""
    policy = next((policy for policy in POLICIES if policy == about.policy), None)
    return replace(settings_in(store, about.id), model=about.model or None, policy=policy)


def model_of(config: ChatConfig, settings: ChatSettings) -> str:
    """The name of the model that answers. Raises UsageError."""
    if name := settings.model or (for_chats() if config.preset else None):
        return name
    raise UsageError("a new conversation needs a model, as in Chat('smollm2')")


def tools_of(config: ChatConfig, settings: ChatSettings) -> Sequence[ChatTool]:
    """The names of tools, or the functions that the caller passed."""
    assert config.tools is None or isinstance(config.tools, Sequence)
    return (settings.tools or ()) if config.tools is None else config.tools


def sampling(settings: ChatSettings) -> ModelSettings:
    """Temperature and seed as pydantic-ai takes them; a value that is not said is the model's own."""
    values = ModelSettings()
    if settings.temperature is not None:
        values["temperature"] = settings.temperature
    if settings.seed is not None:
        values["seed"] = settings.seed
    return values


def system_of(path: Sequence[Node], settings: ChatSettings) -> str:
    """The system prompt that is sent: the one of the settings, else the one that the conversation began with."""
    if settings.system is not None:
        return settings.system
    return "\n\n".join(text for node in path if node.role == "system" and (text := visible(node.message)))


def under_system(path: Sequence[Node], settings: ChatSettings) -> tuple[Node, ...]:
    """The path as it is sent: under the system prompt of the settings, where they say one. What is stored stays."""
    if settings.system is None:
        return tuple(path)
    rest = tuple(node for node in path if node.role != "system")
    if not settings.system.strip():
        return rest
    message = system_message(settings.system)
    return (Node("system", None, "system", digest(message, ""), lambda: message), *rest)
