"""Engine: one loaded model behind `score` and `decoder`, by the fast way where the probe allows it."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import nn

from .decoder import Decoder
from .fallback import FallbackDecoder, FallbackScorer
from .fast_decode import FastDecode
from .llama import Llama, LlamaNetwork
from .network import Network
from .prepack import Packed, by_columns
from .probe import ProbeVerdict, check
from .proof import Proof, proof_of
from .request import DecodeRequest, Finish
from .resident import peak_bytes
from .scorer import Scorer, ScoreRequest, TokenScore
from .seeing import SeeingDecoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel


AHEAD = 512  # requests that wait for a row, at most; those that begin alike are found among them


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

    def decoder(self, remember: bool = False) -> Decoder | FallbackDecoder | SeeingDecoder:
        """A new decoder; `remember` keeps what earlier requests computed for those that begin alike."""
        if not self.verdict.supports_tree_attention:
            return FallbackDecoder(self.network, self.end)
        decoder = Decoder(self.network, self.end, remember=remember)
        return SeeingDecoder(decoder, FallbackDecoder(self.network, self.end)) if self.network.sees else decoder

    def complete(
        self, requests: Iterable[DecodeRequest], ahead: int = AHEAD
    ) -> Generator[tuple[int, Generated], None, None]:
        """(index, what was generated) in order of completion, through one decoder. A request for no tokens gets none.

        Requests are read when so few wait that the next step might leave a row empty, then as many as make `ahead` wait:
        rows never run dry, and who begins alike is looked for among many at once, not again at every step.
        """
        decoder = self.decoder()
        source = enumerate(requests)
        new: dict[int, list[int]] = {}  # of every request in the decoder, whether it waits or is worked on
        spent: dict[int, float] = {}
        exhausted = False
        while True:
            low = len(new) - len(decoder.active) < decoder.most_rows
            while low and not exhausted and len(new) - len(decoder.active) < ahead:
                if (following := next(source, None)) is None:
                    exhausted = True
                    break
                index, request = following
                if request.max_tokens < 1:
                    yield index, Generated((), "length", 0.0)
                    continue
                new[index], spent[index] = [], 0.0
                decoder.add(replace(request, id=index))
            if decoder.idle:
                return
            started = perf_counter()
            events = decoder.step()
            present = {*decoder.active, *(event.id for event in events)}
            for index in present:
                spent[index] += (perf_counter() - started) / len(present)
            for event in events:
                new[event.id].append(event.token)
                if event.finish:
                    yield event.id, Generated(tuple(new.pop(event.id)), event.finish, spent.pop(event.id))

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
