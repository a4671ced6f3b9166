"""The limits of a program, what came of it, and the two messages between run.py and enter.py."""

from dataclasses import dataclass
from typing import Literal, TypedDict

MB = 1 << 20
End = Literal["ok", "error", "timeout", "memory", "output_limit", "killed"]


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """`memory_bytes` bounds resident memory of all its processes; `address_space` also reserves no more than that, which
    suits small interpreters and no virtual machine. `disk_bytes` bounds its folder, `output_bytes` each stream."""

    wall_seconds: float = 10.0
    cpu_seconds: int = 10
    memory_bytes: int = 512 * MB
    address_space: bool = True
    processes: int = 64
    disk_bytes: int = 64 * MB
    output_bytes: int = 64 << 10


MOST_FILES, MOST_FILE_BYTES = 10, 5 * MB  # that are brought out, in all


class CommandLimits(TypedDict):
    """SandboxLimits of one command, as enter.py reads them."""

    wall_seconds: float
    cpu_seconds: int
    memory_bytes: int
    address_space: bool
    processes: int


class Job(TypedDict):
    """The JSON that run.py hands to enter.py. `filter` is of system calls, in base 64; `answer` is the descriptor of the pipe that its JobReport goes through."""

    folder: str
    files: str
    commands: list[list[str]]
    limits: list[CommandLimits]
    environment: dict[str, str]
    visible: list[str]
    isolate: bool
    wrapped: bool
    uid: int
    disk_bytes: int
    filter: str
    most_files: int
    most_bytes: int
    answer: int


class JobReport(TypedDict, total=False):
    """The JSON that enter.py answers with: why it could not isolate, or how the commands ended. Files are in base 64."""

    refused: str
    end: End
    exit_code: int
    command: int
    seconds: float
    peak_bytes: int
    files: list[tuple[str, str]]
    left_out: int


@dataclass(frozen=True, slots=True)
class Ran:
    """How the commands ended. `command` is the index of the last one that ran; `exit_code` is negative for a signal.

    `timeout` covers wall time and CPU time, `killed` a signal that was not ours. `seconds` is wall time of all commands.
    `files` are the regular files that it left, if they were asked for, by name; `left_out` counts those beyond the bounds.
    """

    end: End
    exit_code: int
    command: int
    seconds: float
    peak_bytes: int
    stdout: str
    stderr: str
    truncated: bool = False
    files: tuple[tuple[str, bytes], ...] = ()
    left_out: int = 0

    @property
    def ok(self) -> bool:
        return self.end == "ok"
