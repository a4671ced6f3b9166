"""The same scoring and generation for models that cannot follow a Layout: ordinary batches, nothing shared.

Right-padded batches with an attention mask are right for every causal class; generation goes one row at a
time through the model's own cache, and without a cache recomputes the sequence. So do prompts with pictures, of any
model: step by step as transformers' `generate` prepares its model's inputs, with the tokens chosen here.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from time import perf_counter

import torch

from .memory import out_of_memory
from .network import Network
from .request import DecodeRequest, Event, Finish
from .sampling import choose, generator, likelihood
from .scorer import LOGIT_ELEMENTS, ScoreRequest, TokenScore
from .seen import SeenPrompt

BATCH_TOKENS = 512


class FallbackScorer:
    def __init__(self, network: Network, batch_tokens: int = BATCH_TOKENS):
        self._network = network
        self._batch_tokens = batch_tokens

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, TokenScore]]:
        """Yields (index, score), longest requests first; batches are halved when memory runs out."""
        waiting = sorted(range(len(requests)), key=lambda i: -len(requests[i].tokens))
        for index in [i for i in waiting if not requests[i].scored]:
            yield index, TokenScore(0.0, True, 0.0)
        waiting = [i for i in waiting if requests[i].scored]
        while waiting:
            width = len(requests[waiting[0]].tokens) - 1
            rows = max(1, min(self._batch_tokens // width, LOGIT_ELEMENTS // (width * self._network.vocabulary)))
            batch = waiting[:rows]
            started = perf_counter()
            try:
                scores = self._run([requests[i] for i in batch])
            except RuntimeError as error:
                if not out_of_memory(error) or rows == 1:
                    raise
                self._batch_tokens //= 2
                continue
            waiting = waiting[rows:]
            share = (perf_counter() - started) / rows
            for index, (logprob, greedy) in zip(batch, scores, strict=True):
                yield index, TokenScore(logprob, greedy, share)

    @torch.inference_mode()
    def _run(self, requests: list[ScoreRequest]) -> list[tuple[float, bool]]:
        width, device = len(requests[0].tokens) - 1, self._network.device
        ids = torch.zeros(len(requests), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, request in enumerate(requests):
            ids[row, : len(request.tokens) - 1] = torch.tensor(request.tokens[:-1])
            mask[row, : len(request.tokens) - 1] = 1
        logits = self._network.model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
        results = []
        for row, request in enumerate(requests):
            first = len(request.tokens) - request.scored
            logprobs = logits[row, first - 1 : len(request.tokens) - 1].float().log_softmax(-1)
            targets = torch.tensor(request.tokens[first:], device=device)
            chosen = logprobs.gather(1, targets[:, None])
            results.append((chosen.sum().item(), bool((logprobs.argmax(-1) == targets).all())))
        return results


class FallbackDecoder:
    """`add`, `step`, `abort` as Decoder's; the first request goes first."""

    most_rows = 1

    def __init__(self, network: Network, end: frozenset[int] = frozenset()):
        self._network, self._end = network, end
        self._waiting: deque[DecodeRequest] = deque()
        self._new: list[int] = []
        self._cache = None
        self._random: torch.Generator | None = None
        self._pictures: SeenPrompt | None = None

    @property
    def idle(self) -> bool:
        return not self._waiting

    @property
    def vacant(self) -> int:
        return 0 if self._waiting else 1

    @property
    def active(self) -> list[int]:
        return [request.id for request in list(self._waiting)[:1]]

    def add(self, request: DecodeRequest) -> None:
        if not request.tokens:
            raise ValueError(f"request {request.id} has no tokens; at least one is needed")
        self._waiting.append(request)

    def abort(self, id: int) -> None:
        if self._waiting and self._waiting[0].id == id:
            self._finish()
        self._waiting = deque(request for request in self._waiting if request.id != id)

    def step(self) -> list[Event]:
        if not self._waiting:
            return []
        request = self._waiting[0]
        if not self._new:
            self._random = generator(request.sampling)
        logits = self._next_logits(request)
        if not logits.max().isfinite():
            self._finish()
            return [Event(request.id, 0, "nan")]
        token = choose(logits, request, self._new, self._random)
        self._new.append(token)
        ended = token in self._end or (request.stop is not None and request.stop(self._new))
        finish: Finish | None = "stop" if ended else "length" if len(self._new) >= request.max_tokens else None
        if finish:
            self._finish()
        return [Event(request.id, token, finish, *likelihood(logits, token, request.top))]

    @torch.inference_mode()
    def _next_logits(self, request: DecodeRequest) -> torch.Tensor:
        if self._network.sees:
            self._pictures = self._pictures or SeenPrompt(self._network, request.tokens, request.seen or {})
            return self._pictures.next_logits(self._new)
        cached = self._cache is not None
        ids = self._new[-1:] if cached else [*request.tokens, *self._new]
        start = len(request.tokens) + len(self._new) - len(ids)
        out = self._network.model(
            input_ids=torch.tensor([ids], device=self._network.device),
            attention_mask=torch.ones(1, start + len(ids), dtype=torch.long, device=self._network.device),
            use_cache=True,
            **({"past_key_values": self._cache} if cached else {}),
        )
        self._cache = getattr(out, "past_key_values", None)
        logits: torch.Tensor = out.logits[0, -1]
        return logits

    def _finish(self) -> None:
        self._waiting.popleft()
        self._new, self._cache, self._random, self._pictures = [], None, None, None
