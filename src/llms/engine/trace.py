"""How likely each token of a text is, one by one, what would have been likelier, and how uncertain the model is there.

Logits exist for CHUNK_TOKENS tokens at a time, and are normalized _ROWS at a time: never for a whole text at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..errors import NotNumbers
from .layout import Block, Keep, Layout, TokenSpan, Tree, common_prefix
from .network import Network
from .request import NOT_NUMBERS

CHUNK_TOKENS = 256  # bounds the logits that exist at once
_ROWS = 64  # rows of logits that are normalised at a time: they fit the cache


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

    def trace(self, tokens: Sequence[int], top: int = 1) -> list[Traced]:
        """The log-probabilities of each token but the first, len(tokens) - 1 entries."""
        return [traced for part in self.parts(tokens, top) for traced in part]

    def parts(self, tokens: Sequence[int], top: int = 1) -> Iterator[list[Traced]]:
        """The same piece by piece; between two pieces the network may do other work, this tracer none."""
        tokens = tuple(tokens)
        known = common_prefix(self._tokens, tokens) if top == self._top else 0
        start = max(0, min(known, self._stored) - 1) if self._layouts else 0  # the last shared row is read anew
        del self._traced[start:]
        self._tokens, self._top, self._stored = tokens, top, start
        self._block.reserve(len(tokens))
        yield self._traced[:start]
        step = CHUNK_TOKENS if self._layouts else max(1, len(tokens) - 1)
        for first in range(start, len(tokens) - 1, step):
            part = tokens[first : min(first + step, len(tokens) - 1)]
            traced = _read(self._logits(part, first), tokens[first + 1 : first + 1 + len(part)], top)
            self._traced += traced
            self._stored = first + len(part)
            yield traced

    def following(self, tokens: Sequence[int], top: int) -> tuple[tuple[int, float], ...]:
        """The `top` likeliest tokens after `tokens`, with their log-probabilities."""
        *_, last = self.trace((*tokens, 0), top)
        return last.top

    @torch.inference_mode()
    def _logits(self, part: Sequence[int], first: int) -> torch.Tensor:
        if not self._layouts:
            return self._network.forward_alone(part, range(len(part)))
        return _logits(self._network, self._block, part, first)


@dataclass(frozen=True, slots=True)
class TraceChunk:
    """Some tokens of a text in a row: arrays (n,), float32 on the processor, in nats.

    `entropy` is of the distribution a token comes from, `mean` and `variance` are the moments of its log-probabilities:
    mu = sum p log p and sum p (log p - mu)^2.
    """

    logprob: torch.Tensor
    entropy: torch.Tensor | None = None
    mean: torch.Tensor | None = None
    variance: torch.Tensor | None = None


def trace_chunks(
    network: Network,
    tree_attention: bool,
    tokens: Sequence[int],
    *,
    entropy: bool = False,
    moments: bool = False,
    chunk_tokens: int = CHUNK_TOKENS,
) -> Iterator[TraceChunk]:
    """All tokens but the first, `chunk_tokens` at a time; between two chunks the network may do other work.

    Without `tree_attention` what stands before a chunk is computed anew for each. Raises NotNumbers.
    """
    block, last = Block(len(tokens)), len(tokens) - 1
    for first in range(0, last, chunk_tokens):
        end = min(first + chunk_tokens, last)
        if tree_attention:
            logits = _logits(network, block, tokens[first:end], first)
        else:
            logits = network.forward_alone(tokens[:end], range(first, end))
        yield _measure(logits, tokens[first + 1 : end + 1], entropy, moments)


@torch.inference_mode()
def _logits(network: Network, block: Block, part: Sequence[int], first: int) -> torch.Tensor:
    """Logits (n, V) after each token of `part`, which stands behind the `first` tokens stored in `block`; stores it."""
    tree = Tree((TokenSpan(0, len(part), first),), ((block, first),))
    keep = Keep(0, len(part), block, first)
    layout = Layout(tuple(range(first, first + len(part))), (tree,), (keep,))
    return network.forward(part, layout, range(len(part)))


@torch.inference_mode()
def _measure(logits: torch.Tensor, tokens: Sequence[int], entropy: bool, moments: bool) -> TraceChunk:
    """logits (n, V) of the places at which `tokens` came. Raises NotNumbers."""
    chosen, means, variances = [], [], []
    for first in range(0, len(tokens), _ROWS):
        logprobs = logits[first : first + _ROWS].float().log_softmax(-1)
        if logprobs.isnan().any():
            raise NotNumbers(NOT_NUMBERS)
        here = torch.tensor(tokens[first : first + len(logprobs)], device=logprobs.device)
        chosen.append(logprobs.gather(-1, here[:, None])[:, 0])
        if entropy or moments:
            chances = logprobs.exp()
            logprobs = logprobs.masked_fill(chances == 0, 0.0)  # 0 · -inf counts as 0
            mean = (chances * logprobs).sum(-1)
            means.append(mean)
            variances.append((chances * (logprobs - mean[:, None]).square()).sum(-1))
    return TraceChunk(
        torch.cat(chosen).cpu(),
        -torch.cat(means).cpu() if entropy else None,
        torch.cat(means).cpu() if moments else None,
        torch.cat(variances).cpu() if moments else None,
    )


@torch.inference_mode()
def _read(logits: torch.Tensor, tokens: Sequence[int], top: int) -> list[Traced]:
    """logits (n, V) of the places at which `tokens` came. Raises NotNumbers."""
    read = []
    for first in range(0, len(tokens), _ROWS):
        block = logits[first : first + _ROWS].float().log_softmax(-1)
        here = tokens[first : first + len(block)]
        if block.isnan().any():
            raise NotNumbers(NOT_NUMBERS)
        best = block.topk(min(top, block.shape[-1]))
        chosen = block[range(len(here)), list(here)].tolist()
        for logprob, ids, values in zip(chosen, best.indices.tolist(), best.values.tolist(), strict=True):
            read.append(Traced(logprob, tuple(zip(ids, values, strict=True))))
    return read
