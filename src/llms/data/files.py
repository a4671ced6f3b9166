"""Rows from JSON, JSON Lines, CSV, TSV (each plain or gzip) and Parquet files; a bad row is named by file and place."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..settings import refuse_database
from .dataset import Table, check_row
from .delimited import DELIMITERS, decode, read_delimited

SUFFIXES = (".jsonl.gz", ".jsonl", ".parquet", ".csv")
Placed = list[tuple[str, Any]]
Pairs = Callable[[list[tuple[str, Any]]], Any]


def read_table(
    path: Path,
    columns: Mapping[str, type | tuple[type, ...]],
    revision: str | None = None,
    withheld: bool = False,
    pairs: Pairs | None = None,
) -> Table:
    """All rows of `path`, each checked against `columns`. The revision is the content's digest unless given.

    `pairs` makes a JSON object of its (name, value) pairs; a ValueError of its names the row.
    """
    refuse_database(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if format_of(path.name) == "parquet":
        rows, form = _parquet(path), "Parquet"
    else:
        rows, form = _text_rows(path, content, pairs, withheld)
    checked = [check_row(row, columns, f"{path}, {where}", withheld) for where, row in rows]
    if not checked:
        raise DataError(f"{path} has no rows; expected at least one")
    places = [where for where, _ in rows]
    return Table(checked, str(path), revision or hashlib.sha256(content).hexdigest()[:16], places, form)


def format_of(name: str) -> str:
    """`csv`, `tsv`, `json`, `jsonl`, `parquet` or what else the name ends in, in any case, `.gz` left out."""
    return name.lower().removesuffix(".gz").rpartition(".")[2]


def _text_rows(path: Path, content: bytes, pairs: Pairs | None, withheld: bool) -> tuple[Placed, str]:
    """The rows, and in words what the file turned out to be."""
    zipped = path.name.lower().endswith(".gz")
    if zipped:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    text, encoding = decode(content, path, withheld)
    form, zipped_note = format_of(path.name), ", gzip" * zipped
    if form in ("csv", "tsv"):
        found, delimiter = read_delimited(text, path, "\t" if form == "tsv" else ",")
        name = f"fields separated by {DELIMITERS.get(delimiter, repr(delimiter))}s"
        return list(found), f"{form.upper()}, {name}, {encoding}{zipped_note}"
    if form == "json" and text.lstrip().startswith("["):
        return _json_list(text, path, pairs), f"JSON, {encoding}{zipped_note}"
    if form == "json":
        _refuse_one_object(text, path)
    return _json_lines(text, path, pairs), f"JSON Lines, {encoding}{zipped_note}"


def _json_list(text: str, path: Path, pairs: Pairs | None) -> Placed:
    try:
        return [(f"row {number}", row) for number, row in enumerate(json.loads(text, object_pairs_hook=pairs), 1)]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); expected a list of objects") from error


def _refuse_one_object(text: str, path: Path) -> None:
    """Raise DataError where the whole text is one object with the rows inside it."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return
    lists = [name for name, value in whole.items() if isinstance(value, list)] if isinstance(whole, dict) else []
    if lists and "question" not in {name.strip().casefold() for name in whole}:
        raise DataError(
            f"{path}: one object with {', '.join(whole):.60}; expected the list of objects itself ({lists[0]})"
        )


def _json_lines(text: str, path: Path, pairs: Pairs | None) -> Placed:
    found: Placed = []
    for number, entry in enumerate(text.split("\n"), 1):
        if entry.strip():
            try:
                found.append((f"line {number}", json.loads(entry, object_pairs_hook=pairs)))
            except (ValueError, RecursionError) as error:
                form = "a list of objects" if format_of(path.name) == "json" else "one object a line"
                raise DataError(f"{path}, line {number}: not JSON ({error}); expected {form}") from error
    return found


def _parquet(path: Path) -> Placed:
    from pyarrow import ArrowException, parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}); fetch it again") from error
    return [(f"row {number}", row) for number, row in enumerate(rows, 1)]
