"""Values of a look inside a model, as arrays: token by token over a whole text, or layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..engine import TraceChunk

    Floats: TypeAlias = npt.NDArray[np.float32]

Want = Literal["logprob", "entropy", "moments"]


@dataclass(frozen=True, slots=True)
class TokenTrace:
    """One text; each array has one entry (T,) per token of `ids`, the first of which follows the start token alone.

    `logprob` is of the token itself, `entropy` of the distribution it comes from, both in nats. `mean` and `variance` are
    the moments of the log-probability under that distribution, by which Min-K%++ (Zhang et al. 2024) standardizes.
    What was not wanted is None.
    """

    ids: tuple[int, ...]
    logprob: Floats | None = None
    entropy: Floats | None = None
    mean: Floats | None = None
    variance: Floats | None = None

    @classmethod
    def joined(cls, ids: tuple[int, ...], chunks: Iterable[TraceChunk], logprob: bool) -> TokenTrace:
        """The trace of `ids`, whose parts came as `chunks`."""
        import numpy as np

        columns: dict[str, list[Floats]] = {"logprob": [], "entropy": [], "mean": [], "variance": []}
        for chunk in chunks:
            parts = (chunk.logprob if logprob else None, chunk.entropy, chunk.mean, chunk.variance)
            for column, part in zip(columns.values(), parts, strict=True):
                column += [] if part is None else [part.numpy()]
        return cls(ids, **{name: np.concatenate(parts) for name, parts in columns.items() if parts})


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """One pass over T tokens: `logits` (T, V), `hidden_states` (layers + 1, T, d) from the embeddings to what the head
    reads, `attentions` (layers, heads, T, T), rows summing to 1."""

    logits: Floats
    hidden_states: Floats
    attentions: Floats
