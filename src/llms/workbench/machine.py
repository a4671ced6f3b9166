"""Processor, memory and GPUs of this machine, found without loading torch."""

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

BFLOAT16 = {"avx512_bf16": "AVX-512", "amx_bf16": "AMX", "bf16": "Arm"}  # flags of processors that compute in it


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    bytes: int


def processor() -> str:
    """The name of the processor, as far as the system reports it."""
    for key in ("model name", "Model"):
        if value := _cpuinfo(key):
            return value
    return platform.processor() or platform.machine()


def bfloat16() -> str | None:
    """The instructions by which the processor computes in bfloat16; None if it does not, or does not say."""
    flags = set((_cpuinfo("flags") or _cpuinfo("Features") or "").split())
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Arm"
    return next((how for flag, how in BFLOAT16.items() if flag in flags), None)


def memory() -> tuple[int, int] | None:
    """(total, available) bytes of the host; None where the system does not report them."""
    path = Path("/proc/meminfo")
    if path.is_file():
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in path.read_text().splitlines() if ":" in line}
        return kilobytes["MemTotal"] * 1024, kilobytes["MemAvailable"] * 1024
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def gpus() -> list[Gpu]:
    """NVIDIA GPUs, as their driver names them."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    devices = []
    for index in range(count.value):
        device, name, size = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_size_t()
        driver.cuDeviceGet(ctypes.byref(device), index)
        driver.cuDeviceGetName(name, len(name), device)
        driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        devices.append(Gpu(name.value.decode(errors="replace"), size.value))
    return devices


def _cpuinfo(key: str) -> str | None:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return None
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
