"""Engine: one loaded model behind `score` and `decoder`, by the fast way where the probe allows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import nn

from .decoder import Decoder
from .fallback import FallbackDecoder, FallbackScorer
from .fast_decode import FastDecode
from .llama import Llama, LlamaNetwork
from .memory import peak_bytes
from .network import Network
from .prepack import Packed, by_columns
from .probe import ProbeVerdict, check
from .proof import Proof, proof_of
from .request import DecodeRequest, Finish
from .scorer import Scorer, ScoreRequest, TokenScore

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Generated:
    """New token ids, how they ended, and this request's share of the computing time."""

    tokens: tuple[int, ...]
    finish: Finish
    seconds: float


class Engine:
    """Scores and generates with `model`: a transformers causal language model, or a Llama. `end` are end-of-sequence ids.

    `verdict` says whether its attention follows layouts; if not, plain batches serve it. `single` lays the weights
    out for one caller at a time, where that is another layout than the one for many.
    """

    def __init__(self, model: "PreTrainedModel | Llama", end: frozenset[int] = frozenset(), single: bool = False):
        self.end = end
        proof = proof_of(model.eval())
        if not (single and by_columns(model)):
            _pack(model, proof)
        self.network = LlamaNetwork(model) if isinstance(model, Llama) else Network(model)
        self.verdict = _look(self.network, proof)
        self._scorer = Scorer(self.network) if self.verdict.supports_tree_attention else FallbackScorer(self.network)

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, TokenScore]]:
        """(index, score) in order of completion; float32 sums equal one-by-one scoring within 1e-4 + 1e-6·|sum| nats."""
        return self._scorer.score(requests)

    def decoder(self, remember: bool = False) -> Decoder | FallbackDecoder:
        """A new decoder; `remember` keeps what earlier requests computed for those that begin alike."""
        if not self.verdict.supports_tree_attention:
            return FallbackDecoder(self.network, self.end)
        return Decoder(self.network, self.end, remember=remember)

    def complete(self, requests: Sequence[DecodeRequest]) -> Iterator[tuple[int, Generated]]:
        """All requests through one decoder; (index, what was generated) in order of completion."""
        decoder = self.decoder()
        new: list[list[int]] = [[] for _ in requests]
        spent = [0.0] * len(requests)
        for index, request in enumerate(requests):
            decoder.add(replace(request, id=index))
        while not decoder.idle:
            started = perf_counter()
            events = decoder.step()
            present = {*decoder.active, *(event.id for event in events)}
            for index in present:
                spent[index] += (perf_counter() - started) / len(present)
            for event in events:
                new[event.id].append(event.token)
                if event.finish:
                    yield event.id, Generated(tuple(new[event.id]), event.finish, spent[event.id])

    @property
    def peak_bytes(self) -> int:
        return peak_bytes()

    def close(self) -> None:
        """Nothing to end: the model goes with the object."""


def _pack(model: nn.Module, proof: Proof) -> None:
    packed = Packed(model)
    if proof.supports_tree_attention and proof.packs:
        packed.free()
        packed.keep()
    else:
        packed.undo()


def _look(network: Network, proof: Proof) -> ProbeVerdict:
    """The verdict on these weights, given what was proved of their configuration."""
    if not proof.supports_tree_attention:
        return replace(check(network, may_follow=False), error=proof.error)
    if proof.fast_decode:
        network.fast_decode = FastDecode(network.model)
    verdict = check(network)
    if (
        not verdict.supports_tree_attention and proof.fast_decode
    ):  # perhaps for the short way, which the first look dropped
        verdict = check(network)
    return verdict


def single_thread() -> None:
    """One thread per process: work is spread over processes, because threads that share cores spin."""
    torch.set_num_threads(1)
