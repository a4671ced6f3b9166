"""Cells of labelled rows: each kind of column with what it must hold; what is wrong is said without its place."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from math import isfinite
from pathlib import Path

from .dataset import Row

Entity = tuple[int, int, str]
FIELDS = ("start", "end", "label")


class BadCell(ValueError):
    """A cell that cannot be used: its column, and what it is and should be."""

    def __init__(self, column: str, value: object, expected: str):
        shown = "missing" if value is None else "empty" if not visible(str(value)) else f"{value!r:.60}"
        super().__init__(f"column {column!r} is {shown}; expected {expected}")


def visible(text: str) -> bool:
    return any(not char.isspace() and unicodedata.category(char) not in ("Cf", "Cc") for char in text)


def text_cell(column: str, row: Row, folder: Path) -> str:
    """A text, as it stands."""
    value = row.get(column)
    if not isinstance(value, str) or not visible(value):
        raise BadCell(column, value, "a text")
    return value


def label_cell(column: str, row: Row, folder: Path) -> str:
    """A word or a number, outer blanks aside."""
    value = row.get(column)
    if isinstance(value, bool):
        return str(value).lower()
    number = isinstance(value, (int, float)) and isfinite(value)
    text = str(value).strip() if number or isinstance(value, str) else ""
    if not visible(text):
        raise BadCell(column, value, "a label: a text or a number")
    return text


def transcript_cell(column: str, row: Row, folder: Path) -> str:
    """Words that are spoken, empty where none are."""
    value = row.get(column)
    if not isinstance(value, str):
        raise BadCell(column, value, "the words that are spoken, empty where there are none")
    return value


def entities_cell(column: str, row: Row, folder: Path) -> tuple[Entity, ...]:
    """A JSON list of {start, end, label}, characters of the row's text, `end` exclusive."""
    value, text = row.get(column), str(row.get("text") or "")
    if isinstance(value, str):
        value = _json(value) if visible(value) else []
    if not isinstance(value, list):
        raise BadCell(column, row.get(column), 'a JSON list such as [{"start": 0, "end": 4, "label": "PER"}]')
    entities = [_entity(column, each, text) for each in value]
    last: dict[str, Entity] = {}
    for entity in sorted(entities):
        start, end, label = entity
        before = last.setdefault(label.casefold(), entity)
        if before is not entity and start < before[1]:
            overlapping = f"two {label} that share characters {start} to {min(end, before[1])}"
            raise BadCell(column, overlapping, "entities of one label apart from each other")
        last[label.casefold()] = max(before, entity, key=lambda each: each[1])
    return tuple(entities)


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _entity(column: str, value: object, text: str) -> Entity:
    if not isinstance(value, Mapping) or any(name not in value for name in FIELDS):
        raise BadCell(column, value, f"of each entity {', '.join(FIELDS)}")
    start, end, label = (value[name] for name in FIELDS)
    whole = (
        isinstance(start, int) and isinstance(end, int) and not isinstance(start, bool) and not isinstance(end, bool)
    )
    if not whole or not 0 <= start < end <= len(text):
        raise BadCell(column, f"{start} to {end}", f"0 <= start < end <= {len(text)}, the characters of its text")
    if not isinstance(label, str) or not visible(label):
        raise BadCell(column, label, "an entity's label: a text")
    if not visible(text[start:end]):
        raise BadCell(column, f"{start} to {end}", "an entity in which something is to be seen, not blanks alone")
    if (words := value.get("text")) is not None and words != text[start:end]:
        raise BadCell(column, f"{words!r} at {start} to {end}", f"{text[start:end]!r}, which stands there")
    return start, end, label.strip()


def answers_cell(column: str, row: Row, folder: Path) -> tuple[str, ...]:
    """Accepted answers: a text, several with | between, or a JSON list; none where the text does not answer."""
    return tuple(_texts(column, row.get(column), "a text, texts with | between, or empty where there is no answer"))


def passages_cell(column: str, row: Row, folder: Path) -> tuple[str, ...]:
    """At least one text; several with | between, or a JSON list."""
    expected = "the passages that answer the query: a JSON list, or texts with | between"
    if not (passages := _texts(column, row.get(column), expected)):
        raise BadCell(column, row.get(column), expected)
    return tuple(passages)


def _texts(column: str, value: object, expected: str) -> list[str]:
    if isinstance(value, str):
        parsed = _json(value) if value.lstrip().startswith("[") else None
        value = parsed if isinstance(parsed, list) else value.split("|")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        value = [str(value)]
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadCell(column, value, expected)
    return list(dict.fromkeys(each.strip() for each in value if visible(each)))


def file_cell(column: str, row: Row, folder: Path) -> Path:
    """A file that can be read; its path is seen from the folder of the table."""
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise BadCell(column, value, "the path of a file, seen from the folder of this table")
    path = folder / value.strip()
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        raise BadCell(column, value, f"a file that can be read, seen from {folder} ({reason})") from error
    if empty:
        raise BadCell(column, value, "a file that is not empty")
    return path


def content_of(path: Path) -> bytes:
    """The digest of a file's content."""
    with path.open("rb") as file:
        digest = sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.digest()


CELLS: Mapping[str, Callable[[str, Row, Path], object]] = {
    "text": text_cell,
    "source": text_cell,
    "target": text_cell,
    "summary": text_cell,
    "context": text_cell,
    "question": text_cell,
    "query": text_cell,
    "label": label_cell,
    "entities": entities_cell,
    "answer": answers_cell,
    "relevant": passages_cell,
    "audio": file_cell,
    "image": file_cell,
}


def cells_of(columns: Sequence[str], row: Row, folder: Path) -> dict[str, object]:
    """The cells of a row by column. Raises BadCell for the first that cannot be used."""
    reader = dict(CELLS) | ({"text": transcript_cell} if "audio" in columns else {})
    return {column: reader[column](column, row, folder) for column in columns}
