"""Scores of several systems on the same items, side by side, with the weight of each benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...statistics import choose, weighted
from ...values import Score

Floats = NDArray[np.floating]
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class ItemScores:
    """One system on one benchmark: `scores[i]` is that of `items[i]`, of cluster `clusters[i]`; failed items are absent."""

    items: tuple[str, ...]
    clusters: tuple[str, ...]
    scores: Floats


@dataclass(frozen=True, slots=True)
class BenchmarkScores:
    """All systems on one benchmark, by name. `by_subset`: its score is the plain mean over subsets (of an item `subset/index`)."""

    name: str
    weight: float
    by_subset: bool
    systems: Mapping[str, ItemScores]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """`scores[s, i]` is the score of system s on item i, NaN where there is none.

    Items of one unit (a cluster, or an item by itself) stand together: `units[i]` counts up from 0. `parts[i]` is the part that
    an item belongs to: a benchmark, or a subset where its score is a mean of subsets. A system's score is the sum over parts of
    `weights[p]`, which sum to 1, times its mean there. `benchmarks[p]` names the benchmark of part p.
    """

    systems: tuple[str, ...]
    scores: Floats
    units: Numbers
    parts: Numbers
    weights: Floats
    benchmarks: tuple[str, ...]

    def of(self, systems: Sequence[str]) -> "ScoreTable":
        """The same items with these systems only."""
        rows = [self.systems.index(system) for system in systems]
        return ScoreTable(tuple(systems), self.scores[rows], self.units, self.parts, self.weights, self.benchmarks)

    def first(self, units: int) -> "ScoreTable":
        """The same systems on the first so many units only."""
        end = int(np.searchsorted(self.units, units))
        return ScoreTable(
            self.systems, self.scores[:, :end], self.units[:end], self.parts[:end], self.weights, self.benchmarks
        )

    def score(self, system: str) -> Score | None:
        """The weighted score of a system over all items that it has, with its interval; None where a part has none."""
        row = self.scores[self.systems.index(system)]
        scores: list[Score] = []
        for part in range(len(self.weights)):
            here = np.flatnonzero((self.parts == part) & ~np.isnan(row))
            if not len(here):
                return None
            scores.append(choose(row[here].tolist(), self.units[here].tolist()))
        return weighted(scores, self.weights.tolist())


def table(columns: Sequence[BenchmarkScores]) -> ScoreTable:
    """The table of the systems that have scores in every benchmark of a weight above 0, in the order of the first."""
    columns = [column for column in columns if column.weight > 0]
    total = sum(column.weight for column in columns)
    systems = [name for name in columns[0].systems if all(name in column.systems for column in columns)]
    blocks: list[Floats] = []
    units: list[Numbers] = []
    parts: list[Numbers] = []
    weights: list[float] = []
    benchmarks: list[str] = []
    seen_units = 0
    for column in columns:
        place_of, cluster_of = _places([column.systems[name] for name in systems])
        subsets = [item.rpartition("/")[0] if column.by_subset else "" for item in place_of]
        numbers = {subset: len(weights) + number for number, subset in enumerate(dict.fromkeys(subsets))}
        weights += [column.weight / total / len(numbers)] * len(numbers)
        benchmarks += [column.name] * len(numbers)
        order, unit = _together([cluster_of[item] for item in place_of])
        block = np.full((len(systems), len(place_of)), np.nan)
        for row, name in enumerate(systems):
            scores = column.systems[name]
            block[row, [place_of[item] for item in scores.items]] = scores.scores
        blocks.append(block[:, order])
        units.append(unit + seen_units)
        seen_units += int(unit[-1]) + 1 if len(unit) else 0
        parts.append(np.array([numbers[subset] for subset in subsets], dtype=np.intp)[order])
    return ScoreTable(
        tuple(systems),
        np.concatenate(blocks, axis=1),
        np.concatenate(units),
        np.concatenate(parts),
        np.array(weights),
        tuple(benchmarks),
    )


def _places(rows: Sequence[ItemScores]) -> tuple[dict[str, int], dict[str, str]]:
    """The column of each item that any system has, and its cluster."""
    place_of: dict[str, int] = {}
    cluster_of: dict[str, str] = {}
    previous: tuple[str, ...] = ()
    for row in rows:
        if row.items == previous:  # as most are
            continue
        previous = row.items
        for item, cluster in zip(row.items, row.clusters, strict=True):
            if item not in place_of:
                place_of[item], cluster_of[item] = len(place_of), cluster
    return place_of, cluster_of


def _together(clusters: Sequence[str]) -> tuple[Numbers, Numbers]:
    """An order of items in which those of a cluster stand together, clusters as they first come; then the unit of each."""
    numbers: dict[str, int] = {}
    unit = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp)
    order = np.argsort(unit, kind="stable")
    return order, unit[order]
