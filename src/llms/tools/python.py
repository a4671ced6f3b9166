"""Programs that a model wrote, run in the sandbox: no network, no home, no other process, limits on everything.

    python        the tool, where programs can be isolated
    unisolated()  the same with limits only; its description says so, and a person is asked every time

A machine that cannot isolate offers neither, unless the user asks for the second.
"""

import signal
import sys
from dataclasses import dataclass
from typing import Literal

from ..sandbox import Ran, Sandbox, SandboxLimits, SandboxUnavailable, probe
from .results import clip
from .tool import File, Tool, ToolError, ToolOutput, tool

Status = Literal["ok", "error", "timeout", "cpu_limit", "memory", "output_limit", "killed"]
LIMITS = SandboxLimits(wall_seconds=20.0, cpu_seconds=10)
LONGEST_CODE, LONGEST_STREAM = 100_000, 8_000  # characters
TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "svg": "image/svg+xml", "csv": "text/csv",
    "json": "application/json", "txt": "text/plain", "md": "text/markdown", "html": "text/html", "pdf": "application/pdf",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Execution:
    """The end and the output of a program. `signal` is the number that ended it, `left_out` counts files beyond the bounds."""

    status: Status
    exit_code: int
    signal: int | None
    seconds: float
    peak_bytes: int
    stdout: str
    stderr: str
    truncated: bool
    files: tuple[File, ...]
    left_out: int


def execute(code: str, isolate: bool = True) -> Execution:
    """Run Python. Raises SandboxUnavailable if it is to be isolated and cannot be."""
    ran = Sandbox(isolate).run({"main.py": code}, [[sys.executable, "-I", "main.py"]], [LIMITS], bring_out=True)
    files = tuple(File(name, TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream"), data)
                  for name, data in ran.files)  # fmt: skip
    return Execution(
        _status(ran), ran.exit_code, -ran.exit_code if ran.exit_code < 0 else None, ran.seconds, ran.peak_bytes,
        ran.stdout, ran.stderr, ran.truncated, files, ran.left_out,
    )  # fmt: skip


def _status(ran: Ran) -> Status:
    if ran.end == "timeout" and (ran.exit_code == -signal.SIGXCPU or ran.seconds < LIMITS.wall_seconds):
        return "cpu_limit"
    last = ran.stderr.rstrip().rpartition("\n")[2]
    if ran.end == "error" and last.startswith("MemoryError"):
        return "memory"
    return ran.end


def _run(code: str, isolate: bool) -> ToolOutput:
    if len(code) > LONGEST_CODE:
        raise ToolError("too_long", f"the program has {len(code)} characters; at most {LONGEST_CODE} are run")
    try:
        done = execute(code, isolate)
    except SandboxUnavailable as error:
        raise ToolError("unavailable", str(error), "answer without running code") from error
    fields: dict[str, str | int] = {
        "status": done.status,
        "stdout": clip(done.stdout, LONGEST_STREAM),
        "stderr": clip(done.stderr, LONGEST_STREAM),
        "exit_code": done.exit_code,
        "files_left_out": done.left_out,
    }
    answer = {key: value for key, value in fields.items() if value not in ("", 0)}
    if done.status == "ok" and not done.stdout and not done.files:
        answer["hint"] = "nothing was printed; use print() to see a value"
    return ToolOutput(answer, done.files)


@tool(kind="code", seconds=40.0)
def python(code: str) -> ToolOutput:
    """Run a Python 3 program in a sandbox without network and return what it prints and the files it leaves.

    Every call starts anew in an empty folder, with 10 seconds of processor time and 512 MB of memory.

    Args:
        code: The whole program; it must print() what it finds out.
    """
    return _run(code, isolate=True)


def unisolated() -> Tool:
    """The tool with limits only: a program can read the user's files and reach the network. Only at the user's wish."""

    def python(code: str) -> ToolOutput:
        """Run a Python 3 program, NOT isolated: it can read files and reach the network of this machine.

        Args:
            code: The whole program; it must print() what it finds out.
        """
        return _run(code, isolate=False)

    return Tool("python", python, "code", seconds=40.0)


def level() -> Literal[0, 2]:
    """The isolation that this machine can promise: 2, isolated; 0, nothing, so that the tool is not offered."""
    return 0 if probe() else 2
