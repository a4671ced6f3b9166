"""Rows into a file as they come: CSV, TSV, JSON Lines (plain or gzip) or Parquet, never held together.

The file appears under its name when all is written; what stops on the way leaves nothing.
"""

import csv
import gzip
import io
import json
import os
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from ..errors import DataError, UsageError
from ..settings import refuse_database
from .dataset import Row
from .files import format_of

if TYPE_CHECKING:
    import pyarrow

WRITTEN = ("csv", "tsv", "jsonl", "parquet")
BATCH = 1000  # rows of Parquet that are written together


class _Writer(Protocol):
    def write(self, row: Row, location: str) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


class RowFile:
    """`with RowFile(path) as file: file.write(row, "where it comes from")`. `columns` are those of a CSV or TSV; without them,
    the first row's. Raises UsageError for a file that is there, unless `force`, and for a format that is not written;
    DataError for a row that its format cannot hold."""

    def __init__(self, path: Path, columns: Sequence[str] = (), force: bool = False):
        refuse_database(path)
        self.form = format_of(path.name)
        if self.form not in WRITTEN or (self.form == "parquet" and path.name.lower().endswith(".gz")):
            raise UsageError(
                f"{path}: rows are written as .csv, .tsv, .jsonl (each also .gz) or .parquet; name one of them"
            )
        if path.exists() and not force:
            raise UsageError(f"{path} is there already; choose another name, or overwrite it with --force")
        check_folder(path)
        self.path, self.rows = path, 0
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._writer: _Writer = (
            _Parquet(self._part, path) if self.form == "parquet" else _Text(self._part, path, columns)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        whole = False
        try:
            if error is None:
                self._writer.finish()
                whole = True
        finally:
            self._writer.close()
            if whole:
                self._part.replace(self.path)
            else:
                self._part.unlink(missing_ok=True)

    def write(self, row: Row, location: str) -> None:
        self._writer.write(row, location)
        self.rows += 1


def check_folder(path: Path) -> None:
    """Raise UsageError where the folder that `path` is to lie in is not there."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it, or choose another")


class _Text:
    """Lines of text; the columns of delimited ones are those of the first row."""

    def __init__(self, part: Path, path: Path, columns: Sequence[str]):
        self._path, self._form = path, format_of(path.name)
        self._raw = part.open("wb")
        zipped = (
            gzip.GzipFile(path.stem, "wb", fileobj=self._raw, mtime=0) if path.name.lower().endswith(".gz") else None
        )
        self._file = io.TextIOWrapper(zipped or self._raw, "utf-8", newline="")
        self._csv = csv.writer(self._file, delimiter="\t" if self._form == "tsv" else ",", lineterminator="\n")
        self._columns = list(columns)
        if self._columns and self._form != "jsonl":
            self._csv.writerow(self._columns)

    def write(self, row: Row, location: str) -> None:
        if self._form == "jsonl":
            self._file.write(json.dumps(plain(row, location), ensure_ascii=False) + "\n")
            return
        if not self._columns:
            self._columns = list(row)
            self._csv.writerow(self._columns)
        if strange := [name for name in row if name not in self._columns]:
            raise DataError(
                f"{location}: column {strange[0]!r} is not among those of the first rows ({', '.join(self._columns):.80}); "
                f"write {self._path.name.partition('.')[0]}.jsonl, whose rows may differ"
            )
        self._csv.writerow([cell(row.get(name), f"{location}, column {name!r}") for name in self._columns])

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        self._raw.close()


class _Parquet:
    """Row groups whose columns are those of the first thousand rows, and whose types are those of each column's first values:
    where a column was empty until now, what is written already is written again with its type."""

    def __init__(self, part: Path, path: Path):
        self._part, self._path = part, path
        self._held: list[Row] = []
        self._first = 0
        self._schema: pyarrow.Schema | None = None
        self._empty: set[str] = set()  # columns without a value so far
        self._writer: pyarrow.parquet.ParquetWriter | None = None

    def write(self, row: Row, location: str) -> None:
        self._held.append(row)
        if len(self._held) >= BATCH:
            self._flush()

    def finish(self) -> None:
        if self._held or self._writer is None:
            self._flush()

    def _flush(self) -> None:
        import pyarrow
        from pyarrow import parquet

        try:
            if self._schema is None:
                names = dict.fromkeys(name for row in self._held for name in row)
                inferred = _types(self._held, names)
                self._empty = {field.name for field in inferred if pyarrow.types.is_null(field.type)}
                self._schema = pyarrow.schema(
                    [f.with_type(pyarrow.string()) if f.name in self._empty else f for f in inferred]
                )
                self._writer = parquet.ParquetWriter(self._part, self._schema)
            elif self._empty:
                self._fill(self._schema)
            known = set(self._schema.names)
            for index, row in enumerate(self._held):
                if strange := [name for name in row if name not in known]:
                    raise DataError(
                        f"{self._path}, row {self._first + index + 1}: column {strange[0]!r} is in none of the first {BATCH} "
                        "rows; write a .jsonl, whose rows may differ"
                    )
            batch = pyarrow.Table.from_pylist([dict(row) for row in self._held], schema=self._schema)
        except (pyarrow.ArrowException, OverflowError) as error:
            raise DataError(
                f"{self._path}, rows {self._first + 1} to {self._first + len(self._held)}: {str(error).splitlines()[0]}; "
                "a Parquet column has one type; write a .jsonl"
            ) from error
        assert self._writer is not None, "opened with the schema"
        if len(batch):
            self._writer.write_table(batch)
        self._first += len(self._held)
        self._held = []

    def _fill(self, schema: "pyarrow.Schema") -> None:
        """Take the types of columns that have their first values now."""
        import pyarrow
        from pyarrow import parquet

        filled = {f.name: f for f in _types(self._held, self._empty) if not pyarrow.types.is_null(f.type)}
        self._empty -= set(filled)
        new = pyarrow.schema([filled.get(field.name, field) for field in schema])
        if new == schema or self._writer is None:
            return
        self._writer.close()
        before = self._part.with_name(f"{self._part.name}.before")
        self._part.replace(before)
        try:
            self._schema, self._writer = new, parquet.ParquetWriter(self._part, new)
            with parquet.ParquetFile(before) as file:
                for number in range(file.num_row_groups):
                    old = file.read_row_group(number)
                    columns = [
                        pyarrow.nulls(len(old), field.type) if field.name in filled else old[field.name]
                        for field in new
                    ]
                    self._writer.write_table(pyarrow.Table.from_arrays(columns, schema=new))
        finally:
            before.unlink()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _types(rows: Sequence[Row], names: Iterable[str]) -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]).schema


def plain(value: object, location: str) -> object:
    """A value as JSON has it. Raises DataError for bytes, which no text holds."""
    if isinstance(value, bytes):
        raise DataError(
            f"{location}: holds {len(value)} bytes, which no text file can; write a .parquet, or leave that column out"
        )
    if isinstance(value, dict):
        return {str(name): plain(each, location) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each, location) for each in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and not isfinite(value):
        return None  # JSON has no such number
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


def cell(value: object, location: str) -> str:
    """A value as the text of one field; lists and objects as JSON."""
    if isinstance(value, str):
        return value
    value = plain(value, location)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
