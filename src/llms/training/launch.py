"""Training in processes of its own, and their events as they come: where one ends, all do.

The processes are those that torchrun would start, with its variables, but without its store, which listens at every address of
the machine: they meet in a file, and gloo is bound to loopback. Loads no torch.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO

from .. import settings
from ..errors import UsageError, WorkerDied
from . import progress
from .checkpoints import newest_intact
from .progress import Aborted, Ended, Progress, Started, Stepped
from .recipe import TrainingRecipe

WORKER = "llms.training.worker"
REFUSED = 3  # exit status of a worker that was stopped by an error it could name
DISK_FULL = 4  # and of one that had no space for the line that would name it
LOCK = "lock"
STDERR = "stderr.log"
EVERY_SECONDS = 0.1  # that the log is looked at
GRACE_SECONDS = 10.0  # that a process has between SIGTERM and SIGKILL
OTHERS_SECONDS = 5.0  # that the other ranks have to name the error of which one ended
LAST_LINES = 5  # of stderr, in the message about a dead process
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def launch(folder: Path, processes: int = 1, module: str = WORKER) -> Iterator[Progress]:
    """The events of training as `folder/recipe.json` says, from the newest whole checkpoint on, in `processes` processes.

    Ends with Ended, or with Aborted where an error stopped the run that a user can act upon. However the iterator is left,
    the processes are ended; checkpoints stay. Raises UsageError while another process trains in this folder, and WorkerDied
    where one was killed or failed otherwise, with the command that resumes. `module` is what is run: `llms.training.worker`.
    """
    if processes < 1:
        raise UsageError(f"training in {processes} processes; expected 1 or more")
    recipe = TrainingRecipe.read(folder)
    with locked(folder) as lock, _meeting(processes) as meeting:
        position = progress.mend(folder)
        kills = _kills_for_memory()
        with (folder / STDERR).open("wb") as stderr:
            workers = [_start(folder, module, meeting, (rank, processes), lock, stderr) for rank in range(processes)]
        try:
            last: Progress | None = None
            step = 0
            for event in _events(folder, position, workers):
                if isinstance(event, Started) and event.processes != processes:
                    raise WorkerDied(
                        f"{processes} processes were to train, and {event.processes} did; nothing was kept"
                    )
                step = event.step if isinstance(event, Stepped) else step
                last = event
                yield event
                if isinstance(event, Aborted):
                    return
            if not isinstance(last, Ended):
                raise WorkerDied(_obituary(folder, recipe, _first_dead(workers), step, _kills_for_memory() > kills))
        finally:
            _end(workers)


def resume_command(folder: Path, method: str) -> str:
    return f"llms {'pretrain' if method == 'pretrain' else 'finetune'} --resume {folder}"


@contextmanager
def locked(folder: Path) -> Iterator[int | None]:
    """Holds the folder's lock, as the descriptor that workers inherit: they keep it, should this process be killed.

    Raises UsageError while another process has it.
    """
    path = folder / LOCK
    with path.open("a+", encoding="utf-8") as file:
        descriptor = None
        with suppress(ImportError):  # without such locks (Windows) nobody is kept out
            fcntl = import_module("fcntl")
            try:
                _lock(partial(fcntl.flock, file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError as error:
                holder = path.read_text(encoding="utf-8").strip() or "another process"
                raise UsageError(
                    f"{holder} trains in {folder}; wait until it ends, or end it, or train in another folder"
                ) from error
            except OSError:  # a file system without locks
                pass
            descriptor = file.fileno()
        file.truncate(0)
        file.write(f"process {os.getpid()} (since {datetime.now(UTC).isoformat(timespec='seconds')})\n")
        file.flush()
        yield descriptor


def _lock(lock: Callable[[], None]) -> None:
    """Do `lock`, at a second try too: `is_training` looks for an instant."""
    try:
        lock()
    except BlockingIOError:
        time.sleep(EVERY_SECONDS)
        lock()


def is_training(folder: Path) -> bool:
    """Whether a process trains in `folder`; False where locks cannot tell."""
    try:
        fcntl = import_module("fcntl")
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False


@contextmanager
def _meeting(processes: int) -> Iterator[Path | None]:
    """A file in which several ranks meet, in a folder that only this user can enter."""
    if processes == 1:
        yield None
        return
    folder = tempfile.mkdtemp(prefix="llms-training-")
    try:
        yield Path(folder) / "meeting"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(
    folder: Path, module: str, meeting: Path | None, rank: tuple[int, int], lock: int | None, stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    """A worker in a session of its own, so that an interrupt at the terminal reaches this process alone."""
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if meeting is not None:
        number, count = rank
        variables |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(count)}
        variables |= {"LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
        variables |= {"GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK}
        variables |= {"OMP_NUM_THREADS": str(max(1, settings.cores() // count))}
    return subprocess.Popen(
        [sys.executable, "-m", module, str(folder), *([str(meeting)] if meeting is not None else [])],
        stdin=subprocess.PIPE,
        stdout=stderr,
        stderr=stderr,
        env={**os.environ, **variables},
        start_new_session=True,
        pass_fds=[lock] if lock is not None else [],
    )


def _events(folder: Path, position: int, workers: Sequence[subprocess.Popen[bytes]]) -> Iterator[Progress]:
    """Events that are appended to the log from the byte `position` on, until all workers have ended, or one has failed."""
    failed_at: float | None = None
    while True:
        states = [worker.poll() for worker in workers]
        failed = any(states)
        ended = None not in states
        events, position = progress.read_from(folder, position)
        yield from events
        if ended:
            return
        if failed:
            failed_at = failed_at or time.monotonic()
            refused = all(state in (None, 0, REFUSED) for state in states)
            if not refused or time.monotonic() - failed_at > OTHERS_SECONDS:
                return
        time.sleep(EVERY_SECONDS)


def _first_dead(workers: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int]:
    """(rank, exit status) of the worker that failed; one ended by a signal before one that lost it."""
    states = [(rank, worker.poll() or 0) for rank, worker in enumerate(workers)]
    return (
        min(states, key=lambda state: state[1]) if any(state[1] < 0 for state in states) else max(states, key=_status)
    )


def _status(state: tuple[int, int]) -> int:
    return state[1]


def _end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """SIGTERM, after a while SIGKILL; to a worker's whole session, for what it may have started."""
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for worker in workers:
        try:
            worker.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stdin is not None:
            worker.stdin.close()


def _obituary(folder: Path, recipe: TrainingRecipe, dead: tuple[int, int], step: int, memory: bool) -> str:
    """How the worker ended, after which step, what is there to go on from, and by which command."""
    rank, status = dead
    if status < 0:
        name = signal.Signals(-status).name
        how = f"was ended by {name}"
        if status == -signal.SIGKILL:
            how += ": the system was out of memory" if memory else ", by a person or by the system for want of memory"
    elif status == DISK_FULL:
        free = shutil.disk_usage(folder).free
        how = f"had no space left for its log: {free:,} bytes are free there. Free some, as nothing can be written"
    else:
        how = f"ended with status {status} before its work was done"
    which = f" (rank {rank})" if rank else ""
    checkpoint, torn = newest_intact(folder)
    rest = (
        f"its newest whole checkpoint is that of step {checkpoint[0]:,}" if checkpoint else "it had no whole checkpoint"
    )
    last = _last_lines(folder / STDERR) if status > 0 else ""
    return "; ".join(
        [
            f"the process{which} that trained in {folder} {how}, after step {step:,}{last}",
            *torn,
            f"{rest}. Go on with: {resume_command(folder, recipe.method)}",
        ]
    )


def _last_lines(path: Path) -> str:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    text = re.sub(r"\s+", " ", " | ".join(lines[-LAST_LINES:]))
    return f" ({text}; all of it in {path})" if text else ""


def _kills_for_memory() -> int:
    """How often the system has killed a process for want of memory, in this control group or anywhere; 0 if it does not say."""
    count = 0
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat"):
        with suppress(OSError):
            count += sum(int(n) for n in re.findall(r"^oom_kill (\d+)$", Path(path).read_text(), re.MULTILINE))
    return count
