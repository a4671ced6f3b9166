"""The verb `leaderboard`: all that the store holds, side by side."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .. import settings
from ..arena.battle import Ratings
from ..arena.board import BoardCell, BoardColumn, BoardRow, Leaderboard
from ..arena.board_averages import ViewShots
from ..arena.board_columns import BoardRun, board_runs, digest_of
from ..arena.board_ranks import HeadlineScores
from ..arena.board_speed import speed_columns
from ..arena.evidence import DECIDING
from ..arena.leaderboard import BoardSources, leaderboard
from ..arena.published.grading import recipe
from ..arena.published.placing import with_published
from ..benchmarks.catalogue import CATALOGUE
from ..errors import UnknownName, UsageError
from ..evaluation.report import Report
from ..store.board_scores import board_scores
from ..store.runs import Runs
from ..store.speeds import Speeds
from ..values import Json
from .arena.battles import stored
from .published import cells as published_cells
from .published import names as published_names

ORDER = tuple(CATALOGUE)
MEASURED = frozenset(["benchmark", "own data", "fresh"])  # groups of columns of whole runs


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """Only runs of this view and these benchmarks, only these systems, by their names; empty: all."""

    view: str | None = None
    benchmarks: Sequence[str] = ()
    systems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class StoredBoard:
    """The table, and the report of each run that stands in it. `sort` is the id of the column by which it is sorted, empty
    where each benchmark has an order of its own."""

    table: Leaderboard
    reports: Mapping[str, Report] = field(default_factory=dict)
    sort: str = ""

    def blocks(self) -> Iterator[tuple[BoardColumn, list[tuple[BoardRow, BoardCell, Report]]]]:
        """Each benchmark with its systems, the best first, or in the order of the table where that was asked for."""
        for column in self.table.columns:
            if column.group in MEASURED and not column.parent:
                cells = [(row, row.cells[column.id]) for row in self.table.rows if column.id in row.cells]
                cells = [(row, cell) for row, cell in cells if cell.run in self.reports]
                if not self.sort:
                    cells.sort(key=lambda pair: pair[1].value, reverse=column.higher_is_better)
                yield column, [(row, cell, self.reports[cell.run]) for row, cell in cells]

    def rows_json(self) -> Iterator[dict[str, Json]]:
        """One object per system and benchmark, as `--json` prints them."""
        for _, cells in self.blocks():
            for _, cell, report in cells:
                ranks: dict[str, Json] = {"rank_low": cell.rank_low, "rank_high": cell.rank_high}
                yield {**report.to_json(), **ranks, "evidence": cell.evidence}
        for column, row, cell in self.published():
            score: Json = {"value": cell.value, "low": cell.low, "high": cell.high, "stderr": cell.stderr}
            yield {
                "run": "", "system": row.system, "benchmark": column.title, "n": cell.n, "evidence": cell.evidence,
                "scores": {column.details.get("metric", "score"): score}, "source": cell.source, "marks": list(cell.marks),
            }  # fmt: skip

    def published(self) -> Iterator[tuple[BoardColumn, BoardRow, BoardCell]]:
        """The cells that others measured, column by column."""
        for column in self.table.columns:
            for row in self.table.rows:
                if (cell := row.cells.get(column.id)) and cell.evidence not in DECIDING:
                    yield column, row, cell


def read(only: BoardFilter | None = None, parts: bool = True, published: bool = False) -> StoredBoard:
    """The leaderboard of all that is stored, or of some of it; `published`: with results of others. Raises UnknownName for a
    filter that nothing meets."""
    only = only or BoardFilter()
    board = _measured(only, parts, published)
    return _with_published(board, only) if published else board


def _with_published(board: StoredBoard, only: BoardFilter) -> StoredBoard:
    """The board with results of others, which stand in a measured column by their recipe only."""
    recipes: dict[str, str] = {}
    for run in board_runs(board.reports.values()):
        key, report = run.report.key, run.report
        recipes[recipe(key, report.shown)] = run.column
        parts = {recipe(key, report.headline, name): name for name in report.subsets}
        recipes |= {part: digest_of([run.column, "subset", name], 10) for part, name in parts.items()}
    columns, placed = published_cells(recipes, {row.system for row in board.table.rows})
    columns = tuple(c for c in columns if not only.benchmarks or c.title.partition(" ")[0] in only.benchmarks)
    placed = tuple(each for each in placed if not only.systems or each.system in only.systems)
    return replace(board, table=with_published(board.table, columns, placed))


def _measured(only: BoardFilter, parts: bool, published: bool) -> StoredBoard:
    """The board of stored runs; with `published` a filter may also name what others measured."""
    path = settings.database()
    with Runs(path) as store:
        reports = store.reports()
        _check(only, reports, published)
        runs = board_runs(report for report in reports if _wanted(report, only))
        items = _items(store, runs)
    sources = BoardSources(items=items, parts=parts)
    if not (only.view or only.benchmarks):
        with Speeds(path) as speeds:
            sources = replace(sources, columns=speed_columns(speeds.all()), ratings=_ratings())
    return _build(runs, _of_systems(sources, only.systems) if only.systems else sources)


def _ratings() -> Ratings | None:
    """Ratings from the stored votes; None where there are none that count."""
    if not (battles := stored()):
        return None
    from ..arena.rate import rate

    try:
        return rate(battles)
    except UsageError:
        return None


def _of_systems(sources: BoardSources, systems: Sequence[str]) -> BoardSources:
    columns = [
        replace(column, cells={row: cell for row, cell in column.cells.items() if row[0] in systems})
        for column in sources.columns
    ]
    ratings = sources.ratings and replace(
        sources.ratings, ratings=tuple(rating for rating in sources.ratings.ratings if rating.model in systems)
    )
    return replace(sources, columns=columns, ratings=ratings)


def _items(store: Runs, runs: Sequence[BoardRun]) -> Mapping[str, HeadlineScores]:
    """Scores by item of the runs that share a column with others; there is nothing to compare elsewhere, and no need of
    numpy."""
    columns: dict[str, list[str]] = {}
    for run in runs:
        columns.setdefault(run.column, []).append(run.run)
    shared = [run for same in columns.values() if len(same) > 1 for run in same]
    return board_scores(store, shared) if shared else {}


def build(reports: Iterable[Report], sources: BoardSources | None = None) -> StoredBoard:
    """The board of some reports, the newest first."""
    return _build(board_runs(reports), sources or BoardSources())


def _build(runs: Sequence[BoardRun], sources: BoardSources) -> StoredBoard:
    table = leaderboard(runs, replace(sources, order=ORDER, views=_views()))
    return StoredBoard(table, {run.run: run.report for run in runs})


def _check(only: BoardFilter, reports: Sequence[Report], published: bool) -> None:
    filtered = published and (only.benchmarks or only.systems)
    benchmarks, systems = published_names() if filtered else (set[str](), set[str]())
    known = {
        "measured benchmark": (only.benchmarks, benchmarks | {report.key.benchmark for report in reports}),
        "measured view": ([only.view] if only.view else [], {report.key.view for report in reports}),
        "measured system": (only.systems, systems | {report.key.system.name for report in reports}),
    }
    for kind, (names, measured) in known.items():
        for name in names:
            if name not in measured:
                raise UnknownName(kind, name, measured)


def _wanted(report: Report, only: BoardFilter) -> bool:
    key = report.key
    return (
        (only.view is None or key.view == only.view)
        and (not only.benchmarks or key.benchmark in only.benchmarks)
        and (not only.systems or key.system.name in only.systems)
    )


def _views() -> ViewShots:
    """The views that are leaderboards of others: each with its benchmarks and their shots."""
    views: dict[str, dict[str, int]] = {}
    for benchmark in CATALOGUE.values():
        for name, view in benchmark.views.items():
            if name != "default":
                views.setdefault(name, {})[benchmark.name] = view.shots
    return views


def to_csv(table: Leaderboard) -> str:
    """The table as CSV: one line per system and column, with the interval, n, ranks, evidence and the run."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(
        ["system", "identity", "group", "column", "column_id", "unit", "value", "low", "high", "stderr", "n", "rank_low",
         "rank_high", "partial", "evidence", "method", "run", "source", "marks"]
    )  # fmt: skip
    for row in table.rows:
        for column in table.columns:
            if cell := row.cells.get(column.id):
                lines.writerow(
                    [_plain(row.system), row.identity, column.group, _plain(column.title), column.id, column.unit,
                     cell.value, cell.low, cell.high, cell.stderr, cell.n, cell.rank_low, cell.rank_high,
                     int(cell.partial), cell.evidence, cell.method, cell.run, _plain(cell.source),
                     _plain("; ".join(cell.marks))]
                )  # fmt: skip
    return text.getvalue()


def _plain(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def sorted_by(board: StoredBoard, title: str) -> StoredBoard:
    """The board with its systems in the order of a column, named by its title, its id, or the beginning of its title; those
    without a value last. Raises UnknownName."""
    columns = board.table.columns
    matches = [column for column in columns if title in (column.title, column.id)]
    matches = matches or [column for column in columns if column.title.startswith(title)]
    if not matches:
        raise UnknownName("column", title, [column.title for column in columns])
    column = matches[0]
    down = -1 if column.higher_is_better else 1
    rows = sorted(
        board.table.rows,
        key=lambda row: (
            column.id not in row.cells,
            down * row.cells[column.id].value if column.id in row.cells else 0,
        ),
    )
    return replace(board, table=replace(board.table, rows=tuple(rows)), sort=column.id)
