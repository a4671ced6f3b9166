"""The user's own benchmark: one CSV or JSON Lines file.

question, choices, answer    multiple choice: `choices` is a list (in CSV: texts separated by |),
                             `answer` a choice's text, its letter (A, B …) or, as a number, its index from 0
question, answer             open: the answer is generated and compared as --scorer says
id                           optional: a name for each row, none twice
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ..errors import DataError
from .dataset import Dataset, Row, Table
from .files import read_table
from .source import Kind

ALLOWED = ("question", "choices", "answer", "id")


def is_file(spec: str) -> bool:
    return spec.endswith((".csv", ".jsonl", ".jsonl.gz"))


@dataclass(frozen=True)
class OwnTable:
    """A file as a Source of one table. `choices` tells which of the two shapes it has."""

    name: str
    choices: bool
    content: Table

    @property
    def kind(self) -> Kind:
        return "file"

    def has(self, dataset: Dataset, config: str, split: str) -> bool:
        return True

    def table(self, dataset: Dataset, config: str, split: str) -> Table:
        return self.content


def read(path: Path, patterns: bool = False) -> OwnTable:
    """The file's rows, every answer found among its choices. Raises DataError naming the row and the column.

    `patterns`: answers are regular expressions, and must compile.
    """
    if not path.is_file():
        raise DataError(
            f"the data file {path} does not exist; expected a .csv or .jsonl with question, answer and perhaps choices"
        )
    table = read_table(path, {})
    _check_columns(table.rows[0], path)
    table = read_table(path, {"question": str, "answer": (str, int)})
    choices = "choices" in table.rows[0]
    rows: Sequence[Row] = [_row(row, choices, f"{path}, row {number}") for number, row in enumerate(table.rows, 1)]
    _check_ids(table.rows, path)
    for number, row in enumerate(rows if patterns and not choices else (), 1):
        try:
            re.compile(row["answer"])
        except re.error as error:
            raise DataError(
                f"{path}, row {number}: answer {row['answer']!r} is no regular expression: {error}"
            ) from error
    return OwnTable(path.name.split(".")[0], choices, Table(rows, table.origin, table.revision))


def _check_columns(row: Row, path: Path) -> None:
    if len(row) == 1 and (found := re.search(r"[;\t]", only := next(iter(row)))):
        raise DataError(f"{path}: one column, {only!r}; is the delimiter {found.group()!r}? Expected commas")
    for column in row:
        if column not in ALLOWED:
            near = get_close_matches(column, ALLOWED, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(ALLOWED)}"
            raise DataError(f"{path}, row 1: unknown column {column!r}; {hint}")


def _check_ids(rows: Sequence[Row], path: Path) -> None:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        if "id" in row:
            first = seen.setdefault(str(row["id"]), number)
            if first != number:
                raise DataError(
                    f"{path}, row {number}: id {row['id']!r} stands in row {first} already; each must be unique"
                )


def _row(row: Row, choices: bool, place: str) -> Row:
    unknown = sorted(set(row) - set(ALLOWED))
    if unknown:
        raise DataError(f"{place}: unknown column {unknown[0]!r}; expected {', '.join(ALLOWED)}")
    if ("choices" in row) != choices:
        raise DataError(
            f"{place}: {'no' if choices else 'a'} column 'choices', unlike row 1; all rows must have the same shape"
        )
    if not choices:
        return {"question": row["question"], "answer": str(row["answer"])}
    options = row["choices"].split("|") if isinstance(row["choices"], str) else row["choices"]
    if (
        not isinstance(options, list)
        or len(options) < 2
        or not all(isinstance(option, str) and option.strip() for option in options)
    ):
        raise DataError(
            f"{place}: column 'choices' is {row['choices']!r:.60}; expected at least two texts (in CSV separated by |)"
        )
    options = [option.strip() for option in options]
    return {"question": row["question"], "choices": options, "answer": _index(row["answer"], options, place)}


def _index(answer: str | int, options: list[str], place: str) -> int:
    if isinstance(answer, str) and answer.strip() in options:
        return options.index(answer.strip())
    if isinstance(answer, str) and len(answer.strip()) == 1 and answer.strip().isalpha():
        index = ord(answer.strip().upper()) - ord("A")
    else:
        index = int(answer) if str(answer).strip().isdigit() else -1
    if not 0 <= index < len(options):
        raise DataError(f"{place}: answer {answer!r} is none of the choices, nor a letter or index of one")
    return index
