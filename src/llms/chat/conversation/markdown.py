"""A path of messages as Markdown, for people."""

import json
from collections.abc import Sequence

from .messages import MessagePart, index
from .tree import Node

_NAMES = {"system": "System", "user": "You", "assistant": "Assistant", "tool": "Tool"}


def markdown(title: str, path: Sequence[Node]) -> str:
    """A heading for each message; reasoning is left out, tool calls and results are fenced, attachments named."""
    blocks = [f"# {title or 'Conversation'}"]
    for node in path:
        texts = [text for part in index(node.message) if (text := _text(part))]
        if not texts:
            continue
        author = f" ({node.author})" if node.role == "assistant" and node.author else ""
        state = f", {node.state}" if node.state != "complete" else ""
        blocks += [f"## {_NAMES[node.role]}{author}\n\n*{node.created[:16].replace('T', ' ')}{state}*", *texts]
    return "\n\n".join(blocks) + "\n"


def _text(part: MessagePart) -> str:
    match part.kind:
        case "text" | "notice" | "summary":
            return part.text.strip()
        case "tool_call":
            return _fenced(f"{part.more['name']}({json.dumps(part.more['args'], ensure_ascii=False)})")
        case "tool_result":
            return _fenced(part.text)
        case "image" | "audio" | "file":
            return (
                f"*[{part.kind}: {part.more.get('name') or part.more.get('url') or part.more.get('media_type', '')}]*"
            )
    return ""


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
