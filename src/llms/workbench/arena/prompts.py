"""Prompts from a file: text with one a line, or a column of a CSV, TSV, JSON, JSON Lines or Parquet file."""

from collections.abc import Iterable
from pathlib import Path

from ...data.files import format_of, read_table
from ...data.text_file import TextFile
from ...errors import DataError, UsageError

COLUMNS = ("prompt", "question")
TABLES = ("csv", "tsv", "json", "jsonl", "parquet")


def read_prompts(path: Path, column: str | None = None) -> list[str]:
    """The different prompts of a file, in order. `column` names theirs; else it is `prompt`, or `question`. Raises UsageError
    for a file without prompts, DataError for one that cannot be read."""
    if format_of(path.name) not in TABLES:
        if column is not None:
            raise UsageError(f"{path} is read as text, one prompt a line; --column is for CSV, TSV, JSON and Parquet")
        return different(TextFile(path).text().splitlines(), str(path))
    rows = read_table(path, {}).rows
    names = [column] if column else [name for name in COLUMNS if name in rows[0]]
    if not names or names[0] not in rows[0]:
        wanted = column or " or ".join(COLUMNS)
        raise UsageError(f"{path} has no column {wanted}; it has {', '.join(rows[0])}. Name one by --column")
    prompts = []
    for number, row in enumerate(rows, 1):
        if not isinstance(text := row.get(names[0]), str):
            raise DataError(f"{path}, row {number}: {names[0]} is {text!r:.60}; expected a text")
        prompts.append(text)
    return different(prompts, str(path))


def different(lines: Iterable[str], origin: str) -> list[str]:
    """The texts that are not blank, each once. Raises UsageError where there is none."""
    prompts = list(dict.fromkeys(text for line in lines if (text := line.strip())))
    if not prompts:
        raise UsageError(f"{origin} holds no prompt; write one a line")
    return prompts
