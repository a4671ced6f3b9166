"""From the reports of runs to columns of cells: runs that were asked the same stand in one column, and no others do."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter

from ..evaluation.plan import RunKey
from ..evaluation.report import Report
from ..statistics import caution
from ..statistics.direction import in_nats, more_is_better
from ..values import Identity, Json, Score
from .board import BoardCell, BoardColumn, Group, Unit
from .evidence import Evidence

RowKey = tuple[str, str]  # the name of a system and the digest of its identity
GROUP_OF: Mapping[str, Group] = {"file": "own data", "fresh": "fresh"}  # by the kind of data, else a benchmark
PER_TASK: Mapping[Unit, tuple[Group, str]] = {
    "seconds": ("time", "time per task"),
    "dollars": ("money", "money per task"),
}


@dataclass(frozen=True, slots=True)
class FilledColumn:
    """A column and its cells by row. Of a column that runs made: their common settings in `key`, and the scores that the
    cells show, which averages need, and the `runs` themselves."""

    column: BoardColumn
    cells: Mapping[RowKey, BoardCell]
    key: RunKey | None = None
    scores: Mapping[RowKey, Score] = field(default_factory=dict)
    runs: "Mapping[RowKey, BoardRun]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BoardRun:
    """A run that has a score, with its name, its row, and its column: 10 hex digits of how it was asked and of which number
    of it leads."""

    report: Report
    run: str
    row: RowKey
    column: str

    @property
    def evidence(self) -> Evidence:
        return "own rows" if self.report.key.data == "file" else "benchmark"


def identity_of(identity: Identity) -> str:
    """12 hex digits of all that decides the answers of a system, but for its name."""
    return digest_of({**asdict(identity), "name": ""}, 12)


def board_runs(reports: Iterable[Report]) -> list[BoardRun]:
    """Those of `reports` that have a score, in their order. What thousands of runs have in common is digested once."""
    identities: dict[tuple[str, ...], str] = {}
    columns: dict[tuple[object, ...], str] = {}
    runs = []
    for report in reports:
        if report.score is None:
            continue
        key, system = report.key, report.key.system
        decides = (*_FIELDS(system), *(text for pair in sorted(system.extra.items()) for text in pair))
        if decides not in identities:
            identities[decides] = identity_of(system)
        asked = (*_SETTINGS(key), repr(key.further), report.shown, report.average)
        if asked not in columns:
            columns[asked] = digest_of([key.asked, report.shown, report.average], 10)
        runs.append(BoardRun(report, key.run, (system.name, identities[decides]), columns[asked]))
    return runs


_FIELDS = attrgetter("weights", "dtype", "quantization", "adapter", "tokenizer", "template")
_SETTINGS = attrgetter(*(each.name for each in fields(RunKey) if each.name not in ("system", "further")))


def columns_of(runs: Iterable[BoardRun], order: Sequence[str] = (), parts: bool = True) -> list[FilledColumn]:
    """The columns of whole runs, each followed, with `parts`, by those of its subsets and groups. Benchmarks stand in the
    `order` of their names; of two runs in one place the first counts."""
    groups: dict[str, dict[RowKey, BoardRun]] = {}
    for run in runs:
        groups.setdefault(run.column, {}).setdefault(run.row, run)
    rank = {name: position for position, name in enumerate(order)}
    ordered = sorted(groups.items(), key=lambda group: _order(next(iter(group[1].values())).report.key, rank))
    titles = _titles([next(iter(rows.values())).report for _, rows in ordered])
    columns: list[FilledColumn] = []
    for (name, rows), title in zip(ordered, titles, strict=True):
        whole = _whole(name, title, rows)
        columns.append(whole)
        if parts:
            columns += [*_subsets(whole.column, rows), *_own_groups(whole.column, rows)]
    return columns


def marks_of(report: Report) -> list[str]:
    """Sentences that a reader of the score needs: failures, unreadable answers, cut prompts, few clusters."""
    marks = [failures_of(report)] if report.failed else []
    if report.unreadable:
        share = 100 * report.unreadable / report.n
        marks.append(f"in {report.unreadable} answers ({share:.0f} %) nothing could be read, which counts as wrong")
    if report.cut:
        marks.append(f"{report.cut} prompts were cut by {report.cut_tokens} tokens on the left")
    if (score := report.score) and (careful := caution(score.clusters)):
        marks.append(careful)
    return marks


def failures_of(report: Report) -> str:
    """How many items failed, and why most of them did."""
    why = "; ".join(f"{reason} ({count}×)" for reason, count in report.failures.items())
    return f"{report.failed} of {report.n + report.failed} items failed" + (f": {why}" if why else "")


def cell_of(score: Score, run: BoardRun, marks: Sequence[str] = ()) -> BoardCell:
    partial = run.report.partial
    return BoardCell(
        score.value, score.low, score.high, score.n, run.evidence, score.method, score.stderr, run.run, partial,
        marks=tuple(marks),
    )  # fmt: skip


def _whole(name: str, title: str, rows: Mapping[RowKey, BoardRun]) -> FilledColumn:
    """The column of the leading number of runs that were asked the same."""
    first = next(iter(rows.values())).report
    scores = {row: run.report.score for row, run in rows.items() if run.report.score}
    column = BoardColumn(
        name,
        GROUP_OF.get(first.key.data, "benchmark"),
        title,
        _unit(first.shown, (score.value for score in scores.values())),
        more_is_better(first.shown),
        _details(first),
        chance=first.chance if first.shown == first.headline and first.chance else None,
    )
    cells = {row: cell_of(score, rows[row], marks_of(rows[row].report)) for row, score in scores.items()}
    return FilledColumn(column, cells, first.key, scores, rows)


def spent_columns(whole: FilledColumn) -> Iterator[FilledColumn]:
    """Seconds, US dollars and memory that the runs of a column took, per task; no dollars where all were free."""
    column, rows = whole.column, whole.runs
    details = {"of": column.title, **column.details}
    for unit, (group, title) in PER_TASK.items():
        scores = {row: score for row, run in rows.items() if (score := spent_per_task(run.report, unit))}
        if group == "money" and not any(score.value for score in scores.values()):
            continue
        cells = {row: cell_of(score, rows[row]) for row, score in scores.items()}
        part = BoardColumn(f"{column.id}-{group}", group, f"{column.title}: {title}", unit, False, details, column.id)
        yield FilledColumn(part, cells, None, scores)
    cells = {
        row: BoardCell(peak, None, None, run.report.n, run.evidence, "peak of the run", run=run.run)
        for row, run in rows.items()
        if (peak := run.report.usage.peak_memory_bytes)
    }
    title = f"{column.title}: peak memory"
    yield FilledColumn(BoardColumn(f"{column.id}-memory", "memory", title, "bytes", False, details, column.id), cells)


def _unit(metric: str, values: Iterable[float]) -> Unit:
    if in_nats(metric):
        return "nats"
    return "share" if all(0 <= value <= 1 for value in values) else "points"


def spent_per_task(report: Report, spent: str) -> Score | None:
    """Seconds or dollars of one task, with an interval where the report has one; None where they are unknown."""
    if spent in report.per_task:
        return report.per_task[spent]
    total = report.usage.seconds if spent == "seconds" else report.usage.cost
    if total is None or report.graded_from or not report.n or (spent == "seconds" and not total):
        return None
    return Score(total / report.n, None, None, None, report.n, "the run's total over its items")


def _subsets(whole: BoardColumn, rows: Mapping[RowKey, BoardRun]) -> Iterator[FilledColumn]:
    names = dict.fromkeys(name for run in rows.values() for name in run.report.subsets)
    for name in names:
        scores = {row: run.report.subsets[name] for row, run in rows.items() if name in run.report.subsets}
        yield from _part(whole, whole.group, ("subset", name), name, rows, scores)


def _own_groups(whole: BoardColumn, rows: Mapping[RowKey, BoardRun]) -> Iterator[FilledColumn]:
    groups = {row: run.report.groups for row, run in rows.items() if run.report.groups}
    names = dict.fromkeys((by, value) for columns in groups.values() for by in columns for value in columns[by])
    for by, value in names:
        scores = {row: columns[by][value] for row, columns in groups.items() if value in columns.get(by, {})}
        yield from _part(whole, "own group", (by, value), f"{by} = {value}", rows, scores)


def _part(
    whole: BoardColumn,
    group: Group,
    which: tuple[str, str],
    title: str,
    rows: Mapping[RowKey, BoardRun],
    scores: Mapping[RowKey, Mapping[str, Score]],
) -> Iterator[FilledColumn]:
    """The column of a part of the items, by the headline metric; none where no run has that."""
    cells = {
        row: cell_of(metrics[headline], rows[row])
        for row, metrics in scores.items()
        if (headline := rows[row].report.headline) in metrics
    }
    if cells:
        headline = next(iter(rows.values())).report.headline
        unit, more = _unit(headline, (cell.value for cell in cells.values())), more_is_better(headline)
        details = {**whole.details, which[0]: which[1]}
        name = digest_of([whole.id, *which], 10)
        yield FilledColumn(BoardColumn(name, group, f"{whole.title}: {title}", unit, more, details, whole.id), cells)


def _details(report: Report) -> dict[str, str]:
    """How its runs were asked, for a reader: the settings that say something."""
    key = {name: value for name, value in report.key.asked if value not in ("", 0, False, None)}
    words = {
        name.replace("_", " "): value if isinstance(value, str) else json.dumps(value) for name, value in key.items()
    }
    return {"metric": report.shown, **words, "items": str(report.available)}


def _titles(firsts: Sequence[Report]) -> list[str]:
    """The name of each benchmark and, where several columns have it, in what they differ."""
    alike: dict[str, list[dict[str, Json]]] = {}
    for report in firsts:
        alike.setdefault(report.key.benchmark, []).append(_settings(report))
    titles = []
    for report in firsts:
        own, others = _settings(report), alike[report.key.benchmark]
        names = {name for other in others for name in (*own, *other) if other.get(name) != own.get(name)}
        words = [_word(name, own.get(name)) for name in own if name in names]
        titles.append(", ".join([report.key.benchmark, *(word for word in words if word)]))
    return titles


def _settings(report: Report) -> dict[str, Json]:
    asked = dict(report.key.asked)
    decoding = asked.pop("decoding")
    sampling = {} if decoding == "loglikelihood" else json.loads(str(decoding))
    sampling.pop("stop", None)
    return {**asked, **sampling, "metric": report.shown, "average": report.average}


def _word(name: str, value: Json) -> str:
    """A setting in a title, by which a reader tells two columns of one benchmark apart."""
    if name == "shots":
        return f"{value}-shot"
    if name == "chat_template":
        return "chat template" if value else "raw text"
    if name == "revision":
        return str(value)[:6]
    if name in ("data", "metric", "draw"):
        return str(value)
    return f"{name.replace('_', ' ')} {value}" if value not in ("", None) else ""


def _order(key: RunKey, rank: Mapping[str, int]) -> tuple[str, str, int, str, int, str]:
    return key.view, key.data, rank.get(key.benchmark, len(rank)), key.benchmark, key.shots, key.revision


def ranked(filled: FilledColumn, ranks: Mapping[RowKey, tuple[int, int]], mark: str = "") -> FilledColumn:
    """The column with the ranks that comparisons leave open; `mark` says how they were made, if not in the usual way."""
    cells = {
        row: replace(cell, rank_low=low, rank_high=high, marks=(*cell.marks, *([mark] if mark else [])))
        for row, cell in filled.cells.items()
        for low, high in [ranks.get(row, (None, None))]
    }
    return replace(filled, cells=cells)


def digest_of(value: Json, digits: int) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
