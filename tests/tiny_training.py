"""A worker that trains as the real one does, on rows of random tokens; its recipe's `data` says where it kills itself.

`rows` or `rows, killed while saving N`: the N-th checkpoint's optimizer is half written then. With `rows, slowly` each step
takes half a second, so that it can be met at one.
"""

import os
import random
import re
import signal
import sys
import time
from pathlib import Path

from datasets import Dataset

from llms.training.train import train_rows
from llms.training.worker import work

ROWS = 40


def row(number):
    draw = random.Random(number)
    length = draw.randrange(6, 30)
    ids = [draw.randrange(5, 200) for _ in range(length)]
    return {"input_ids": ids, "trained": [0] * 3 + [1] * (length - 3), "prefix": 0, "source": f"row {number}"}


def die_while_saving(at, folder):
    """Once in a run's life: PyTorch's writer is stopped within the optimizer of the checkpoint number `at`."""
    import torch

    count, write = 0, torch.save

    def save(value, file, *rest, **options):
        nonlocal count
        write(value, file, *rest, **options)
        if str(file).endswith("optimizer.pt"):
            count += 1
        if count == at and not (folder / "died").exists():
            (folder / "died").touch()
            os.truncate(file, os.path.getsize(file) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save


def slowed(emit):
    def wait(event):
        emit(event)
        time.sleep(0.5)

    return wait


def train(recipe, folder, emit):
    (folder / "pid").write_text(str(os.getpid()))
    if match := re.search(r"killed while saving (\d+)", recipe.data):
        die_while_saving(int(match[1]), folder)
    if "slowly" in recipe.data:
        emit = slowed(emit)
    rows = Dataset.from_list([row(number) for number in range(ROWS)])
    validation = Dataset.from_list([row(ROWS + number) for number in range(4)])
    train_rows(recipe, folder, emit, rows, validation)


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1]), train, Path(sys.argv[2]) if len(sys.argv) > 2 else None))
