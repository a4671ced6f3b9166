"""A path made valid to send: exchanges of whole tool units, calls and results paired, what cannot be sent left out.

Pure, and repairing what is valid already changes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic_ai.messages import (
    FileUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from ..conversation.messages import Part, calls, contents, index, named, results, visible, with_parts
from ..conversation.tree import FINAL, Node
from .graphemes import cut_after, cut_before
from .sizes import estimate_text

READ_IN_PARTS = "read_in_parts"  # in the metadata of an answer whose question was too large for one payload
_MARKER = 120  # characters that a line about missing ones takes
_NO_RESULT = "not executed: no result was recorded"


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A message to send; `unit` numbers the tool unit of its exchange that it belongs to."""

    node: str
    message: ModelMessage
    unit: int | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A user's message and everything up to the next one."""

    items: tuple[PromptItem, ...]

    @property
    def id(self) -> str:
        return self.items[0].node

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.node for item in self.items))

    @property
    def tool_calls(self) -> int:
        return sum(len(calls(item.message)) for item in self.items if item.unit is not None)

    def without_units(self) -> "Exchange":
        """User text and final text stay; one line says how many calls are gone."""
        count = self.tool_calls
        if not count:
            return self
        first, *others = (item for item in self.items if item.unit is None)
        note = f"[{count} tool call{'s' if count > 1 else ''} made to answer this {'are' if count > 1 else 'is'} not shown]"
        return Exchange((replace(first, message=with_text(first.message, note)), *others))


@dataclass(frozen=True, slots=True)
class PromptLayout:
    """`left_out` and `repaired` are (node, reason)."""

    system: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    repaired: tuple[tuple[str, str], ...] = ()


def lay_out(path: Sequence[Node]) -> PromptLayout:
    """The path as it may be sent, before anything is dropped for want of room."""
    left_out: list[tuple[str, str]] = []
    repaired: list[tuple[str, str]] = []
    sendable = list(_sendable(path, left_out))
    system = tuple(text for node in sendable if (text := _system_text(node.message)))
    exchanges: list[list[PromptItem]] = []
    users = {node.id for node in sendable if node.role == "user"}
    for item in _paired([_as_sent(node) for node in sendable if node.role != "system"], repaired):
        if item.node in users and not results(item.message):
            exchanges.append([])
        if exchanges:
            exchanges[-1].append(item)
        else:
            left_out.append((item.node, "it comes before the first user message"))
    return PromptLayout(system, tuple(_tidied(exchanges)), tuple(left_out), tuple(repaired))


def _sendable(path: Iterable[Node], left_out: list[tuple[str, str]]) -> Iterator[Node]:
    for node in path:
        if node.state not in FINAL:
            left_out.append((node.id, f"its state is {node.state}"))
        elif node.role == "assistant" and not _says_something(node):
            left_out.append((node.id, "it failed without any text" if node.state == "failed" else "it has no text"))
        else:
            yield node


def _as_sent(node: Node) -> Node:
    """With the names of attached texts; and an imported message must not make anything fetch an address that it names."""
    if not any(isinstance(part, UserPromptPart) and not isinstance(part.content, str) for part in node.message.parts):
        return node
    parts: list[Part] = []
    for part in node.message.parts:
        if isinstance(part, UserPromptPart):
            before = contents(part)
            after = [_item_as_sent(item, node.imported) for item in before]
            if any(new is not old for new, old in zip(after, before, strict=True)):
                part = replace(part, content=after)
        parts.append(part)
    if all(new is old for new, old in zip(parts, node.message.parts, strict=True)):
        return node
    message = with_parts(node.message, parts)
    return replace(node, read=lambda: message)


def _item_as_sent(item: UserContent, imported: bool) -> UserContent:
    if isinstance(item, TextContent):
        return named(item)
    return f"[{item.url}]" if imported and isinstance(item, FileUrl) else item


def _says_something(node: Node) -> bool:
    if visible(node.message).strip():
        return True
    return node.state != "failed" and any(part.kind not in ("text", "reasoning") for part in index(node.message))


def _system_text(message: ModelMessage) -> str:
    return "\n\n".join(part.content for part in message.parts if isinstance(part, SystemPromptPart) and part.content)


def _paired(nodes: Sequence[Node], repaired: list[tuple[str, str]]) -> Iterator[PromptItem]:
    """Items in which every call has exactly one result, right behind it, and every result a call."""
    open_calls: dict[str, ToolCallPart] = {}
    owner, unit = "", -1

    def close() -> Iterator[PromptItem]:
        if open_calls:
            repaired.append((owner, f"{len(open_calls)} tool calls without a result"))
            parts = [ToolReturnPart(c.tool_name, _NO_RESULT, c.tool_call_id) for c in open_calls.values()]
            parts = [replace(part, outcome="interrupted", timestamp=stamp) for part in parts]
            open_calls.clear()
            yield PromptItem(owner, ModelRequest(parts=parts), unit)

    for node in nodes:
        message = node.message
        if isinstance(message, ModelResponse):
            yield from close()
            stamp = message.timestamp
            wanted = {call.tool_call_id: call for call in calls(message)}
            if len(wanted) < len(calls(message)):
                repaired.append((node.id, "two tool calls of one name"))
                message = with_parts(message, _first_of_each(message))
            if wanted:
                open_calls, owner, unit = dict(wanted), node.id, unit + 1
            yield PromptItem(node.id, message, unit if wanted else None)
            continue
        answers = [part for part in results(message) if open_calls.pop(part.tool_call_id, None)]
        if len(answers) < len(results(message)):
            repaired.append((node.id, f"{len(results(message)) - len(answers)} results without a tool call"))
        if answers:
            yield PromptItem(node.id, with_parts(message, answers), unit)
        rest = [part for part in message.parts if not isinstance(part, ToolReturnPart | SystemPromptPart)]
        if rest:
            yield from close()
            yield PromptItem(node.id, with_parts(message, rest) if len(rest) < len(message.parts) else message)
    yield from close()


def _first_of_each(message: ModelResponse) -> list[Part]:
    seen: set[str] = set()
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolCallPart):
            if part.tool_call_id in seen:
                continue
            seen.add(part.tool_call_id)
        parts.append(part)
    return parts


def _tidied(exchanges: Sequence[Sequence[PromptItem]]) -> Iterator[Exchange]:
    """Without the reasoning of earlier exchanges, and with texts that were read in parts shortened."""
    for number, items in enumerate(exchanges):
        if number == len(exchanges) - 1:
            yield Exchange(tuple(items))
            continue
        in_parts = any((item.message.metadata or {}).get(READ_IN_PARTS) for item in items)
        tidied = []
        for item in items:
            message = item.message
            if isinstance(message, ModelResponse):
                parts = [part for part in message.parts if not isinstance(part, ThinkingPart)]
                if not parts:
                    continue
                message = with_parts(message, parts) if len(parts) < len(message.parts) else message
            elif in_parts and item is items[0]:
                message = _shortened(message)
            tidied.append(replace(item, message=message))
        yield Exchange(tuple(tidied))


def _shortened(message: ModelMessage) -> ModelMessage:
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, UserPromptPart):
            texts = [clamp(c if isinstance(c, str) else c.content, 1200, "read in parts")
                     for c in contents(part) if isinstance(c, str) or hasattr(c, "content")]  # fmt: skip
            part = replace(part, content="\n\n".join(texts))
        parts.append(part)
    return with_parts(message, parts)


def clamp(text: str, limit: int, hint: str) -> str:
    """Head and tail, 60 to 40, of a text longer than `limit` characters, around a line that says what is missing."""
    if len(text) <= limit + _MARKER:
        return text
    head, tail = cut_before(text, limit * 6 // 10), cut_after(text, len(text) - limit * 4 // 10)
    missing = estimate_text(text[head:tail])
    return f"{text[:head]}\n[… about {missing} tokens are not shown here; {hint} …]\n{text[tail:]}"


def with_text(message: ModelMessage, text: str, before: bool = False) -> ModelMessage:
    """A user's message with one more text at its end, or at its beginning."""
    parts: list[Part] = list(message.parts)
    prompts = [(at, part) for at, part in enumerate(parts) if isinstance(part, UserPromptPart)]
    at, prompt = prompts[0 if before else -1]
    if isinstance(prompt.content, str):
        joined = f"{text}\n\n{prompt.content}" if before else f"{prompt.content}\n\n{text}"
        parts[at] = replace(prompt, content=joined)
    else:
        parts[at] = replace(prompt, content=[text, *prompt.content] if before else [*prompt.content, text])
    return with_parts(message, parts)


def alternate(messages: Iterable[ModelMessage]) -> list[ModelMessage]:
    """With two neighbours of one role merged, texts with a blank line between them. Tool results are no user's text."""
    merged: list[ModelMessage] = []
    for message in messages:
        if merged and _one_voice(merged[-1], message):
            merged[-1] = with_parts(message, _joined([*merged[-1].parts, *message.parts]))
        else:
            merged.append(message)
    return merged


def _one_voice(one: ModelMessage, two: ModelMessage) -> bool:
    if isinstance(one, ModelResponse) and isinstance(two, ModelResponse):
        return not calls(one)
    return _speaks(one) and _speaks(two)


def _speaks(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest) and not results(message)


def _joined(parts: Sequence[Part]) -> list[Part]:
    done: list[Part] = []
    for part in parts:
        last = done[-1] if done else None
        if isinstance(part, TextPart) and isinstance(last, TextPart):
            done[-1] = replace(last, content=f"{last.content}\n\n{part.content}")
        elif isinstance(part, UserPromptPart) and isinstance(last, UserPromptPart):
            one, two = last.content, part.content
            both = (
                f"{one}\n\n{two}"
                if isinstance(one, str) and isinstance(two, str)
                else [*contents(last), *contents(part)]
            )
            done[-1] = replace(last, content=both)
        else:
            done.append(part)
    return done
