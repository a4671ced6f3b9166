"""Rows from JSON Lines (plain or gzip), CSV and Parquet files; a bad line is named by file and number."""

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from .dataset import Table, check_row

SUFFIXES = (".jsonl.gz", ".jsonl", ".parquet", ".csv")


def read_table(
    path: Path, columns: Mapping[str, type | tuple[type, ...]], revision: str | None = None, withheld: bool = False
) -> Table:
    """All rows of `path`, each checked against `columns`. The revision is the content's digest unless given."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    rows = _parquet(path) if path.suffix == ".parquet" else _lines(path, content)
    checked = [check_row(row, columns, f"{path}, {where}", withheld) for where, row in rows]
    if not checked:
        raise DataError(f"{path} has no rows; expected at least one")
    places = [where for where, _ in rows]
    return Table(checked, str(path), revision or hashlib.sha256(content).hexdigest()[:16], places)


def _lines(path: Path, content: bytes) -> list[tuple[str, Any]]:
    if path.name.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error
    if path.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows = [(f"line {reader.line_num}", row) for row in reader]
        for where, row in rows:
            if None in row or None in row.values():
                raise DataError(
                    f"{path}, {where}: the row and the header have different numbers of fields; quote fields that hold commas"
                )
        return rows
    found: list[tuple[str, Any]] = []
    for number, entry in enumerate(text.split("\n"), 1):
        if entry.strip():
            try:
                found.append((f"line {number}", json.loads(entry)))
            except ValueError as error:
                raise DataError(f"{path}, line {number}: not JSON ({error}); expected one object a line") from error
    return found


def _parquet(path: Path) -> list[tuple[str, Any]]:
    from pyarrow import ArrowException, parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}); fetch it again") from error
    return [(f"row {number}", row) for number, row in enumerate(rows, 1)]
