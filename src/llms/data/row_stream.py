"""The rows of a file one after another, read once and never held together: CSV, TSV, JSON, JSON Lines (plain or gzip), Parquet.

A row that cannot be read is a BadRow with its file and line; those after it are read all the same.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..errors import DataError, LlmsError
from ..settings import refuse_database
from .dataset import Row
from .delimited import SEP_LINE, cells_of, delimiter_of, header_of
from .files import format_of
from .text_file import MARKS

FORMS = ("csv", "tsv", "json", "jsonl", "parquet")
AHEAD = 1 << 16  # characters of a text that are looked at to see how it is written
LONGEST = 1 << 26  # characters of one item of a JSON list
BATCH = 1000  # rows of Parquet that are read together


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row and where it stands: `rows.csv, line 7`."""

    location: str
    row: Row


@dataclass(frozen=True, slots=True)
class BadRow:
    """Where something stands that is no row, and what is wrong with it."""

    location: str
    reason: str

    def __str__(self) -> str:
        return f"{self.location}: {self.reason}"


StreamedRow: TypeAlias = "PlacedRow | BadRow"


def is_row_file(name: str) -> bool:
    """Whether a name ends like a file of rows."""
    return format_of(name) in FORMS


def stream_rows(path: Path) -> Iterator[StreamedRow]:
    """The rows of `path` in their order. Raises DataError for a file that is not there or not of its format at all."""
    refuse_database(path)
    form = format_of(path.name)
    if form not in FORMS:
        raise DataError(f"{path} is not one of .csv, .tsv, .json, .jsonl, .parquet; save or export it as one of them")
    if not path.is_file():
        raise DataError(f"the file {path} does not exist; expected one of .csv, .tsv, .json, .jsonl, .parquet")
    if form == "parquet":
        return _parquet(path)
    return _text_rows(path, form)


def _text_rows(path: Path, form: str) -> Iterator[StreamedRow]:
    with _text(path) as file:
        beginning = file.read(AHEAD)
    with _text(path) as file:
        try:
            if form in ("csv", "tsv"):
                yield from _delimited(file, path, beginning, "\t" if form == "tsv" else ",")
            elif form == "json" and beginning.lstrip().startswith("["):
                yield from _json_list(file, path)
            else:
                yield from _json_lines(file, path)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} cannot be read to its end ({error}); fetch it again") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is no whole text ({error.reason}); save it as UTF-8") from error


@contextmanager
def _text(path: Path) -> Iterator[io.TextIOWrapper]:
    """The file as text. Bytes that are no UTF-8 come as lone surrogates, for `_row_of` to name."""
    try:
        with path.open("rb") as raw:
            source = gzip.GzipFile(fileobj=raw) if path.name.lower().endswith(".gz") else raw
            head = source.read(4)
            source.seek(0)
            codec = next((codec for mark, codec, _ in MARKS if head.startswith(mark)), "utf-8")
            errors = "surrogateescape" if codec == "utf-8" else "strict"
            with io.TextIOWrapper(source, "utf-8-sig" if codec == "utf-8" else codec, errors, newline="") as text:
                yield text
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


NO_TEXT = "bytes that are no UTF-8, or half a character; save the file as plain UTF-8 text"


def _delimited(file: io.TextIOWrapper, path: Path, beginning: str, default: str) -> Iterator[StreamedRow]:
    named, above = SEP_LINE.match(beginning), 1
    delimiter = named[1] if named else delimiter_of(beginning[: beginning.rfind("\n") + 1] or beginning, default)
    if named:
        file.readline()
        above = 2
    csv.field_size_limit(2**31 - 1)
    spaced = f'{delimiter} "' in beginning  # blanks before quotation marks would make them part of the text
    reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=spaced)
    header: list[str] = []
    while True:
        location = f"{path}, line {above + reader.line_num}"
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(location, f"{error}; close every quotation mark, and double those inside a field")
            continue
        if not any(field.strip() for field in fields):
            continue
        if not header:
            header = header_of(fields, path)
            continue
        if not _whole("".join(fields)):
            yield BadRow(location, NO_TEXT)
            continue
        try:
            row = cells_of(header, fields, delimiter, location)
        except DataError as error:
            yield BadRow(location, str(error).removeprefix(f"{location}: "))
            continue
        yield PlacedRow(location, row)


def _row_of(value: object, location: str) -> StreamedRow:
    if not isinstance(value, dict):
        return BadRow(location, f"a {type(value).__name__}, {value!r:.40}; a row is one JSON object")
    return PlacedRow(location, value)


def _json_lines(file: io.TextIOWrapper, path: Path) -> Iterator[StreamedRow]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        location = f"{path}, line {number}"
        if not _whole(line):
            yield BadRow(location, NO_TEXT)
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(location, f"not JSON ({error}); expected one object a line")
            continue
        yield _row_of(value, location)


def _json_list(file: io.TextIOWrapper, path: Path) -> Iterator[StreamedRow]:
    """The items of one JSON list, each read when enough of the text is there. What is broken ends it: nobody can say where
    the next item begins."""
    decoder, text, at, size, number = json.JSONDecoder(), "", 0, AHEAD, 0
    ended = False
    while True:
        while at < len(text) and (text[at].isspace() or text[at] == ("[" if number == 0 else ",")):
            number, at = number + (text[at] in "[,"), at + 1
        if at < len(text) and text[at] == "]":
            return
        location = f"{path}, row {number}"
        try:
            value, end = decoder.raw_decode(text, at)
            if end < len(text) or ended:  # a number at the end may go on
                yield _row_of(value, location) if _whole(text[at:end]) else BadRow(location, NO_TEXT)
                at = end
                continue
        except (ValueError, RecursionError) as error:
            if ended or len(text) - at > LONGEST:
                raise DataError(f"{location}: not JSON ({error}); expected a list of objects") from error
        more = file.read(size)
        ended = not more
        text, at, size = text[at:] + more, 0, size * 2 if at == 0 else AHEAD


def _parquet(path: Path) -> Iterator[StreamedRow]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield PlacedRow(f"{path}, row {number}", row)
    except LlmsError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}); fetch it again") from error
