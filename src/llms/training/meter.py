"""The cost of an optimizer step, and whose rows it was."""

import time
from dataclasses import dataclass, field

import torch


@dataclass
class StepMeter:
    """Counts from the moment it is made, when a step begins."""

    tokens: int = 0
    trained_tokens: int = 0
    sources: tuple[str, ...] = ()
    margins: list[torch.Tensor] = field(default_factory=list)  # of pairs
    peak_seconds: float | None = None  # that the step would take at the machine's measured peak
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started
