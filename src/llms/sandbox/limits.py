"""What a program may use, and what came of it."""

from dataclasses import dataclass
from typing import Literal

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
