"""The options of a Chat besides its model and its store: keywords for the caller, one frozen value inside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import AbstractToolset

from ...chat.window.fit_result import PolicyName
from ...errors import UnknownName, UsageError
from ...tools.consent import Mode
from ...tools.tool import Tool
from ...values import JsonObject

POLICIES: tuple[PolicyName, ...] = ("truncate", "summarise", "strict")
ChatTool = str | Tool | Callable[..., object]


def policy_named(name: str) -> PolicyName:
    """The policy of that name. Raises UnknownName."""
    for policy in POLICIES:
        if policy == name:
            return policy
    raise UnknownName("policy", name, POLICIES)


class ChatOptions(TypedDict, total=False):
    """The keywords of Chat; ChatConfig says what they mean and what holds where they are left out."""

    tools: Sequence[ChatTool] | AbstractToolset[None]
    system: str | None
    policy: PolicyName | None
    approve: Mode
    max_tokens: int | None
    temperature: float | None
    seed: int | None
    schema: JsonObject | None
    budget: Decimal | None
    ephemeral: bool
    memory: bool
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """`tools` are names, typed functions or a toolset of pydantic-ai; `approve` says what happens to tools that ask.

    `system` begins a new conversation; `policy` None is the conversation's own. Answers have at most `max_tokens` and
    obey `schema`, a JSON schema. `budget` caps what hosted models may cost, in US dollars. With `ephemeral` nothing is
    written to disk. With `memory` the model is told the remembered facts that matter. `notes` stand
    before the conversation in every request.
    """

    tools: Sequence[ChatTool] | AbstractToolset[None] = ()
    system: str | None = None
    policy: PolicyName | None = None
    approve: Mode = "ask"
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    schema: JsonObject | None = None
    budget: Decimal | None = None
    ephemeral: bool = False
    memory: bool = False
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.memory and self.ephemeral:
            raise UsageError(
                "--memory and --no-store exclude one another: which facts were used is written down; leave one out"
            )

    @property
    def sampling(self) -> ModelSettings:
        """Temperature and seed as pydantic-ai takes them; a value that is not set is the model's own."""
        settings = ModelSettings()
        if self.temperature is not None:
            settings["temperature"] = self.temperature
        if self.seed is not None:
            settings["seed"] = self.seed
        return settings
