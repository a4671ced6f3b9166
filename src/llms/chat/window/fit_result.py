"""What fit is asked and what it gives: policies, cuts, and what became of each message."""

from dataclasses import dataclass
from typing import Literal

from .sizes import Grade, Payload

What = Literal["sent", "clamped", "elided", "dropped", "covered", "chunked", "left out"]
PolicyName = Literal["truncate", "summarise", "strict"]


@dataclass(frozen=True, slots=True)
class Policy:
    """`notice`: say to the model in one sentence how many messages it does not see."""

    name: PolicyName = "truncate"
    notice: bool = True


@dataclass(frozen=True, slots=True)
class PinnedPrefix:
    """What stands at the start besides the conversation's own system prompt."""

    notes: tuple[str, ...] = ()
    memory: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A text that stands for the nodes `covers`, which begin a path; valid while their digests are `digest`."""

    id: str
    covers: tuple[str, ...]
    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class WindowCut:
    """Where a path was cut: exchanges (by their user's node) without their tool units, the first one kept, and the
    characters left of each tool result of the turn that was current then."""

    elided: tuple[str, ...] = ()
    first: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Disposition:
    """What became of a node; `tokens` as counted alone."""

    node: str
    what: What
    tokens: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class FitReport:
    """`count` tokens of at most `budget`; `cut` is the previous cut of the next call on this path."""

    policy: PolicyName
    count: int
    budget: int
    window: int
    reserve: int
    margin: int
    grade: Grade
    fates: tuple[Disposition, ...]
    cut: WindowCut | None = None
    repairs: tuple[str, ...] = ()

    def nodes(self, *what: What) -> tuple[str, ...]:
        return tuple(fate.node for fate in self.fates if fate.what in what)


@dataclass(frozen=True, slots=True)
class Fitted:
    """`overflow` names what is too large for one payload, which then exceeds the budget; `evict` are nodes that the
    policy would have summarised: make a summary and fit again, or send as it is."""

    payload: Payload
    report: FitReport
    overflow: Literal["attachments", "text"] | None = None
    evict: tuple[str, ...] = ()
