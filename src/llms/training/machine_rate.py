"""The FLOP/s that matrix products reach on this machine: what a training step's are held against."""

import time

import torch

SIDE = {"cpu": 1024, "cuda": 8192}  # of the square matrices
SECONDS = 0.5


def measure_rate(device: str, dtype: str) -> float:
    """FLOP/s of square matrix products in `dtype` (float32, bfloat16), with the threads that torch has; the best of half a second."""
    kind = device.partition(":")[0]
    side = SIDE.get(kind, 1024)
    left = torch.ones(side, side, device=device, dtype=torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        started = time.perf_counter()
        left @ left
        if kind == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2.0 * side**3 / best
