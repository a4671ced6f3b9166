"""The options of a Chat besides its model and its store: keywords for the caller, one frozen value inside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from pydantic_ai.toolsets import AbstractToolset

from ...chat.chat_settings import ChatSettings, PolicyName
from ...errors import UsageError
from ...tools.consent import Mode
from ...tools.tool import Tool
from ...values import JsonObject

ChatTool = str | Tool | Callable[..., object]


class ChatOptions(TypedDict, total=False):
    """The keywords of Chat; ChatConfig says what they mean and what holds where they are left out."""

    preset: str | None
    tools: Sequence[ChatTool] | AbstractToolset[None] | None
    system: str | None
    policy: PolicyName | None
    approve: Mode
    max_tokens: int | None
    temperature: float | None
    seed: int | None
    schema: JsonObject | None
    budget: Decimal | None
    price: str | None
    ephemeral: bool
    memory: bool | None
    notes: Sequence[str]
    most_tokens: int | None


def options_of(settings: ChatSettings, most_tokens: int | None = None) -> ChatOptions:
    """The keywords of Chat that say what `settings` say, but for the model."""
    return ChatOptions(
        system=settings.system, tools=settings.tools, policy=settings.policy, max_tokens=settings.max_tokens,
        temperature=settings.temperature, seed=settings.seed, memory=settings.memory, most_tokens=most_tokens,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """A keyword that is None is as `preset` says, else as the stored conversation has it, else the model's own. The conversation
    remembers what is said: `system`, the names of `tools`, `policy`, `max_tokens` of an answer, `temperature`, `seed`,
    `memory` (the model is told the remembered facts that matter, unless `ephemeral`).

    `tools` are names, typed functions or a toolset of pydantic-ai; `approve` says what happens to tools that ask. Answers
    obey `schema`, a JSON schema, and have at most `most_tokens`, whatever was said. `budget` caps what hosted models may
    cost, in US dollars, at `price` where it is said: 0.15/0.60 is of a million tokens sent and answered. With `ephemeral` nothing is written to disk. `notes` stand before the conversation in every request.
    """

    preset: str | None = None
    tools: Sequence[ChatTool] | AbstractToolset[None] | None = None
    system: str | None = None
    policy: PolicyName | None = None
    approve: Mode = "ask"
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    schema: JsonObject | None = None
    budget: Decimal | None = None
    price: str | None = None
    ephemeral: bool = False
    memory: bool | None = None
    notes: Sequence[str] = ()
    most_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.memory and self.ephemeral:
            raise UsageError(
                "--memory and --no-store exclude one another: which facts were used is written down; leave one out"
            )
