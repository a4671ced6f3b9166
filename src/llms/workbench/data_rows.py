"""The verbs on rows: read, filtered, split, saved; from files here or data sets on the hub, never held together."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from ..data.dataset import Row
from ..data.files import format_of
from ..data.hub import hub_name
from ..data.hub_rows import stream_hub
from ..data.row_stream import BadRow, PlacedRow, StreamedRow, is_row_file, stream_rows
from ..data.row_write import RowFile
from ..data.splitting import RowKeys, count_units, split_rows
from ..data.where import Condition, Incomparable
from ..errors import DataError, UnknownName, UsageError
from .task_file import check_apart

PEEKED = 1000  # rows that are looked at to know the columns
SHOWN = 20  # problems that are kept to be shown


@dataclass
class RowProblems:
    """Rows that could not be used: how many, and the first of them, as `file, line: why`."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(problem)


@dataclass
class RowSource:
    """Rows of a file or a data set of the hub, to be read once. `columns` are those of the first thousand rows; `loose`: all
    cells are texts. `problems` grow as `rows` are read."""

    name: str
    columns: tuple[str, ...]
    loose: bool
    problems: RowProblems
    _rows: Iterator[StreamedRow]
    files: tuple[Path, ...] = ()  # that are read

    def rows(self) -> Iterator[PlacedRow]:
        """The rows that can be read. Raises DataError where there is none at all."""
        count = 0
        for row in self._rows:
            if isinstance(row, BadRow):
                self.problems.add(str(row))
            else:
                count += 1
                yield row
        if not count:
            raise DataError(_nothing(self.name, self.problems))

    def check(self, columns: Sequence[str]) -> None:
        """Raise UnknownName for one that no row has."""
        for name in columns:
            if name not in self.columns:
                raise UnknownName(f"column of {self.name}", name, self.columns)


def _nothing(name: str, problems: RowProblems) -> str:
    first = f": {problems.first[0]}" if problems.first else ""
    return f"{name} has no row that can be read{first}; expected at least one"


def open_source(name: str, config: str = "", split: str = "") -> RowSource:
    """The rows of a file by its name, else of a data set on the hub. Raises DataError, HubUnreachable, UsageError."""
    local = is_row_file(name) or Path(name).exists()
    if local and (config or split):
        raise UsageError(f"{name} is a file; --config and --split are of data sets on the hub")
    if local:
        rows = stream_rows(Path(name).expanduser())
    else:
        bare, revision = hub_name(name)
        rows = stream_hub(bare, config, split, revision)
    peeked = list(islice(rows, PEEKED))
    columns = tuple(dict.fromkeys(name for each in peeked if isinstance(each, PlacedRow) for name in each.row))
    loose = local and format_of(name) in ("csv", "tsv")
    files = (Path(name).expanduser(),) if local else ()
    return RowSource(name, columns, loose, RowProblems(), chain(peeked, rows), files)


@dataclass(frozen=True, slots=True)
class Filtered:
    """Counts of a filter. `incomparable` rows have values that do not suit the condition; they are left out."""

    read: int
    written: int
    problems: RowProblems
    incomparable: RowProblems


def head(source: RowSource, count: int, columns: Sequence[str] = ()) -> Iterator[Row]:
    """The first rows, of the named columns alone."""
    source.check(columns)
    for placed in islice(source.rows(), count):
        yield {name: placed.row.get(name) for name in columns} if columns else placed.row


def filter_rows(source: RowSource, where: str, out: Path, force: bool = False) -> Filtered:
    """Write the rows for which the condition `where` holds. Raises UsageError for a condition that is none."""
    condition = Condition(where, source.loose)
    source.check(sorted(condition.columns))
    read, incomparable = 0, RowProblems()
    check_apart(out, source.files)
    with RowFile(out, source.columns, force) as file:
        for placed in source.rows():
            read += 1
            try:
                holds = condition.holds(placed.row)
            except Incomparable as error:
                incomparable.add(f"{placed.location}: {error}")
                continue
            if holds:
                file.write(placed.row, placed.location)
    return Filtered(read, file.rows, source.problems, incomparable)


def save(source: RowSource, out: Path, limit: int | None = None, force: bool = False) -> int:
    """Write the first `limit` rows, or all; how many were written."""
    check_apart(out, source.files)
    with RowFile(out, source.columns, force) as file:
        for placed in islice(source.rows(), limit):
            file.write(placed.row, placed.location)
    return file.rows


@dataclass(frozen=True, slots=True)
class SplitReport:
    """Both sides of a split. `groups` must stay together, `alike` rows repeat an earlier one; `strata` are (value, rows for
    training, rows for testing)."""

    train: Path
    test: Path
    train_rows: int
    test_rows: int
    groups: int
    alike: int
    strata: tuple[tuple[str, int, int], ...]
    problems: RowProblems


def split(
    path: Path,
    share: float,
    out: Path,
    by: str = "",
    stratify: str = "",
    alike: Sequence[str] = (),
    seed: int = 0,
    force: bool = False,
) -> SplitReport:
    """Write PREFIX-train and PREFIX-test beside one another, in the file's format. It is read twice.

    `by`, `stratify` and `alike` are columns, as RowKeys has them. Raises UsageError where a side would be empty.
    """
    form = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    form = ".jsonl" if format_of(path.name) == "json" else form
    prefix = out.with_name(out.name.removesuffix(form))
    targets = [prefix.with_name(f"{prefix.name}-{side}{form}") for side in ("train", "test")]
    source = open_source(str(path))
    for target in targets:
        check_apart(target, source.files)
    source.check([name for name in (by, stratify, *alike) if name])
    keys = RowKeys(by, stratify, alike)
    for placed in source.rows():
        keys.add(placed.row)
    apart = split_rows(keys, share, seed)
    counts: Counter[tuple[str, bool]] = Counter()
    with RowFile(targets[0], source.columns, force) as train, RowFile(targets[1], source.columns, force) as test:
        for index, placed in enumerate(open_source(str(path)).rows()):
            if index >= len(apart):
                raise DataError(f"{path} was changed while it was read; begin again")
            (test if apart[index] else train).write(placed.row, placed.location)
            if stratify:
                counts[str(placed.row.get(stratify)), bool(apart[index])] += 1
    groups, repeated = count_units(keys)
    values = sorted({value for value, _ in counts})
    strata = tuple((value, counts[value, False], counts[value, True]) for value in values)
    return SplitReport(targets[0], targets[1], train.rows, test.rows, groups, repeated, strata, source.problems)


MOST_DIFFERENT = 1000  # values of a column that are told apart


@dataclass
class ColumnFacts:
    """A column: the JSON types in it, how many cells are empty, the length of the longest as text, how many values differ;
    `many`: at least so many."""

    name: str
    types: list[str] = field(default_factory=list)
    empty: int = 0
    longest: int = 0
    different: int = 0
    many: bool = False


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file of rows."""

    path: Path
    bytes: int
    rows: int
    columns: dict[str, ColumnFacts]
    problems: RowProblems


def file_facts(path: Path) -> FileFacts:
    """Look at all rows of a file once."""
    source = open_source(str(path))
    columns: dict[str, ColumnFacts] = {}
    values: dict[str, set[int]] = {}
    rows = 0
    for placed in source.rows():
        rows += 1
        for name, value in placed.row.items():
            facts, seen = columns.setdefault(name, ColumnFacts(name)), values.setdefault(name, set())
            if value is None or value == "":
                facts.empty += 1
                continue
            if (kind := KINDS.get(type(value).__name__, type(value).__name__)) not in facts.types:
                facts.types.append(kind)
            text = value if isinstance(value, str) else str(value)
            facts.longest = max(facts.longest, len(text))
            if not facts.many:
                seen.add(hash(text))
                facts.different, facts.many = len(seen), len(seen) >= MOST_DIFFERENT
    return FileFacts(path, path.stat().st_size, rows, columns, source.problems)


KINDS = {"str": "text", "int": "number", "float": "number", "bool": "truth", "dict": "object"}
