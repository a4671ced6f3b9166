"""What a look inside a model shows, as arrays: token by token over a whole text, or layer by layer."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Want = Literal["logprob", "entropy", "moments"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenTrace:
    """One text; each array has one entry (T,) per token of `ids`, the first of which follows the start token alone.

    `logprob` is of the token itself, `entropy` of the distribution it comes from, both in nats. `mean` and `variance` are
    the moments of the log-probability under that distribution, by which Min-K%++ (Zhang et al. 2024, eq. 3) standardizes.
    What was not wanted is None.
    """

    ids: tuple[int, ...]
    logprob: Floats | None = None
    entropy: Floats | None = None
    mean: Floats | None = None
    variance: Floats | None = None


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """One pass over T tokens: `logits` (T, V), `hidden_states` (layers + 1, T, d) from the embeddings to what the head
    reads, `attentions` (layers, heads, T, T), rows summing to 1."""

    logits: Floats
    hidden_states: Floats
    attentions: Floats
