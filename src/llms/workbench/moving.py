"""Conversations out of the pages and into them: files and reports."""

import io
import tempfile
from pathlib import Path

from ..chat.markdown import markdown
from ..store import transfer
from ..store.conversations import Conversations

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
        taken = transfer.read(store, path, dry)
    lines = [f"{'would take' if dry else 'took'} {count} messages of “{title}”" for title, count in taken.taken]
    lines += [f"{taken.present} conversations were here already"] if taken.present else []
    lines += [f"left out {what}: {reason}" for what, reason in taken.skipped]
    return "\n".join(lines) or "nothing was found in the file"
