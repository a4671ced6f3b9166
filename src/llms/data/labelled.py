"""Labelled rows of a task: a CSV, TSV, JSON, JSON Lines or Parquet file with the columns that the task's rows have.

Every row is read and checked once, and read again by its offset when it is asked for. What cannot be used is named by
row, column, value and what was expected, before anything is asked; names of columns are not guessed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .dataset import Row, Table
from .files import read_table
from .labelled_cells import BadCell, cells_of, content_of
from .own import is_file
from .own_row import whole_object
from .rows import Indexed, RowBlock
from .source import OneFile

MOST_BAD = 5  # rows that are named; further ones are counted
CONTENTS = ("audio", "image")  # columns whose files are part of the data


@dataclass(frozen=True)
class LabelledTable(OneFile):
    """A file as a Source of one table. `columns` are the task's, `metadata` the further ones.

    `labels` are those that stand in the file, in alphabetical order; `passages` all that are relevant somewhere, in theirs.
    """

    name: str
    columns: tuple[str, ...]
    content: Table
    metadata: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()


class LabelledRows(Indexed[Row]):
    """The rows of a file with the cells of the task's columns read, made anew when they are asked for."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[str], folder: Path):
        self._rows, self._columns, self._folder = rows, columns, folder

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return map(self._read, self._rows)

    def at(self, index: int) -> Row:
        return self._read(self._rows[index])

    def _read(self, row: Row) -> Row:
        named = _named(row, self._columns)
        return {**named, **cells_of(self._columns, named, self._folder)}


class _RowChecks:
    """Looks at all rows once, and keeps what must be known of them together."""

    def __init__(self, path: Path, columns: Sequence[str], task: str):
        self.path, self.columns, self.task = path, columns, task
        self.names: dict[str, None] = {}  # of all columns, in their order
        self.labels: set[str] = set()
        self.passages: dict[str, int] = {}
        self.bad: list[str] = []
        self.unlisted = 0
        self.contents = hashlib.sha256()

    def see(self, first: int, block: RowBlock) -> None:
        for index, row in enumerate(block.rows, first):
            named = _named(row, self.columns)
            if index == 0:
                self._check_columns(named)
            self.names.update(dict.fromkeys(named))
            try:
                self._keep(cells_of(self.columns, named, self.path.parent))
            except BadCell as error:
                self._note(f"row {index + 1}: {error}")

    def _check_columns(self, row: Row) -> None:
        if absent := [name for name in self.columns if name not in row]:
            raise DataError(
                f"{self.path}: no column {absent[0]!r}; found {', '.join(row) or 'none'}; rows of {self.task} have "
                f"{', '.join(self.columns)}. Rename the columns in the file"
            )

    def _keep(self, row: Row) -> None:
        if "label" in row:
            self.labels.add(row["label"])
        self.labels.update(label for _, _, label in row.get("entities", ()))
        for passage in row.get("relevant", ()):
            self.passages.setdefault(passage, len(self.passages))
        for column in CONTENTS:
            if column in row:
                self.contents.update(content_of(row[column]))

    def _note(self, problem: str) -> None:
        if len(self.bad) < MOST_BAD:
            self.bad.append(problem)
        else:
            self.unlisted += 1

    def refuse_bad(self) -> None:
        if self.bad:
            more = f"; and {self.unlisted} more rows" if self.unlisted else ""
            raise DataError(f"{self.path}, {'; '.join(self.bad)}{more}")


def read_labelled(path: Path, columns: Sequence[str], task: str) -> LabelledTable:
    """The labelled rows of `path` for a task whose rows have `columns`. Raises DataError naming what cannot be used."""
    if not path.is_file() or not is_file(path.name):
        problem = "does not exist" if not path.is_file() else "is not one of .csv, .tsv, .json, .jsonl, .parquet"
        raise DataError(f"the data file {path} {problem}; expected a table of {task} with {', '.join(columns)}")
    checks = _RowChecks(path, columns, task)
    table = read_table(path, {}, pairs=whole_object, check=checks.see)
    checks.refuse_bad()
    revision = table.revision
    if set(CONTENTS) & set(columns):
        revision = hashlib.sha256(revision.encode() + checks.contents.digest()).hexdigest()[:16]
    rows = LabelledRows(table.rows, columns, path.parent)
    return LabelledTable(
        path.name.split(".")[0],
        tuple(columns),
        Table(rows, table.origin, revision, form=table.form),
        tuple(name for name in checks.names if name not in columns),
        tuple(sorted(checks.labels)),
        tuple(checks.passages),
    )


def positions(passages: Sequence[str]) -> dict[str, int]:
    """The number of each passage."""
    return {passage: number for number, passage in enumerate(passages)}


def _named(row: Row, columns: Sequence[str]) -> Row:
    """The row, the task's columns under their own names whatever their case and outer blanks."""
    if all(name in columns or name.strip().casefold() not in columns for name in row):
        return row
    return {
        name.strip().casefold() if name.strip().casefold() in columns else name: value for name, value in row.items()
    }
