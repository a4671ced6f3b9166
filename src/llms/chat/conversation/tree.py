"""A conversation: a tree of messages of which one path is active. Values; nothing is ever changed or lost.

Editing and regenerating make siblings, switching moves the active leaf, forking copies a path. No function recurses,
so a conversation may be as deep as memory allows.
"""

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from pydantic_ai.messages import ModelMessage

from ...errors import UnknownName, UsageError
from ...lazy import lazy
from ..window.graphemes import cut_before
from .messages import Role, digest, role_of, visible

State = Literal["draft", "streaming", "complete", "stopped", "failed", "interrupted"]
_MARKS = re.compile(r"^\s*(?:#+|>|[-*+]|```\w*)\s*|[*`]{1,3}")
FINAL: frozenset[State] = frozenset(("complete", "stopped", "failed", "interrupted"))
_NEXT: Mapping[State, frozenset[State]] = {"draft": frozenset(("streaming", "complete")), "streaming": FINAL}


def may_become(before: State, after: State) -> bool:
    """Whether a node's state may change so; a final state never changes."""
    return after in _NEXT.get(before, ())


@dataclass(frozen=True)
class Node:
    """One message in a tree. `read` yields it, so that a long conversation opens without parsing every message.

    `author` is "user", a model's name, an agent's role or "import"; an assistant's message by "user" was edited by
    hand. `used` grows whenever a node is written or becomes the active leaf. What was `imported` is not trusted. Times
    are ISO 8601, UTC.
    """

    id: str
    parent: str | None
    role: Role
    digest: str
    read: Callable[[], ModelMessage] = field(compare=False, repr=False)
    state: State = "complete"
    created: str = ""
    author: str = ""
    edited_from: str | None = None
    used: int = 0
    imported: bool = False

    @property
    def message(self) -> ModelMessage:
        """The same object each time. No lock is held while it is read: readers may wait for the store, whose lock another
        thread may hold that wants a message."""
        message: ModelMessage | None = self.__dict__.get("_message")
        # setdefault: of two readers at once the first one's object is everybody's
        return message if message is not None else self.__dict__.setdefault("_message", self.read())

    def finished(self, message: ModelMessage, state: State, above: str) -> "Node":
        """This message in its final form; `above` is its parent's digest."""
        return replace(self, digest=digest(message, above), state=state, read=lambda: message)


@dataclass(frozen=True)
class Conversation:
    """`nodes` in order of creation, parents before children; `leaf` ends the active path (None: nothing said yet).

    `origin` is (conversation, node) that this one was forked from.
    """

    id: str
    nodes: Mapping[str, Node] = field(default_factory=dict)
    leaf: str | None = None
    origin: tuple[str, str] | None = None

    @lazy
    def _children(self) -> Mapping[str | None, tuple[str, ...]]:
        children: dict[str | None, list[str]] = {}
        for node in self.nodes.values():
            children.setdefault(node.parent, []).append(node.id)
        return {parent: tuple(below) for parent, below in children.items()}

    def node(self, id: str) -> Node:
        """Raises UnknownName."""
        if id not in self.nodes:
            raise UnknownName("message", id, list(self.nodes)[-5:])
        return self.nodes[id]

    def children(self, id: str | None) -> tuple[Node, ...]:
        """The nodes that follow `id` (None: those that begin), the oldest first."""
        return tuple(self.nodes[child] for child in self._children.get(id, ()))

    def siblings(self, id: str) -> tuple[Node, ...]:
        """The alternatives to a node, itself among them."""
        return self.children(self.node(id).parent)

    def path(self, leaf: str | None = None) -> tuple[Node, ...]:
        """From the root to `leaf`; the active path unless one is named."""
        id = self.leaf if leaf is None else self.node(leaf).id
        upwards = []
        while id is not None:
            upwards.append(self.nodes[id])
            id = self.nodes[id].parent
        return tuple(reversed(upwards))

    def latest_leaf(self, id: str) -> str:
        """The most recently used leaf at or below a node."""
        waiting, leaves = [self.node(id).id], []
        while waiting:
            current = waiting.pop()
            below = self._children.get(current, ())
            waiting += below
            if not below:
                leaves.append(self.nodes[current])
        return max(leaves, key=lambda node: (node.used, node.id)).id

    def append(
        self, message: ModelMessage, author: str = "", state: State = "complete", id: str | None = None
    ) -> "Conversation":
        """With `message` after the active leaf, as the new active leaf.

        Raises UsageError if the leaf is still being written: two answers are never interleaved.
        """
        if self.leaf is not None and self.nodes[self.leaf].state not in FINAL:
            raise UsageError(
                f"message {self.leaf} is still being written; wait for it or stop it before the next message"
            )
        return self._with(message, self.leaf, author, state, None, id)

    def so_far(self) -> "Conversation":
        """With what is still being written taken as it is, to look at or to count; it is not to be stored."""
        if self.leaf is None or self.nodes[self.leaf].state in FINAL:
            return self
        node = replace(self.nodes[self.leaf], state="stopped")
        return replace(self, nodes=MappingProxyType({**self.nodes, node.id: node}))

    def edit(self, id: str, message: ModelMessage, author: str = "user") -> "Conversation":
        """With `message` beside node `id`, as the new active leaf. Raises UsageError if it would change the role."""
        old = self.node(id)
        if old.role != role_of(message):
            raise UsageError(f"message {id} is by the {old.role}; its edit is by the {role_of(message)}")
        return self._with(message, old.parent, author, "complete", id, None)

    def regenerate(self, id: str) -> "Conversation":
        """Ready to `append` another answer beside the assistant's node `id`."""
        old = self.node(id)
        if old.role != "assistant":
            raise UsageError(f"message {id} is by the {old.role}; only an answer can be generated anew")
        return replace(self, leaf=old.parent)

    def switch(self, id: str) -> "Conversation":
        """With the most recently used leaf at or below `id` as the active one."""
        return self._touched(self.latest_leaf(id))

    def fork(self, id: str, new: str | None = None) -> "Conversation":
        """Another conversation: a copy of the path down to `id`, which is recorded as its origin."""
        copied: dict[str, Node] = {}
        parent = None
        for node in self.path(id):
            copy = replace(node, id=new_id(), parent=parent, edited_from=None)
            copied[copy.id], parent = copy, copy.id
        return Conversation(new or new_id(), MappingProxyType(copied), parent, (self.id, id))

    def _with(
        self, message: ModelMessage, parent: str | None, author: str, state: State, edited: str | None, id: str | None
    ) -> "Conversation":
        above = self.nodes[parent].digest if parent is not None else ""
        node = Node(
            id or new_id(),
            parent,
            role_of(message),
            digest(message, above),
            lambda: message,
            state,
            now(),
            author,
            edited,
            self._clock + 1,
        )
        return replace(self, nodes=MappingProxyType({**self.nodes, node.id: node}), leaf=node.id)

    def _touched(self, id: str) -> "Conversation":
        node = replace(self.nodes[id], used=self._clock + 1)
        return replace(self, nodes=MappingProxyType({**self.nodes, id: node}), leaf=id)

    @lazy
    def _clock(self) -> int:
        return max((node.used for node in self.nodes.values()), default=0)


def tree(id: str, nodes: Iterable[Node], leaf: str | None, origin: tuple[str, str] | None = None) -> Conversation:
    """A conversation of stored nodes, parents before children."""
    return Conversation(id, MappingProxyType({node.id: node for node in nodes}), leaf, origin)


def title_of(message: ModelMessage, longest: int = 60) -> str:
    """A title by rule: the first line of what was said, without Markdown, cut between words."""
    lines = (" ".join(_MARKS.sub("", line).split()) for line in visible(message).splitlines())
    line = next((line for line in lines if line), "")
    if len(line) <= longest:
        return line
    head = line[: cut_before(line, longest)]
    return f"{head.rsplit(' ', 1)[0] if ' ' in head else head}…"


_last = 0
_lock = threading.Lock()


def new_id() -> str:
    """A name that sorts by time of creation: 14 digits of microseconds, never the same twice, and 10 random ones."""
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1000)
        return f"{_last:014x}{secrets.token_hex(5)}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
