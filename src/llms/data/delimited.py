"""Rows of comma-, semicolon- or tab-separated text, block by block; what separates them is found out and told."""

import csv
import io
import re
from collections import Counter
from functools import partial
from itertools import islice
from operator import itemgetter
from pathlib import Path

from ..errors import DataError
from .rows import RowBlock, TextRows
from .text_file import TextFile

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel's first line that names the delimiter
_OPEN_QUOTE = "unexpected end of data"  # what csv says of text that ends inside quotation marks


class Delimited:
    """Parses blocks of a file of delimited text, of which the first one has the header. `start` is where it begins."""

    unit = "line"

    def __init__(self, file: TextFile, default: str):
        beginning = file.beginning(lines=2)
        named = SEP_LINE.match(beginning)
        self.path = file.path
        self.start, self.first_line = file.start, 1
        if named:
            self.delimiter = named[1]
            self.start += len(named[0].encode())
            self.first_line = 2
        else:
            self.delimiter = delimiter_of(beginning, default)
        csv.field_size_limit(2**31 - 1)
        spaced = file.holds(f'{self.delimiter} "')  # blanks before quotation marks would make them part of the text
        self._reader = partial(csv.reader, delimiter=self.delimiter, strict=True, skipinitialspace=spaced)
        self.header: list[str] = []

    @staticmethod
    def cut(content: bytes) -> int:
        """Where the last whole line of `content` ends; 0 if none does."""
        return content.rfind(b"\n") + 1 or content.rfind(b"\r", 0, -1) + 1

    def parse(self, text: str, line: int, first: bool, last: bool) -> RowBlock | None:
        """The rows of `text`, which begins with `line`; None where it ends inside quotation marks and is not the `last`.

        Raises DataError naming line and column.
        """
        lines = io.StringIO(text, newline="").readlines()
        try:
            rows = list(self._reader(lines))
        except csv.Error as error:
            if str(error) == _OPEN_QUOTE and not last:
                return None
            return self._one_by_one(lines, line, first)
        if first and not last and not any(any(map(str.strip, row)) for row in rows):
            return None  # the header is still to come
        header = self.header
        plain = not first and len(rows) == len(lines) and "" not in header and set(map(len, rows)) == {len(header)}
        if not plain or not all(map(str.strip, map(itemgetter(0), rows))):
            return self._one_by_one(lines, line, first)
        return RowBlock(TextRows(header, rows), range(line, line + len(rows)), len(rows))

    def _one_by_one(self, lines: list[str], line: int, first: bool) -> RowBlock:
        rows: list[dict[str, str]] = []
        numbers: list[int] = []
        header = [] if first else self.header
        reader = self._reader(lines)
        start = line
        try:
            for fields in reader:
                number, start = start, line + reader.line_num
                if not any(field.strip() for field in fields):
                    continue
                if not header:
                    header = self.header = header_of(fields, self.path)
                    continue
                rows.append(self._row(header, fields, f"{self.path}, line {number}"))
                numbers.append(number)
        except csv.Error as error:
            raise DataError(
                f"{self.path}, line {start}: {error}; close every quotation mark, and double those inside a field"
            ) from error
        return RowBlock(rows, numbers, reader.line_num)

    def _row(self, header: list[str], fields: list[str], location: str) -> dict[str, str]:
        return cells_of(header, fields, self.delimiter, location)


def cells_of(header: list[str], fields: list[str], delimiter: str, location: str) -> dict[str, str]:
    """The row by columns; one without a name must be empty. Raises DataError that begins with the location."""
    while len(fields) > len(header) and not fields[-1].strip():
        fields.pop()
    if len(fields) != len(header):
        name = DELIMITERS.get(delimiter, delimiter)
        raise DataError(
            f"{location}: the row and the header have different numbers of fields ({len(fields)} and "
            f"{len(header)}: {delimiter.join(header):.60}); quote fields that hold a {name}"
        )
    for number, (name, field) in enumerate(zip(header, fields, strict=True), 1):
        if not name and field.strip():
            raise DataError(f"{location}: column {number} holds {field!r:.60} and has no name; give it one")
    return {name: field for name, field in zip(header, fields, strict=True) if name}


def delimiter_of(text: str, default: str) -> str:
    """The character that splits the first two nonblank lines into equally many fields, else the first one into most;
    `default` if none does better."""
    lines = list(islice((line for line in io.StringIO(text, newline=None) if line.strip()), 2))

    def evidence(delimiter: str) -> tuple[bool, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)] or [0]
        return len(set(counts)) == 1 < counts[0], counts[0]

    return max((default, *DELIMITERS), key=evidence)


def header_of(fields: list[str], path: Path) -> list[str]:
    """Names of columns; blank ones, as spreadsheets leave them, are no columns."""
    names = [field.strip() for field in fields]
    while names and not names[-1]:
        names.pop()
    for name, times in Counter(names).items():
        if times > 1 and name:
            raise DataError(
                f"{path}: column {name!r} appears {times} times in the header; give each column a name of its own"
            )
    return names
