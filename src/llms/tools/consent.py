"""Whether a tool may be called: what a person is asked, what they decide, and what they allowed for longer than once.

From the moment the model has read what others wrote, only a call that was allowed for ever with exactly these
arguments goes without asking: the text may have asked for the call.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .tool import Kind

Mode = Literal["ask", "all", "never"]
Scope = Literal["once", "conversation", "always"]


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A call of the tool `name` that waits for a person. `sources` name the untrusted texts that the model has read:
    where there are any, no standing consent counts except one for exactly this call."""

    tool_call: str
    name: str
    kind: Kind
    args: Mapping[str, object]
    sources: tuple[str, ...] = ()

    @property
    def tainted(self) -> bool:
        return bool(self.sources)


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to an ApprovalRequest: `scope` is how long it holds, `args` replace those of the model."""

    allowed: bool
    scope: Scope = "once"
    args: Mapping[str, object] | None = None
    reason: str = ""


Approve = Callable[[ApprovalRequest], Awaitable[Decision]]


async def deny(request: ApprovalRequest) -> Decision:
    """The answer where nobody can be asked."""
    return Decision(False)


@dataclass
class Consent:
    """`tools` are allowed in this conversation, `calls` (tool, hash of arguments) for ever; `sources` are the untrusted
    texts of this run. `mode` all allows what else would ask, never denies it."""

    mode: Mode = "ask"
    tools: frozenset[str] = frozenset()
    calls: frozenset[tuple[str, str]] = frozenset()
    sources: list[str] = field(default_factory=list)

    def __call__(self, name: str, kind: Kind, arguments: Mapping[str, object]) -> bool:
        """Whether this call goes without asking."""
        if (name, args_hash(arguments)) in self.calls:
            return True
        return not self.sources and (self.mode == "all" or name in self.tools)

    def read(self, sources: Iterable[str]) -> None:
        """Note that the model reads what others wrote: `sources` names it."""
        self.sources += [source for source in sources if source not in self.sources]


def args_hash(arguments: object) -> str:
    """A hash of JSON arguments, equal for equal arguments in any order of their names."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()
