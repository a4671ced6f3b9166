"""The user's own benchmark: one CSV, TSV, JSON, JSON Lines or Parquet file, plain or gzip.

question, choices, answer    multiple choice: `choices` is a list (in CSV a JSON list, or texts separated by |),
                             `answer` a choice's text, its letter (A, B …) or, as a number, its index from 0; where it
                             could be several of these, the text wins, and `notices` say so
question, answer             open: the answer is generated and compared as --scorer says
question, answers            open, with several accepted answers: a list (in CSV a JSON list, or separated by |)
id                           optional: a name for each row, none twice
anything else                metadata: for --by and the fields of --prompt
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from .dataset import Row, Table
from .files import format_of, read_table
from .own_row import KNOWN, Readings, check_columns, known_name, make_row, named, whole_object
from .rows import Indexed, RowBlock, TextRows
from .source import OneFile

FORMATS = ("csv", "tsv", "json", "jsonl", "parquet")
ONE_HEADER = ("csv", "tsv", "parquet")  # all rows have the columns of the first
_SEEN = re.compile(
    "[0-9A-Za-z]"
).search  # in a text with one of these there is something to be seen, and more than blanks


def is_file(spec: str) -> bool:
    return format_of(spec) in FORMATS


@dataclass(frozen=True)
class OwnTable(OneFile):
    """A file as a Source of one table. `choices` tells which of the two shapes it has, `metadata` the further columns.

    Rows hold `question`, metadata, and `answer`: of choices the index of the right one, else a text; `answers` are all
    that are accepted. `notices` say how ambiguous cells were read, `unlisted` more do so; `reread`, that some were once
    read otherwise. `chance` is what guessing gets among choices; `plain`: each answer holds a letter or a digit.
    """

    name: str
    choices: bool
    content: Table
    metadata: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    unlisted: int = 0
    reread: bool = False
    chance: float = 0.0
    plain: bool = False


class OwnRows(Indexed[Row]):
    """The rows of a file as they are asked: read again, and made again, when they are."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[str], path: Path):
        self._rows, self._columns, self._path = rows, columns, path

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return (self._row(row, index) for index, row in enumerate(self._rows))

    def at(self, index: int) -> Row:
        return self._row(self._rows[index], index)

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    def _row(self, row: Row, index: int) -> Row:
        location = f"{self._path}, row {index + 1}"
        return make_row(named(row, location), self._columns, location, Readings())


class _Checks:
    """Looks at all rows once, block by block, and keeps what must be known of them together."""

    def __init__(self, path: Path):
        self.path = path
        self.one_header = format_of(path.name) in ONE_HEADER
        self.columns: list[str] = []
        self.known: frozenset[str] = frozenset()  # the known columns of row 1
        self.readings = Readings()
        self.ids = array("q")  # hashes
        self.chance, self.plain = 0.0, True
        self.lettered: str | None = None  # an answer that is the name of a column, as all are so far
        self._names_of_columns: frozenset[str] = frozenset()

    @property
    def metadata(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name not in KNOWN)

    def see(self, first: int, block: RowBlock) -> None:
        """Names of columns, and where all rows have those of the first, everything else too."""
        unit = "row" if format_of(self.path.name) == "parquet" else "line"
        if not self.one_header:
            for index, row in enumerate(block.rows, first):
                self._see_columns(named(row, f"{self.path}, {unit} {block.places[index - first]}"), index)
            return
        if not block.rows:
            return
        if not self.columns:
            self._see_columns(named(block.rows[0], f"{self.path}, {unit} {block.places[0]}"), 0)
            self.know_columns()
        self.read(first, block.rows)

    def _see_columns(self, row: Row, index: int) -> None:
        known = frozenset(name for name in row if name in KNOWN)
        if index == 0:
            self.known = known
        elif known != self.known:
            self.columns += [name for name in row if name not in self.columns]
            check_columns(self.columns, self.path)
            for name in self.columns:
                if name in KNOWN and (name in row) != (name in self.known):
                    has = "no" if name in self.known else "a"
                    raise DataError(
                        f"{self.path}, row {index + 1}: {has} column {name!r}, unlike row 1; all rows must have the same shape"
                    )
        self.columns += [name for name in row if name not in self.columns]

    def know_columns(self) -> None:
        """To be called once all columns are known."""
        check_columns(self.columns, self.path)
        self._names_of_columns = frozenset(name.casefold() for name in self.metadata)

    def read(self, first: int, rows: Sequence[Row]) -> None:
        """Read what the rows ask and how they are answered. Raises DataError naming the row and the column."""
        cells = (
            {known_name(name): column for name, column in rows.columns().items()} if isinstance(rows, TextRows) else {}
        )
        if cells and "answer" in cells and "choices" not in cells and _plainly_right(cells):
            answers, ids = cells["answer"], cells.get("id", ())
        else:
            rows = [named(row, f"{self.path}, row {index}") for index, row in enumerate(rows, first + 1)]
            answers, ids = self._read_closely(rows, first), [row["id"] for row in rows if "id" in row]
        if self._names_of_columns and "choices" not in self.columns:
            self._see_letters(answers, first)
        self._see_ids(ids, first)

    def _read_closely(self, rows: Sequence[Row], first: int) -> list[str]:
        """The answers, each row looked at by itself; of choices none."""
        answers: list[str] = []
        for index, row in enumerate(rows, first + 1):
            parsed = make_row(row, self.columns, f"{self.path}, row {index}", self.readings)
            if "choices" in parsed:
                self.chance += 1 / len(parsed["choices"])
            else:
                answers.append(parsed["answer"])
                self.plain = self.plain and all(map(_SEEN, parsed["answers"]))
        return answers

    def _see_letters(self, answers: Iterable[str], first: int) -> None:
        for index, answer in enumerate(answers, first):
            if answer.strip().casefold() not in self._names_of_columns:
                self._names_of_columns = frozenset()
                self.lettered = None
                return
            if index == 0:
                self.lettered = answer

    def _see_ids(self, ids: Iterable[object], first: int) -> None:
        for number, each in enumerate(ids, first + 1):
            if each is None or not str(each).strip():
                raise DataError(
                    f"{self.path}, row {number}: column 'id' is empty; give each row an id, or leave out the column"
                )
            self.ids.append(hash(str(each)))

    def repeated(self) -> set[int]:
        """Hashes of ids that stand more than once, or, most unlikely, of different ids with the same one."""
        hashes = np.frombuffer(self.ids, dtype=np.int64) if self.ids else np.zeros(0, np.int64)
        hashes = np.sort(hashes)
        return set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())


def _plainly_right(cells: Mapping[str, Sequence[str]]) -> bool:
    """Whether these are open questions of which nothing needs a closer look: all is seen, and no answer has a bar."""
    texts = {name: "\n".join(column) for name, column in cells.items()}  # decoded from UTF-8: no half characters
    if any("\0" in text for text in texts.values()) or "|" in texts["answer"]:
        return False
    return all(map(_SEEN, cells["question"])) and all(map(_SEEN, cells["answer"]))


def read(path: Path) -> OwnTable:
    """The file's rows, every answer found among its choices. Raises DataError naming the row and the column."""
    if not path.is_file():
        raise DataError(
            f"the data file {path} does not exist; expected one of {', '.join(f'.{form}' for form in FORMATS)} "
            "with question, answer and perhaps choices"
        )
    checks = _Checks(path)
    table = read_table(path, {}, pairs=whole_object, check=checks.see)
    if not checks.one_header:  # a later row may have brought a column
        checks.know_columns()
        for first, rows in _batches(table.rows):
            checks.read(first, rows)
    if repeated := checks.repeated():
        _refuse_repeated(table.rows, repeated, path)
    readings, choices = checks.readings, "choices" in checks.columns
    if checks.lettered is not None:
        readings.notices.insert(0, f"{path}: {_LETTERED.format(checks.lettered)}")
    return OwnTable(
        path.name.split(".")[0],
        choices,
        Table(OwnRows(table.rows, checks.columns, path), table.origin, table.revision, form=table.form),
        checks.metadata,
        tuple(readings.notices),
        readings.unlisted,
        readings.reread,
        checks.chance / len(table.rows),
        checks.plain and not choices,
    )


_LETTERED = (
    "each answer is the name of a column, such as {!r}; it is read as a text, and what stands in that column is "
    "not shown to the model. Choices go into one column choices, separated by |"
)


def _batches(rows: Sequence[Row], size: int = 1000) -> Iterator[tuple[int, list[Row]]]:
    batch: list[Row] = []
    for index, row in enumerate(rows):
        batch.append(row)
        if len(batch) == size or index == len(rows) - 1:
            yield index + 1 - len(batch), batch
            batch = []


def _refuse_repeated(rows: Sequence[Row], hashes: set[int], path: Path) -> None:
    """Raise DataError for the first row whose id stood before."""
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        name = named(row, f"{path}, row {number}")["id"]
        if hash(str(name)) in hashes and seen.setdefault(str(name), number) != number:
            raise DataError(
                f"{path}, row {number}: id {name!r} appears in row {seen[str(name)]} already; each must be unique"
            )
