"""Conversations as files: exported, imported, and a report of what an import took."""

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ...chat.conversation.markdown import markdown
from ...store import transfer
from ...store.conversations import Conversations
from ...store.transfer import Taken
from .view_models import NEW


@dataclass(frozen=True, slots=True)
class ExportedFile:
    name: str
    media_type: str
    data: bytes


def export(store: Conversations, id: str, form: str) -> ExportedFile:
    """The whole tree as an archive, or, with `form` markdown, the active path as Markdown."""
    title = store.about(id).title or NEW
    if form == "markdown":
        return ExportedFile(f"{title}.md", "text/markdown", markdown(title, store.open(id).path()).encode())
    out = io.BytesIO()
    transfer.write(store, [id], out)
    return ExportedFile(f"{title}.zip", "application/zip", out.getvalue())


def bytes_for(path: Path | None, store: Conversations, id: str) -> bytes:
    """A conversation as the ending of a file's name says: Markdown for .md, .markdown or no file, an archive for any other."""
    plain = path is None or path.suffix.lower() in (".md", ".markdown")
    return export(store, id, "markdown" if plain else "archive").data


def take_in(store: Conversations, name: str, data: bytes, dry: bool) -> str:
    """The report of an import, or of what it would take."""
    with tempfile.TemporaryDirectory(prefix="llms-import-") as folder:
        path = Path(folder, Path(name).name or "import")
        path.write_bytes(data)
        return report(transfer.read(store, path, dry), dry)


def report(taken: Taken, dry: bool) -> str:
    """A line for each thing that an import took, or would take, or left out."""
    lines = [f"{'would take' if dry else 'took'} {count} messages of “{title}”" for title, count in taken.taken]
    lines += [f"{taken.present} already here, as they are in the file"] if taken.present else []
    lines += [f"left out {item}: {reason}" for item, reason in taken.skipped]
    return "\n".join(lines) or "nothing was found in the file"
