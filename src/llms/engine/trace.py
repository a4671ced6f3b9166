"""How likely each token of a text is, one by one, and what would have been likelier."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .layout import Block, Keep, Layout, Piece, Tree
from .network import Network
from .prefix import common_prefix
from .sampling import likelihood

CHUNK_TOKENS = 256  # bounds the logits that exist at once


@dataclass(frozen=True, slots=True)
class Traced:
    """Log-probability (nats) of a token given those before it; `top`: the likeliest (token, log-probability) there."""

    logprob: float
    top: tuple[tuple[int, float], ...]


class Tracer:
    """Traces token sequences through `network`; a beginning shared with the last sequence is not computed again.

    `layouts` says whether the network's attention follows them; else each sequence is computed whole.
    """

    def __init__(self, network: Network, layouts: bool):
        self._network, self._layouts = network, layouts
        self._tokens: tuple[int, ...] = ()
        self._traced: list[Traced] = []
        self._top = 0
        self._block = Block(0)
        self._stored = 0

    @torch.inference_mode()
    def trace(self, tokens: Sequence[int], top: int = 1) -> list[Traced]:
        """What each token but the first got, len(tokens) - 1 entries."""
        tokens = tuple(tokens)
        known = common_prefix(self._tokens, tokens) if top == self._top else 0
        start = max(0, min(known, self._stored) - 1) if self._layouts else 0  # the last shared row is read anew
        traced = self._traced[:start]
        self._tokens, self._traced, self._top, self._stored = tokens, traced, top, start
        self._block.reserve(len(tokens))
        step = CHUNK_TOKENS if self._layouts else max(1, len(tokens) - 1)
        for first in range(start, len(tokens) - 1, step):
            part = tokens[first : min(first + step, len(tokens) - 1)]
            for row, logits in enumerate(self._logits(part, first)):
                traced.append(_read(logits, tokens[first + row + 1], top))
            self._stored = first + len(part)
        return list(traced)

    @torch.inference_mode()
    def following(self, tokens: Sequence[int], top: int) -> tuple[tuple[int, float], ...]:
        """The `top` likeliest tokens after `tokens`, with their log-probabilities."""
        logits = self._network.forward_plain(list(tokens), [len(tokens) - 1])[0]
        return likelihood(logits, 0, top)[1]

    def _logits(self, part: Sequence[int], first: int) -> torch.Tensor:
        if not self._layouts:
            return self._network.forward_plain(part, range(len(part)))
        tree = Tree((Piece(0, len(part), first),), ((self._block, first),))
        keep = Keep(0, len(part), self._block, first)
        layout = Layout(tuple(range(first, first + len(part))), (tree,), (keep,))
        return self._network.forward(part, layout, range(len(part)))


def _read(logits: torch.Tensor, token: int, top: int) -> Traced:
    logprob, best = likelihood(logits, token, top)
    assert logprob is not None
    return Traced(logprob, best)
