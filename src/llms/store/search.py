"""Full-text search in conversations. The user's words never reach the query language: any text is a valid query.

Words are joined by AND, the last one also matches as a beginning, "phrases" stay together, and `tag:`, `model:`,
`before:` and `after:` (a year, month or day) narrow the search. Accents do not count, nor whether ß is written ss. In
scripts without spaces a word is found anywhere inside a text. Signs are looked for as they stand: C++, 50%, my_name, 👍.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from ..chat.conversation.messages import clean
from .conversations import Conversations

MOST_TERMS = 24
_WEIGHTS = "8.0, 1.0, 0.3"  # of title, text, attachments
_TERM = re.compile(r'(tag|model|before|after):("[^"]*"|\S+)|"([^"]*)"|(\S+)', re.I)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$")
_INSIDE = 3  # characters that the index of insides needs
_SIGNS = "#%&@*/\\_"  # beside Unicode's symbols: what is part of a name, and not of a sentence
_SPELLINGS = {"ß": "ss", "ss": "ß", "æ": "ae", "ae": "æ", "œ": "oe", "oe": "œ"}  # which the index does not take for one
_SPELLED = re.compile(f"({'|'.join(_SPELLINGS)})", re.I)
_MOST_SPELLED = 4  # places of a word whose spellings are all combined
_AROUND = 40  # characters of a snippet before a sign that was found


@dataclass(frozen=True, slots=True)
class Query:
    """`words` and `insides` (anywhere in a text, for scripts without spaces and for signs) must all occur; `prefix`: the
    last word may be a beginning. Dates are ISO 8601."""

    words: tuple[str, ...] = ()
    insides: tuple[str, ...] = ()
    prefix: bool = False
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.insides or self.tags or self.models or self.before or self.after)

    @property
    def long_insides(self) -> tuple[str, ...]:
        """Those that the index of insides can find."""
        return tuple(term for term in self.insides if len(term) >= _INSIDE)


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
    """A person's words as a query. Never raises."""
    words: list[str] = []
    insides: list[str] = []
    pauses: list[str] = []
    tags: list[str] = []
    models: list[str] = []
    dates: dict[str, str] = {}
    open_end = False
    for match in list(_TERM.finditer(clean(text).replace("\0", " ")))[:MOST_TERMS]:
        key, value, phrase, word = match.groups()
        value = (value or "").strip('"')
        if key and key.casefold() in ("before", "after") and (day := _day(value)):
            dates[key.casefold()] = day
        elif key and key.casefold() == "tag" and value:
            tags.append(value.casefold())
        elif key and key.casefold() == "model" and value:
            models.append(value)
        else:
            term = phrase if phrase is not None else word if word is not None else match[0]
            term = term[:200].replace("\ufe0f", "")  # an emoji's wish to be coloured is not always written
            unspaced, spelled = bool(_UNSPACED.search(term)), any(c.isalnum() for c in term)
            if spelled and not unspaced:
                words.append(term)
                open_end = phrase is None and term[-1].isalnum() and not text.endswith((" ", '"'))
            if unspaced or any(map(_is_sign, term)):
                insides.append(term)
            elif not spelled and term.strip():
                pauses.append(term)
    if not (words or insides or tags or models or dates):  # punctuation is looked for where it is all there is
        insides = pauses
    return Query(
        tuple(words), tuple(insides), bool(words) and open_end, tuple(tags), tuple(models),
        dates.get("before"), dates.get("after"),
    )  # fmt: skip


def _is_sign(character: str) -> bool:
    """Whether the index of words passes over a character that belongs to a name: of C++, 50%, an emoji."""
    return character in _SIGNS or unicodedata.category(character)[0] == "S"


def search(
    store: Conversations, text: str, limit: int = 50, mark: tuple[str, str] = ("", ""), inside: bool = False,
    each_once: bool = False,
) -> list[Hit]:  # fmt: skip
    """The best first. `mark` is put around the words of the query in snippets; `inside` finds words within words as well;
    `each_once` gives the best hit of each conversation."""
    query = parse(text)
    if inside:
        query = replace(query, words=(), insides=tuple(dict.fromkeys((*query.words, *query.insides))))
    if query.is_empty:
        return []
    table, match = _index(query)
    best, values = _best(query, table, each_once)
    short = next(iter(query.insides), "")
    snippet = f"snippet({table}, -1, ?, ?, '…', 16)" if table else "t.title || t.body"
    matched = f" JOIN {table} ON {table}.rowid = best.id AND {table} MATCH ?" if table else ""
    rows = store.read(  # snippets are made only for the best
        f"WITH best AS MATERIALIZED ({best}) SELECT t.conversation, c.title, t.node, COALESCE(n.role, ''), t.created, "
        f"COALESCE(n.active, 1), {snippet} FROM best JOIN texts t ON t.id = best.id "
        f"JOIN conversations c ON c.id = t.conversation LEFT JOIN nodes n ON n.id = t.node{matched} "
        "ORDER BY best.rank, t.id DESC",
        [*values, limit, *((*mark, match) if table else ())],
    )
    return [
        Hit(id, title, node, role, created, bool(active), snip if table else _around(snip, short, mark))
        for id, title, node, role, created, active, snip in rows
    ]


def _around(text: str, term: str, mark: tuple[str, str]) -> str:
    """The text around the first `term`, which no index has found."""
    at = text.lower().find(term.lower()) if term else -1
    if at < 0:
        return text[:120]
    end = at + len(term)
    before, after = text[max(0, at - _AROUND) : at], text[end : end + 2 * _AROUND]
    dots = "…" * (at > _AROUND), "…" * (end + 2 * _AROUND < len(text))
    return f"{dots[0]}{before}{mark[0]}{text[at:end]}{mark[1]}{after}{dots[1]}"


def _index(query: Query) -> tuple[str, str]:
    """(the full-text index that ranks the hits, the query in its language); empty where no index can serve."""
    if query.words:
        return "search", _match(query.words, query.prefix)
    long = query.long_insides
    return ("search_inside", _match(long, False)) if long else ("", "")


def _best(query: Query, table: str, each_once: bool) -> tuple[str, list[object]]:
    """(a SELECT of id and rank of the best texts up to a limit, the values for its marks before that of the limit)."""
    conditions = [*_indexed(query), *_unindexed(query)]
    source, id, rank = "texts t", "t.id", "0"
    if table:
        source, id, rank = table, f"{table}.rowid", f"bm25({table}, {_WEIGHTS})"
        if len(conditions) > 1 or each_once:  # the index alone knows the text's number and nothing else of it
            source += f" JOIN texts t ON t.id = {id}"
    if query.models:
        source += " JOIN conversations c ON c.id = t.conversation LEFT JOIN nodes n ON n.id = t.node"
    where = " AND ".join(condition for condition, _ in conditions)
    values = [value for _, marked in conditions for value in marked]
    if not each_once:
        return f"SELECT {id} AS id, {rank} AS rank FROM {source} WHERE {where} ORDER BY rank, {id} DESC LIMIT ?", values
    hits = f"SELECT {id} AS id, {rank} AS rank, t.conversation AS of FROM {source} WHERE {where}"
    ranked = "SELECT id, rank, ROW_NUMBER() OVER (PARTITION BY of ORDER BY rank, id DESC) AS place FROM hits"
    return (
        f"WITH hits AS MATERIALIZED ({hits}), ranked AS ({ranked}) "
        "SELECT id, rank FROM ranked WHERE place = 1 ORDER BY rank, id DESC LIMIT ?"
    ), values


_Condition = tuple[str, Sequence[object]]  # SQL, and the values for its marks


def _indexed(query: Query) -> Iterator[_Condition]:
    """Conditions that a full-text index answers; the first is that of the index which ranks."""
    if query.words:
        yield "search MATCH ?", [_match(query.words, query.prefix)]
    if long := query.long_insides:
        inside = "search_inside MATCH ?"
        yield (
            f"t.id IN (SELECT rowid FROM search_inside WHERE {inside})" if query.words else inside,
            [_match(long, False)],
        )


def _unindexed(query: Query) -> Iterator[_Condition]:
    for term in query.insides:
        if len(term) < _INSIDE:
            yield "instr(lower(t.title || char(10) || t.body || char(10) || t.attachment), lower(?)) > 0", [term]
    for tag in query.tags:
        yield "t.conversation IN (SELECT conversation FROM tags WHERE tag = ?)", [tag]
    for model in query.models:
        yield "(instr(lower(n.author), lower(?)) > 0 OR instr(lower(c.model), lower(?)) > 0)", [model, model]
    if query.before:
        yield "t.created < ?", [query.before]
    if query.after:
        yield "t.created >= ?", [query.after]


def _match(terms: Iterable[str], prefix: bool) -> str:
    """A query of FTS5 in which every term is quoted."""
    *before, last = [_spellings(term) for term in terms]
    joined = [_either(term) for term in before] + [_either(last, "*" if prefix else "")]
    return " AND ".join(joined)


def _either(spellings: Sequence[str], end: str = "") -> str:
    quoted = ['"' + spelling.replace('"', '""') + '"' + end for spelling in spellings]
    return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"


def _spellings(term: str) -> Sequence[str]:
    """`term` in all ways in which its letters may be written; where there are many, as it stands and by their long forms."""
    pieces = _SPELLED.split(term)
    letters = [piece.lower() for piece in pieces[1::2]]
    if not letters:
        return (term,)
    ways = [(letter, _SPELLINGS[letter]) for letter in letters]
    chosen = (
        list(itertools.product(*ways)) if len(ways) <= _MOST_SPELLED else [letters, [max(way, key=len) for way in ways]]
    )
    return ["".join(itertools.chain(*itertools.zip_longest(pieces[::2], way, fillvalue=""))) for way in chosen]


def _day(text: str) -> str | None:
    """The first day of a year, month or day, ISO 8601; None for what is not a date."""
    match = _DATE.match(text)
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        return date(int(year), int(month or 1), int(day or 1)).isoformat()
    except ValueError:
        return None
