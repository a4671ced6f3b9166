"""Measured speeds as columns of the leaderboard: only those of one machine, asked in one way, stand in one column."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from ..values import Identity, Json, JsonObject, Score
from .board import BoardCell, BoardColumn, Group, Unit
from .board_columns import FilledColumn, RowKey, identity_of


@dataclass(frozen=True, slots=True)
class SpeedSetup:
    """How a speed was measured. `machine` names processor, cores and GPUs, or says that the answers came over a network."""

    machine: str
    prompt_tokens: int
    tokens: int
    concurrency: int
    repeat: int


@dataclass(frozen=True, slots=True)
class SystemSpeed:
    """The speed of one system: seconds to the first token, tokens per second of one answer after its first, and of
    `concurrency` answers at once in sum; each a mean over repeats with its interval, None where no answer told. The peak
    memory is of all its processes, 0 where they are elsewhere; `cost` is US dollars, None where unknown."""

    system: Identity
    setup: SpeedSetup
    measured: str
    first_token: Score | None
    alone: Score | None
    together: Score | None
    peak_memory_bytes: int
    cost: float | None = 0.0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The documented object that `llms speed --json` prints, one per system."""
        scores = {
            "first_token_seconds": self.first_token,
            "tokens_per_second": self.alone,
            "tokens_per_second_together": self.together,
        }
        return {
            "system": self.system.name,
            "identity": identity_of(self.system),
            **asdict(self.setup),
            "measured": self.measured,
            **{name: asdict(score) if score else None for name, score in scores.items()},
            "peak_memory_bytes": self.peak_memory_bytes,
            "cost": self.cost,
            "notes": self.notes,
        }


def speed_from_json(system: Identity, fields: Mapping[str, JsonObject | int | float | str | None]) -> SystemSpeed:
    """The speed of which `to_json` gave the fields."""
    known = json.loads(json.dumps(fields))

    def score(name: str) -> Score | None:
        return Score(**known[name]) if known[name] else None

    setup = SpeedSetup(**{name: known[name] for name in SpeedSetup.__dataclass_fields__})
    return SystemSpeed(
        system,
        setup,
        known["measured"],
        score("first_token_seconds"),
        score("tokens_per_second"),
        score("tokens_per_second_together"),
        known["peak_memory_bytes"],
        known["cost"],
        tuple(known["notes"]),
    )


def speed_columns(speeds: Iterable[SystemSpeed]) -> list[FilledColumn]:
    """First token, tokens per second alone and together, and memory, of each way of measuring; the newest first counts."""
    setups: dict[SpeedSetup, dict[RowKey, SystemSpeed]] = {}
    for speed in speeds:
        row = speed.system.name, identity_of(speed.system)
        setups.setdefault(speed.setup, {}).setdefault(row, speed)
    machines = {setup.machine for setup in setups}
    columns = []
    for setup, rows in setups.items():
        digest = hashlib.sha256(json.dumps(asdict(setup), sort_keys=True).encode()).hexdigest()[:8]
        apart = (
            "" if len(setups) == 1 else f", {setup.machine}" if len(machines) == len(setups) else f", {_words(setup)}"
        )
        details = {name.replace("_", " "): str(value) for name, value in asdict(setup).items()}
        for kind, group, title, unit, higher in KINDS:
            cells = {row: cell for row, speed in rows.items() if (cell := _cell(speed, kind))}
            title = title.format(setup.concurrency) + apart
            columns.append(FilledColumn(BoardColumn(f"{kind}-{digest}", group, title, unit, higher, details), cells))
    return columns


KINDS: tuple[tuple[str, Group, str, Unit, bool], ...] = (
    ("first", "speed", "first token", "seconds", False),
    ("alone", "speed", "tokens/s alone", "tokens/s", True),
    ("together", "speed", "tokens/s, {} at once", "tokens/s", True),
    ("peak", "memory", "peak memory while answering", "bytes", False),
)


def _words(setup: SpeedSetup) -> str:
    return f"{setup.prompt_tokens} + {setup.tokens} tokens, {setup.repeat}×, {setup.machine}"


def _cell(speed: SystemSpeed, kind: str) -> BoardCell | None:
    if kind == "peak":
        peak = speed.peak_memory_bytes
        return BoardCell(peak, None, None, 1, "benchmark", "largest seen", marks=speed.notes) if peak else None
    score = {"first": speed.first_token, "alone": speed.alone, "together": speed.together}[kind]
    if score is None:
        return None
    return BoardCell(
        score.value, score.low, score.high, score.n, "benchmark", score.method, score.stderr, marks=speed.notes
    )
