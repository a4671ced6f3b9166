"""A user's CSV file as a table of a database of its own, for questions in SQL."""

import csv
import sqlite3
from pathlib import Path

from ..errors import DataError
from ..settings import refuse_database


def read_table(path: Path, target: Path, name: str) -> None:
    """A CSV or TSV file as a table; numbers become numbers. Raises DataError with the line that has other columns."""
    refuse_database(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    rows = list(csv.reader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    if len(rows) < 2:
        raise DataError(f"{path} has no rows under its header")
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(rows[0]):
            raise DataError(f"{path}, line {line}: {len(row)} columns; the header has {len(rows[0])}")
    columns = ", ".join(f'"{column.replace(chr(34), "")}"' for column in rows[0])
    marks = ", ".join("?" * len(rows[0]))
    db = sqlite3.connect(target)
    try:
        with db:
            db.execute(f'CREATE TABLE "{name}" ({columns})')
            db.executemany(
                f'INSERT INTO "{name}" VALUES ({marks})', ([_number(cell) for cell in row] for row in rows[1:])
            )
    finally:
        db.close()


def _number(cell: str) -> int | float | str | None:
    """The value of a cell; None for an empty one."""
    for number in (int, float):
        try:
            return number(cell)
        except ValueError:
            continue
    return cell if cell.strip() else None


def identifier(text: str) -> str:
    """`text` as the name of a table."""
    return "".join(c if c.isalnum() else "_" for c in text) or "table"
