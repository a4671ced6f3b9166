"""ChatGPT's export, read tolerantly: a tree of messages per conversation; what has no place here becomes a notice.

The export is a list of conversations, each with a `mapping` of nodes by id; it is not documented and changes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from ..chat.conversation.messages import clean, digest, role_of
from ..chat.conversation.tree import Node, title_of


@dataclass(frozen=True, slots=True)
class ImportedConversation:
    """A conversation: columns of the table, nodes with parents first, and what was left out with the reason."""

    fields: Mapping[str, Any]
    nodes: Sequence[Node]
    skipped: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Read:
    message: ModelMessage

    def __call__(self) -> ModelMessage:
        return self.message


def conversations(name: str, content: bytes) -> Iterator[ImportedConversation | tuple[str, str]]:
    """Every conversation of one file, or (what, reason) for one that cannot be read."""
    try:
        listed = json.loads(content)
    except ValueError as error:
        yield name, f"it is no JSON: {error}"
        return
    if isinstance(listed, dict):  # one conversation, or a list under some name
        listed = next((value for value in listed.values() if isinstance(value, list)), [listed])
    if not isinstance(listed, list):
        yield name, "it is no list of conversations"
        return
    for number, item in enumerate(listed, 1):
        where = f"{name}, conversation {number}"
        if not isinstance(item, dict) or not isinstance(item.get("mapping"), dict):
            yield where, "it has no mapping of messages"
            continue
        try:
            yield _conversation(item, where)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            yield where, f"{type(error).__name__}: {str(error)[:120]}"


def _conversation(item: Mapping[str, Any], where: str) -> ImportedConversation:
    source = str(item.get("conversation_id") or item.get("id") or where)
    title = " ".join(str(item.get("title") or "").split()) or where
    mapping = {str(id): node for id, node in item["mapping"].items() if isinstance(node, dict)}
    created = _time(item.get("create_time"))
    nodes: list[Node] = []
    places: dict[str, Node | None] = {}
    skipped: list[tuple[str, str]] = []
    for id in _parents_first(mapping):
        node = mapping[id]
        above = places.get(str(node.get("parent")))
        try:
            message = _message(node.get("message"), id, above)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            skipped.append((f"{title}, message {id}", f"{type(error).__name__}: {str(error)[:80]}"))
            message = None
        if message is None:
            places[id] = above  # what follows it follows what it followed
            continue
        raw = node["message"]
        model = (raw.get("metadata") or {}).get("model_slug") or ""
        role = role_of(message)
        author = "user" if role == "user" else str(model or "import") if role == "assistant" else "import"
        made = Node(
            _name(source, id), above.id if above else None, role, digest(message, above.digest if above else ""),
            _Read(message), "complete", _time(raw.get("create_time")) or created, author,
            used=len(nodes) + 1, imported=True,
        )  # fmt: skip
        nodes.append(made)
        places[id] = made
    lost = mapping.keys() - places.keys()
    if lost:
        skipped.append((title, f"{len(lost)} messages are not connected to the beginning"))
    leaf = places.get(str(item.get("current_node"))) or (nodes[-1] if nodes else None)
    if not item.get("title"):
        title = next((t for n in nodes if n.role == "user" and (t := title_of(n.message))), title)
    updated = _time(item.get("update_time")) or created
    fields = {
        "id": _name("conversation", source), "title": title, "created": created, "updated": updated,
        "leaf": leaf.id if leaf else None, "model": str(item.get("default_model_slug") or ""),
        "archived": bool(item.get("is_archived")),
    }  # fmt: skip
    return ImportedConversation(fields, nodes, skipped)


def _parents_first(mapping: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Ids from the roots on; nodes that only follow each other in a circle are not among them."""
    below: dict[str, list[str]] = {}
    for id, node in mapping.items():
        parent = node.get("parent")
        below.setdefault(str(parent) if parent is not None and str(parent) in mapping else "", []).append(id)
    waiting = list(reversed(below.get("", [])))
    while waiting:
        id = waiting.pop()
        yield id
        waiting += reversed(below.get(id, []))


def _message(raw: Any, id: str, above: Node | None) -> ModelMessage | None:
    """A message of ours, or None for what nobody was shown."""
    if not raw or (raw.get("metadata") or {}).get("is_visually_hidden_from_conversation"):
        return None
    role, content = raw["author"]["role"], raw.get("content") or {}
    kind, text = content.get("content_type"), _text(content)
    if not text.strip():
        return None
    if role == "user":
        return ModelRequest(parts=[UserPromptPart(text)])
    if role == "system":
        return ModelRequest(parts=[SystemPromptPart(text)])
    if role == "assistant":
        if kind in ("thoughts", "reasoning_recap"):
            return ModelResponse(parts=[ThinkingPart(text)])
        to = raw.get("recipient") or "all"
        call = ToolCallPart(str(to), {"input": text}, _name("call", id))
        return ModelResponse(parts=[TextPart(text) if to == "all" else call])
    if role == "tool":
        calls = [part for part in above.message.parts if isinstance(part, ToolCallPart)] if above else []
        if calls:
            return ModelRequest(parts=[ToolReturnPart(calls[0].tool_name, text, calls[0].tool_call_id)])
        return ModelResponse(parts=[TextPart(f"[{raw['author'].get('name') or 'tool'}]\n\n{text}")])
    raise ValueError(f"unknown role {role!r}")


def _text(content: Mapping[str, Any]) -> str:
    """The words of a message; what is no text is named in brackets."""
    if content.get("content_type") == "thoughts":
        return "\n\n".join(str(thought.get("content") or "") for thought in content.get("thoughts") or ())
    parts = content.get("parts")
    if parts is None:
        parts = [content.get("text") or content.get("result") or content.get("content") or ""]
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part:
            texts.append(
                f"[{part.get('content_type', 'attachment') if isinstance(part, dict) else type(part).__name__}]"
            )
    return clean("\n\n".join(text for text in texts if text))


def _time(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _name(*of: str) -> str:
    """The same name for the same message each time it is imported."""
    return hashlib.sha256("\n".join(of).encode()).hexdigest()[:24]
