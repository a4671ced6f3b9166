"""Rows as the training loop takes them: token ids, and which of them are trained."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row in token ids. `trained[i]` is 1 where predicting `ids[i]` counts in the loss.

    The first `prefix` tokens (a system message, tools) are untrained and may be those of many rows: they are computed once for
    the rows of a forward pass that have them in common. `source` is `file, row N`.
    """

    ids: tuple[int, ...]
    trained: tuple[int, ...]
    prefix: int
    source: str


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A prompt with the answer that is preferred and the one that is not, in token ids; the end token included."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    source: str
