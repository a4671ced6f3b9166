"""The leaderboard: from the reports of runs to columns of comparable scores and an average over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..evaluation.plan import RunKey
from ..evaluation.report import Report
from ..values import Json


@dataclass(frozen=True, slots=True)
class Column:
    """Runs that were asked the same: one per system, the best first."""

    reports: tuple[Report, ...]

    @property
    def key(self) -> RunKey:
        """The common settings of the runs: the key of the best one, which differs from the others' in its system only."""
        return self.reports[0].key


@dataclass(frozen=True, slots=True)
class Average:
    """Plain mean of a system's headline scores over all columns that every listed system has."""

    system: str
    value: float
    columns: int


@dataclass(frozen=True, slots=True)
class BenchmarkBlocks:
    columns: tuple[Column, ...]
    averages: tuple[Average, ...]
    partial: bool


def leaderboard(reports: Iterable[Report], order: Sequence[str] = ()) -> BenchmarkBlocks:
    """Group reports, newest first, into columns; of each system the newest run counts.

    Columns stand in the `order` of benchmark names. The average is over columns that all systems share; it is
    partial where any of their runs is.
    """
    groups: dict[tuple[tuple[str, Json], ...], dict[str, Report]] = {}
    for report in reports:
        if report.score is None:
            continue
        groups.setdefault(report.key.asked, {}).setdefault(report.key.system.name, report)
    rank = {name: position for position, name in enumerate(order)}
    columns = [Column(tuple(sorted(rows.values(), key=lambda r: -_shown(r)))) for rows in groups.values()]
    columns.sort(key=lambda c: _sort_key(c.key, rank))
    systems = {report.key.system.name for column in columns for report in column.reports}
    shared = [column for column in columns if len(column.reports) == len(systems)]
    ways = {(c.key.view, c.key.data, c.key.chat_template) for c in shared}
    if len(ways) != 1 or len({c.key.benchmark for c in shared}) != len(shared):
        shared = []  # an average over different views, sources or templates means nothing
    averages = []
    for system in systems if len(shared) > 1 else ():
        values = [_shown(r) for c in shared for r in c.reports if r.key.system.name == system]
        averages.append(Average(system, sum(values) / len(values), len(values)))
    averages.sort(key=lambda average: -average.value)
    return BenchmarkBlocks(tuple(columns), tuple(averages), any(r.partial for c in shared for r in c.reports))


def _sort_key(key: RunKey, rank: Mapping[str, int]) -> tuple[str, str, int, str, int]:
    return key.view, key.data, rank.get(key.benchmark, len(rank)), key.benchmark, key.shots


def _shown(report: Report) -> float:
    return report.score.value if report.score else 0.0
