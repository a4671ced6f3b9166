"""Conversations as another file has them: what importers of every format hand to the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..chat.conversation.tree import Node


class Skipped(NamedTuple):
    """A part of a file that was left out, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedHead:
    """The columns of a conversation. Times are ISO 8601, UTC."""

    id: str
    title: str
    created: str
    updated: str
    leaf: str | None
    policy: str = "truncate"
    model: str = ""
    project: str = ""
    archived: bool = False
    origin_conversation: str | None = None
    origin_node: str | None = None
    pinned: bool = False
    settings: str = "{}"


@dataclass(frozen=True, slots=True)
class ImportedConversation:
    """One conversation; `nodes` come after the nodes that they follow."""

    head: ImportedHead
    nodes: Sequence[Node]
    tags: Sequence[str] = ()
    skipped: Sequence[Skipped] = ()
