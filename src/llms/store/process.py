"""Processes that own what is stored as running: which one this is, and whether one is gone."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

DEAD_SECONDS = 30.0  # without a sign of life, where the system does not say when a process began


def begun(pid: int) -> str:
    """When a process began, which tells it from a later one with its number; empty where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        pass
    return True


def alive_since(pid: int, heartbeat: str) -> bool:
    """Whether the process that gave the sign of life `heartbeat` (ISO 8601, UTC) still runs: one of its number that began
    later is another."""
    if not alive(pid):
        return False
    ticks, last = begun(pid), datetime.fromisoformat(heartbeat)
    if not ticks:
        return last > datetime.now(UTC) - timedelta(seconds=DEAD_SECONDS)
    try:
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return True
    began = datetime.now(UTC) - timedelta(seconds=uptime - int(ticks) / os.sysconf("SC_CLK_TCK"))
    return began <= last + timedelta(seconds=2)  # both are rounded
