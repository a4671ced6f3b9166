"""How the C library of this process deals with memory that is freed."""

import ctypes
import sys
from collections.abc import Callable

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4  # of mallopt(3)
LARGE = 1 << 18  # bytes


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed for the next allocation; whether it does so.

    By default it hands blocks of more than 128 kB to 32 MB back to the system, and takes them again page by page, each filled
    with zeros: a sixth of the time of a training step whose tensors are of a few megabytes.
    """
    return _mallopt({MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1})


def free_at_once() -> bool:
    """Have glibc hand each freed block of LARGE bytes or more back to the system; whether it does so.

    Rows differ in length, so each step's tensors differ in size from the last one's, and a heap that keeps them in pieces was seen
    to grow from 3.9 GB after the first step of a run to 8.3 GB after its ninetieth. A step takes a fifth less memory so, and a
    sixteenth more time.
    """
    return _mallopt({MMAP_THRESHOLD: LARGE})


def give_back() -> bool:
    """Have glibc return all whole pages that are free; whether there were any. False with another C library."""
    trim = _of_glibc("malloc_trim")
    return trim is not None and bool(trim(0))


def _mallopt(options: dict[int, int]) -> bool:
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and all(bool(mallopt(option, value)) for option, value in options.items())


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of that name."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another C library
        return None
    return function
