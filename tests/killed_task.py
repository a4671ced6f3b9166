"""Kills `llms task … --out FILE` again and again, until it ends; prints what came of it: in the middle of its writes by
itself, or with a number of kills and a seed from outside, at moments that are drawn.

Each process is a fork, so that the libraries are imported once.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch

from llms.cli import task_run  # noqa: F401  # once, before the forks
from llms.cli.task import task
from llms.models.task_model import TaskInput
from llms.workbench.task import open_task
from llms.workbench.task_file import TaskFile

torch.set_num_threads(1)
append = TaskFile._append
begun = TaskFile._begun
finish = TaskFile.finish


def die_at(write: int, whole: bool) -> None:
    """From now on the process kills itself at its write number `write`, in the middle of the row or after it."""
    count = 0

    def counted(self, file, cells):
        nonlocal count
        count += 1
        append(self, file, cells)
        if count == write:
            if not whole:
                file.truncate(file.tell() - 3)
            os.kill(os.getpid(), signal.SIGKILL)

    TaskFile._append = counted


def die_before(name: str) -> None:
    """From now on the process kills itself before it begins its file, or ends it."""
    setattr(TaskFile, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))


def kill_when_it_writes(pid: int, out: Path, seconds: float) -> bool:
    """Whether the process `pid` was killed: so many seconds after its file grew, if it had not ended by then."""
    size = out.stat().st_size if out.exists() else 0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if out.exists() and out.stat().st_size > size:
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)
            return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        time.sleep(0.0005)
    return False


def from_outside(command: list[str], out: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    for number in range(kills + 1):
        pid = start(command, lambda: None)
        if number < kills:
            killed = kill_when_it_writes(pid, out, draw.random() * 0.05)
        else:
            killed = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        print(json.dumps({"killed": killed, "size": out.stat().st_size if out.exists() else 0}), flush=True)


def start(arguments: list[str], prepare) -> int:
    """The number of the process that carries out the command."""
    pid = os.fork()
    if pid == 0:
        prepare()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            task.main(arguments, standalone_mode=False)
        except SystemExit:  # some inputs are empty
            os._exit(1)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def child(arguments: list[str], prepare) -> bool:
    """Whether the command came to its end."""
    _, status = os.waitpid(start(arguments, prepare), 0)
    return not os.WIFSIGNALED(status)


def main(table: str, model: str, folder: Path, form: str, kills: int = 0, seed: int = 0) -> None:
    out = folder / f"out.{form}"
    command = ["sentiment", table, "-m", model, "--column", "text", "-o", str(out)]
    warm = open_task("sentiment", model)
    list(warm.answer([TaskInput("a")]))
    if kills:
        child([*command[:-1], str(folder / f"whole.{form}")], lambda: None)
        from_outside(command, out, kills, seed)
        return
    moments = [lambda: die_before("_begun"), lambda: die_at(1, False), lambda: die_at(1, True), lambda: die_at(4, False),
               lambda: die_at(5, True), lambda: die_at(7, False), lambda: die_before("finish"), lambda: None]  # fmt: skip
    for moment in moments:
        ended = child(command, moment)
        size = out.stat().st_size if out.exists() else 0
        beside = sorted(path.name for path in folder.iterdir())
        print(json.dumps({"ended": ended, "size": size, "beside": beside}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4], *map(int, sys.argv[5:]))
