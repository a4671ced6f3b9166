"""The events of a training run: one JSON object a line of `log.jsonl`, read as it grows by terminal and page."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from ..values import JsonObject

LOG = "log.jsonl"


@dataclass(frozen=True)
class Started:
    """A process began, or went on, with the run: `first_step` is 0, or the step of the checkpoint it resumed from."""

    at: str  # ISO 8601, UTC
    steps: int
    first_step: int
    rows: int  # trained
    validation_rows: int
    tokens: int  # of one epoch
    trained_tokens: int  # of one epoch: those that the loss counts
    parameters: int
    trainable: int
    processes: int = 1


@dataclass(frozen=True)
class Stepped:
    """An optimizer step. `loss` is nats per trained token; `tokens` and `trained_tokens` are of this step."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    trained_tokens: int
    seconds: float  # of this step
    memory_bytes: int  # peak so far
    reward_margin: float | None = None  # of DPO
    reward_accuracy: float | None = None
    flops_utilization: float | None = None  # achieved FLOP/s over the machine's measured matrix product


@dataclass(frozen=True)
class Validated:
    """The loss over the rows that are never trained, in nats per trained token."""

    step: int
    loss: float


@dataclass(frozen=True)
class Saved:
    """A whole checkpoint lies in `folder`, relative to the run's."""

    step: int
    folder: str
    bytes: int


@dataclass(frozen=True)
class Noticed:
    """Something that a person should know: a torn checkpoint that was passed over, an early stop, rows that were left out."""

    text: str


@dataclass(frozen=True)
class Aborted:
    """The run stopped by an error; what was saved stays."""

    reason: str
    step: int
    repeats: bool = False  # going on with the run would come to the same


@dataclass(frozen=True)
class Ended:
    """The run is done: `result` is the folder of the adapter or checkpoint."""

    step: int
    reason: str  # done, early stopping
    seconds: float
    result: str


Progress: TypeAlias = Started | Stepped | Validated | Saved | Noticed | Aborted | Ended
KINDS = {kind.__name__.lower(): kind for kind in (Started, Stepped, Validated, Saved, Noticed, Aborted, Ended)}


def as_json(event: Progress) -> JsonObject:
    """`event` with its kind as `event`: started, stepped, validated, saved, noticed, aborted, ended."""
    return {"event": type(event).__name__.lower(), **asdict(event)}


def append(folder: Path, event: Progress) -> None:
    """Add `event` to the folder's log, in one write."""
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(as_json(event)) + "\n")


def read(folder: Path) -> Iterator[Progress]:
    """The events in the folder's log; a last line that is not whole is not there yet."""
    yield from read_from(folder, 0)[0]


def read_from(folder: Path, position: int) -> tuple[list[Progress], int]:
    """The events from the byte `position` of the folder's log on, and the position after them."""
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(position)
            data = file.read()
    except FileNotFoundError:
        return [], position
    whole = data[: data.rfind(b"\n") + 1]
    return [_event(line) for line in whole.splitlines()], position + len(whole)


def mend(folder: Path) -> int:
    """Take from the log a last line that was being written when its process ended; the log's bytes."""
    try:
        with (folder / LOG).open("r+b") as file:
            size = file.read().rfind(b"\n") + 1
            file.truncate(size)
    except FileNotFoundError:
        return 0
    return size


def lasting(events: Iterable[Progress]) -> list[Progress]:
    """`events` without the steps, validations and checkpoints that were undone: those after the checkpoint from which a later
    process resumed, which computed them again."""
    result: list[Progress] = []
    for event in events:
        if isinstance(event, Started):
            first = event.first_step
            result = [e for e in result if not (isinstance(e, Stepped | Validated | Saved) and e.step > first)]
        result.append(event)
    return result


def _event(line: bytes) -> Progress:
    stored = json.loads(line)
    return KINDS[stored.pop("event")](**stored)
