"""ChatGPT's export, read tolerantly: a tree of messages per conversation; what has no place here is reported.

The export is a list of conversations, each with a `mapping` of nodes by id; it is not documented and changes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

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
from .imported import ImportedConversation, ImportedHead, Skipped


def conversations(name: str, content: bytes) -> Iterator[ImportedConversation | Skipped]:
    """Every conversation of one file, those that cannot be read as Skipped."""
    try:
        listed: object = json.loads(content)
    except ValueError as error:
        yield Skipped(name, f"it is not JSON: {error}")
        return
    if isinstance(listed, dict):  # one conversation, or a list under some name
        listed = next((value for value in listed.values() if isinstance(value, list)), [listed])
    if not isinstance(listed, list):
        yield Skipped(name, "it is not a list of conversations")
        return
    for number, item in enumerate(listed, 1):
        where = f"{name}, conversation {number}"
        if not isinstance(item, dict) or not isinstance(item.get("mapping"), dict):
            yield Skipped(where, "it has no mapping of messages")
            continue
        try:
            yield _conversation(item, where)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            yield Skipped(where, f"{type(error).__name__}: {str(error)[:120]}")


def _conversation(item: Mapping[str, object], where: str) -> ImportedConversation:
    source = str(item.get("conversation_id") or item.get("id") or where)
    title = " ".join(str(item.get("title") or "").split()) or where
    mapping = {str(id): node for id, node in _object(item["mapping"]).items() if isinstance(node, dict)}
    created = _time(item.get("create_time"))
    nodes: list[Node] = []
    by_source_id: dict[str, Node | None] = {}
    skipped: list[Skipped] = []
    for id in _parents_first(mapping):
        above = by_source_id.get(str(mapping[id].get("parent")))
        try:
            node = _node(mapping[id].get("message"), source, id, above)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            skipped.append(Skipped(f"{title}, message {id}", f"{type(error).__name__}: {str(error)[:80]}"))
            node = None
        if node is None:
            by_source_id[id] = above  # what follows it follows what it followed
            continue
        node = replace(node, created=node.created or created, used=len(nodes) + 1)
        nodes.append(node)
        by_source_id[id] = node
    lost = mapping.keys() - by_source_id.keys()
    if lost:
        skipped.append(Skipped(title, f"{len(lost)} messages are not connected to the beginning"))
    leaf = by_source_id.get(str(item.get("current_node"))) or (nodes[-1] if nodes else None)
    if not item.get("title"):
        title = next((t for n in nodes if n.role == "user" and (t := title_of(n.message))), title)
    head = ImportedHead(
        _name("conversation", source),
        title,
        created,
        updated=_time(item.get("update_time")) or created,
        leaf=leaf.id if leaf else None,
        model=str(item.get("default_model_slug") or ""),
        archived=bool(item.get("is_archived")),
    )
    return ImportedConversation(head, nodes, skipped=skipped)


def _node(raw: object, source: str, id: str, above: Node | None) -> Node | None:
    """A message as a node below `above`, or None for what nobody was shown. Its `used` is not its own yet."""
    message = _message(raw, id, above)
    if message is None:
        return None
    fields = _object(raw)
    model = _object(fields.get("metadata") or {}).get("model_slug") or ""
    role = role_of(message)
    author = "user" if role == "user" else str(model or "import") if role == "assistant" else "import"
    return Node(
        _name(source, id), above.id if above else None, role, digest(message, above.digest if above else ""),
        lambda: message, "complete", _time(fields.get("create_time")), author, imported=True,
    )  # fmt: skip


def _parents_first(mapping: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
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


def _message(raw: object, id: str, above: Node | None) -> ModelMessage | None:
    """A message of ours, or None for what nobody was shown."""
    fields = _object(raw or {})
    if not fields or _object(fields.get("metadata") or {}).get("is_visually_hidden_from_conversation"):
        return None
    author = _object(fields["author"])
    role, content = author["role"], _object(fields.get("content") or {})
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
        to = fields.get("recipient") or "all"
        call = ToolCallPart(str(to), {"input": text}, _name("call", id))
        return ModelResponse(parts=[TextPart(text) if to == "all" else call])
    if role == "tool":
        calls = [part for part in above.message.parts if isinstance(part, ToolCallPart)] if above else []
        if calls:
            return ModelRequest(parts=[ToolReturnPart(calls[0].tool_name, text, calls[0].tool_call_id)])
        return ModelResponse(parts=[TextPart(f"[{author.get('name') or 'tool'}]\n\n{text}")])
    raise ValueError(f"unknown role {role!r}")


def _text(content: Mapping[str, object]) -> str:
    """The words of a message; what is not text is named in brackets."""
    if content.get("content_type") == "thoughts":
        thoughts = map(_object, _list(content.get("thoughts") or []))
        return "\n\n".join(str(thought.get("content") or "") for thought in thoughts)
    parts = content.get("parts")
    if parts is None:
        parts = [content.get("text") or content.get("result") or content.get("content") or ""]
    texts: list[str] = []
    for part in _list(parts):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part:
            texts.append(
                f"[{part.get('content_type', 'attachment') if isinstance(part, dict) else type(part).__name__}]"
            )
    return clean("\n\n".join(text for text in texts if text))


def _object(value: object) -> Mapping[str, object]:
    """Raises TypeError for what is not a JSON object."""
    if not isinstance(value, dict):
        raise TypeError(f"a {type(value).__name__} where an object is expected")
    return value


def _list(value: object) -> Sequence[object]:
    """Raises TypeError for what is not a JSON list."""
    if not isinstance(value, list):
        raise TypeError(f"a {type(value).__name__} where a list is expected")
    return value


def _time(seconds: object) -> str:
    """ISO 8601, UTC; empty for what is no time, which is no reason to lose what was said then."""
    if not isinstance(seconds, int | float):
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def _name(*of: str) -> str:
    """The same name for the same message each time it is imported."""
    return hashlib.sha256("\n".join(of).encode()).hexdigest()[:24]
