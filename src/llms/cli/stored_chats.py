"""The conversations of `llms chats`, with what reading, searching and moving them takes: pydantic-ai, a second."""

from pathlib import Path

from ..store import transfer
from ..store.conversations import Conversations
from ..store.search import Hit, search
from ..web.service import import_export


class StoredChats(Conversations):
    """The stored conversations, and their ways in and out."""

    def matching(self, words: str, limit: int, mark: tuple[str, str]) -> list[Hit]:
        return search(self, words, limit, mark)

    def exported(self, name: str, file: Path | None) -> bytes:
        """A conversation as the ending of the file says; Markdown without one."""
        return import_export.bytes_for(file, self, self.find(name))

    def take_in(self, file: Path, dry_run: bool) -> list[str]:
        """A line for each thing that was taken, or would be, or left out."""
        return import_export.report(transfer.read(self, file, dry_run), dry_run).splitlines()
