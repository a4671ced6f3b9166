"""How much memory this process holds resident, and what else Linux says of memory; without torch."""

import os
import sys
from pathlib import Path


def peak_bytes() -> int:
    """The most memory this process ever held resident.

    On Linux its own peak (VmHWM): what getrusage tells begins with that of the process that started it.
    """
    if (peak := stated_bytes("/proc/self/status", "VmHWM")) is not None:
        return peak
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes() -> int:
    """Memory this process holds resident now."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return peak_bytes()


def stated_bytes(path: str, name: str) -> int | None:
    """The bytes in the line `name: 123 kB` of a file of /proc; None where there is no such file or line."""
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
