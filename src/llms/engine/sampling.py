"""The next token of one row, from its logits."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .penalties import penalized
from .request import LEAST_TEMPERATURE, NO_PENALTIES, DecodeRequest, Sampling

_HEAD = 512  # likeliest tokens among which a nucleus is looked for first


def generator(sampling: Sampling) -> torch.Generator | None:
    """A random generator of the row's own, so that a draw depends on no other row; None for greedy."""
    return None if sampling.temperature <= 0 else torch.Generator().manual_seed(sampling.seed)


def choose(logits: Tensor, request: DecodeRequest, new: Sequence[int], random: torch.Generator | None) -> int:
    """The token that follows `new`, from logits (V,): after penalties and constraint, drawn, or without `random` the
    likeliest one."""
    if request.sampling.penalties != NO_PENALTIES:
        array = penalized(logits.float().cpu().numpy(), request.sampling.penalties, request.tokens, new)
        logits = torch.from_numpy(array)
    if request.constrain is not None:
        logits = request.constrain(new, logits)
    return int(logits.argmax()) if random is None else sample(logits, request.sampling, random)


def sample(logits: Tensor, sampling: Sampling, random: torch.Generator) -> int:
    """A token drawn from logits (V,) after temperature, then top-k, then top-p (Holtzman et al. 2020), then min-p.

    Drawn by inverting the distribution function: torch.multinomial and a sort of the whole vocabulary would take
    longer than a small model's step.
    """
    scores = logits.float().cpu() / max(sampling.temperature, LEAST_TEMPERATURE)
    tokens: Tensor | None = None
    if sampling.top_k:
        scores, tokens = scores.topk(min(sampling.top_k, len(scores)))
    probabilities = scores.softmax(-1)
    if sampling.top_p < 1:
        probabilities, tokens = _nucleus(probabilities, tokens, sampling.top_p)
    if sampling.min_p:
        probabilities = probabilities.where(probabilities >= sampling.min_p * probabilities.max(), 0)
    reached = probabilities.cumsum(-1, dtype=torch.float64)
    index = int(
        torch.searchsorted(reached, torch.rand(1, generator=random, dtype=torch.float64) * reached[-1], right=True)
    )
    index = min(index, len(reached) - 1)
    return index if tokens is None else int(tokens[index])


def _nucleus(probabilities: Tensor, tokens: Tensor | None, top_p: float) -> tuple[Tensor, Tensor]:
    """The fewest likeliest tokens that reach `top_p` together, and their probabilities."""
    count = len(probabilities)
    likeliest, indices = probabilities.topk(min(_HEAD, count))
    if len(likeliest) < count and float(likeliest.sum()) < top_p:
        likeliest, indices = probabilities.sort(descending=True)
    count = max(1, int((likeliest.cumsum(-1) - likeliest < top_p).sum()))
    return likeliest[:count], indices[:count] if tokens is None else tokens[indices[:count]]


def likelihood(logits: Tensor, token: int, top: int | None) -> tuple[float | None, tuple[tuple[int, float], ...]]:
    """Log-probability (nats) of `token` under logits (V,), and the `top` most likely (token, log-probability)."""
    if top is None:
        return None, ()
    logprobs = logits.float().log_softmax(-1)
    best = logprobs.topk(min(top, len(logprobs)))
    return float(logprobs[token]), tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
