"""The settings of a turn: who answers, under what rules, and what earlier calls left behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import AbstractToolset
from pydantic_ai.usage import RequestUsage

from ...tools.consent import Consent
from ...tools.tool import Deps
from ...values import JsonObject
from ..window.fit_result import PinnedPrefix, Policy, Summary, WindowCut
from ..window.served import ServedWindow
from ..window.sizes import Count, MessageSizes, Window


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """Of one turn. The model may be silent for `first_token_seconds`, and then for `token_seconds` at a time."""

    rounds: int = 8
    calls: int = 16
    seconds: float = 180.0
    first_token_seconds: float = 60.0
    token_seconds: float = 60.0


def _as_reported(usage: RequestUsage) -> Decimal | None:
    return usage.cost


@dataclass(frozen=True)
class Setup:
    """Who answers and under what rules. `name` signs the answers; `count` counts a payload for `window`.

    `toolset` asks `consent` before it calls; `cost` is what a request took, None if its price is not known.
    `served` is what earlier answers have shown of the server.
    `schema` is a JSON schema that every answer obeys, where the model can.
    `together` requests may run at once where a text is read in parts; with `confirmed` in as many as it takes.
    """

    model: Model
    name: str
    window: Window
    count: Count
    endpoint: str = ""
    policy: Policy = field(default_factory=Policy)
    pinned: PinnedPrefix = field(default_factory=PinnedPrefix)
    toolset: AbstractToolset[Deps] | None = None
    consent: Consent = field(default_factory=Consent)
    limits: TurnLimits = field(default_factory=TurnLimits)
    settings: ModelSettings = field(default_factory=ModelSettings)
    cost: Callable[[RequestUsage], Decimal | None] = _as_reported
    served: ServedWindow = field(default_factory=ServedWindow)
    sizes: MessageSizes | None = None
    schema: JsonObject | None = None
    together: int = 1
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class PendingSetup:
    """A Setup that is not there yet: `load` makes it, in a thread, and may have to load or to ask the model first."""

    name: str
    consent: Consent
    load: Callable[[], Setup]


@dataclass(frozen=True, slots=True)
class TurnHistory:
    """Where the last call cut the path, the latest summary, and arguments that a person edited, by tool call."""

    cut: WindowCut | None = None
    summary: Summary | None = None
    edits: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
