"""One table over everything that is known of systems: rows are systems, columns are what was measured in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..values import Json
from .evidence import Evidence

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
Unit = Literal["share", "elo", "seconds", "tokens/s", "bytes", "dollars", "points"]


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
    """A system; `identity` tells apart what has one name and is not the same (a digest, empty where unknown)."""

    system: str
    identity: str
    cells: Mapping[str, BoardCell]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """`next_steps` are commands that would say most, for an empty or a thin board."""

    columns: tuple[BoardColumn, ...]
    rows: tuple[BoardRow, ...]
    next_steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Columns, then rows with their cells by column: what the page draws and `board.json` holds."""
        raise NotImplementedError
