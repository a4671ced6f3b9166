"""The leaderboard: from the reports of runs to columns of comparable scores and an average over them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..evaluation.report import Report


@dataclass(frozen=True, slots=True)
class Column:
    """Runs that were asked the same: one per system, the best first."""

    benchmark: str
    view: str
    version: str
    shots: int
    draw: str
    chat_template: bool
    window: str
    decoding: str
    seed: int
    scorer: str
    data: str
    revision: str
    system_prompt: str
    thinking: int
    sandbox: str
    reports: tuple[Report, ...]


ASKED = tuple(field.name for field in fields(Column) if field.name != "reports")


@dataclass(frozen=True, slots=True)
class Average:
    """Plain mean of a system's headline scores over all columns that every listed system has."""

    system: str
    value: float
    columns: int


@dataclass(frozen=True, slots=True)
class Leaderboard:
    columns: tuple[Column, ...]
    averages: tuple[Average, ...]
    partial: bool


def leaderboard(reports: Iterable[Report], order: Sequence[str] = ()) -> Leaderboard:
    """Group reports, newest first, into columns; of each system the newest run counts.

    Columns stand in the `order` of benchmark names. The average is over columns that all systems share; it is
    partial where any of their runs is.
    """
    groups: dict[tuple[Any, ...], dict[str, Report]] = {}
    for report in reports:
        if report.score is None:
            continue
        k = report.key
        asked = tuple(getattr(k, name) for name in ASKED)
        groups.setdefault(asked, {}).setdefault(k.system.name, report)
    rank = {name: place for place, name in enumerate(order)}
    columns = [
        Column(
            **dict(zip(ASKED, asked, strict=True)),
            reports=tuple(sorted(rows.values(), key=lambda r: -_shown(r))),
        )
        for asked, rows in groups.items()
    ]
    columns.sort(key=lambda c: (c.view, c.data, rank.get(c.benchmark, len(rank)), c.benchmark, c.shots))
    systems = {report.key.system.name for column in columns for report in column.reports}
    shared = [column for column in columns if len(column.reports) == len(systems)]
    if len({(c.view, c.data, c.chat_template) for c in shared}) != 1 or len({c.benchmark for c in shared}) != len(
        shared
    ):
        shared = []  # an average over different views, sources or templates means nothing
    averages = []
    for system in systems if len(shared) > 1 else ():
        values = [_shown(r) for c in shared for r in c.reports if r.key.system.name == system]
        averages.append(Average(system, sum(values) / len(values), len(values)))
    averages.sort(key=lambda average: -average.value)
    return Leaderboard(tuple(columns), tuple(averages), any(r.partial for c in shared for r in c.reports))


def _shown(report: Report) -> float:
    return report.score.value if report.score else 0.0
