"""How the C library of this process deals with memory that is freed."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt(3)


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed for the next allocation; whether it does so.

    By default it hands blocks of more than 128 kB to 32 MB back to the system, and takes them again page by page, each filled
    with zeros: a sixth of the time of a training step whose tensors are of a few megabytes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, 2**31 - 1))
