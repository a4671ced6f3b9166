"""The path of a running turn as it grows: each message in the journal first, then an event, then part of the path."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pydantic_ai.messages import ModelMessage, ToolCallPart

from ...errors import UsageError
from ...tools.consent import Consent
from ..conversation.messages import Part, calls, index, results, role_of, with_parts
from ..conversation.tree import Node, State, new_id, now
from .event_stream import EventStream
from .events import NodeCommitted
from .journal import Journal


class Branch:
    """`path` ends with what is stored; `edits` are arguments that a person put in place of a model's, by tool call."""

    def __init__(
        self,
        path: Sequence[Node],
        journal: Journal,
        events: EventStream,
        consent: Consent,
        edits: Mapping[str, Mapping[str, object]],
    ):
        self.path, self._journal, self._events, self._consent, self._edits = list(path), journal, events, consent, edits
        self._begun: dict[str, Node] = {}
        self._question = max((at for at, node in enumerate(path) if node.role == "user"), default=-1)
        if self._question < 0:
            raise UsageError("there is no user message to answer")
        for node in path:
            consent.read(untrusted(node))

    @property
    def question(self) -> Node:
        return self.path[self._question]

    @property
    def turn(self) -> list[Node]:
        """The question and what followed it."""
        return self.path[self._question :]

    @property
    def tool_calls(self) -> list[tuple[str, ToolCallPart]]:
        """(node, call) for every call since the question, in order."""
        return [(node.id, call) for node in self.turn for call in calls(node.message)]

    @property
    def answered(self) -> set[str]:
        """Tool calls since the question that have their result."""
        return {part.tool_call_id for node in self.turn for part in results(node.message)}

    def begin(self, message: ModelMessage, author: str, beside: Node | None = None) -> Node:
        """A message that is still being written: after the path, or as a sibling."""
        parent = beside.parent if beside else self.path[-1].id
        used = max(node.used for node in self.path) + 1
        node = Node(
            new_id(), parent, role_of(message), "", lambda: message, "streaming", now(), author,
            beside.id if beside else None, used,
        )  # fmt: skip
        self._begun[node.id] = node
        self._events.writes.put(partial(self._journal.add, node))
        return node

    def finish(self, node: str, message: ModelMessage, state: State) -> Node:
        """Give a begun message its final form."""
        done = self._begun.pop(node).finished(message, state, self.path[-1].digest)
        self._events.writes.put(partial(self._journal.finish, node, message, state))
        self.path.append(done)
        self._consent.read(untrusted(done))
        return done

    def committed(self, node: Node) -> None:
        self._events.emit(NodeCommitted(node=node.id, role=node.role, state=node.state))

    def store(self, message: ModelMessage, author: str) -> None:
        """Add a whole message at once."""
        self.committed(self.finish(self.begin(message, author).id, message, "complete"))

    def as_sent(self, node: Node) -> Node:
        """The message as the model is to see it: with the arguments that a person put in."""
        if not any(call.tool_call_id in self._edits for call in calls(node.message)):
            return node
        parts: list[Part] = []
        for part in node.message.parts:
            if isinstance(part, ToolCallPart) and part.tool_call_id in self._edits:
                parts.append(_with_args(part, self._edits[part.tool_call_id]))
            else:
                parts.append(part)
        message = with_parts(node.message, parts)
        return replace(node, read=lambda: message)


def _with_args(call: ToolCallPart, args: Mapping[str, object]) -> ToolCallPart:
    return replace(call, args=dict(args))


def tainted(consent: Consent, path: Iterable[Node]) -> bool:
    """Whether `path` holds what others wrote, of which `consent` is told."""
    for node in path:
        consent.read(untrusted(node))
    return bool(consent.sources)


def untrusted(node: Node) -> Iterable[str]:
    """The parts of a message that others wrote: names of attachments and tools, or that it was imported."""
    if node.imported:
        yield "imported conversation"
    for part in index(node.message):
        if node.role == "user" and part.kind in ("image", "audio", "file"):
            yield str(part.more.get("name") or f"attached {part.kind}")
    for result in results(node.message):
        metadata = result.metadata if isinstance(result.metadata, dict) else {}
        if metadata.get("label") != "trusted":
            yield str(metadata.get("source") or result.tool_name)
