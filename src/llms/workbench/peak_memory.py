"""How much memory a model takes on this machine, by running one worker process and looking at it from outside."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from time import sleep

from ..engine.resident import stated_bytes
from ..errors import ModelError, WorkerDied

EVERY_SECONDS = 0.01


def measure_memory(system: str, context: int, batch: int) -> int:
    """Peak of the proportional set size (bytes) of one process that loads `system` and answers `batch` requests of a whole
    window, above that of an idle process with the same imports. Raises ModelError or WorkerDied. Linux only."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise ModelError(
            "the memory of a process is measured by /proc/PID/smaps_rollup, which this system does not have"
        )
    peak, modules = _peak([system, str(context), str(batch)], "")
    idle, _ = _peak(["--idle"], modules)
    return peak - idle


def _peak(arguments: list[str], text: str) -> tuple[int, str]:
    """The most that a worker held, and the modules that it had imported when it was done."""
    process = subprocess.Popen(
        [sys.executable, "-m", "llms.workbench.peak_worker", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[str] = []
    try:
        process.stdin.write(f"{text}\n")
        process.stdin.flush()
        reader = threading.Thread(target=lambda: lines.append(process.stdout.readline() if process.stdout else ""))
        reader.start()
        peak = 0
        while reader.is_alive():
            peak = max(peak, _pss(process.pid))
            sleep(EVERY_SECONDS)
        peak = max(peak, _pss(process.pid))
    finally:
        process.kill()
        process.communicate()
    state, _, rest = lines[0].strip().partition(" ")
    if state == "failed":
        raise ModelError(rest)
    if state != "done":
        raise WorkerDied(
            f"the process that loaded {arguments[0]} ended, probably for want of memory; ask for a smaller window or batch"
        )
    return peak, rest


def _pss(pid: int) -> int:
    """The proportional set size of a process, bytes: its own pages, and its part of those it shares. 0 once it is gone."""
    return stated_bytes(f"/proc/{pid}/smaps_rollup", "Pss") or 0
