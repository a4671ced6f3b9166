"""Answers into a file as they come, row by row: CSV, TSV or JSON Lines, from which an interrupted task goes on.

While it is not whole, `FILE.llms.json` beside it says what made it. What ends before that goes on after the last whole row:
no row is answered twice, none is lost. Other formats (Parquet, gzip) are written from JSON Lines once all is there.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ..data.dataset import Row
from ..data.files import format_of
from ..data.row_stream import PlacedRow, stream_rows
from ..data.row_write import WRITTEN, RowFile, check_folder, plain
from ..errors import UsageError
from ..settings import refuse_database
from ..values import Json

TABLE_ENDINGS = tuple(f".{form}{zipped}" for form in WRITTEN for zipped in ("", ".gz"))
HEADER = 1 << 20  # bytes in which the names of columns are looked for
COLUMNS = ("output", "score", "truncated", "error")


class TaskFile:
    """`made_by` is all that decides what stands in it: task, model, options, inputs. `done` rows are there already.

    `header` are the columns that each row brings; the answer's are named after `prefix` where they would meet one of these.
    Raises UsageError where a file is there that something else made, unless `force`.
    """

    def __init__(
        self, path: Path, header: Sequence[str], made_by: Mapping[str, Json], prefix: str, force: bool = False
    ):
        refuse_database(path)
        if format_of(path.name) not in WRITTEN:
            raise UsageError(f"{path}: answers are written as .csv, .tsv, .jsonl or .parquet; name one of them")
        check_folder(path)
        self.path, self.done = path, 0
        straight = path.suffix.lower() in (".csv", ".tsv", ".jsonl")
        self._working = path if straight else path.with_name(f"{path.name}.part.jsonl")
        self._beside = path.with_name(f"{path.name}.llms.json")
        self._form = format_of(self._working.name)
        meets = set(COLUMNS) & set(header)
        self._names = {name: f"{prefix}_{name}" if meets else name for name in COLUMNS}
        self._header = [*header, *self._names.values()]
        self._made_by = json.dumps(made_by, ensure_ascii=False, sort_keys=True, indent=1)
        self._file = self._begun(force)

    def _begun(self, force: bool) -> BinaryIO:
        if force:
            for path in (self.path, self._working, self._beside):
                path.unlink(missing_ok=True)
        if self._beside.exists():
            self._check_same()
        elif self.path.exists():
            raise UsageError(f"{self.path} is there already; choose another name, or overwrite it with --force")
        else:
            self._working.unlink(missing_ok=True)  # of a process that ended before it had said what it writes
            draft = self._beside.with_name(f"{self._beside.name}.{os.getpid()}")
            draft.write_text(self._made_by, encoding="utf-8")
            draft.replace(self._beside)
        file = self._working.open("ab+")
        try:
            _lock(file, self.path)
            rows, end = whole_rows(file, self._form)
            if rows and self._form != "jsonl":
                self._check_header(file)
            file.truncate(end)
            if self._form == "jsonl":
                self.done = rows
            elif rows:
                self.done = rows - 1
            else:
                self._append(file, self._header)
        except BaseException:
            file.close()
            raise
        return file

    def _check_same(self) -> None:
        try:
            before: object = json.loads(self._beside.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = None
        advice = "choose another name, or begin anew with --force"
        if not isinstance(before, dict):
            raise UsageError(
                f"{self._beside}, which says what made {self.path} so far, cannot be read as that; {advice}"
            )
        now = json.loads(self._made_by)
        if other := [name for name in now if before.get(name) != now[name]]:
            differ = "; ".join(_difference(name, before.get(name), now[name]) for name in other)
            raise UsageError(
                f"{self.path} was begun with another {' and another '.join(other)}, and is not whole ({differ}); repeat "
                f"that command to go on, {advice}"
            )

    def _check_header(self, file: BinaryIO) -> None:
        """Raise UsageError where another table now bears the name of the one that was begun."""
        file.seek(0)
        lines = io.TextIOWrapper(io.BytesIO(file.read(HEADER)), encoding="utf-8-sig", errors="replace", newline="")
        if next(csv.reader(lines, delimiter="\t" if self._form == "tsv" else ","), []) != self._header:
            raise UsageError(
                f"{self.path} is no longer the table that was begun: its columns are others than "
                f"{', '.join(self._header)}; choose another name, or begin anew with --force"
            )

    def write(self, row: Row, answer: Mapping[str, Json]) -> None:
        """A row and its answer, whose fields are of COLUMNS; it is in the file when this returns."""
        own = {name: _without_bytes(value) for name, value in row.items()}
        blank = dict.fromkeys(self._names.values()) if self._working != self.path else {}  # Parquet: in every row
        cells = {**own, **blank, **{self._names[name]: value for name, value in answer.items()}}
        if self._form == "jsonl":
            line = json.dumps(plain(cells, str(self.path)), ensure_ascii=False)
            self._file.write(line.encode("utf-8", "backslashreplace") + b"\n")
            self._file.flush()
        else:
            self._append(self._file, [_cell(cells.get(name)) for name in self._header])
        self.done += 1

    def _append(self, file: BinaryIO, cells: Sequence[str]) -> None:
        text = io.StringIO()
        csv.writer(text, delimiter="\t" if self._form == "tsv" else ",", lineterminator="\n").writerow(cells)
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))
        file.flush()

    def finish(self) -> None:
        """All rows are there: nothing beside the file is left."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._working != self.path:
            with RowFile(self.path, force=True) as whole:
                for entry in stream_rows(self._working):
                    assert isinstance(entry, PlacedRow), "its rows are those that were written"
                    whole.write(entry.row, entry.location)
        self._beside.unlink(missing_ok=True)
        if self._working != self.path:
            self._working.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


def _difference(name: str, before: Json, now: Json) -> str:
    """The value before and the one now; of an object those of its fields that differ."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return f"{name}: {before or 'none'} before, {now or 'none'} now"
    fields = (each for each in {**before, **now} if before.get(each) != now.get(each))
    return "; ".join(_difference(f"{name} {each}", before.get(each), now.get(each)) for each in fields)


def check_apart(out: Path, read: Iterable[Path]) -> None:
    """Raise UsageError where `out`, by whatever name, is one of the files that are read: it would be emptied first."""
    for path in read:
        with suppress(OSError):  # one of the two is not there
            if out.samefile(path):
                raise UsageError(f"{out} is an input, and would be written over; choose another name")


def whole_rows(file: BinaryIO, form: str) -> tuple[int, int]:
    """How many rows of a file are whole, the header of a CSV or TSV among them, and where the last of them ends.

    A row of these ends with a line whose quotation marks, counted from where the row began, are even in number.
    """
    file.seek(0)
    rows = end = position = marks = 0
    for line in file:
        position += len(line)
        if form != "jsonl":
            marks += line.count(b'"')
        if line.endswith(b"\n") and marks % 2 == 0:
            rows, end = rows + 1, position
    return rows, end


def _lock(file: BinaryIO, path: Path) -> None:
    """Raise UsageError where another process writes this file; without such locks (Windows) nobody is kept out."""
    with suppress(ImportError):
        fcntl = import_module("fcntl")
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another process is writing {path}; let it end, or choose another name") from error
        except OSError:
            return  # a file system without locks


def _without_bytes(value: object) -> object:
    """A cell as text files hold it: of a sound or picture that lies in the table, its path."""
    if isinstance(value, bytes):
        return None
    return {name: _without_bytes(each) for name, each in value.items()} if isinstance(value, dict) else value


def _cell(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value, "a cell"), ensure_ascii=False)
