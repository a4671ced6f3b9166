"""Rows of a task as a language model writes them: the schema of its answer, and the check that makes a row of what it wrote.

It knows columns, not tasks: `text` and `label`, `text` and `entities`, `context`, `question` and `answer`, and other texts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..values import Json, JsonObject

SHAPES: Mapping[tuple[str, ...], tuple[str, ...]] = {  # columns of a task: what the model writes, in this order
    ("text", "label"): ("label", "text"),
    ("text", "entities"): ("text", "entities"),
    ("context", "question", "answer"): ("context", "question", "answer"),
    ("text", "summary"): ("text", "summary"),
    ("source", "target"): ("source", "target"),
    ("query", "relevant"): ("query", "relevant"),
}
BOUNDS: Mapping[str, tuple[int, int]] = {
    "context": (20, 6000),
    "answer": (1, 300),
    "question": (5, 500),
    "query": (3, 500),
}
USUAL_BOUNDS = (8, 4000)  # characters of any other text


@dataclass(frozen=True, slots=True)
class BadMade:
    """Why something that was written is no row: `reason` is one of few, `example` what was written."""

    reason: str
    example: str


def made_schema(columns: tuple[str, ...], labels: Sequence[str], count: int, longest: int = 0) -> JsonObject:
    """The JSON schema of an answer with `count` rows, of texts of at most `longest` characters (0: any)."""
    text: JsonObject = {"type": "string", "maxLength": longest} if longest else {"type": "string"}
    label: JsonObject = {"type": "string", "enum": list(labels)} if labels else {"type": "string"}
    entity = _object({"text": {"type": "string"}, "label": label})
    kinds: Mapping[str, JsonObject] = {"label": label, "entities": {"type": "array", "items": entity}}
    row = _object({name: kinds.get(name, text) for name in SHAPES[columns]})
    return _object({"rows": {"type": "array", "items": row, "minItems": count, "maxItems": count}})


def _object(properties: Mapping[str, JsonObject]) -> JsonObject:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def written_rows(answer: str) -> list[Json]:
    """The objects of an answer's list `rows`, or of its first list; of one that breaks off, those that are whole."""
    decoder, start = json.JSONDecoder(), answer.find("[")
    values: list[Json] = []
    while start >= 0:
        start += 1
        while start < len(answer) and (answer[start].isspace() or answer[start] == ","):
            start += 1
        if start >= len(answer) or answer[start] == "]":
            break
        try:
            value, end = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            break
        values.append(value)
        start = end - 1
    return values


def check_made(
    columns: tuple[str, ...], value: Json, labels: Sequence[str], asked: str = ""
) -> dict[str, Json] | BadMade:
    """The row that was written, by the task's columns, or why it is none. `asked` is the label it should have."""
    shown = json.dumps(value, ensure_ascii=False)[:300]
    if not isinstance(value, Mapping):
        return BadMade("no object", shown)
    row: dict[str, Json] = {}
    for name in columns:
        if name == "entities":
            entities = _entities(str(value.get("text") or "").strip(), value.get(name), labels)
            if isinstance(entities, str):
                return BadMade(entities, shown)
            row[name] = entities
            continue
        cell = value.get(name)
        if not isinstance(cell, str) or not cell.strip():
            return BadMade(f"no {name}", shown)
        row[name] = cell.strip()
        if name != "label" and (wrong := _bad_text(name, cell.strip())):
            return BadMade(wrong, shown)
    wrong = _label(row, labels, asked) or _answer(row) or _shorter(row)
    return BadMade(wrong, shown) if wrong else row


def _bad_text(name: str, text: str) -> str:
    least, most = BOUNDS.get(name, USUAL_BOUNDS)
    if len(text) < least or len(text) > most:
        return f"{name} of less than {least} or more than {most} characters"
    if not any(sign.isalnum() for sign in text) or text.strip("<>[]{}. ").casefold() in (name, "string", "text"):
        return f"{name} is a placeholder"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{name} holds half a character"
    return f"{name} holds a NUL character" if "\0" in text else ""


def _label(row: Mapping[str, Json], labels: Sequence[str], asked: str) -> str:
    if "label" not in row:
        return ""
    if labels and row["label"] not in labels:
        return "a label that is none of the labels"
    return "another label than was asked for" if asked and row["label"] != asked else ""


def _answer(row: Mapping[str, Json]) -> str:
    """An extractive answer stands in its context, and has no bar, which would separate several."""
    if "answer" not in row or "context" not in row:
        return ""
    if str(row["answer"]) not in str(row["context"]):
        return "an answer that does not stand in its context"
    return "an answer with a bar" if "|" in str(row["answer"]) else ""


def _shorter(row: Mapping[str, Json]) -> str:
    if "summary" in row and len(str(row["summary"])) >= len(str(row.get("text"))):
        return "a summary no shorter than its text"
    same = "source" in row and str(row["source"]).casefold() == str(row.get("target")).casefold()
    return "a translation that is its source" if same else ""


def _entities(text: str, value: Json, labels: Sequence[str]) -> list[Json] | str:
    """{start, end, label, text} of each entity, found in the text letter by letter; else why it cannot be."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return "no list of entities"
    taken: list[tuple[int, int]] = []
    rows: list[Json] = []
    for each in value:
        words, label = (each.get("text"), each.get("label")) if isinstance(each, Mapping) else (None, None)
        if not isinstance(words, str) or not words.strip() or not isinstance(label, str) or not label.strip():
            return "an entity without text and label"
        if labels and label not in labels:
            return "an entity's label that is none of the labels"
        words = words.strip()
        start = text.find(words)
        while start >= 0 and any(start < end and first < start + len(words) for first, end in taken):
            start = text.find(words, start + 1)
        if start < 0:
            return "an entity that does not stand in its text, or stands in another"
        taken.append((start, start + len(words)))
        rows.append({"start": start, "end": start + len(words), "label": label, "text": words})
    return sorted(rows, key=lambda row: int(str(row["start"])) if isinstance(row, Mapping) else 0)
