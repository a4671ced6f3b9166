"""Inputs of a task: texts as they are typed, files of any kind, folders, tables. Read when they are asked for, by number.

What cannot be read is a Failure in its row, which says why, and ends no other.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from ..chat.files.apart import read_apart
from ..chat.files.encoding import decode
from ..chat.files.kinds import READ_APART, Kind, Refused, kind_of
from ..data.dataset import Row
from ..data.files import format_of
from ..data.row_stream import FORMS, BadRow, PlacedRow, is_row_file, stream_rows
from ..errors import DataError, LlmsError, UsageError
from ..models.task_model import TaskInput
from ..settings import refuse_database
from ..tasks.catalogue import HubTask
from ..values import Failure, Media

PIPED = "standard input"
ENDINGS = (
    *FORMS,
    "txt",
    "md",
    "pdf",
    "docx",
    "xlsx",
    "pptx",
    "wav",
    "mp3",
    "flac",
    "ogg",
    "png",
    "jpg",
    "jpeg",
    "webp",
)
LARGEST = 1 << 30  # bytes of one file
TEXTS = ("text", "pair")
WANTED: Mapping[str, tuple[Kind, ...]] = {"sound": ("audio",), "image": ("image", "converted")}
SECOND = {"question": ("question",), "other": ("other", "text2", "sentence2", "second")}  # columns by their usual names
FIRST = ("text", "text1", "sentence1", "sentence", "content", "input", "prompt")


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One input, or the reason why there is none. `shown` is how a person knows it: its text, or its file's name; `row`
    are the cells of a table that it stands in, `location` says where: file and line, or which of several inputs."""

    input: TaskInput | Failure
    shown: str
    row: Row | None = None
    location: str = ""


class TaskRows:
    """Inputs in their order. `header` are the columns of the table that they come from, `digest` tells other inputs apart,
    `has_question`: each brings its own question. `columns` says which of the table's are read, and as what."""

    columns: Mapping[str, str] = MappingProxyType({})
    header: tuple[str, ...] = ()
    digest: str = ""
    files: tuple[Path, ...] = ()  # that are read
    has_question: bool = False

    def since(self, index: int) -> Iterator[TaskRow]:
        """From the one at `index` on, each read when it is asked for."""
        raise NotImplementedError

    def count(self) -> int:
        """How many there are; of a table, by reading it once."""
        raise NotImplementedError


class ListedRows(TaskRows):
    """Texts and files as they were named."""

    def __init__(self, task: HubTask, items: Sequence[str | Path | bytes]):
        self._task, self._items = task, items
        self.files = tuple(item for item in items if isinstance(item, Path))
        total = hashlib.sha256()
        for item in items:
            total.update(_stamp(item) + b"\0")
        self.digest = total.hexdigest()[:16]

    def count(self) -> int:
        return len(self._items)

    def since(self, index: int) -> Iterator[TaskRow]:
        for number, item in enumerate(islice(self._items, index, None), index + 1):
            if isinstance(item, str):
                empty = Failure("infra", f"input {number} is empty; {self._task.name} takes {self._task.wanted}")
                yield TaskRow(TaskInput(item) if item.strip() else empty, item, location=f"input {number}")
            elif isinstance(item, Path):
                yield TaskRow(read_input(self._task, item), str(item), location=str(item))
            else:
                content = content_of(self._task, PIPED, item)
                shown = content.text or PIPED if isinstance(content, TaskInput) else PIPED
                yield TaskRow(content, shown, location=PIPED)


class PairRows(ListedRows):
    """Two texts, or two files, which are compared with each other: one input."""

    header = ("input", "other")

    def count(self) -> int:
        return 1

    def since(self, index: int) -> Iterator[TaskRow]:
        if index:
            return
        first, second = super().since(0)
        text, other = first.input, second.input
        if isinstance(text, TaskInput) and isinstance(other, TaskInput):
            row: Row = {"input": first.shown, "other": second.shown}
            yield TaskRow(TaskInput(text.text, other=other.text), first.shown, row)
        else:
            yield first if isinstance(text, Failure) else second


class LineRows(TaskRows):
    """The lines of a text file, those without anything to be seen left out."""

    def __init__(self, path: Path):
        self._path, self.digest, self.files = path, _digest(path), (path,)

    def count(self) -> int:
        return sum(1 for _ in self.since(0))

    def since(self, index: int) -> Iterator[TaskRow]:
        with self._path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            lines = (line.rstrip("\n") for line in file if line.strip())
            for number, line in enumerate(islice(lines, index, None), index + 1):
                location = f"{self._path}, line {number} of those with text"
                yield TaskRow(_line(line, location), line, location=location)


class TableRows(TaskRows):
    """The rows of a table: `columns` says which column is the text, the question, the other text of a pair."""

    def __init__(self, task: HubTask, path: Path, columns: Mapping[str, str], header: tuple[str, ...]):
        self._task, self._path, self.columns, self.header = task, path, columns, header
        self.digest, self.files = _digest(path), (path,)
        self.has_question = "question" in columns

    def count(self) -> int:
        return sum(1 for _ in stream_rows(self._path))

    def since(self, index: int) -> Iterator[TaskRow]:
        for entry in islice(stream_rows(self._path), index, None):
            if isinstance(entry, BadRow):
                yield TaskRow(Failure("infra", str(entry)), entry.location)
            elif self._task.takes in TEXTS:
                yield self._texts(entry)
            else:
                yield self._media(entry)

    def _texts(self, entry: PlacedRow) -> TaskRow:
        texts: dict[str, str] = {}
        for field, column in self.columns.items():
            value = entry.row.get(column)
            if not isinstance(value, str) or not value.strip():
                reason = f"{entry.location}: column {column!r} is {value!r:.60}; expected a text"
                return TaskRow(Failure("infra", reason), str(value or ""), entry.row)
            texts[field] = value
        known = {field: texts.get(field, "") for field in ("question", "other")}
        return TaskRow(TaskInput(texts["text"], None, **known), texts["text"], entry.row, entry.location)

    def _media(self, entry: PlacedRow) -> TaskRow:
        column, row = self.columns["text"], entry.row
        question, value, name = row.get(self.columns.get("question", "")), row.get(column), ""
        content: TaskInput | Failure
        if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):  # as the hub's datasets hold them
            name = str(value.get("path") or column)
            content = content_of(self._task, name, value["bytes"])
        elif isinstance(value, str) and value.strip():
            name, beside = value, self._path.parent / value
            content = read_input(self._task, beside if beside.is_file() else Path(value).expanduser())
        else:
            content = Failure("infra", f"column {column!r} is {value!r:.60}; expected the path of a file")
        if isinstance(content, Failure):
            return TaskRow(Failure(content.kind, f"{entry.location}: {content.reason}"), name, row)
        asked = question if isinstance(question, str) else ""
        return TaskRow(TaskInput(content.text, content.media, asked), name, row, entry.location)


def read_inputs(
    task: HubTask,
    arguments: Sequence[str],
    piped: bytes | None = None,
    columns: Sequence[str] = (),
    as_text: bool = False,
    by_lines: bool = False,
) -> TaskRows:
    """The inputs that `arguments` name: texts, files, folders, one table. `piped` is standard input; `-` stands for it.

    `columns` are names of columns, or `question=NAME`, `other=NAME`; `as_text` takes each argument for what it says; `by_lines` makes each
    line of a text file an input.
    Raises UsageError, DataError.
    """
    items: list[str | Path | bytes] = []
    for argument in arguments or (["-"] if piped is not None else []):
        path = _path(argument) if argument.strip() and not as_text else None
        if argument == "-" and not as_text:
            if piped is None:
                raise UsageError("- reads standard input, and nothing comes from there; pipe something into it")
            items.append(piped)
        elif path is None:
            if argument.strip():  # an empty one fails when its turn comes
                _check_text(task, argument, as_text)
            items.append(argument)
        elif path.is_dir():
            items += _in_folder(path)
        elif is_row_file(path.name):
            if len(arguments) > 1:
                raise UsageError(f"{path} is a table; name one table alone")
            return open_table(task, path, columns)
        elif by_lines:
            if task.takes == "pair":
                raise UsageError(f"--lines makes one text of a line; {task.name} compares two: name a table of pairs")
            if len(arguments) > 1:
                raise UsageError(f"--lines reads one file of lines; got {len(arguments)} inputs")
            return LineRows(path)
        else:
            items.append(path)
    if columns:
        raise UsageError(f"--column names a column of a table ({', '.join(FORMS)}); no table is named")
    if not items:
        raise UsageError(f'{task.name} needs an input: llms task {task.name} "…", a file, a folder, or standard input')
    if task.takes != "pair":
        return ListedRows(task, items)
    if len(items) != 2:
        raise UsageError(
            f'{task.name} compares two texts; got {len(items)}. Write llms task {task.name} "…" "…", or name a table of '
            "pairs with --column NAME --column other=NAME"
        )
    return PairRows(task, items)


def open_table(task: HubTask, path: Path, columns: Sequence[str] = ()) -> TableRows:
    """The rows of a table. Raises DataError, UsageError."""
    first = next((entry for entry in stream_rows(path) if isinstance(entry, PlacedRow)), None)
    if first is None:
        raise DataError(f"{path} has no rows; expected at least one")
    header = tuple(first.row)
    return TableRows(task, path, choose_columns(task, header, columns, str(path)), header)


def choose_columns(task: HubTask, header: Sequence[str], columns: Sequence[str], origin: str) -> dict[str, str]:
    """Which column is the `text`, the `question`, the `other`: as named, else by the usual names. Raises UsageError."""
    chosen: dict[str, str] = {}
    for column in columns:
        field, equals, name = column.partition("=")
        if not equals or column in header:
            field, name = "text", column
        if field not in ("text", *SECOND):
            raise UsageError(f"--column {column}: {field!r} is no part of an input; there are text, question, other")
        if name not in header:
            near = get_close_matches(name, header, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(header)}"
            raise UsageError(f"{origin} has no column {name!r}{hint}")
        chosen[field] = name
    if "text" not in chosen:
        usual = [*task.columns[:1], *(FIRST if task.takes in TEXTS else ("path", "file", "audio", "image"))]
        name = next((name for name in usual if name in header), header[0] if len(header) == 1 else "")
        if not name:
            raise UsageError(f"{origin} has the columns {', '.join(header)}; say with --column which one is the input")
        chosen["text"] = name
    wanted = ["other"] * (task.takes == "pair") + ["question"] * ("question" in task.needs)
    for field in wanted:
        if field not in chosen and (name := next((name for name in SECOND[field] if name in header), "")):
            chosen[field] = name
    if task.takes == "pair" and "other" not in chosen:
        raise UsageError(f"{origin}: {task.name} compares two columns; name the second by --column other=NAME")
    return chosen


def read_input(task: HubTask, path: Path) -> TaskInput | Failure:
    """The file at `path` as an input: its text, or its bytes where the task takes a sound or a picture."""
    try:
        refuse_database(path)
        if (size := path.stat().st_size) > LARGEST:
            return Failure("infra", f"{path} has {size / 1e6:,.0f} MB; at most {LARGEST / 1e6:,.0f} MB are read")
        data = path.read_bytes()
    except OSError as error:
        return Failure("infra", f"cannot read {path}: {error.strerror or error}")
    except UsageError as error:
        return Failure("infra", str(error))
    return content_of(task, str(path), data)


def content_of(task: HubTask, name: str, data: bytes) -> TaskInput | Failure:
    """`data` as an input, by what it really is; a document is read in a process of its own."""
    if not data:
        return Failure("infra", f"{name} is empty")
    try:
        kind, media_type = kind_of(data)
        if task.takes not in TEXTS:
            if kind not in WANTED[task.takes]:
                return Failure(
                    "infra", f"{name} is no {task.takes} but {_described(kind)}; {task.name} takes {task.wanted}"
                )
            if kind == "converted":
                file = read_apart(kind, media_type, name, data)
                media_type, data = file.media_type, file.data
            return TaskInput(media=Media(media_type, data, name=Path(name).name))
        if kind in ("audio", "image", "converted"):
            return Failure("infra", f"{name} is {_described(kind)}; {task.name} takes a text")
        text = decode(data).text if kind == "text" else read_apart(kind, media_type, name, data).text
    except Refused as refused:
        return Failure("infra", f"{name} {refused}")
    except LlmsError as error:
        return Failure("infra", str(error))
    return TaskInput(text) if text.strip() else Failure("infra", f"{name} holds no text")


def _described(kind: Kind) -> str:
    return {"audio": "a sound", "text": "a text"}.get(kind) or f"a {READ_APART[kind]}"


def _path(argument: str) -> Path | None:
    """The file or folder of this name, if there is one. Raises UsageError for a link that leads nowhere."""
    path = Path(argument).expanduser()
    try:
        if path.exists():
            return path
        link = path.is_symlink()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return None
    if link:
        raise UsageError(
            f"{argument} is a link that leads to no file, or to itself; add --text if it is the text itself"
        )
    return None


def _check_text(task: HubTask, argument: str, as_text: bool) -> None:
    """Raise UsageError for what was meant to be a file that is not there."""
    named = format_of(argument) in ENDINGS and not any(sign.isspace() for sign in argument)
    if task.takes not in TEXTS:
        raise UsageError(f"there is no file {argument}; {task.name} takes {task.wanted}")
    if named and not as_text:
        raise UsageError(f"there is no file {argument}; add --text if it is the text itself")


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder)))
    if not files:
        raise DataError(f"{folder} is a folder, and holds no file")
    return files


def _line(text: str, location: str) -> TaskInput | Failure:
    try:
        text.encode()
    except UnicodeEncodeError:
        return Failure("infra", f"{location}: bytes that are no UTF-8; save the file as plain UTF-8 text")
    return TaskInput(text)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _stamp(item: str | Path | bytes) -> bytes:
    """Bytes that differ for other inputs; of a file its path, size and time of change."""
    if isinstance(item, str):
        return b"text " + item.encode("utf-8", "surrogatepass")
    if isinstance(item, bytes):
        return b"piped " + hashlib.sha256(item).digest()
    status = item.stat()
    return f"file {item.resolve()} {status.st_size} {status.st_mtime_ns}".encode("utf-8", "surrogatepass")
