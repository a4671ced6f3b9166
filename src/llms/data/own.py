"""The user's own benchmark: one CSV or JSON Lines file.

question, choices, answer    multiple choice: `choices` is a list (in CSV: texts separated by |),
                             `answer` a choice's text, its letter (A, B …) or, as a number, its index from 0
question, answer             open: the answer is generated and compared, case and punctuation aside
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .dataset import Dataset, Row, Table
from .files import read_table
from .source import Kind

ALLOWED = {"question", "choices", "answer"}


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


def read(path: Path) -> OwnTable:
    """The file's rows, every answer found among its choices. Raises DataError naming the line and the column."""
    if not path.is_file():
        raise DataError(
            f"the data file {path} does not exist; expected a .csv or .jsonl with question, answer and perhaps choices"
        )
    table = read_table(path, {"question": str, "answer": (str, int)})
    choices = "choices" in table.rows[0]
    rows: Sequence[Row] = [_row(row, choices, f"{path}, row {number}") for number, row in enumerate(table.rows, 1)]
    return OwnTable(path.name.split(".")[0], choices, Table(rows, table.origin, table.revision))


def _row(row: Row, choices: bool, place: str) -> Row:
    unknown = sorted(set(row) - ALLOWED)
    if unknown:
        raise DataError(f"{place}: unknown column {unknown[0]!r}; expected {', '.join(sorted(ALLOWED))}")
    if ("choices" in row) != choices:
        raise DataError(
            f"{place}: {'no' if choices else 'a'} column 'choices', unlike row 1; all rows must have the same shape"
        )
    if not choices:
        return {"question": row["question"], "answer": str(row["answer"])}
    options = row["choices"].split("|") if isinstance(row["choices"], str) else row["choices"]
    if not isinstance(options, list) or len(options) < 2 or not all(isinstance(o, str) and o.strip() for o in options):
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
