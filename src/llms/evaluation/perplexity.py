"""Perplexity of a text: rolling windows, each token scored once, with as much context before it as fits.

Source: lm-evaluation-harness 0.4.13, `get_rolling_token_windows` with one token of context for the first window.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log

LARGEST = 709.0  # nats; the exponential of more is not a finite double


@dataclass(frozen=True, slots=True)
class Perplexity:
    """Log-probability of a whole text in nats, and what it means per token, word and byte."""

    logprob: float
    tokens: int
    words: int
    bytes: int
    windows: int
    seconds: float

    @property
    def bits_per_byte(self) -> float:
        return -self.logprob / (self.bytes * log(2))

    @property
    def token_perplexity(self) -> float | None:
        return _exp(-self.logprob / self.tokens)

    @property
    def word_perplexity(self) -> float | None:
        """None where it is more than numbers hold: a long text without a space is one word."""
        return _exp(-self.logprob / max(1, self.words))


def _exp(nats: float) -> float | None:
    return exp(nats) if nats < LARGEST else None


def windows(ids: Sequence[int], start: int, size: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """(tokens, how many at the end to score) such that each id is scored exactly once.

    `size` is the context window; the first window is conditioned on `start`, the last one on all that fits.
    """
    first = min(size, len(ids))
    yield (start, *ids[:first]), first
    done = first
    while done < len(ids):
        count = min(size, len(ids) - done)
        end = done + count
        yield tuple(ids[max(0, end - size - 1) : end]), count
        done = end
