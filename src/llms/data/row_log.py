"""A file of rows that grows, row by row, and can be taken up again after whatever ended its writer: CSV, TSV or JSON Lines."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import DataError, UsageError
from ..settings import refuse_database
from .dataset import Row
from .files import format_of
from .row_stream import PlacedRow, stream_rows
from .row_write import RowFile, cell, plain

GROWING = ("csv", "tsv", "jsonl")


class RowLog:
    """`with RowLog(path, columns) as log: log.write(row)`. `before` are the rows that were there; one that was not written to
    its end is dropped. Each row is in the file once it has been written: a killed process loses none of them."""

    def __init__(self, path: Path, columns: Sequence[str]):
        refuse_database(path)
        self.path, self.columns, self._form = path, list(columns), format_of(path.name)
        if self._form not in GROWING or path.name.lower().endswith(".gz"):
            raise UsageError(f"{path}: rows are added to a .csv, .tsv or .jsonl; name one of them")
        self.before = self._recover()
        self._file = path.open("a", encoding="utf-8", newline="")
        if not path.stat().st_size and self._form != "jsonl":
            self._append(self._line(self.columns))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, row: Row) -> None:
        """Add a row."""
        if self._form == "jsonl":
            self._append(json.dumps(plain(dict(row), str(self.path)), ensure_ascii=False) + "\n")
        else:
            self._append(self._line([cell(row.get(name), f"{self.path}, column {name!r}") for name in self.columns]))

    def _line(self, cells: Sequence[str]) -> str:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter="\t" if self._form == "tsv" else ",", lineterminator="\n").writerow(cells)
        return line.getvalue()

    def _append(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()

    def _recover(self) -> list[Row]:
        """The whole rows of the file, which is written anew where there is more in it."""
        if not self.path.exists() or not self.path.stat().st_size:
            return []
        with self.path.open("rb") as file:
            file.seek(-1, io.SEEK_END)
            torn = file.read() != b"\n"
        streamed = list(stream_rows(self.path))
        rows = [each.row for each in streamed if isinstance(each, PlacedRow)]
        if rows and (strange := [name for name in self.columns if name not in rows[0]]):
            raise DataError(
                f"{self.path} has no column {strange[0]!r}: it was not written by this command; choose another name"
            )
        if torn and streamed and isinstance(streamed[-1], PlacedRow):
            rows.pop()
        if torn or len(rows) < len(streamed):
            with RowFile(self.path, self.columns, force=True) as whole:
                for row in rows:
                    whole.write(row, str(self.path))
        return rows
