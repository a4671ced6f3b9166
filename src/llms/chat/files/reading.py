"""The program that reads one document or picture: a line of JSON and the bytes come in, a line of JSON and bytes go out.

It runs as `python -m llms.chat.files.reading`, under limits on time and memory that it sets itself before anything is read.
"""

import importlib
import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from ...engine.resident import peak_bytes
from .kinds import Refused

MOST_CHARACTERS = 5_000_000  # of a document's text
SECONDS = 40.0  # after which a document is not read on
MOST_UNPACKED = 400 << 20  # bytes of all members of a document
MODULES = {
    "pdf": "pdf",
    "docx": "word",
    "xlsx": "sheets",
    "pptx": "slides",
    "image": "pictures",
    "converted": "pictures",
}


@dataclass
class Text:
    """The text of a document while it is read; `full` names the bound that it has reached."""

    name: str
    pieces: list[str] = field(default_factory=list)
    characters: int = 0
    begun: float = field(default_factory=time.monotonic)

    def mark(self, part: str) -> None:
        """Say that the next text stands on this page, sheet or slide."""
        self.add(f"## {self.name}, {part}")

    def add(self, piece: str) -> None:
        if piece := piece.strip("\n"):
            self.pieces.append(piece)
            self.characters += len(piece)

    @property
    def full(self) -> str:
        if self.characters > MOST_CHARACTERS:
            return f"{MOST_CHARACTERS:,} characters"
        return f"{SECONDS:.0f} seconds of reading" if time.monotonic() - self.begun > SECONDS else ""

    def cut(self, where: str) -> str:
        """A note that it ends there, which the text says too."""
        note = f"read only {where}: {self.full} are the most"
        self.add(f"[{note}]")
        return note

    def __str__(self) -> str:
        return "\n\n".join(self.pieces)


def spans(numbers: Iterable[int]) -> str:
    """1, 2, 3, 7 as "1–3, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}–{last}" for first, last in runs)


def check_members(content: IO[bytes]) -> None:
    """Refuse an Office document that unpacks to too much, or whose XML declares entities."""
    with zipfile.ZipFile(content) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MOST_UNPACKED:
            raise Refused(
                f"unpacks to {size / 1e6:,.0f} MB; at most {MOST_UNPACKED / 1e6:.0f} MB are read. Save what matters of it"
            )
        if any(member.flag_bits & 1 for member in archive.infolist()):
            raise Refused("is encrypted: it opens with a password only; save it without one")
        for member in archive.infolist():
            if member.filename.endswith((".xml", ".rels")):
                with archive.open(member) as xml:
                    head = xml.read(1 << 16).replace(b"\0", b"")
                if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                    raise Refused(
                        f"declares entities in {member.filename[:80]}, which no Office program does; it is not read"
                    )
    content.seek(0)


def markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def markdown_table(rows: Iterable[list[str]]) -> Iterator[str]:
    """The lines of a table, the first row as its header."""
    for number, row in enumerate(rows):
        yield markdown_row(row)
        if number == 0:
            yield markdown_row("---" for _ in row)


def main() -> None:
    job = json.loads(sys.stdin.buffer.readline())
    _limit(job["cpu"], job["memory"])
    answer, data = _read(job, sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + data)
    sys.stdout.buffer.flush()


def _limit(cpu: int, memory: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # systems without such limits have those of the readers
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _exhausted(memory: int) -> bool:
    """Whether an error comes of the limit on memory, which some libraries do not say."""
    return sys.platform == "linux" and peak_bytes() > 0.6 * memory


def _read(job: dict[str, str], data: bytes) -> tuple[dict[str, object], bytes]:
    try:
        read: Callable[[str, str, bytes], tuple[dict[str, object], bytes]]
        read = importlib.import_module(f".{MODULES[job['kind']]}", __package__).read
        return read(job["name"], job["media_type"], data)
    except ModuleNotFoundError as error:
        return {"missing": error.name}, b""
    except Refused as error:
        return {"refused": str(error)}, b""
    except RecursionError:
        return {"broken": "it is nested without end"}, b""
    except Exception as error:  # a reader of other people's files may raise anything
        memory = int(job["memory"])
        if isinstance(error, MemoryError) or _exhausted(memory):
            return {"refused": f"needs more than {memory / 1e9:.1f} GB of memory to read, which is the most"}, b""
        reason = " ".join(str(error).split())[:200]
        return {"broken": reason or type(error).__name__}, b""


if __name__ == "__main__":
    main()
