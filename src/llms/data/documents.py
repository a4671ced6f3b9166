"""Running text from files: .txt and .md whole, `text` of the rows of JSON Lines, CSV and Parquet; folders are walked.

A long file comes in parts of a megabyte, so that a text larger than memory can be read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .files import format_of
from .row_stream import BadRow, is_row_file, stream_rows
from .text_file import TextFile

TEXTS = ("txt", "md", "rst", "text")
PART = 1 << 20  # bytes
COLUMN = "text"


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A piece of running text and where it stands; `begins` where it is the first of its document."""

    source: str
    text: str
    begins: bool


def text_files(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and those of text and JSON Lines in the folders among them, in order. Raises DataError."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and _is_read(file, path))
            if not inside:
                raise DataError(f"the folder {path} holds no .txt, .md or .jsonl; name one that does")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise DataError(f"{path} does not exist; name files of text or rows, or folders of them")
    return list(dict.fromkeys(files))


def _is_read(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and format_of(file.name) in (*TEXTS, "jsonl")


def read_documents(files: Iterable[Path]) -> Iterator[DocumentPart]:
    """The text of `files` in order, blank documents left out. Raises DataError where a file is no text, naming line or row."""
    for path in files:
        yield from _of_rows(path) if is_row_file(path.name) else _of_text(path)


def _of_text(path: Path) -> Iterator[DocumentPart]:
    file = TextFile(path)
    if file.nul:
        raise DataError(f"{path} is no text: NUL characters stand in it; leave it out, or save it as UTF-8 text")
    start, begins = file.start, True
    while start < file.size:
        content = file.read(start, min(start + PART, file.size))
        if start + len(content) < file.size:
            content = content[: content.rfind(b"\n") + 1] or _whole_characters(content)
        text = content.decode()
        if text.strip():
            yield DocumentPart(str(path), text, begins)
            begins = False
        start += len(content)


def _whole_characters(content: bytes) -> bytes:
    """Without the character at the end that may go on."""
    end = len(content) - 1
    while content[end] & 0xC0 == 0x80:
        end -= 1
    return content[:end]


def _of_rows(path: Path) -> Iterator[DocumentPart]:
    for row in stream_rows(path):
        if isinstance(row, BadRow):
            raise DataError(str(row))
        text = row.row.get(COLUMN)
        if not isinstance(text, str):
            columns = ", ".join(map(str, row.row))
            raise DataError(
                f"{row.location}: no text in {COLUMN!r} (columns: {columns}); rows to train on have it there"
            )
        if text.strip():
            yield DocumentPart(row.location, text, True)
