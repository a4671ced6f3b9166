"""How much memory is free, and how many bytes the engine's tensors need."""

import os
from pathlib import Path

import torch

from .resident import stated_bytes


def free_bytes(device: torch.device) -> int:
    """Bytes that may still be allocated on `device`: the card's, or the host's within its control group."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_bytes_of_host()


def free_bytes_of_host() -> int:
    return min(_host_available(), _group_available())


def _host_available() -> int:
    if (available := stated_bytes("/proc/meminfo", "MemAvailable")) is not None:
        return available
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (OSError, ValueError):
        return 4 << 30


def _group_available() -> int:
    """Bytes that the control group (version 2) still allows; without a limit, more than any machine has."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            return max(0, int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return 1 << 62


def out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch raised `error` because an allocation failed."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
