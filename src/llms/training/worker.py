"""The process that trains: reads a run's `recipe.json`, appends events to its `log.jsonl`, ends with the run or with its error.

`launch` starts it: python -m llms.training.worker FOLDER, or one for each rank, with MEETING, a file in which they meet.
An error that a user can act upon becomes an Aborted event and the exit status REFUSED; any other leaves its traceback on
stderr. It ends when its standard input does: with the process that started it, however that went.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from .. import settings
from ..engine.memory import out_of_memory
from ..errors import LlmsError, NotNumbers
from . import progress
from .checkpoints import FULL
from .device import refuse_missing
from .launch import DISK_FULL, REFUSED
from .progress import Aborted, Progress, Started, Stepped
from .recipe import TrainingRecipe

OTHERS_SECONDS = 2.0  # that rank 0 has to name the error before another rank does
WAIT = timedelta(minutes=30)  # for the slowest rank: it may write a large checkpoint meanwhile
Train = Callable[[TrainingRecipe, Path, Callable[[Progress], None]], None]


def work(folder: Path, train: Train, meeting: Path | None = None) -> int:
    """Train as the folder's recipe says; the exit status. Of several ranks only the first writes events."""
    end_with_parent()
    rank, ranks = settings.rank_of_process()
    try:
        recipe = TrainingRecipe.read(folder)
        refuse_missing(recipe.device)
        if meeting is not None:
            _join(meeting, rank, ranks, recipe.device)
        try:
            train(recipe, folder, (lambda event: progress.append(folder, event)) if rank == 0 else lambda event: None)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not out_of_memory(error):
                raise
            less = (
                "Begin in a new folder with a smaller --batch or --window"
                if recipe.method == "pretrain"
                else "Take fewer rows at once (--rows-at-once), which changes no result, or a shorter window"
            )
            raise LlmsError(
                f"the memory of {recipe.device} was used up by a forward pass of {recipe.rows_at_once} rows of up to "
                f"{recipe.window:,} tokens: {error}. {less}"
            ) from error
    except LlmsError as error:
        return _stopped(folder, error, rank)
    except OSError as error:
        if error.errno not in FULL:
            raise
        return DISK_FULL  # there may be no byte left for a line of the log
    return 0


def end_with_parent() -> None:
    """End this process once its standard input ends: whoever started it holds the other end and writes nothing."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _join(meeting: Path, rank: int, ranks: int, device: str) -> None:
    """Meet the other ranks in a file; torchrun's store would listen at every address of the machine."""
    import torch.distributed

    backend = "nccl" if device.startswith("cuda") else "gloo"
    torch.distributed.init_process_group(
        backend, init_method=meeting.as_uri(), rank=rank, world_size=ranks, timeout=WAIT
    )


def _stopped(folder: Path, error: LlmsError, rank: int) -> int:
    """Write down why the run stopped, unless another rank, or the training itself, has done so."""
    if rank > 0:
        time.sleep(OTHERS_SECONDS)
    reason, step, aborted = str(error), 0, False
    for event in progress.read(folder):
        if isinstance(event, Started):
            step, aborted = event.first_step, False
        elif isinstance(event, Stepped):
            step = event.step
        aborted = isinstance(event, Aborted) and event.reason == reason
    if not aborted:
        try:
            progress.append(folder, Aborted(reason, step, repeats=isinstance(error, NotNumbers)))
        except OSError as full:
            if full.errno not in FULL:
                raise
            return DISK_FULL
    return REFUSED


if __name__ == "__main__":
    from .train import train  # takes seconds: only where it is run

    sys.exit(work(Path(sys.argv[1]), train, Path(sys.argv[2]) if len(sys.argv) > 2 else None))
