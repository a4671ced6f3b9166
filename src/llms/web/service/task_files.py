"""Files that were sent for a task: examined, held until newer ones take their room."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ... import settings
from ...chat.conversation.tree import new_id
from ...chat.files.examine import examine
from ...data.files import read_table
from ...data.own import is_file
from ...errors import UnknownName, UsageError
from ...models.task_model import TaskInput
from ...tasks.catalogue import HubTask
from ...values import Failure, Media, several
from ...workbench.task_inputs import TableRows, TaskRow, choose_columns
from .choose import NAME_LENGTH, ROWS

LARGEST = 25 << 20  # bytes of a file
MOST_BYTES = 256 << 20  # of the files that are held
MOST_ROWS = 10_000  # of a table; more are work for a command
SHOWN_ROWS = 3


@dataclass(frozen=True, slots=True)
class TaskFileResponse:
    """`kind` is table, text, image or audio. A table has `columns`, `rows`, and the beginning of its first rows."""

    id: str
    name: str
    kind: str
    about: str
    columns: list[str]
    rows: int
    first: list[list[str]]
    text: str = ""


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A table, or a text, a picture or a sound as its bytes."""

    shown: TaskFileResponse
    media: Media
    path: Path | None = None


class TaskFiles:
    """By id. What cannot be read is refused when it is sent, with what was expected."""

    def __init__(self) -> None:
        self._held: dict[str, HeldFile] = {}

    def add(self, name: str, data: bytes) -> TaskFileResponse:
        """Hold a file; blocks. Raises UsageError, DataError, MissingExtra."""
        plain, id = Path(name).name[-NAME_LENGTH:], new_id()
        if len(data) > LARGEST:
            raise UsageError(f"{plain} has more than {LARGEST >> 20} MB; run llms task on the file instead")
        held = _table(id, plain, data) if is_file(plain) else _examined(id, plain, data)
        self._held[id] = held
        while len(self._held) > 1 and sum(len(one.media.data) for one in self._held.values()) > MOST_BYTES:
            del self._held[next(iter(self._held))]
        return held.shown

    def names(self, ids: Sequence[str]) -> list[str]:
        return [self._held[id].shown.name for id in ids if id in self._held]

    def rows(self, task: HubTask, ids: Sequence[str], columns: Sequence[str], other: str) -> Iterator[TaskRow]:
        """The inputs that the files hold: the rows of a table, in whose `columns` they stand, or each file as one.

        Raises UnknownName, UsageError.
        """
        for id in ids:
            if id not in self._held:
                raise UnknownName("file", id, [])
            held = self._held[id]
            kind, name = held.shown.kind, held.shown.name
            if held.path is not None:
                yield from _rows(task, held.path, held.shown, columns)
            elif task.takes in ("text", "pair") and kind == "text":
                yield TaskRow(TaskInput(held.media.data.decode(), other=other), name)
            elif kind == {"sound": "audio", "image": "image"}.get(task.takes):
                yield TaskRow(TaskInput(media=held.media), name)
            else:
                reason = f"{name} is no {task.takes} but {kind}; {task.name} takes {task.wanted}"
                yield TaskRow(Failure("infra", reason), name)


def _examined(id: str, name: str, data: bytes) -> HeldFile:
    file = examine(name, data)
    shown = TaskFileResponse(id, file.name, file.kind, file.about, [], 1, [], file.text)
    return HeldFile(shown, Media(file.media_type, file.data, name=file.name))


def _table(id: str, name: str, data: bytes) -> HeldFile:
    folder = settings.private_directory(settings.home() / ROWS / hashlib.sha256(data).hexdigest()[:16])
    path = settings.private(folder / name)
    path.write_bytes(data)
    table = read_table(path, {})
    columns = list(dict.fromkeys(column for row in islice(table.rows, 100) for column in row))
    first = [[str(row.get(column, ""))[:80] for column in columns] for row in islice(table.rows, SHOWN_ROWS)]
    shown = TaskFileResponse(id, name, "table", several(len(table.rows), "row"), columns, len(table.rows), first)
    return HeldFile(shown, Media("text/plain", name=name), path)


def _rows(task: HubTask, path: Path, shown: TaskFileResponse, columns: Sequence[str]) -> Iterator[TaskRow]:
    if task.takes not in ("text", "pair"):  # its cells would be paths, and a request reads no file of this machine
        raise UsageError(f"{shown.name} is a table; {task.name} takes {task.wanted}: send the files themselves")
    if shown.rows > MOST_ROWS:
        raise UsageError(
            f"{shown.name} has {shown.rows:,} rows; the page takes {MOST_ROWS:,}. Run llms task on the file for more"
        )
    chosen = choose_columns(task, shown.columns, columns, shown.name)
    yield from TableRows(task, path, chosen, tuple(shown.columns)).since(0)
