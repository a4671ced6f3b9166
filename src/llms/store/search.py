"""Full-text search in conversations. The user's words never reach the query language: any text is a valid query.

Words are joined by AND, the last one also matches as a beginning, "phrases" stay together, and `tag:`, `model:`,
`before:` and `after:` (a year, month or day) narrow the search. Accents do not count. In scripts without spaces a
word is found anywhere inside a text.
"""

import re
from dataclasses import dataclass
from datetime import date

from ..chat.conversation.messages import clean
from .conversations import Conversations

MOST_TERMS = 24
_WEIGHTS = "8.0, 1.0, 0.3"  # of title, text, attachments
_TERM = re.compile(r'(tag|model|before|after):("[^"]*"|\S+)|"([^"]*)"|(\S+)', re.I)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$")
_INSIDE = 3  # characters that the index of insides needs


@dataclass(frozen=True, slots=True)
class Query:
    """`words` and `insides` (anywhere in a text, for scripts without spaces) must all occur; `prefix`: the last word
    may be a beginning. Dates are ISO 8601."""

    words: tuple[str, ...] = ()
    insides: tuple[str, ...] = ()
    prefix: bool = False
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """`node` None: the title was found. `active` tells whether the message is on the conversation's active path."""

    conversation: str
    title: str
    node: str | None
    role: str
    created: str
    active: bool
    snippet: str


def parse(text: str) -> Query:
    """What a person typed, as a query. Never raises."""
    words: list[str] = []
    insides: list[str] = []
    tags: list[str] = []
    models: list[str] = []
    dates: dict[str, str] = {}
    open_end = False
    for found in list(_TERM.finditer(clean(text).replace("\0", " ")))[:MOST_TERMS]:
        key, value, phrase, word = found.groups()
        value = (value or "").strip('"')
        if key and key.casefold() in ("before", "after") and (day := _day(value)):
            dates[key.casefold()] = day
        elif key and key.casefold() == "tag" and value:
            tags.append(value.casefold())
        elif key and key.casefold() == "model" and value:
            models.append(value)
        else:
            term = phrase if phrase is not None else word if word is not None else found[0]
            term = term[:200]
            if re.search(r"\w", term):
                whole = bool(_UNSPACED.search(term))
                (insides if whole else words).append(term)
                open_end = not whole and phrase is None and not text.endswith((" ", '"'))
    prefix = bool(words) and open_end
    return Query(
        tuple(words), tuple(insides), prefix, tuple(tags), tuple(models), dates.get("before"), dates.get("after")
    )


def search(
    store: Conversations, text: str, limit: int = 50, mark: tuple[str, str] = ("", ""), inside: bool = False
) -> list[Hit]:
    """The best first. `mark` is put around what was found in snippets; `inside` finds words within words as well."""
    query = parse(text)
    words, insides = query.words, query.insides
    if inside:
        words, insides = (), (*words, *insides)
    long = [term for term in insides if len(term) >= _INSIDE]
    short = [term for term in insides if len(term) < _INSIDE]
    if not (words or insides or query.tags or query.models or query.before or query.after):
        return []
    table = "search" if words else "search_inside" if long else None
    values: list[object] = []
    wheres = []
    if words:
        wheres.append("search MATCH ?")
        values.append(_match(words, query.prefix))
    if long:
        wheres.append(
            "t.id IN (SELECT rowid FROM search_inside WHERE search_inside MATCH ?)"
            if words
            else "search_inside MATCH ?"
        )
        values.append(_match(long, False))
    for term in short:
        wheres.append("instr(lower(t.title || char(10) || t.body || char(10) || t.attachment), lower(?)) > 0")
        values.append(term)
    for tag in query.tags:
        wheres.append("t.conversation IN (SELECT conversation FROM tags WHERE tag = ?)")
        values.append(tag)
    for model in query.models:
        wheres.append("(instr(lower(n.author), lower(?)) > 0 OR instr(lower(c.model), lower(?)) > 0)")
        values += [model, model]
    for sign, day in (("<", query.before), (">=", query.after)):
        if day:
            wheres.append(f"t.created {sign} ?")
            values.append(day)
    filtered = len(wheres) > bool(words) + bool(long) or (words and long)
    source, id = "texts t", "t.id"
    if table:
        source, id = table, f"{table}.rowid"
        source += f" JOIN texts t ON t.id = {id}" if filtered else ""
    source += (
        " JOIN conversations c ON c.id = t.conversation LEFT JOIN nodes n ON n.id = t.node" if query.models else ""
    )
    rank = f"bm25({table}, {_WEIGHTS})" if table else "0"
    best = (
        f"SELECT {id} AS id, {rank} AS rank FROM {source} WHERE {' AND '.join(wheres)} ORDER BY rank, {id} DESC LIMIT ?"
    )
    again = _match(words, query.prefix) if words else _match(long, False) if long else ""
    snippet = f"snippet({table}, -1, ?, ?, '…', 16)" if table else "substr(t.title || t.body, 1, 120)"
    matched = f" JOIN {table} ON {table}.rowid = best.id AND {table} MATCH ?" if table else ""
    rows = store.read(  # snippets are made only for the best
        f"WITH best AS MATERIALIZED ({best}) SELECT t.conversation, c.title, t.node, COALESCE(n.role, ''), t.created, "
        f"COALESCE(n.active, 1), {snippet} FROM best JOIN texts t ON t.id = best.id "
        f"JOIN conversations c ON c.id = t.conversation LEFT JOIN nodes n ON n.id = t.node{matched} "
        "ORDER BY best.rank, t.id DESC",
        [*values, limit, *((*mark, again) if table else ())],
    )
    return [
        Hit(id, title, node, role, made, bool(active), found) for id, title, node, role, made, active, found in rows
    ]


def _match(terms, prefix: bool) -> str:
    """A query of FTS5 in which every term is quoted."""
    quoted = ['"' + term.replace('"', '""') + '"' for term in terms]
    return " AND ".join(quoted) + ("*" if prefix else "")


def _day(text: str) -> str | None:
    found = _DATE.match(text)
    if not found:
        return None
    year, month, day = found.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1)).isoformat()
    except ValueError:
        return None
