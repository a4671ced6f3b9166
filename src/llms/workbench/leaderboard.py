"""The verb `leaderboard`: what the store holds, side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from .. import settings
from ..arena.leaderboard import BenchmarkBlocks, leaderboard
from ..errors import UnknownName
from ..evaluation.report import Report
from ..store.runs import Runs
from .html_report import page

ORDER = ("arc_easy", "arc_challenge", "hellaswag", "mmlu", "truthfulqa_mc1", "truthfulqa_mc2", "winogrande", "gsm8k")


def read(view: str | None = None, benchmarks: Sequence[str] = ()) -> BenchmarkBlocks:
    """The leaderboard of all stored runs, or of one view or some benchmarks."""
    with Runs(settings.database()) as store:
        reports = store.reports()
    for name in benchmarks:
        if name not in {report.key.benchmark for report in reports}:
            raise UnknownName("measured benchmark", name, {report.key.benchmark for report in reports})
    if view and view not in {report.key.view for report in reports}:
        raise UnknownName("measured view", view, {report.key.view for report in reports})
    return build(
        report
        for report in reports
        if (view is None or report.key.view == view) and (not benchmarks or report.key.benchmark in benchmarks)
    )


def write_page(board: BenchmarkBlocks, path: Path) -> None:
    """The leaderboard as one HTML file."""
    reports = [report for column in board.columns for report in column.reports]
    path.write_text(page(reports, averages=board.averages), encoding="utf-8")


def build(reports: Iterable[Report]) -> BenchmarkBlocks:
    return leaderboard(reports, ORDER)
