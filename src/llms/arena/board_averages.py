"""Averages over columns: macro and micro, each with a standard error of its own; of views, where all their benchmarks are there.

Only columns of one view, source and template are averaged, only those that all rows have, and no rows of data twice: neither a
total beside its parts nor the same rows asked in two ways. A loss, which is better the less it is, is in no average.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..evaluation.plan import RunKey
from ..statistics import weighted
from ..values import Score
from .board import BoardCell, BoardColumn, Group
from .board_columns import FilledColumn, RowKey, digest_of, spent_columns
from .evidence import Evidence

Way = tuple[str, str, bool]
WHOLE_OF = {"gpqa_diamond": "gpqa_main", "gpqa_main": "gpqa_extended"}  # the rows of the first are among the second's
ViewShots = Mapping[str, Mapping[str, int]]  # view -> benchmark -> its few-shot examples there


@dataclass(frozen=True, slots=True)
class AverageColumn:
    """An average with the columns that it is over and, of each row, their weights."""

    filled: FilledColumn
    over: tuple[FilledColumn, ...]
    weights: Mapping[RowKey, Sequence[float]]


def way_of(key: RunKey) -> Way:
    """Settings across which nothing is averaged: view, source, template."""
    return key.view, key.data, key.chat_template


def averages(columns: Sequence[FilledColumn], rows: Sequence[RowKey]) -> Iterator[AverageColumn]:
    """Macro and micro over the columns that all `rows` have, of each way of asking that has two or more; what is above
    guessing, where guessing gets something."""
    ways: dict[Way, list[FilledColumn]] = {}
    for part in columns:
        if part.key and part.column.higher_is_better and all(row in part.cells for row in rows):
            ways.setdefault(way_of(part.key), []).append(part)
    shared = {way: over for way, same in ways.items() if len(over := once(same)) > 1}
    for way, over in shared.items():
        suffix, name = f"-{digest_of(list(way), 6)}", "" if len(shared) == 1 else f", {_way_in_words(way)}"
        left_out = [part.column.title for part in ways[way] if part not in over]
        details = {"over": ", ".join(part.column.title for part in over)}
        details |= {"left out, the same rows": ", ".join(left_out)} if left_out else {}
        for kind, title in (("macro", "macro average"), ("micro", "micro average"), ("above-chance", "above chance")):
            if kind == "above-chance" and not any(part.column.chance for part in over):
                continue
            column = BoardColumn(
                kind + suffix, "average", title + name, "share", True, {**details, "average": MEANING[kind]}
            )
            if kind != "micro":
                yield _averaged(column, over, rows, above=kind != "macro")
            else:
                yield _averaged(column, over, rows, lambda score: score.n)


MEANING = {
    "macro": "every benchmark counts the same",
    "micro": "every item counts the same",
    "above-chance": "(score − chance) / (1 − chance), every benchmark counts the same",
}


def once(columns: Sequence[FilledColumn]) -> list[FilledColumn]:
    """Those of `columns`, all asked in one way, that stand on rows of their own, none of which is part of another."""
    names = {column.key.benchmark for column in columns if column.key}
    chosen: list[FilledColumn] = []
    seen: set[str] = set()
    for column in columns:
        assert column.key
        base = column.key.benchmark.partition(":")[0]
        marks = {base, column.key.revision}
        whole = WHOLE_OF.get(base)
        if seen & marks or whole in names or WHOLE_OF.get(whole or "") in names:
            continue
        seen |= marks
        chosen.append(column)
    return chosen


def view_averages(columns: Sequence[FilledColumn], views: ViewShots) -> Iterator[AverageColumn]:
    """Of each view the mean over its benchmarks, for the rows that have them all, asked as the view asks."""
    for view, shots in views.items():
        ways: dict[Way, dict[str, FilledColumn]] = {}
        for column in columns:
            key = column.key
            if key and key.view == view and shots.get(key.benchmark) == key.shots:
                same = ways.setdefault(way_of(key), {})
                held = same.get(key.benchmark)
                if held is None or len(held.cells) < len(column.cells):  # of two versions that which more were asked
                    same[key.benchmark] = column
        for way, same in ways.items():
            over = [same[name] for name in shots if name in same]
            rows = [row for row in over[0].cells if all(row in column.cells for column in over)]
            if len(over) == len(shots) and rows:
                details = {"over": ", ".join(shots), "data": way[1], "chat template": str(way[2])}
                name = f"view-{view}-{digest_of(list(way), 6)}"
                title = f"view {view}" + (f", {_way_in_words(way)}" if len(ways) > 1 else "")
                yield _averaged(BoardColumn(name, "view", title, "share", True, details), over, rows)


def spent_averages(over: Sequence[FilledColumn], rows: Sequence[RowKey]) -> Iterator[FilledColumn]:
    """Time, money and peak memory over the benchmarks of an average, for every row that has them of each."""
    suffix = digest_of([column.column.id for column in over], 6)
    details = {"over": ", ".join(column.column.title for column in over)}
    parts: dict[Group, list[FilledColumn]] = {}
    for spent in (spent for column in over for spent in spent_columns(column)):
        parts.setdefault(spent.column.group, []).append(spent)
    for group, same in parts.items():
        having = [row for row in rows if all(row in part.cells for part in same)]
        if not having or len(same) < len(over):
            continue
        title = same[0].column.title.rpartition(": ")[2]
        column = BoardColumn(f"{group}-{suffix}", group, title, same[0].column.unit, False, details)
        if group != "memory":
            yield _averaged(column, same, having).filled
            continue
        peaks = {row: max(part.cells[row].value for part in same) for row in having}
        cells = {
            row: BoardCell(peak, None, None, len(same), "benchmark", "the largest of its runs")
            for row, peak in peaks.items()
        }
        yield FilledColumn(column, cells)


def _averaged(
    column: BoardColumn,
    over: Sequence[FilledColumn],
    rows: Sequence[RowKey],
    weight: Callable[[Score], float] = lambda score: 1.0,
    above: bool = False,
) -> AverageColumn:
    """The average of each row by the weights of its scores; partial where a part is."""
    cells, scores, weights = {}, {}, {}
    evidence: Evidence = (
        "own rows" if all(cell.evidence == "own rows" for part in over for cell in part.cells.values()) else "benchmark"
    )
    for row in rows:
        own = [part.scores[row] for part in over]
        if above:
            own = [above_chance(score, part.column.chance or 0.0) for score, part in zip(own, over, strict=True)]
        weights[row] = [weight(score) for score in own]
        if all(score.stderr is None and score.low is None for score in own):
            value = sum(w * s.value for w, s in zip(weights[row], own, strict=True)) / sum(weights[row])
            score = Score(value, None, None, None, sum(s.n for s in own), "no interval of its parts is known")
        else:
            score = weighted(own, weights[row])
        partial = any(part.cells[row].partial for part in over)
        scores[row] = score
        cells[row] = BoardCell(
            score.value, score.low, score.high, score.n, evidence, score.method, score.stderr, partial=partial
        )
    return AverageColumn(FilledColumn(column, cells, None, scores), tuple(over), weights)


def above_chance(score: Score, chance: float) -> Score:
    """(m − g) / (1 − g), and the interval in the same way; the standard error scales by 1 / (1 − g)."""

    def scaled(value: float | None) -> float | None:
        return None if value is None else (value - chance) / (1 - chance)

    error = None if score.stderr is None else score.stderr / (1 - chance)
    return replace(
        score, value=(score.value - chance) / (1 - chance), low=scaled(score.low), high=scaled(score.high), stderr=error
    )


def _way_in_words(way: Way) -> str:
    view, data, template = way
    words = [data] + ([f"view {view}"] if view != "default" else []) + (["chat template"] if template else [])
    return " ".join(words)
