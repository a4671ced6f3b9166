"""Numbers that torch draws, repeatably, without changing what is drawn elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawn_by(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch draws by `seed` alone; outside, it is as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
