"""The next token of one row, from its logits."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """temperature 0 is greedy; top_k 0 and top_p 1 leave the distribution whole. Equal seeds draw equal tokens."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


GREEDY = Sampling()


def generator(sampling: Sampling) -> torch.Generator | None:
    """A random generator of the row's own, so that a draw depends on no other row; None for greedy."""
    return None if sampling.temperature <= 0 else torch.Generator().manual_seed(sampling.seed)


def sample(logits: Tensor, sampling: Sampling, random: torch.Generator) -> int:
    """A token drawn from logits (V,) after temperature, then top-k, then top-p (Holtzman et al. 2020)."""
    scores, tokens = (logits.float().cpu() / sampling.temperature).sort(descending=True, stable=True)
    if sampling.top_k:
        scores = scores[: sampling.top_k]
    probabilities = scores.softmax(-1)
    if sampling.top_p < 1:
        before = probabilities.cumsum(-1) - probabilities
        probabilities = torch.where(before < sampling.top_p, probabilities, 0.0)
    return int(tokens[torch.multinomial(probabilities, 1, generator=random)])


def likelihood(logits: Tensor, token: int, top: int | None) -> tuple[float | None, tuple[tuple[int, float], ...]]:
    """Log-probability (nats) of `token` under logits (V,), and the `top` most likely (token, log-probability)."""
    if top is None:
        return None, ()
    logprobs = logits.float().log_softmax(-1)
    best = logprobs.topk(min(top, len(logprobs)))
    return float(logprobs[token]), tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
