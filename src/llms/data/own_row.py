"""A row of the user's own file: which columns it has, what it asks, and which answer is right; what is wrong is named."""

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from ..errors import DataError
from .dataset import Row

KNOWN = ("question", "choices", "answer", "answers", "id")
SLIPS = 2  # letters by which a column's name may differ from a missing one and be taken for a slip of it
MOST_NOTICES = 20  # that are kept; further ones are counted


@dataclass
class Readings:
    """How answers that could be a text, a letter or an index were read."""

    notices: list[str] = field(default_factory=list)
    unlisted: int = 0
    reread: bool = False

    def note(self, notice: str) -> None:
        if len(self.notices) < MOST_NOTICES:
            self.notices.append(notice)
        else:
            self.unlisted += 1


def whole_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; one that names a column twice is refused rather than halved."""
    result = dict(pairs)
    if len(result) < len(pairs):
        name, times = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"column {name!r} appears {times} times in one object")
    return result


def known_name(name: str) -> str:
    """A column's name: a known one whatever its case and outer blanks."""
    name = name.strip()
    return name.casefold() if name.casefold() in KNOWN else name


def named(row: Row, location: str) -> Row:
    """The row, known columns under their own names whatever their case and outer blanks."""
    if all(name in KNOWN or (name == name.strip() and name.casefold() not in KNOWN) for name in row):
        return row
    renamed: dict[str, object] = {}
    for name, value in row.items():
        name = known_name(name)
        if name in renamed:
            raise DataError(f"{location}: column {name!r} appears twice; give each column a name of its own")
        renamed[name] = value
    return renamed


def check_columns(columns: Sequence[str], path: Path) -> None:
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


def _distance(a: str, b: str) -> int:
    """Letters to insert, delete, replace (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def make_row(row: Row, columns: Sequence[str], location: str, readings: Readings) -> Row:
    for name in columns:
        _check_text(str(row.get(name)), name, location)
    further = {name: "" if row.get(name) is None else row[name] for name in columns if name not in KNOWN}
    question = row["question"]
    if not isinstance(question, str) or not _visible(question):
        raise DataError(f"{location}: column 'question' is {_seen(question)}; expected a text")
    if "answers" in columns:
        answers = tuple(dict.fromkeys(_listed(row["answers"], "answers", location, 1)))
        return {**further, "question": question, "answer": answers[0], "answers": answers}
    answer = _scalar(row["answer"], "answer", location)
    if "choices" not in columns:
        if "|" in answer:
            readings.note(
                f"{location}: answer {answer!r:.60} is read as one text; several accepted ones go into a column answers"
            )
        return {**further, "question": question, "answer": answer, "answers": (answer,)}
    options = _listed(row["choices"], "choices", location, 2)
    for option, times in Counter(options).items():
        if times > 1:
            raise DataError(f"{location}: column 'choices' holds {option!r} {times} times; each choice must differ")
    index = _index(answer, isinstance(row["answer"], int), options, location, readings)
    return {**further, "question": question, "choices": options, "answer": index}


def _check_text(text: str, column: str, location: str) -> None:
    """Raise DataError for what no model, store or screen can take as text."""
    if "\0" in text:
        raise DataError(f"{location}: column {column!r} holds a NUL character; save the file as plain UTF-8 text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{location}: column {column!r} holds half a character (\\u{ord(text[error.start]):04x} without its other half); "
            "write the whole one, or leave it out"
        ) from error


def _visible(text: str) -> bool:
    return any(not char.isspace() and unicodedata.category(char) != "Cf" for char in text)


def _scalar(value: object, column: str, location: str) -> str:
    """A text as it stands, or a number as its text."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    text = str(value) if number else value
    if not isinstance(text, str) or not text.strip():
        several = (
            "; several accepted ones go into a column answers" if isinstance(value, list) and column == "answer" else ""
        )
        raise DataError(f"{location}: column {column!r} is {_seen(value)}; expected a text or a number{several}")
    return text


def _listed(value: object, column: str, location: str, least: int) -> list[str]:
    """A list of texts, from a list, a JSON list, or a text with | between."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value) if value.lstrip().startswith("[") else None
        except ValueError:
            parsed = None
        value = parsed if isinstance(parsed, list) else value.split("|")
    elif not isinstance(value, list):
        value = [value]
    parts = [_scalar(part, column, location).strip() for part in value]
    if len(parts) < least:
        raise DataError(
            f"{location}: column {column!r} is {_seen('|'.join(parts))}; expected at least {'two texts' if least == 2 else 'one text'} "
            "(in CSV separated by |)"
        )
    return parts


def _seen(value: object) -> str:
    return "empty" if value is None or not _visible(str(value)) else f"{value!r:.60}"


def _index(answer: str, is_index: bool, options: list[str], location: str, readings: Readings) -> int:
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
                f"{location}: answer {answer!r} is not one of the choices, nor the letter or (from 0) the index of one; "
                f"they are {_seen(' | '.join(options))}"
            )
        return other
    if other not in (-1, by_text):
        readings.reread = readings.reread or is_index or answer not in options
        readings.note(
            f"{location}: answer {answer!r} is read as the choice {options[by_text]!r}, not as the {sort} of {options[other]!r}: "
            "a choice's text comes first"
        )
    return by_text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
