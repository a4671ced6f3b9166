"""Text of a file from its bytes, and rows of comma-, semicolon- or tab-separated text; what was found is told."""

import codecs
import csv
import io
import re
from collections import Counter
from itertools import islice
from pathlib import Path

from ..errors import DataError

Rows = list[tuple[str, dict[str, str]]]
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel's first line that names the delimiter


def decode(content: bytes, path: Path, withheld: bool = False) -> tuple[str, str]:
    """(text, name of its encoding): what a byte order mark says, else UTF-8. Raises DataError naming the line, with
    the place in it unless the text is `withheld`."""
    encoding, name = next(((e, n) for mark, e, n in _MARKS if content.startswith(mark)), ("utf-8", "UTF-8"))
    if name == "UTF-8" and 3 * content.count(0) > len(content):
        raise DataError(
            f"{path}: every second byte is 0, as in UTF-16 without a byte order mark; save the file as UTF-8"
        )
    try:
        return content.decode(encoding), name
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        before, behind = content[max(0, error.start - 12) : error.start], content[error.start : error.start + 12]
        seen = (before.splitlines() or [b""])[-1] + behind.splitlines()[0]
        hint = f"; in Windows-1252 it would read {seen.decode('cp1252', 'replace')!r}"
        hint = hint if name == "UTF-8" and not withheld else ""
        raise DataError(
            f"{path}, line {line}: not {name} (byte 0x{content[error.start]:02X}{hint}); "
            "save the file as UTF-8 (in a spreadsheet: CSV UTF-8)"
        ) from error


def read_delimited(text: str, path: Path, default: str) -> tuple[Rows, str]:
    """((place, row) of each line that is not blank, the delimiter). Raises DataError naming line and column."""
    said = _SEP_LINE.match(text)
    if said:
        text, delimiter = text[said.end() :], said[1]
    else:
        delimiter = _delimiter(text, default)
    csv.field_size_limit(2**31 - 1)
    spaced = f'{delimiter} "' in text  # blanks before quotation marks would make them part of the text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=spaced)
    rows: Rows = []
    header: list[str] = []
    above = 1 if said else 0
    start = above + 1
    try:
        for fields in reader:
            place, start = f"line {start}", above + reader.line_num + 1
            if not any(field.strip() for field in fields):
                continue
            if not header:
                header = _header(fields, path)
                continue
            while len(fields) > len(header) and not fields[-1].strip():
                fields.pop()
            if len(fields) != len(header):
                raise DataError(
                    f"{path}, {place}: the row and the header have different numbers of fields ({len(fields)} and "
                    f"{len(header)}: {delimiter.join(header):.60}); quote fields that hold a {DELIMITERS.get(delimiter, delimiter)}"
                )
            rows.append((place, _cells(header, fields, path, place)))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {start}: {error}; close every quotation mark, and double those inside a field"
        ) from error
    return rows, delimiter


def _cells(header: list[str], fields: list[str], path: Path, place: str) -> dict[str, str]:
    """The row by columns; one without a name must be empty."""
    for number, (name, field) in enumerate(zip(header, fields, strict=True), 1):
        if not name and field.strip():
            raise DataError(f"{path}, {place}: column {number} holds {field!r:.60} and has no name; give it one")
    return {name: field for name, field in zip(header, fields, strict=True) if name}


def _delimiter(text: str, default: str) -> str:
    """What splits the first two lines that are not blank into equally many fields, else the first one into most;
    `default` if none does better."""
    lines = list(islice((line for line in io.StringIO(text, newline=None) if line.strip()), 2))

    def evidence(delimiter: str) -> tuple[bool, int]:
        counts = [len(row) for row in csv.reader(lines, delimiter=delimiter)] or [0]
        return len(set(counts)) == 1 < counts[0], counts[0]

    return max((default, *DELIMITERS), key=evidence)


def _header(fields: list[str], path: Path) -> list[str]:
    """Names of columns; blank ones, as spreadsheets leave them, are no columns."""
    names = [field.strip() for field in fields]
    while names and not names[-1]:
        names.pop()
    for name, times in Counter(names).items():
        if times > 1 and name:
            raise DataError(
                f"{path}: column {name!r} stands {times} times in the header; give each column a name of its own"
            )
    return names
