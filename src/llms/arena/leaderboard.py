"""One table over all that is known of systems, from the reports of runs and whatever else was measured of them."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .battle import Ratings
from .board import BoardCell, BoardColumn, BoardRow, Leaderboard
from .board_averages import AverageColumn, ViewShots, averages, spent_averages, view_averages
from .board_columns import BoardRun, FilledColumn, RowKey, columns_of, ranked, spent_columns
from .board_ranks import Differences, HeadlineScores, differences, of_average

FIRST_STEPS = ("llms eval smollm2 -b arc_easy,gsm8k --limit 50", "llms speed smollm2", "llms arena vote")
UNPAIRED = "ranked by unpaired standard errors: the scores of its items are not at hand"
NAMED = frozenset(["default", "v1", "v2"])


@dataclass(frozen=True, slots=True)
class BoardSources:
    """All that a board is made of besides reports. `order` is that of benchmarks, `views` name the benchmarks of each view
    with their shots, `items` are scores by run (none: nothing is ranked), `columns` come from elsewhere: speed, published
    results. A row without an identity there is the latest of its name."""

    order: Sequence[str] = ()
    views: ViewShots = field(default_factory=dict)
    items: Mapping[str, HeadlineScores] | None = None
    ratings: Ratings | None = None
    columns: Sequence[FilledColumn] = ()
    parts: bool = True


def leaderboard(runs: Sequence[BoardRun], sources: BoardSources | None = None) -> Leaderboard:
    """The table of `runs`, the newest first: of a name that meant several systems each has its own row. What the runs of a
    benchmark took stands beside it only where no average over several has it."""
    sources = sources or BoardSources()
    latest: dict[str, RowKey] = {}
    for run in runs:
        latest.setdefault(run.row[0], run.row)
    rows = list(dict.fromkeys(run.row for run in runs))
    measured = columns_of(runs, sources.order, sources.parts)
    means = [*averages(measured, rows), *view_averages(measured, sources.views)] if rows else []
    compared = {} if sources.items is None else _compared(measured, sources.items)
    tops = [_ranked_average(mean, compared) for mean in means]
    spent: list[FilledColumn] = []
    for mean in means:
        if mean.filled.column.id.startswith(("macro", "view")):
            spent += spent_averages(mean.over, list(mean.filled.cells))
    covered = {part.column.id for mean in means for part in mean.over}
    wholes: list[FilledColumn] = []
    for column in measured:
        wholes.append(_ranked(column, compared.get(column.column.id)))
        wholes += spent_columns(column) if column.key and column.column.id not in covered else []
    arena = list(_arena(sources.ratings)) if sources.ratings else []
    others = [_placed(column, latest) for column in (*arena, *sources.columns)]
    columns = [column for column in (*tops, *spent, *wholes, *others) if column.cells]
    rows += [row for column in others for row in column.cells]
    return _table(columns, list(dict.fromkeys(rows)), latest)


def _table(columns: Sequence[FilledColumn], rows: Sequence[RowKey], latest: Mapping[str, RowKey]) -> Leaderboard:
    cells: dict[RowKey, dict[str, BoardCell]] = {row: {} for row in rows}
    for column in columns:
        for row, cell in column.cells.items():
            cells[row][column.column.id] = cell
    first = columns[0].column if columns else None
    down = -1 if first and first.higher_is_better else 1

    def place(row: RowKey) -> tuple[bool, float, str]:
        cell = cells[row].get(first.id) if first else None
        return cell is None, down * cell.value if cell else 0.0, row[0]

    names = [name for name, _ in rows]
    ordered = [
        BoardRow(
            name,
            identity,
            cells[name, identity],
            name if latest.get(name, (name, identity)) == (name, identity) else f"{name} #{identity[:6]}",
            latest.get(name, (name, identity)) == (name, identity),
        )
        for name, identity in sorted(rows, key=place)
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    notes = [
        f"{name} stands in {names.count(name)} rows: it has been {names.count(name)} different systems; the latest bears the bare name"
        for name in twice
    ]
    return Leaderboard(
        tuple(column.column for column in columns),
        tuple(ordered),
        tuple(_next_steps(columns, ordered)),
        tuple(notes),
    )


def _compared(measured: Sequence[FilledColumn], items: Mapping[str, HeadlineScores]) -> dict[str, Differences]:
    """The differences of all pairs of each column of whole runs that has several."""
    return {
        column.column.id: differences(
            column.scores, {row: items[cell.run] for row, cell in column.cells.items() if cell.run in items}
        )
        for column in measured
        if column.key and len(column.cells) > 1
    }


def _ranked(column: FilledColumn, pairs: Differences | None) -> FilledColumn:
    if not pairs:
        return column
    return ranked(column, pairs.ranks(column.column.higher_is_better), "" if pairs.paired else UNPAIRED)


def _ranked_average(mean: AverageColumn, compared: Mapping[str, Differences]) -> FilledColumn:
    pairs = of_average(mean, compared) if compared and len(mean.filled.cells) > 1 else None
    return _ranked(mean.filled, pairs)


def _placed(column: FilledColumn, latest: Mapping[str, RowKey]) -> FilledColumn:
    """The column with its cells in the rows of the latest system of each name, where it names no identity."""
    cells = {
        (latest.get(name, (name, "")) if not identity else (name, identity)): cell
        for (name, identity), cell in column.cells.items()
    }
    return FilledColumn(column.column, cells)


def _arena(ratings: Ratings) -> Iterator[FilledColumn]:
    """A column of ratings for each part of the graph of battles, in which alone they compare."""
    parts = sorted({rating.component for rating in ratings.ratings})
    for part in parts:
        cells = {
            (rating.model, ""): BoardCell(
                rating.rating,
                rating.low,
                rating.high,
                rating.battles,
                "own rows",
                ratings.method,
                rating.stderr,
                rank_low=rating.rank_low,
                rank_high=rating.rank_high,
            )
            for rating in ratings.ratings
            if rating.component == part and rating.rating is not None
        }
        title = "arena rating" if len(parts) == 1 else f"arena rating, group {part + 1}"
        details = {"votes": str(ratings.votes), "method": ratings.method}
        yield FilledColumn(BoardColumn(f"arena-{part}", "arena", title, "elo", True, details), cells)


def _next_steps(columns: Sequence[FilledColumn], rows: Sequence[BoardRow]) -> Iterator[str]:
    """Commands that would say most: a second system, the benchmarks that one row has and another lacks, and more items
    where the best two cannot be told apart."""
    if not any(column.key for column in columns):
        yield from FIRST_STEPS
        return
    asked = [
        column for column in columns if column.key and column.key.data in ("sample", "hub") and column.key.view in NAMED
    ]
    latest = [row for row in rows if row.latest and any(column.column.id in row.cells for column in asked)]
    if asked and len(latest) == 1:
        other = "smollm2" if latest[0].system != "smollm2" else "gguf:smollm2"
        yield _eval(other, asked[:1])
    for row in latest:
        lacking = [column for column in asked if column.column.id not in row.cells]
        if lacking and len(latest) > 1:
            yield _eval(row.system, lacking[:1])
            break
    for column in asked:
        best = sorted(
            (row for row in latest if column.column.id in row.cells), key=lambda row: -row.cells[column.column.id].value
        )
        if len(best) > 1 and (best[0].cells[column.column.id].rank_high or 1) > 1:
            names = " ".join(shlex.quote(row.system) for row in best[:2])
            assert column.key
            yield f"llms compare {names} -b {column.key.benchmark} --until-decided" + _how(column)
            break


def _eval(system: str, columns: Sequence[FilledColumn]) -> str:
    names = ",".join(column.key.benchmark for column in columns if column.key)
    return f"llms eval {shlex.quote(system)} -b {names}" + _how(columns[0])


def _how(column: FilledColumn) -> str:
    """The options that ask as the column was asked."""
    key = column.key
    assert key
    words = f" --view {key.view}" if key.view != "default" else ""
    words += " --data hub" if key.data == "hub" else ""
    words += " --chat-template on" if key.chat_template else ""
    most = max(cell.n for cell in column.cells.values())
    return words + (f" --limit {most}" if all(cell.partial for cell in column.cells.values()) else "")
