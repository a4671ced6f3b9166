"""Does a model fit, and how fast: from its configuration, before any download; on this machine by measurement."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..values import Json


@dataclass(frozen=True, slots=True)
class Fit:
    """The bytes a system needs: weights, KV cache of `context` tokens for `batch` requests, overhead. None is unknown.

    `has_bytes` is what there is: this machine's memory, or that of the GPU named. `inputs` are the numbers that the
    estimate was made of, `verify` is the command that measures it, `measured_bytes` what was measured here. `problem` says
    why nothing can be said.
    """

    system: str
    weights_bytes: int | None
    kv_bytes: int | None
    overhead_bytes: int | None
    has_bytes: int | None
    where: str
    inputs: Mapping[str, Json]
    verify: str
    measured_bytes: int | None = None
    tokens_per_second: float | None = None
    licence: str | None = None
    local: bool = True
    problem: str = ""

    @property
    def needs_bytes(self) -> int | None:
        parts = (self.weights_bytes, self.kv_bytes, self.overhead_bytes)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None where either side is unknown."""
        if not self.local:
            return True
        if self.needs_bytes is None or self.has_bytes is None:
            return None
        return self.needs_bytes <= self.has_bytes


def fit(system: str, context: int = 4096, batch: int = 1, memory_bytes: int | None = None, gpu: str = "") -> Fit:
    """The Fit of a system, by its name. Asks the hub for a description only where the name says hf: and it is not here."""
    raise NotImplementedError
