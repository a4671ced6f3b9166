"""Penalties of a request, laid on the logits of its next token: on numpy arrays, which every computer of models has."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from .request import Penalties

Array: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"


def penalized(logits: Array, penalties: Penalties, prompt: Sequence[int], new: Sequence[int]) -> Array:
    """A copy of logits (V,) with the penalties for the tokens of `prompt` and of the answer so far, `new`."""
    logits = logits.copy()
    if penalties.repetition != 1:
        seen = np.unique(np.array([*prompt, *new], dtype=np.intp))
        divided, multiplied = logits[seen] / penalties.repetition, logits[seen] * penalties.repetition
        logits[seen] = np.where(logits[seen] > 0, divided, multiplied)
    for token, amount in penalties.bias:
        logits[token] += amount
    if penalties.frequency or penalties.presence:
        for token, count in Counter(new).items():
            logits[token] -= penalties.frequency * count + penalties.presence
    return logits
