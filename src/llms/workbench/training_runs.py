"""The training runs of this machine, for pages: which there are, how each stands, what happened in it."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .. import settings
from ..errors import UnknownName
from ..store.training_runs import TrainingRun, TrainingRuns
from ..training import progress
from ..training.launch import is_training, resume_command
from ..training.progress import Aborted, Ended, Progress, Started, Stepped, Validated
from ..values import JsonObject

DONE, STOPPED, RUNNING, INTERRUPTED, GONE = "done", "failed", "running", "interrupted", "gone"


@dataclass(frozen=True, slots=True)
class RunStanding:
    """A run as a list shows it. `loss` and `validation` are the newest, in nats per trained token; `result` names the model
    that came of it, once it is done."""

    id: str
    folder: str
    model: str
    data: str
    method: str
    started: str
    state: str
    step: int
    steps: int
    loss: float | None
    validation: float | None
    reason: str
    result: str
    evidence: JsonObject | None


def list_runs() -> list[RunStanding]:
    """Every run that was begun here, the newest first."""
    with TrainingRuns(settings.database()) as store:
        return [_standing(run) for run in store.all()]


def standing(run: str) -> RunStanding:
    """The run of that id. Raises UnknownName."""
    return _standing(_find(run))


def events(run: str, after: int = 0) -> list[Progress]:
    """The events of a run, but for its first `after` events. Raises UnknownName."""
    return list(_read(_find(run).folder))[after:]


def forget(run: str) -> None:
    """Take a run off the list; its folder stays. Raises UnknownName."""
    folder = _find(run).folder
    with TrainingRuns(settings.database()) as store:
        store.forget(folder)


def _find(run: str) -> TrainingRun:
    with TrainingRuns(settings.database()) as store:
        runs = {_id(one.folder): one for one in store.all()}
    if run not in runs:
        raise UnknownName("training run", run, runs)
    return runs[run]


def _id(folder: Path) -> str:
    return hashlib.sha256(str(folder).encode()).hexdigest()[:12]


def _standing(run: TrainingRun) -> RunStanding:
    log = _read(run.folder)
    starts = [event for event in log if isinstance(event, Started)]
    steps = [event for event in log if isinstance(event, Stepped)]
    validations = [event for event in log if isinstance(event, Validated)]
    state, reason = _state(run.folder, run.method, log[-1] if log else None)
    return RunStanding(
        _id(run.folder), str(run.folder), run.model, run.data, run.method, run.started, state,
        steps[-1].step if steps else 0, starts[-1].steps if starts else 0,
        steps[-1].loss if steps else None, validations[-1].loss if validations else None,
        reason, _result(run) if state == DONE else "", run.evidence,
    )  # fmt: skip


def _state(folder: Path, method: str, last: Progress | None) -> tuple[str, str]:
    """How a run stands, and why it ended."""
    if not folder.is_dir():
        return GONE, "its folder is not there any more"
    if isinstance(last, Ended):
        return DONE, last.reason
    if isinstance(last, Aborted):
        return STOPPED, last.reason
    return (RUNNING, "") if is_training(folder) else (INTERRUPTED, f"go on with: {resume_command(folder, method)}")


def _result(run: TrainingRun) -> str:
    adapts = (run.folder / "adapter_config.json").is_file()
    return f"{run.model}{'&' if '?' in run.model else '?'}adapter={run.folder}" if adapts else f"hf:{run.folder}"


def _read(folder: Path) -> tuple[Progress, ...]:
    path = folder / progress.LOG
    if not path.is_file():
        return ()
    status = path.stat()
    return _cached(folder, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _cached(folder: Path, changed: int, size: int) -> tuple[Progress, ...]:
    """A log is read again only when it has changed."""
    return tuple(progress.read(folder))
