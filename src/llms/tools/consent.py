"""Whether a tool may be called without asking: what a person allowed for longer than once, and what the model has read.

From the moment the model has read what others wrote, only a call that was allowed for ever with exactly these
arguments goes without asking: the text may have asked for the call.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["ask", "all", "never"]
Scope = Literal["once", "conversation", "always"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said to a tool call: `scope` how long that holds, `args` what to call it with instead."""

    allowed: bool
    scope: Scope = "once"
    args: Mapping[str, Any] | None = None
    reason: str = ""


@dataclass
class Consent:
    """`tools` are allowed in this conversation, `calls` (tool, hash of arguments) for ever; `sources` are the untrusted
    texts of this run. `mode` all allows what else would ask, never denies it."""

    mode: Mode = "ask"
    tools: frozenset[str] = frozenset()
    calls: frozenset[tuple[str, str]] = frozenset()
    sources: list[str] = field(default_factory=list)

    def __call__(self, name: str, kind: str, arguments: Mapping[str, Any]) -> bool:
        if (name, args_hash(arguments)) in self.calls:
            return True
        return not self.sources and (self.mode == "all" or name in self.tools)

    def read(self, sources: Iterable[str]) -> None:
        """The model reads what others wrote: `sources` names it."""
        self.sources += [source for source in sources if source not in self.sources]


def args_hash(arguments: Any) -> str:
    """Equal for equal arguments."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()
