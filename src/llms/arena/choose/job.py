"""The question and the answer of `choose`, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...values import Json


@dataclass(frozen=True, slots=True)
class ChoiceLimits:
    """Bounds that a system must keep to; None and empty: no limit. `licences` are accepted ones, `local_only` keeps every byte here."""

    memory_bytes: int | None = None
    gpu: str = ""
    first_token_seconds: float | None = None
    seconds_per_task: float | None = None
    dollars_per_task: float | None = None
    licences: tuple[str, ...] = ()
    local_only: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceJob:
    """Own rows (`data`, a file) or `weights` over benchmarks, the systems to choose from (empty: all that were measured), and
    the limits. A window of `context` tokens for `batch` requests at once is what must fit."""

    data: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    systems: tuple[str, ...] = ()
    limits: ChoiceLimits = ChoiceLimits()
    context: int = 4096
    batch: int = 1
    margin: float = 0.01


@dataclass(frozen=True, slots=True)
class Candidate:
    """One system: its score with interval, n, whether it fits and is allowed (None: unknown), the share of resamplings in
    which it would be chosen, US dollars per task (None: unknown), and `reasons` for what speaks against it."""

    system: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    fits: bool | None
    allowed: bool | None
    chosen_share: float | None
    cost: float | None
    seconds: float | None = None
    memory_bytes: int | None = None
    reasons: tuple[str, ...] = ()
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Separating:
    """The way to tell the chosen apart: how many items more, at what price and time (None: unknown)."""

    items: int
    dollars: float | None
    seconds: float | None
    difference: float
    sentence: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One thing to measure, where nothing decides yet."""

    system: str
    benchmark: str
    items: int
    dollars: float | None
    seconds: float | None
    command: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer: `sentence` first; `chosen` cannot be told apart at the top, cheapest first; `optimism` is what the best of
    N seems better than it is, in score units; `command` uses the chosen model."""

    job: ChoiceJob
    sentence: str
    chosen: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    separating: Separating | None
    plan: tuple[PlanStep, ...]
    command: str
    optimism: float | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The documented object that `--json` prints."""
        raise NotImplementedError
