"""Whether a model gives right answers when its attention follows a Layout, found by scoring a small tree both ways.

Classes differ: some compute positions of their own, bias attention by distance (ALiBi), or carry a state
from token to token. They fail silently, so nothing is assumed. `probe` is thorough, and is meant for a twin (`proof`);
`check` looks once at the weights themselves.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .decoder import Decoder
from .fast_decode import KINDS, FastDecode
from .layout import DecodeStep, Keep, Layout, Slots, TokenSpan, Tree
from .network import Network
from .request import DecodeRequest
from .scorer import Scorer, ScoreRequest

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
ROUGH_TOLERANCE = 0.3  # nats per token in 16 bits, where two right ways differ by rounding; a wrong one by 1 to 9
PROBLEMS = (AttributeError, RuntimeError, TypeError, ValueError, KeyError, IndexError, NotImplementedError)
NAME_OF_WINDOW = "sliding_window"  # in configurations and attention modules
WINDOW = 24  # sliding windows are shortened to this while probing, so that a short prompt reaches beyond them


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """Whether the model follows layouts; `error` is the largest difference per token in nats, or what was raised.

    Not `finite`: its weights give NaN or infinite numbers, by whichever way.
    """

    supports_tree_attention: bool
    error: float | str
    finite: bool = True


def probe(network: Network, reference: Network | None = None) -> ProbeVerdict:
    """Score and continue a small tree with prefix sharing and, one by one, with the attention of `reference`: a model of the
    same weights, or the same model before it follows layouts."""
    requests = _requests(network.vocabulary)
    tolerance = TOLERANCE.get(network.dtype, ROUGH_TOLERANCE)
    reference = reference or network
    try:
        with _short_windows(network.model), _short_windows(reference.model):
            expected = [_score_alone(reference, request) for request in requests]
            network.follow_layouts()
            scores = dict(Scorer(network, chunk_tokens=50).score(requests))
            differences = [abs(scores[i].logprob - expected[i]) / r.scored for i, r in enumerate(requests)]
            differences.append(_decoding_error(network, reference, requests[0].tokens, requests[-1].tokens))
            error = torch.tensor(differences).max().item()  # NaN if one of them is
            if error <= tolerance and network.fast_decode is None:
                network.fast_decode = _fast_decode(network, tolerance)
    except PROBLEMS as problem:
        network.forget_layouts()
        return ProbeVerdict(False, f"{type(problem).__name__}: {problem}"[:200])
    if not error <= tolerance:
        network.forget_layouts()
        return ProbeVerdict(False, error)
    return ProbeVerdict(True, error)


def check(network: Network, may_follow: bool = True) -> ProbeVerdict:
    """One look at the weights: after a fork of 14 tokens and one step of two rows, the likeliest tokens are as likely
    as they are when one branch is computed alone. The network follows layouts afterwards if it `may_follow` them and gave the right numbers."""
    header, other, own = _tokens(network.vocabulary, 8, 3, 4)
    try:
        alone = network.forward_alone((*header, *own), range(8, 12)).float().log_softmax(-1)
        finite = bool(alone.isfinite().all())
        if not may_follow:
            return ProbeVerdict(False, 0.0, finite)
        network.follow_layouts()
        beside = torch.cat(_beside(network, header, other, own)).float().log_softmax(-1)
    except PROBLEMS as problem:
        network.forget_layouts()
        return ProbeVerdict(False, f"{type(problem).__name__}: {problem}"[:200])
    if not finite:
        return ProbeVerdict(True, math.nan, finite=False)
    best = alone.topk(5).indices
    error = (alone.gather(1, best) - beside.gather(1, best)).abs().mean(1).max().item()
    if not error <= TOLERANCE.get(network.dtype, ROUGH_TOLERANCE):
        network.forget_layouts()
        return ProbeVerdict(False, error)
    return ProbeVerdict(True, error)


def _beside(network: Network, header: tuple[int, ...], other: tuple[int, ...], own: tuple[int, ...]) -> list[Tensor]:
    """Logits after the tokens of `own`, computed beside `other` behind one header; the last by a step of both rows."""
    slots, shared = Slots(2, 64), len(header)
    branches = (
        TokenSpan(0, shared, 0),
        TokenSpan(shared, shared + 3, shared),
        TokenSpan(shared + 3, shared + 6, shared),
    )
    keeps = tuple(
        Keep(piece.start, piece.end, slots.view(row), piece.position)
        for row, branch in enumerate(branches[1:])
        for piece in (branches[0], branch)
    )
    positions = (*range(shared + 3), *range(shared, shared + 3))
    layout = Layout(positions, (Tree(branches),), keeps)
    fork = network.forward((*header, *other, *own[:3]), layout, range(shared + 3, shared + 6))
    last = shared + 3
    step = Layout((last, last), step=DecodeStep(slots, torch.tensor([last, last], device=network.device)))
    return [fork, network.forward((other[0], own[3]), step, [0, 1])[1:]]


def _fast_decode(network: Network, tolerance: float) -> FastDecode | None:
    """The short way to decode, if there is one for this model and both ways say the same after two rows."""
    if network.device.type != "cpu" or network.kind not in KINDS:
        return None
    known, lengths = _requests(network.vocabulary)[0].tokens, (45, 30)
    pieces = (TokenSpan(0, 45, 0), TokenSpan(45, 75, 0))
    slots = Slots(2, 64)
    keeps = tuple(Keep(piece.start, piece.end, slots.view(row), 0) for row, piece in enumerate(pieces))
    positions = (*range(45), *range(30))
    network.forward([known[i] for i in positions], Layout(positions, tuple(Tree((p,)) for p in pieces), keeps), [])
    step = Layout(lengths, step=DecodeStep(slots, torch.tensor(lengths)))
    usual = network.forward([5, 7], step, [0, 1])
    try:
        fast_decode = FastDecode(network.model)
        short = fast_decode.forward([5, 7], step)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None
    apart = (short.float().log_softmax(-1) - usual.float().log_softmax(-1)).abs().max().item()
    return fast_decode if apart <= tolerance else None


def _requests(vocabulary: int) -> list[ScoreRequest]:
    """Two questions behind one header, four answers each; longer together than a shortened window."""
    lengths = (5, 3, 7, 1)
    header, first, second, *answers = _tokens(vocabulary, 40, 9, 14, *lengths, *lengths)
    questions = [header + first] * 4 + [header + second] * 4
    return [ScoreRequest(question + answer, len(answer)) for question, answer in zip(questions, answers, strict=True)]


def _tokens(vocabulary: int, *lengths: int) -> list[tuple[int, ...]]:
    random = torch.Generator().manual_seed(1)
    most = max(4, min(vocabulary, 5000))
    return [tuple(torch.randint(3, most, (n,), generator=random).tolist()) for n in lengths]


def _score_alone(network: Network, request: ScoreRequest) -> float:
    first = len(request.tokens) - request.scored
    logits = network.forward_alone(request.tokens[:-1], range(first - 1, len(request.tokens) - 1))
    targets = torch.tensor(request.tokens[first:], device=logits.device)
    return logits.float().log_softmax(-1).gather(1, targets[:, None]).sum().item()


def _decoding_error(network: Network, reference: Network, *prompts: tuple[int, ...]) -> float:
    """Largest gap, in nats, by which a decoded token misses being the most likely one when computed alone."""
    decoder = Decoder(network)
    new: dict[int, list[int]] = {index: [] for index in range(len(prompts))}
    for index, prompt in enumerate(prompts):
        decoder.add(DecodeRequest(index, prompt, 4))
    while not decoder.idle:
        for event in decoder.step():
            new[event.id].append(event.token)
    worst = torch.tensor(0.0)
    for index, prompt in enumerate(prompts):
        sequence = (*prompt, *new[index])
        scores = dict(
            Scorer(network).score([ScoreRequest(sequence[:n], 1) for n in range(len(prompt) + 1, len(sequence) + 1)])
        )
        best = (
            reference.forward_alone(sequence[:-1], range(len(prompt) - 1, len(sequence) - 1))
            .float()
            .log_softmax(-1)
            .amax(-1)
        )
        got = torch.tensor([scores[i].logprob for i in range(len(new[index]))])
        worst = torch.maximum(worst, (best.cpu() - got).abs().max())
    return worst.item()


@contextmanager
def _short_windows(model: nn.Module) -> Iterator[None]:
    """Shorten every sliding window of the model and its configuration while the context lasts."""
    config = getattr(model, "config", None)
    owners: list[object] = [*model.modules(), *([] if config is None else [config.get_text_config()])]
    windows = [(owner, window) for owner in owners if isinstance(window := getattr(owner, NAME_OF_WINDOW, None), int)]
    for owner, window in windows:
        setattr(owner, NAME_OF_WINDOW, min(WINDOW, window))
    try:
        yield
    finally:
        for owner, window in windows:
            setattr(owner, NAME_OF_WINDOW, window)
