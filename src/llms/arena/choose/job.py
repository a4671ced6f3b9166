"""The question and the answer of `choose`, as values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from math import isfinite

from ...errors import UsageError
from ...evaluation.config import EvalConfig
from ...values import Json


@dataclass(frozen=True, slots=True)
class ChoiceLimits:
    """Bounds that a system must keep to; None and empty: no limit. `licences` are accepted ones, `local_only` keeps every byte
    here. What must fit the memory are `batch` requests at once of `context` tokens (None: 4,096, or the system's own window where it is
    shorter), and a window must hold as many as are asked for."""

    memory_bytes: int | None = None
    gpu: str = ""
    first_token_seconds: float | None = None
    seconds_per_task: float | None = None
    dollars_per_task: float | None = None
    licences: tuple[str, ...] = ()
    local_only: bool = False
    context: int | None = None
    batch: int = 1


@dataclass(frozen=True, slots=True)
class ChoiceJob:
    """Own rows (`data`, a file) or `weights` over benchmarks, the systems to choose from (empty: all that were measured), and
    the limits. Differences of less than `margin` count as none. `config` is how systems are asked; runs that were asked otherwise
    than it says do not count. With `weights`, `data` may say where benchmarks come from: sample, hub or a folder."""

    data: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    systems: tuple[str, ...] = ()
    limits: ChoiceLimits = ChoiceLimits()
    margin: float = 0.01
    config: EvalConfig = field(default_factory=EvalConfig)

    def shares(self) -> dict[str, float]:
        """The weights, as shares that sum to 1, of benchmarks that have one above 0. Raises UsageError for weights that
        are negative, not finite, or all 0."""
        for name, weight in self.weights.items():
            if not isfinite(weight) or weight < 0:
                raise UsageError(
                    f"the weight of {name} is {weight:g}; expected a number of 0 or more, as in -b {name}=2"
                )
        largest = max(self.weights.values(), default=0.0)
        if self.weights and largest == 0:
            raise UsageError(f"the weights of {', '.join(self.weights)} sum to 0; give at least one a weight above 0")
        relative = {name: weight / largest for name, weight in self.weights.items() if weight}  # their sum is finite
        total = sum(relative.values())
        return {name: weight / total for name, weight in relative.items() if weight}


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


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:
        lines = [self.sentence]
        for each in self.candidates:
            mark = "*" if each.system in self.chosen else " "
            bounds = "" if each.low is None or each.high is None else f" [{each.low:.3f}, {each.high:.3f}]"
            value = "not measured" if each.value is None else f"{each.value:.3f}{bounds} n={each.n}"
            lines.append(f"{mark} {each.system} {value}")
        return "\n".join([*lines, *([self.command] if self.command else [])])

    def _repr_html_(self) -> str:
        """The same as a notebook shows it."""
        return f"<pre>{escape(repr(self))}</pre>"

    def to_json(self) -> dict[str, Json]:
        """The documented object that `--json` prints."""
        return {
            "sentence": self.sentence,
            "chosen": list(self.chosen),
            "candidates": [asdict(candidate) for candidate in self.candidates],
            "separating": asdict(self.separating) if self.separating else None,
            "command": self.command,
            "optimism": self.optimism,
            "plan": [asdict(step) for step in self.plan],
            "notes": list(self.notes),
        }
