"""Proof, on the loaded model itself, that it gives right answers when its attention follows a Layout.

Classes differ: some compute positions of their own, bias attention by distance (ALiBi), or carry a state
from token to token. They fail silently, so nothing is assumed: a small tree is scored both ways.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import torch

from .decoder import Decoder
from .layout import Keep, Layout, Piece, Slots, Step, Tree
from .lean import KINDS, Lean
from .network import Network
from .request import DecodeRequest
from .scorer import Scorer, ScoreRequest

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
ROUGH_TOLERANCE = 0.3  # nats per token in 16 bits, where two right ways differ by rounding; a wrong one by 1 to 9
WINDOW = 24  # sliding windows are shortened to this while probing, so that a short prompt reaches beyond them


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the model follows layouts; `error` is the largest difference per token in nats, or what was raised; NaN
    where the model gives no numbers at all."""

    follows: bool
    error: float | str


def probe(network: Network) -> Verdict:
    """Score and continue a small tree with prefix sharing and, one by one, with the model's own attention."""
    requests = _requests(network.vocabulary)
    tolerance = TOLERANCE.get(network.dtype, ROUGH_TOLERANCE)
    original = network.model.config._attn_implementation
    with _short_windows(network.model):
        try:
            expected = [_score_alone(network, request) for request in requests]
            if not all(map(isfinite, expected)):  # says nothing about layouts
                return Verdict(False, nan)
            network.follow_layouts()
            scores = dict(Scorer(network, chunk_tokens=50).score(requests))
            error = max(abs(scores[i].logprob - expected[i]) / request.scored for i, request in enumerate(requests))
            error = max(error, _decoding_error(network, requests[0].tokens, requests[-1].tokens))
        except (
            AttributeError,
            RuntimeError,
            TypeError,
            ValueError,
            KeyError,
            IndexError,
            NotImplementedError,
        ) as problem:
            network.model.set_attn_implementation(original)
            return Verdict(False, f"{type(problem).__name__}: {problem}"[:200])
    if not error <= tolerance:
        network.model.set_attn_implementation(original)
        return Verdict(False, error)
    network.lean = _lean(network, tolerance)
    return Verdict(True, error)


def _lean(network: Network, tolerance: float) -> Lean | None:
    """The short way to decode, if there is one for this model and both ways say the same after two rows."""
    if network.device.type != "cpu" or network.model.config.model_type not in KINDS:
        return None
    known, lengths = _requests(network.vocabulary)[0].tokens, (45, 30)
    pieces = (Piece(0, 45, 0), Piece(45, 75, 0))
    slots = Slots(2, 64)
    keeps = tuple(Keep(piece.start, piece.end, slots.view(row), 0) for row, piece in enumerate(pieces))
    positions = (*range(45), *range(30))
    network.forward([known[i] for i in positions], Layout(positions, tuple(Tree((p,)) for p in pieces), keeps), [])
    step = Layout(lengths, step=Step(slots, torch.tensor(lengths)))
    usual = network.forward([5, 7], step, [0, 1])
    try:
        lean = Lean(network.model)
        short = lean.forward([5, 7], step)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None
    apart = (short.float().log_softmax(-1) - usual.float().log_softmax(-1)).abs().max().item()
    return lean if apart <= tolerance else None


def _requests(vocabulary: int) -> list[ScoreRequest]:
    """Two questions behind one header, four answers each; longer together than a shortened window."""
    random = torch.Generator().manual_seed(1)

    def tokens(n: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, max(4, min(vocabulary, 5000)), (n,), generator=random).tolist())

    header = tokens(40)
    questions = [header + tokens(9), header + tokens(14)]
    return [ScoreRequest(question + tokens(n), n) for question in questions for n in (5, 3, 7, 1)]


def _score_alone(network: Network, request: ScoreRequest) -> float:
    first = len(request.tokens) - request.scored
    logits = network.forward_plain(request.tokens[:-1], range(first - 1, len(request.tokens) - 1))
    targets = torch.tensor(request.tokens[first:], device=logits.device)
    return logits.float().log_softmax(-1).gather(1, targets[:, None]).sum().item()


def _decoding_error(network: Network, *prompts: tuple[int, ...]) -> float:
    """Largest gap, in nats, by which a decoded token misses being the most likely one when computed alone."""
    decoder = Decoder(network)
    new: dict[int, list[int]] = {index: [] for index in range(len(prompts))}
    for index, prompt in enumerate(prompts):
        decoder.add(DecodeRequest(index, prompt, 4))
    while not decoder.idle:
        for event in decoder.step():
            new[event.id].append(event.token)
    worst = 0.0
    for index, prompt in enumerate(prompts):
        sequence = (*prompt, *new[index])
        scores = dict(
            Scorer(network).score([ScoreRequest(sequence[:n], 1) for n in range(len(prompt) + 1, len(sequence) + 1)])
        )
        best = (
            network.forward_plain(sequence[:-1], range(len(prompt) - 1, len(sequence) - 1))
            .float()
            .log_softmax(-1)
            .amax(-1)
        )
        worst = max(worst, *(abs(best[i].item() - scores[i].logprob) for i in range(len(new[index]))))
    return worst


@contextmanager
def _short_windows(model: Any) -> Iterator[None]:
    """Shorten every sliding window of the model and its configuration while the context lasts."""
    config = model.config.get_text_config()
    owners = [owner for owner in (config, *model.modules()) if isinstance(getattr(owner, "sliding_window", None), int)]
    windows = [owner.sliding_window for owner in owners]
    for owner in owners:
        owner.sliding_window = min(WINDOW, owner.sliding_window)
    try:
        yield
    finally:
        for owner, window in zip(owners, windows, strict=True):
            owner.sliding_window = window
