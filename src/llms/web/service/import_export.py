"""Conversations out of the pages and into them: files, reports, a new beginning."""

import io
import tempfile
from pathlib import Path

from pydantic_ai.messages import ModelRequest, SystemPromptPart

from ...chat.conversation.markdown import markdown
from ...chat.conversation.messages import index
from ...errors import UsageError
from ...store import transfer
from ...store.conversations import Conversations
from ...store.transfer import Taken

UNTITLED = "New chat"


def export(store: Conversations, id: str, form: str) -> tuple[str, str, bytes]:
    """(file name, media type, bytes): the whole tree as an archive, or the active path as Markdown."""
    title = store.about(id).title or UNTITLED
    if form == "markdown":
        return f"{title}.md", "text/markdown", markdown(title, store.open(id).path()).encode()
    out = io.BytesIO()
    transfer.write(store, [id], out)
    return f"{title}.zip", "application/zip", out.getvalue()


def take_in(store: Conversations, name: str, data: bytes, dry: bool) -> str:
    """The report of an import, or of what it would take."""
    with tempfile.TemporaryDirectory(prefix="llms-import-") as folder:
        path = Path(folder, Path(name).name or "import")
        path.write_bytes(data)
        return report(transfer.read(store, path, dry), dry)


def report(taken: Taken, dry: bool) -> str:
    """What an import took, or would take, a line for each thing."""
    lines = [f"{'would take' if dry else 'took'} {count} messages of “{title}”" for title, count in taken.taken]
    lines += [f"{taken.present} already here, as they are in the file"] if taken.present else []
    lines += [f"left out {what}: {reason}" for what, reason in taken.skipped]
    return "\n".join(lines) or "nothing was found in the file"


def set_system(store: Conversations, id: str, text: str) -> None:
    """Another system prompt: the active path is copied under it, the old one stays as a branch.

    Raises UsageError for a conversation that began without one: its beginning is what it is.
    """
    before = store.open(id)
    path = list(before.path())
    old = path[0] if path and path[0].role == "system" else None
    said = "".join(part.text for part in index(old.message)) if old else ""
    if text.strip() == said.strip():
        return
    message = ModelRequest(parts=[SystemPromptPart(text)])
    if old is not None and text.strip():
        after = before.edit(old.id, message)
    elif not path:
        after = before.append(message, "user")
    else:
        raise UsageError("a conversation that has begun keeps its beginning; begin a new chat with this system prompt")
    for node in path[1:]:
        after = after.append(node.message, node.author, node.state)
    store.save(after, before)
