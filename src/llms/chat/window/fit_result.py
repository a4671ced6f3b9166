"""The request and the result of `fit`: policies, cuts, and what became of each message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic_ai.tools import ToolDefinition

from ..chat_settings import PolicyName
from ..conversation.tree import Node
from .mapreduce import ReadingPlan
from .sizes import Count, Grade, MessageSizes, Payload, Window

What = Literal["sent", "clamped", "elided", "dropped", "covered", "chunked", "left out"]


@dataclass(frozen=True, slots=True)
class Policy:
    """`notice`: say to the model in one sentence how many messages it does not see."""

    name: PolicyName = "truncate"
    notice: bool = True


@dataclass(frozen=True, slots=True)
class PinnedPrefix:
    """Text at the start of every payload, besides the conversation's own system prompt."""

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


@dataclass(frozen=True)
class FitRequest:
    """A payload is wanted for the last message of `path`, which is the user's or a tool's.

    `count` decides whether it fits `window`; `sizes` remembers counts of single messages between calls. `previous` is
    the cut of the last call on this path: it is made again while it fits, so that the payload begins as before.
    """

    path: Sequence[Node]
    window: Window
    count: Count
    policy: Policy = Policy()
    previous: WindowCut | None = None
    pinned: PinnedPrefix = PinnedPrefix()
    summary: Summary | None = None
    tools: Sequence[ToolDefinition] = ()
    sizes: MessageSizes | None = None


@dataclass(frozen=True, slots=True)
class Disposition:
    """The fate of a node; `tokens` as counted alone."""

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
class FitResult:
    """`overflow` names what is too large for one payload, which then exceeds the budget; `evict` are nodes that the
    policy would have summarised: make a summary and fit again, or send as it is. `reading`: how what is too large would be
    read, where somebody asked for it; `rough` if its numbers are near ones."""

    payload: Payload
    report: FitReport
    overflow: Literal["attachments", "text"] | None = None
    evict: tuple[str, ...] = ()
    reading: ReadingPlan | None = None
    rough: bool = False
