"""The user's own benchmark: one CSV, TSV, JSON, JSON Lines or Parquet file, plain or gzip.

question, choices, answer    multiple choice: `choices` is a list (in CSV a JSON list, or texts separated by |),
                             `answer` a choice's text, its letter (A, B …) or, as a number, its index from 0; where it
                             could be several of these, the text wins, and `notices` say so
question, answer             open: the answer is generated and compared as --scorer says
question, answers            open, with several accepted answers: a list (in CSV a JSON list, or separated by |)
id                           optional: a name for each row, none twice
anything else                metadata: for --by and the fields of --prompt
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import DataError
from .dataset import Dataset, Row, Table
from .files import format_of, read_table
from .source import Kind

KNOWN = ("question", "choices", "answer", "answers", "id")
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet")
SLIPS = 2  # letters by which a column's name may differ from a missing one and be taken for a slip of it


def is_file(spec: str) -> bool:
    return format_of(spec) in FORMATS


@dataclass(frozen=True)
class OwnTable:
    """A file as a Source of one table. `choices` tells which of the two shapes it has, `metadata` the further columns.

    Rows hold `question`, metadata, and `answer`: of choices the index of the right one, else a text; `answers` are all
    that are accepted. `notices` say how ambiguous cells were read; `reread`, that some were once read otherwise.
    """

    name: str
    choices: bool
    content: Table
    metadata: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    reread: bool = False

    @property
    def kind(self) -> Kind:
        return "file"

    def has(self, dataset: Dataset, config: str, split: str) -> bool:
        return True

    def table(self, dataset: Dataset, config: str, split: str) -> Table:
        return self.content


@dataclass
class _Readings:
    """How answers that could be a text, a letter or an index were read."""

    notices: list[str] = field(default_factory=list)
    reread: bool = False


def read(path: Path) -> OwnTable:
    """The file's rows, every answer found among its choices. Raises DataError naming the row and the column."""
    if not path.is_file():
        raise DataError(
            f"the data file {path} does not exist; expected one of {', '.join(f'.{form}' for form in FORMATS)} "
            "with question, answer and perhaps choices"
        )
    table = read_table(path, {}, pairs=_object)
    named = [_named(row, table.place(number)) for number, row in enumerate(table.rows)]
    columns = list(dict.fromkeys(name for row in named for name in row))
    _check_columns(columns, path)
    _check_shapes(named, columns, path)
    choices = "choices" in columns
    readings = _Readings()
    rows = [_row(row, columns, f"{path}, row {n}", readings) for n, row in enumerate(named, 1)]
    _check_ids(named, path)
    metadata = tuple(name for name in columns if name not in KNOWN)
    if not choices and (lettered := _lettered(rows, metadata)):
        readings.notices.insert(0, f"{path}: {lettered}")
    content = Table(rows, table.origin, table.revision, form=table.form)
    return OwnTable(path.name.split(".")[0], choices, content, metadata, tuple(readings.notices), readings.reread)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one that names a column twice is refused rather than halved."""
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise ValueError(f"column {name!r} stands {times} times in one object")
    return dict(pairs)


def _named(row: Row, place: str) -> dict[str, Any]:
    """The row, known columns under their own names whatever their case and outer blanks."""
    renamed: dict[str, Any] = {}
    for name, value in row.items():
        name = name.strip()
        name = name.casefold() if name.casefold() in KNOWN else name
        if name in renamed:
            raise DataError(f"{place}: column {name!r} stands twice; give each column a name of its own")
        renamed[name] = value
    return renamed


def _check_columns(columns: Sequence[str], path: Path) -> None:
    missing = [name for name in ("question", "choices") if name not in columns]
    missing += ["answer", "answers"] if not {"answer", "answers"} & set(columns) else []
    for column in columns:
        near = [name for name in missing if _distance(column.casefold(), name) <= SLIPS]
        if column not in KNOWN and near:
            raise DataError(f"{path}: unknown column {column!r}; did you mean {near[0]}? Rename it, if not")
    if absent := [name for name in missing if name in ("question", "answer")]:
        raise DataError(
            f"{path}: no column {absent[0]!r}; found {', '.join(columns)}; expected question, and answer or answers"
        )
    if "answers" in columns and (other := {"answer", "choices"} & set(columns)):
        raise DataError(
            f"{path}: columns 'answers' and {sorted(other)[0]!r}; expected answer, or answers for several accepted ones"
        )


def _check_shapes(rows: Sequence[Row], columns: Sequence[str], path: Path) -> None:
    for number, row in enumerate(rows, 1):
        for name in columns:
            if name in KNOWN and (name in row) != (name in rows[0]):
                has = "no" if name in rows[0] else "a"
                raise DataError(
                    f"{path}, row {number}: {has} column {name!r}, unlike row 1; all rows must have the same shape"
                )


def _lettered(rows: Sequence[Row], metadata: Sequence[str]) -> str:
    """What to say where each answer names a column of the file, so that columns seem to be choices."""
    columns = {name.casefold() for name in metadata}
    if not all(row["answer"].strip().casefold() in columns for row in rows):
        return ""
    return (
        f"each answer is the name of a column, such as {rows[0]['answer']!r}; it is read as a text, and what stands in that column is "
        "not shown to the model. Choices go into one column choices, separated by |"
    )


def _distance(a: str, b: str) -> int:
    """Letters to insert, delete, replace (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def _check_ids(rows: Sequence[Row], path: Path) -> None:
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        if "id" in row:
            if row["id"] is None or not str(row["id"]).strip():
                raise DataError(
                    f"{path}, row {number}: column 'id' is empty; give each row an id, or leave out the column"
                )
            first = seen.setdefault(str(row["id"]), number)
            if first != number:
                raise DataError(
                    f"{path}, row {number}: id {row['id']!r} stands in row {first} already; each must be unique"
                )


def _row(row: Row, columns: Sequence[str], place: str, readings: _Readings) -> Row:
    for name in columns:
        _check_text(str(row.get(name)), name, place)
    further = {name: "" if row.get(name) is None else row[name] for name in columns if name not in KNOWN}
    question = row["question"]
    if not isinstance(question, str) or not _visible(question):
        raise DataError(f"{place}: column 'question' is {_seen(question)}; expected a text")
    if "answers" in columns:
        answers = tuple(dict.fromkeys(_listed(row["answers"], "answers", place, 1)))
        return {**further, "question": question, "answer": answers[0], "answers": answers}
    answer = _scalar(row["answer"], "answer", place)
    if "choices" not in columns:
        if "|" in answer:
            readings.notices.append(
                f"{place}: answer {answer!r:.60} is read as one text; several accepted ones go into a column answers"
            )
        return {**further, "question": question, "answer": answer, "answers": (answer,)}
    options = _listed(row["choices"], "choices", place, 2)
    for option, times in Counter(options).items():
        if times > 1:
            raise DataError(f"{place}: column 'choices' holds {option!r} {times} times; each choice must differ")
    index = _index(answer, isinstance(row["answer"], int), options, place, readings)
    return {**further, "question": question, "choices": options, "answer": index}


def _check_text(text: str, column: str, place: str) -> None:
    """Raise DataError for what no model, store or screen can take as text."""
    if "\0" in text:
        raise DataError(f"{place}: column {column!r} holds a NUL character; save the file as plain UTF-8 text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{place}: column {column!r} holds half a character (\\u{ord(text[error.start]):04x} without its other half); "
            "write the whole one, or leave it out"
        ) from error


def _visible(text: str) -> bool:
    return any(not char.isspace() and unicodedata.category(char) != "Cf" for char in text)


def _scalar(value: Any, column: str, place: str) -> str:
    """A text as it stands, or a number as its text."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    text = str(value) if number else value
    if not isinstance(text, str) or not text.strip():
        several = (
            "; several accepted ones go into a column answers" if isinstance(value, list) and column == "answer" else ""
        )
        raise DataError(f"{place}: column {column!r} is {_seen(value)}; expected a text or a number{several}")
    return text


def _listed(value: Any, column: str, place: str, least: int) -> list[str]:
    """A list of texts, from a list, a JSON list, or a text with | between."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value) if value.lstrip().startswith("[") else None
        except ValueError:
            parsed = None
        value = parsed if isinstance(parsed, list) else value.split("|")
    elif not isinstance(value, list):
        value = [value]
    parts = [_scalar(part, column, place).strip() for part in value]
    if len(parts) < least:
        raise DataError(
            f"{place}: column {column!r} is {_seen('|'.join(parts))}; expected at least {'two texts' if least == 2 else 'one text'} "
            "(in CSV separated by |)"
        )
    return parts


def _seen(value: Any) -> str:
    return "empty" if value is None or not _visible(str(value)) else f"{value!r:.60}"


def _index(answer: str, is_index: bool, options: list[str], place: str, readings: _Readings) -> int:
    """Which choice is meant; a text that is one of them comes before a letter or an index."""
    answer = answer.strip()
    alike = [i for i, option in enumerate(options) if _folded(option) == _folded(answer)]
    by_text = options.index(answer) if answer in options else alike[0] if len(alike) == 1 else None
    if len(answer) == 1 and answer.isascii() and answer.isalpha():
        other, sort = ord(answer.upper()) - ord("A"), "letter"
    else:
        other, sort = int(answer) if answer.isascii() and answer.isdigit() and len(answer) < 10 else -1, "index from 0"
    if not 0 <= other < len(options):
        other = -1
    if by_text is None:
        if other < 0:
            raise DataError(
                f"{place}: answer {answer!r} is none of the choices, nor the letter or (from 0) the index of one; "
                f"they are {_seen(' | '.join(options))}"
            )
        return other
    if other not in (-1, by_text):
        readings.reread = readings.reread or is_index or answer not in options
        readings.notices.append(
            f"{place}: answer {answer!r} is read as the choice {options[by_text]!r}, not as the {sort} of {options[other]!r}: "
            "a choice's text comes first"
        )
    return by_text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
