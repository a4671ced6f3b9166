"""Tables from JSON, JSON Lines, CSV, TSV (each plain or gzip) and Parquet files; a bad row is named by file and place.

All rows are read and checked once, block by block; afterwards they are read by offset. Only a JSON list is held whole.
"""

import hashlib
import json
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from ..errors import DataError
from ..settings import refuse_database
from ..values import is_json
from .dataset import Table, check_row
from .delimited import DELIMITERS, Delimited
from .rows import HELD, FileRows, Places, RowBlock
from .text_file import TextFile

SUFFIXES = (".jsonl.gz", ".jsonl", ".parquet", ".csv")
BLOCK = 1 << 16  # bytes of text that are parsed together
BATCH = 1000  # rows of Parquet that are
Pairs = Callable[[list[tuple[str, object]]], object]
Check = Callable[[int, RowBlock], None]  # of the index of the first row, and the rows


class Parser(Protocol):
    """Rows from pieces of text that are cut where `cut` says; `parse` gives None where a piece ends inside a row."""

    unit: str
    start: int
    first_line: int

    def cut(self, content: bytes) -> int: ...

    def parse(self, text: str, line: int, first: bool, last: bool) -> RowBlock | None: ...


def read_table(
    path: Path,
    columns: Mapping[str, type | tuple[type, ...]],
    revision: str | None = None,
    withheld: bool = False,
    pairs: Pairs | None = None,
    check: Check | None = None,
) -> Table:
    """All rows of `path`, each checked against `columns`. The revision is the content's digest unless given.

    `pairs` makes a JSON object of its (name, value) pairs; a ValueError of its names the row. `check` is handed all blocks
    in order, to raise DataError for what else is wrong.
    """
    refuse_database(path)

    def checked(first: int, block: RowBlock) -> None:
        if columns or (form.startswith("JSON") and not all(isinstance(row, dict) for row in block.rows)):
            for number, row in zip(block.places, block.rows, strict=True):
                check_row(row, columns, f"{path}, {unit} {number}", withheld)
        if check:
            check(first, block)

    if format_of(path.name) == "parquet":
        unit, form, digest = "row", "Parquet", _digest(path)
        rows = _parquet(path, checked)
    else:
        file = TextFile(path, withheld)
        parser, form = _parser(file, pairs)
        unit, digest = parser.unit, file.revision
        rows = _indexed(file, parser, checked)
    if not len(rows):
        raise DataError(f"{path} has no rows; expected at least one")
    return Table(rows, str(path), revision or digest, Places(rows), form)


def format_of(name: str) -> str:
    """`csv`, `tsv`, `json`, `jsonl`, `parquet` or what else the name ends in, in any case, `.gz` left out."""
    return name.lower().removesuffix(".gz").rpartition(".")[2]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _parser(file: TextFile, pairs: Pairs | None) -> tuple[Parser, str]:
    """The file's parser, and a description of its format."""
    form, zipped = format_of(file.path.name), ", gzip" * file.path.name.lower().endswith(".gz")
    if form in ("csv", "tsv"):
        delimited = Delimited(file, "\t" if form == "tsv" else ",")
        name = f"fields separated by {DELIMITERS.get(delimited.delimiter, repr(delimited.delimiter))}s"
        return delimited, f"{form.upper()}, {name}, {file.encoding}{zipped}"
    if form == "json":
        beginning = file.beginning(lines=2).lstrip()
        if beginning.startswith("["):
            return JsonList(file, pairs), f"JSON, {file.encoding}{zipped}"
        if not is_json(beginning.partition("\n")[0]) or not beginning.partition("\n")[2].strip():
            _refuse_one_object(file)
    return JsonLines(file, pairs), f"JSON Lines, {file.encoding}{zipped}"


def _refuse_one_object(file: TextFile) -> None:
    """Raise DataError where the whole text is one object with the rows inside it."""
    try:
        whole = json.loads(file.text())
    except (ValueError, RecursionError):
        return
    lists = [name for name, value in whole.items() if isinstance(value, list)] if isinstance(whole, dict) else []
    if lists and "question" not in {name.strip().casefold() for name in whole}:
        raise DataError(
            f"{file.path}: one object with {', '.join(whole):.60}; expected the list of objects itself ({lists[0]})"
        )


class JsonLines:
    """Parses one JSON value a line."""

    unit, first_line = "line", 1

    def __init__(self, file: TextFile, pairs: Pairs | None):
        self.path, self.start, self._pairs = file.path, file.start, pairs

    def cut(self, content: bytes) -> int:
        return content.rfind(b"\n") + 1

    def parse(self, text: str, line: int, first: bool, last: bool) -> RowBlock:
        rows, places = [], []
        for number, entry in enumerate(text.split("\n"), line):
            if entry.strip():
                try:
                    rows.append(json.loads(entry, object_pairs_hook=self._pairs))
                except (ValueError, RecursionError) as error:
                    form = "a list of objects" if format_of(self.path.name) == "json" else "one object a line"
                    raise DataError(f"{self.path}, line {number}: not JSON ({error}); expected {form}") from error
                places.append(number)
        return RowBlock(rows, places, text.count("\n"))


class JsonList:
    """Parses a JSON list as a whole: where its rows lie cannot be told before."""

    unit, first_line = "row", 1

    def __init__(self, file: TextFile, pairs: Pairs | None):
        self.path, self.start, self._pairs = file.path, file.start, pairs

    def cut(self, content: bytes) -> int:
        return 0

    def parse(self, text: str, line: int, first: bool, last: bool) -> RowBlock:
        try:
            rows = json.loads(text, object_pairs_hook=self._pairs)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.path}: not JSON ({error}); expected a list of objects") from error
        return RowBlock(rows, range(1, len(rows) + 1), len(rows))


def _indexed(file: TextFile, parser: Parser, check: Check) -> FileRows:
    """The rows of a text, all blocks read and checked once."""
    firsts, lines, starts = array("q", [0]), array("q"), array("q", [parser.start])
    line = parser.first_line

    def load(number: int) -> RowBlock:
        text = file.read(starts[number], starts[number + 1]).decode()
        block = parser.parse(text, lines[number], number == 0, number == len(lines) - 1)
        assert block is not None, "a block that was whole once is so again"
        return block

    rows = FileRows(load, firsts, parser.unit)
    while starts[-1] < file.size:
        end, block = _next(file, parser, starts[-1], line, first=not lines)
        check(firsts[-1], block)
        if len(lines) < HELD:
            rows.hold(len(lines), block)
        lines.append(line)
        starts.append(end)
        firsts.append(firsts[-1] + len(block.rows))
        line += block.height
    return rows


def _next(file: TextFile, parser: Parser, start: int, line: int, first: bool) -> tuple[int, RowBlock]:
    """Where the block that begins at `start` ends, and its rows: as few bytes as make whole rows."""
    size = BLOCK
    while True:
        content = file.read(start, min(start + size, file.size))
        last = start + len(content) >= file.size
        cut = len(content) if last else parser.cut(content)
        block = parser.parse(content[:cut].decode(), line, first, last) if cut else None
        if block is not None:
            return start + cut, block
        size *= 2


def _parquet(path: Path, check: Check) -> FileRows:
    """The rows of a Parquet file; of its groups, the last one that was read is held as it lies there."""
    import pyarrow
    from pyarrow import parquet

    firsts = array("q", [0])
    spans: list[tuple[int, int]] = []  # of each block, its row group and where it begins there

    def group_of(number: int) -> "pyarrow.Table":
        try:
            with parquet.ParquetFile(path) as file:
                return file.read_row_group(number)
        except (pyarrow.ArrowException, OSError) as error:
            why = str(error).splitlines()[0]
            raise DataError(f"{path} cannot be read as Parquet ({why}); fetch it again") from error

    held: list[tuple[int, pyarrow.Table]] = []

    def load(number: int) -> RowBlock:
        group, offset = spans[number]
        if not held or held[0][0] != group:
            held[:] = [(group, group_of(group))]
        rows = held[0][1].slice(offset, BATCH).to_pylist()
        return RowBlock(rows, range(firsts[number] + 1, firsts[number] + len(rows) + 1), len(rows))

    try:
        with parquet.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}); fetch it again") from error
    rows = FileRows(load, firsts, "row")
    for group, size in enumerate(sizes):
        for offset in range(0, size, BATCH):
            spans.append((group, offset))
            block = load(len(spans) - 1)
            check(firsts[-1], block)
            firsts.append(firsts[-1] + len(block.rows))
    return rows
