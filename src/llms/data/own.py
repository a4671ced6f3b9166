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
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import overload

import numpy as np

from ..errors import DataError
from .dataset import Dataset, Row, Table
from .files import format_of, read_table
from .rows import Block, TextRows
from .source import Kind

KNOWN = ("question", "choices", "answer", "answers", "id")
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet")
ONE_HEADER = ("csv", "tsv", "parquet")  # all rows have the columns of the first
SLIPS = 2  # letters by which a column's name may differ from a missing one and be taken for a slip of it
MOST_NOTICES = 20  # that are kept; further ones are counted
_SEEN = re.compile(
    "[0-9A-Za-z]"
).search  # in a text with one of these there is something to be seen, and more than blanks


def is_file(spec: str) -> bool:
    return format_of(spec) in FORMATS


@dataclass(frozen=True)
class OwnTable:
    """A file as a Source of one table. `choices` tells which of the two shapes it has, `metadata` the further columns.

    Rows hold `question`, metadata, and `answer`: of choices the index of the right one, else a text; `answers` are all
    that are accepted. `notices` say how ambiguous cells were read, `unlisted` more do so; `reread`, that some were once
    read otherwise. `chance` is what guessing gets among choices; `plain`: each answer holds a letter or a digit.
    """

    name: str
    choices: bool
    content: Table
    metadata: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    unlisted: int = 0
    reread: bool = False
    chance: float = 0.0
    plain: bool = False

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
    unlisted: int = 0
    reread: bool = False

    def note(self, notice: str) -> None:
        if len(self.notices) < MOST_NOTICES:
            self.notices.append(notice)
        else:
            self.unlisted += 1


class OwnRows(Sequence[Row]):
    """The rows of a file as they are asked: read again, and made again, when they are."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[str], path: Path):
        self._rows, self._columns, self._path = rows, columns, path

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return (self._made(row, index) for index, row in enumerate(self._rows))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._made(self._rows[index], index)

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    def _made(self, row: Row, index: int) -> Row:
        place = f"{self._path}, row {index + 1}"
        return _row(_named(row, place), self._columns, place, _Readings())


class _Checks:
    """Looks at all rows once, block by block, and keeps what must be known of them together."""

    def __init__(self, path: Path):
        self.path = path
        self.one_header = format_of(path.name) in ONE_HEADER
        self.columns: list[str] = []
        self.known: frozenset[str] = frozenset()  # the known columns of row 1
        self.readings = _Readings()
        self.ids = array("q")  # hashes
        self.chance, self.plain = 0.0, True
        self.lettered: str | None = None  # an answer that is the name of a column, as all are so far
        self._names_of_columns: frozenset[str] = frozenset()

    @property
    def metadata(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name not in KNOWN)

    def see(self, first: int, block: Block) -> None:
        """Names of columns, and where all rows have those of the first, everything else too."""
        unit = "row" if format_of(self.path.name) == "parquet" else "line"
        if not self.one_header:
            for index, row in enumerate(block.rows, first):
                self._see_columns(_named(row, f"{self.path}, {unit} {block.places[index - first]}"), index)
            return
        if not block.rows:
            return
        if not self.columns:
            self._see_columns(_named(block.rows[0], f"{self.path}, {unit} {block.places[0]}"), 0)
            self.know_columns()
        self.read(first, block.rows)

    def _see_columns(self, row: Row, index: int) -> None:
        known = frozenset(name for name in row if name in KNOWN)
        if index == 0:
            self.known = known
        elif known != self.known:
            self.columns += [name for name in row if name not in self.columns]
            _check_columns(self.columns, self.path)
            for name in self.columns:
                if name in KNOWN and (name in row) != (name in self.known):
                    has = "no" if name in self.known else "a"
                    raise DataError(
                        f"{self.path}, row {index + 1}: {has} column {name!r}, unlike row 1; all rows must have the same shape"
                    )
        self.columns += [name for name in row if name not in self.columns]

    def know_columns(self) -> None:
        """To be called once all columns are known."""
        _check_columns(self.columns, self.path)
        self._names_of_columns = frozenset(name.casefold() for name in self.metadata)

    def read(self, first: int, rows: Sequence[Row]) -> None:
        """Read what the rows ask and how they are answered. Raises DataError naming the row and the column."""
        cells = {_known(name): column for name, column in rows.columns().items()} if isinstance(rows, TextRows) else {}
        if cells and "answer" in cells and "choices" not in cells and _plainly_right(cells):
            answers, ids = cells["answer"], cells.get("id", ())
        else:
            named = [_named(row, f"{self.path}, row {index}") for index, row in enumerate(rows, first + 1)]
            answers, ids = self._read_closely(named, first), [row["id"] for row in named if "id" in row]
        if self._names_of_columns and "choices" not in self.columns:
            self._see_letters(answers, first)
        self._see_ids(ids, first)

    def _read_closely(self, rows: Sequence[Row], first: int) -> list[str]:
        """The answers, each row looked at by itself; of choices none."""
        answers: list[str] = []
        for index, row in enumerate(rows, first + 1):
            made = _row(row, self.columns, f"{self.path}, row {index}", self.readings)
            if "choices" in made:
                self.chance += 1 / len(made["choices"])
            else:
                answers.append(made["answer"])
                self.plain = self.plain and all(map(_SEEN, made["answers"]))
        return answers

    def _see_letters(self, answers: Iterable[str], first: int) -> None:
        for index, answer in enumerate(answers, first):
            if answer.strip().casefold() not in self._names_of_columns:
                self._names_of_columns = frozenset()
                self.lettered = None
                return
            if index == 0:
                self.lettered = answer

    def _see_ids(self, ids: Iterable[object], first: int) -> None:
        for number, each in enumerate(ids, first + 1):
            if each is None or not str(each).strip():
                raise DataError(
                    f"{self.path}, row {number}: column 'id' is empty; give each row an id, or leave out the column"
                )
            self.ids.append(hash(str(each)))

    def repeated(self) -> set[int]:
        """Hashes of ids that stand more than once, or, most unlikely, of different ids with the same one."""
        hashes = np.frombuffer(self.ids, dtype=np.int64) if self.ids else np.zeros(0, np.int64)
        hashes = np.sort(hashes)
        return set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())


def _plainly_right(cells: Mapping[str, Sequence[str]]) -> bool:
    """Whether these are open questions of which nothing needs a closer look: all is seen, and no answer has a bar."""
    texts = {name: "\n".join(column) for name, column in cells.items()}  # decoded from UTF-8: no half characters
    if any("\0" in text for text in texts.values()) or "|" in texts["answer"]:
        return False
    return all(map(_SEEN, cells["question"])) and all(map(_SEEN, cells["answer"]))


def read(path: Path) -> OwnTable:
    """The file's rows, every answer found among its choices. Raises DataError naming the row and the column."""
    if not path.is_file():
        raise DataError(
            f"the data file {path} does not exist; expected one of {', '.join(f'.{form}' for form in FORMATS)} "
            "with question, answer and perhaps choices"
        )
    checks = _Checks(path)
    table = read_table(path, {}, pairs=_object, check=checks.see)
    if not checks.one_header:  # a later row may have brought a column
        checks.know_columns()
        for first, rows in _batches(table.rows):
            checks.read(first, rows)
    if repeated := checks.repeated():
        _refuse_repeated(table.rows, repeated, path)
    readings, choices = checks.readings, "choices" in checks.columns
    if checks.lettered is not None:
        readings.notices.insert(0, f"{path}: {_LETTERED.format(checks.lettered)}")
    return OwnTable(
        path.name.split(".")[0],
        choices,
        Table(OwnRows(table.rows, checks.columns, path), table.origin, table.revision, form=table.form),
        checks.metadata,
        tuple(readings.notices),
        readings.unlisted,
        readings.reread,
        checks.chance / len(table.rows),
        checks.plain and not choices,
    )


_LETTERED = (
    "each answer is the name of a column, such as {!r}; it is read as a text, and what stands in that column is "
    "not shown to the model. Choices go into one column choices, separated by |"
)


def _batches(rows: Sequence[Row], size: int = 1000) -> Iterator[tuple[int, list[Row]]]:
    batch: list[Row] = []
    for index, row in enumerate(rows):
        batch.append(row)
        if len(batch) == size or index == len(rows) - 1:
            yield index + 1 - len(batch), batch
            batch = []


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; one that names a column twice is refused rather than halved."""
    made = dict(pairs)
    if len(made) < len(pairs):
        name, times = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"column {name!r} stands {times} times in one object")
    return made


def _known(name: str) -> str:
    """A column's name: a known one whatever its case and outer blanks."""
    name = name.strip()
    return name.casefold() if name.casefold() in KNOWN else name


def _named(row: Row, place: str) -> Row:
    """The row, known columns under their own names whatever their case and outer blanks."""
    if all(name in KNOWN or (name == name.strip() and name.casefold() not in KNOWN) for name in row):
        return row
    renamed: dict[str, object] = {}
    for name, value in row.items():
        name = _known(name)
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


def _distance(a: str, b: str) -> int:
    """Letters to insert, delete, replace (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def _refuse_repeated(rows: Sequence[Row], hashes: set[int], path: Path) -> None:
    """Raise DataError for the first row whose id stood before."""
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        named = _named(row, f"{path}, row {number}")["id"]
        if hash(str(named)) in hashes and seen.setdefault(str(named), number) != number:
            raise DataError(
                f"{path}, row {number}: id {named!r} stands in row {seen[str(named)]} already; each must be unique"
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
            readings.note(
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


def _scalar(value: object, column: str, place: str) -> str:
    """A text as it stands, or a number as its text."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    text = str(value) if number else value
    if not isinstance(text, str) or not text.strip():
        several = (
            "; several accepted ones go into a column answers" if isinstance(value, list) and column == "answer" else ""
        )
        raise DataError(f"{place}: column {column!r} is {_seen(value)}; expected a text or a number{several}")
    return text


def _listed(value: object, column: str, place: str, least: int) -> list[str]:
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


def _seen(value: object) -> str:
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
        readings.note(
            f"{place}: answer {answer!r} is read as the choice {options[by_text]!r}, not as the {sort} of {options[other]!r}: "
            "a choice's text comes first"
        )
    return by_text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
