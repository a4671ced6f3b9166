"""Which system for a job: answered from what is stored; measured while nobody waits, and looked at by any page."""

import asyncio
import hashlib
import threading
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import cast

from ... import settings
from ...arena.choose.job import Choice, ChoiceJob
from ...chat.conversation.tree import new_id
from ...data.own import FORMATS, is_file
from ...errors import LlmsError, UnknownName, UsageError
from ...values import Json
from ...workbench.choose.choose import choose, go
from ...workbench.evaluate import Progress
from .model_pool import ModelPool

ROWS = "rows"  # the folder in the home where files of rows that were sent lie
SOURCES = ("sample", "hub")  # where benchmarks come from, which name no file
NAME_LENGTH = 80
EVERY_SECONDS = (
    0.2  # progress of one system is noted no more often, so that a run of 10,000 items is read again at once
)
END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RowsResponse:
    """A file of rows that was sent: `path` names it in a job."""

    path: str
    name: str
    bytes: int


@dataclass(eq=False, slots=True)
class Measuring:
    """A measurement that goes on by itself: its events so far, and whether it was asked to stop, or has ended."""

    job: ChoiceJob
    events: list[dict[str, Json]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class ChoosingService:
    """Jobs name models and files that are within reach only. One measurement runs at a time: it takes the machine."""

    def __init__(self, models: ModelPool):
        self._models = models
        self._runs: dict[str, Measuring] = {}

    async def keep(self, name: str, data: bytes) -> RowsResponse:
        """Store a file of rows in the home, under its digest, so that the same file has the same path. Raises UsageError."""
        plain = Path(name).name[-NAME_LENGTH:]
        if not is_file(plain):
            raise UsageError(f"{plain!r} is no file of rows; expected one that ends in {', '.join(FORMATS)}")
        path = await asyncio.to_thread(self._write, plain, data)
        return RowsResponse(str(path), plain, len(data))

    def _write(self, name: str, data: bytes) -> Path:
        folder = settings.private_directory(settings.home() / ROWS / hashlib.sha256(data).hexdigest()[:16])
        path = settings.private(folder / name)
        path.write_bytes(data)
        return path

    async def answer(self, job: ChoiceJob) -> Choice:
        """The answer from what is stored, or a plan."""
        self._check(job)
        return await asyncio.to_thread(choose, job)

    def begin(self, job: ChoiceJob, budget: float | None) -> str:
        """The id of a measurement that goes on by itself. Raises UsageError if one runs already."""
        self._check(job)
        for id, other in self._runs.items():
            if not other.ended.is_set():
                raise UsageError(f"a measurement runs already: /choose?run={id}. Stop it, or wait until it has ended")
        id, measuring = new_id(), Measuring(job)
        self._runs[id] = measuring
        threading.Thread(target=_measure, args=(measuring, budget), daemon=True, name=f"choose {id}").start()
        return id

    def events(self, id: str, after: int) -> tuple[bool, list[tuple[int, dict[str, Json]]]]:
        """Whether it has ended, and (number, event) of the events behind `after`. Raises UnknownName."""
        measuring = self._measuring(id)
        ended = measuring.ended.is_set()  # before its events are read, so that none is missed
        return ended, list(enumerate(measuring.events[after:], after + 1))

    def stop(self, id: str) -> None:
        """End it after the item that is being asked; what was measured is kept."""
        self._measuring(id).stopping.set()

    async def quiet(self) -> None:
        """Stop what is measured: the server is about to end."""
        for measuring in self._runs.values():
            measuring.stopping.set()
        for measuring in self._runs.values():
            await asyncio.to_thread(measuring.ended.wait, END_SECONDS)

    def _measuring(self, id: str) -> Measuring:
        if id not in self._runs:
            raise UnknownName("run", id, [])
        return self._runs[id]

    def _check(self, job: ChoiceJob) -> None:
        """Raises UsageError unless a request may name these models and this file."""
        for system in job.systems:
            self._models.reach.check_model(system)
        if job.data and job.data not in SOURCES and not self._sent(job.data):
            self._models.reach.check_file(job.data)

    def _sent(self, file: str) -> bool:
        """Whether a file is one that was sent here."""
        try:
            return Path(file).resolve().is_relative_to((settings.home() / ROWS).resolve())
        except (OSError, ValueError):
            return False


def _measure(measuring: Measuring, budget: float | None) -> None:
    steps = cast("Generator[Progress | Choice]", go(measuring.job, budget))
    last: dict[tuple[str, str], float] = {}
    try:
        for step in steps:
            if isinstance(step, Choice):
                measuring.events.append({"type": "Answered", "choice": step.to_json()})
            elif step.done >= step.total or monotonic() - last.get((step.system, step.benchmark), 0) > EVERY_SECONDS:
                last[step.system, step.benchmark] = monotonic()
                measuring.events.append({"type": "Measured", **asdict(step)})
            if measuring.stopping.is_set():
                measuring.events.append({"type": "Stopped"})
                break
        steps.close()
    except LlmsError as error:
        measuring.events.append({"type": "Failed", "error": str(error)})
    except Exception:
        measuring.events.append({"type": "Failed", "error": "measuring failed; the server's log says why"})
        raise
    finally:
        measuring.ended.set()
