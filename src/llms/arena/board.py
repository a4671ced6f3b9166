"""One table over everything that is known of systems: rows are systems, columns are what was measured in the same way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

from ..values import Json
from .evidence import ORDER, Evidence

CELL = (
    "value",
    "low",
    "high",
    "stderr",
    "n",
    "evidence",
    "method",
    "run",
    "partial",
    "rank_low",
    "rank_high",
    "marks",
    "source",
)  # the places of a cell in `Leaderboard.to_json`

Group = Literal[
    "average",
    "benchmark",
    "view",
    "own data",
    "own group",
    "fresh",
    "arena",
    "speed",
    "memory",
    "money",
    "time",
    "published",
]
GROUPS: tuple[Group, ...] = get_args(Group)
Unit = Literal["share", "elo", "seconds", "tokens/s", "bytes", "dollars", "points", "nats"]


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """`id` is stable and short enough for an address; `details` are the settings that all its cells have in common, by name,
    for a reader. `parent` is the column that this one is a part of (a subset, a group), empty for none: parts stand in no
    average beside their whole."""

    id: str
    group: Group
    title: str
    unit: Unit
    higher_is_better: bool
    details: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class BoardCell:
    """A value with its 95 % interval (None where there is none) over n items. `evidence` says who measured it; `run` leads to
    the items, `marks` are sentences for a reader. Ranks are the best and the worst that paired comparisons leave open, None
    where nothing is ranked."""

    value: float
    low: float | None
    high: float | None
    n: int
    evidence: Evidence
    method: str = ""
    stderr: float | None = None
    run: str = ""
    partial: bool = False
    rank_low: int | None = None
    rank_high: int | None = None
    marks: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A system; `identity` tells apart what has one name and is not the same (a digest, empty where unknown).

    `label` is what a reader sees: the name, with the beginning of the identity where two rows would have one name.
    `latest` is False for what a name meant before it meant another system.
    """

    system: str
    identity: str
    cells: Mapping[str, BoardCell]
    label: str = ""
    latest: bool = True


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """`next_steps` are commands that would say most, for an empty or a thin board."""

    columns: tuple[BoardColumn, ...]
    rows: tuple[BoardRow, ...]
    next_steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The table that the page draws and `board.json` holds: some 90 bytes a cell.

        - `columns`: objects with the fields of BoardColumn, in order of display
        - `rows`: objects `system`, `identity`, `label`, `latest`, `cells`; `cells[i]` belongs to `columns[i]`, null where
          nothing is known, else an array whose places are named by `cell`
        - `cell`: the names of those places. `evidence` is an index into `evidence`, `method` into `methods`, `source` into
          `sources`, `marks` a list of indices into `marks`; `partial` is 0 or 1; `run` is empty where no run stands behind;
          numbers have six digits
        - `evidence`, `methods`, `sources`, `marks`: texts that cells share
        - `next_steps` (commands), `notes` (sentences)
        """
        methods, sources, marks = _Texts(), _Texts(), _Texts()
        rows: list[Json] = []
        for row in self.rows:
            cells = [
                _places(row.cells[column.id], methods, sources, marks) if column.id in row.cells else None
                for column in self.columns
            ]
            rows.append(
                {
                    "system": row.system,
                    "identity": row.identity,
                    "label": row.label or row.system,
                    "latest": row.latest,
                    "cells": cells,
                }
            )
        return {
            "columns": [{**asdict(column), "details": dict(column.details)} for column in self.columns],
            "cell": CELL,
            "evidence": ORDER,
            "methods": list(methods),
            "sources": list(sources),
            "marks": list(marks),
            "rows": rows,
            "next_steps": self.next_steps,
            "notes": self.notes,
        }


class _Texts(dict[str, int]):
    """Texts by their place among those that were asked for."""

    def place_of(self, text: str) -> int:
        return self.setdefault(text, len(self))


def _places(cell: BoardCell, methods: _Texts, sources: _Texts, marks: _Texts) -> list[Json]:
    """The cell as an array, in the order of CELL."""
    return [
        *(_short(number) for number in (cell.value, cell.low, cell.high, cell.stderr)),
        cell.n,
        ORDER.index(cell.evidence),
        methods.place_of(cell.method),
        cell.run,
        int(cell.partial),
        cell.rank_low,
        cell.rank_high,
        [marks.place_of(mark) for mark in cell.marks],
        sources.place_of(cell.source),
    ]


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")
