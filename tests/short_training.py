"""A worker that trains nothing, quickly: its recipe's `data` says how it goes. Run by `launch` in place of the real one."""

import os
import signal
import sys
import time
from pathlib import Path

from llms.errors import DataError
from llms.training.checkpoints import folder_of, seal
from llms.training.progress import Ended, Saved, Started, Stepped
from llms.training.worker import work

STEPS = 6


def stepped(step, loss=1.0):
    return Stepped(step, step / STEPS, loss, 1e-3, 1.0, 8, 8, 0.01, 1)


def save(folder, step):
    """A checkpoint with all the files that one has."""
    checkpoint = folder_of(folder, step)
    checkpoint.mkdir(parents=True, exist_ok=True)
    for name in ("trainer_state.json", "optimizer.pt", "scheduler.pt", "adapter_model.safetensors"):
        (checkpoint / name).write_bytes(f"{name} {step}".encode() * 100)
    return seal(checkpoint)


def train(recipe, folder, emit):
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    (folder / f"pid{rank}").write_text(str(os.getpid()))
    emit(Started("2026-01-01T00:00:00+00:00", STEPS, 0, 8, 1, 64, 32, 10, 10, 1 if recipe.data == "alone" else ranks))
    for step in range(1, STEPS + 1):
        time.sleep(0.05)
        emit(stepped(step))
        if step % 2 == 0 and rank == 0:
            emit(Saved(step, str(folder_of(folder, step)), save(folder, step)))
        if step == 3 and recipe.data == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == 3 and recipe.data == "last rank killed" and rank == ranks - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == 3 and recipe.data == "refused":
            raise DataError("row 7 of chats.jsonl has no answer")
        if step == 3 and recipe.data == "last rank refused" and rank == ranks - 1:
            raise DataError("the loss of rank 1 is NaN")
        if step == 3 and recipe.data == "defect":
            raise KeyError("input_ids")
        if step == 3 and recipe.data == "memory":
            bytearray(1 << 60)
        if step == 3 and recipe.data in ("slow", "last rank killed", "last rank refused"):
            time.sleep(60)
    emit(Ended(STEPS, "done", 1.0, str(folder)))


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1]), train, Path(sys.argv[2]) if len(sys.argv) > 2 else None))
