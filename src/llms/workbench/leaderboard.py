"""The verb `leaderboard`: all that the store holds, side by side."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import settings
from ..arena.board import BoardCell, BoardColumn, BoardRow, Leaderboard
from ..arena.board_averages import ViewShots
from ..arena.board_columns import column_id
from ..arena.board_ranks import ItemScores
from ..arena.leaderboard import BoardSources, leaderboard
from ..benchmarks.catalogue import CATALOGUE
from ..errors import UnknownName
from ..evaluation.report import Report
from ..store.runs import Runs
from ..values import Json
from .board_page.export import page

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
                if not self.sort:
                    cells.sort(key=lambda pair: -pair[1].value)
                yield column, [(row, cell, self.reports[cell.run]) for row, cell in cells]

    def rows_json(self) -> Iterator[dict[str, Json]]:
        """One object per system and benchmark, as `--json` prints them."""
        for _, cells in self.blocks():
            for _, cell, report in cells:
                ranks: dict[str, Json] = {"rank_low": cell.rank_low, "rank_high": cell.rank_high}
                yield {**report.to_json(), **ranks, "evidence": cell.evidence}


def read(only: BoardFilter | None = None, parts: bool = True) -> StoredBoard:
    """The leaderboard of all that is stored, or of some of it. Raises UnknownName for a filter that nothing meets."""
    only = only or BoardFilter()
    with Runs(settings.database()) as store:
        reports = store.reports()
        _check(only, reports)
        reports = [report for report in reports if _wanted(report, only)]
        return build(reports, BoardSources(items=_items(store, reports), parts=parts))


def _items(store: Runs, reports: Sequence[Report]) -> Mapping[str, ItemScores]:
    """Scores by item of the runs that share a column with others; there is nothing to compare elsewhere, and no need of
    numpy."""
    columns: dict[str, list[str]] = {}
    for report in reports:
        if report.score is not None:
            columns.setdefault(column_id(report), []).append(report.key.run)
    runs = [run for same in columns.values() if len(same) > 1 for run in same]
    if not runs:
        return {}
    from ..store.board_scores import board_scores

    return board_scores(store, runs)


def build(reports: Iterable[Report], sources: BoardSources | None = None) -> StoredBoard:
    """The board of some reports, the newest first."""
    reports = list(reports)
    sources = replace(sources or BoardSources(), order=ORDER, views=_views())
    return StoredBoard(leaderboard(reports, sources), {report.key.run: report for report in reports})


def _check(only: BoardFilter, reports: Sequence[Report]) -> None:
    known = {
        "measured benchmark": (only.benchmarks, {report.key.benchmark for report in reports}),
        "measured view": ([only.view] if only.view else [], {report.key.view for report in reports}),
        "measured system": (only.systems, {report.key.system.name for report in reports}),
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


def write_page(board: StoredBoard, path: Path) -> None:
    """The leaderboard as one HTML file, which sorts, filters and draws as the page does."""
    path.write_text(page(board.table), encoding="utf-8")


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
