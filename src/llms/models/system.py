"""A system is whatever answers: the protocol that every model, and every team, stands behind.

Naming a model must cost next to nothing, so that no heavy library is imported here.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, TypedDict, TypeVar

from ..engine.request import NO_PENALTIES, Penalties, Sampling
from ..errors import ContextOverflow, ModelError, UsageError
from ..tokens.count import TokenCount, estimate
from ..values import (
    Completion,
    Delta,
    Failure,
    Identity,
    JsonObject,
    LogLikelihood,
    Message,
    NextToken,
    Usage,
)
from .name import Name
from .spending import NO_PRICE, SpendingLedger

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pydantic_ai.models import Model as PydanticModel

    from ..tokens.views import TokenView
    from .trace import ForwardPass, TokenTrace, Want

T = TypeVar("T")
LOGPROB: tuple[Want, ...] = ("logprob",)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The kinds of request that a system takes. `context_window` counts tokens, prompt and answer together.

    `raw_text`: it continues text as it is. `renders`: it shows the text that it makes of messages. `tools` and `vision`:
    a prompt may offer tools, or hold images; of an endpoint, whether its model heeds them is found out by a probe.
    `trace` and `forward`: it may be looked into, token by token, or layer by layer. `gathers`: `score` computes what the
    pairs of one call have in common once, and holds them all for that; one call should bring many, and not all there are.
    `schemas`: an answer obeys the JSON schema of its request, or the request is refused.
    """

    loglikelihood: bool
    generate: bool
    chat: bool
    context_window: int
    raw_text: bool = True
    renders: bool = True
    tools: bool = False
    vision: bool = False
    trace: bool = False
    forward: bool = False
    gathers: bool = False
    schemas: bool = True


class ToolSchema(TypedDict):
    """A function that a model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True)
class Generate:
    """One thing to generate: raw text (no chat template) or messages (always with it).

    `schema` is a JSON schema that the answer obeys. `tools` are functions that
    may be called; `tool_choice` is auto, none, required, or the name of the one that must be; without `parallel_calls`
    at most one is made; endpoints take neither `min_p` nor `penalties`. `top` asks for the log-probability of each token and of so many likeliest ones.
    """

    prompt: str | tuple[Message, ...]
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    schema: JsonObject | None = None
    tools: tuple[ToolSchema, ...] = ()
    tool_choice: str = "auto"
    parallel_calls: bool = True
    top: int | None = None
    min_p: float = 0.0
    penalties: Penalties = NO_PENALTIES

    @property
    def sampling(self) -> Sampling:
        """How a model that runs here chooses its tokens."""
        return Sampling(self.temperature, self.top_k, self.top_p, self.seed, self.min_p, self.penalties)


class System(Protocol):
    """`score` and `complete` yield (index, result) in order of completion; a result is a value or a Failure.

    `complete` reads its requests as it needs them, a bounded number ahead of its answers, in the thread of the caller; so
    does `score`, except where `capabilities.gathers`. Closing what they return ends the work.
    """

    @property
    def identity(self) -> Identity: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def peak_memory_bytes(self) -> int: ...

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]: ...

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]: ...

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]: ...

    def render(self, messages: Sequence[Message]) -> str: ...

    def count_tokens(self, prompt: str | Sequence[Message]) -> int: ...

    def close(self) -> None: ...


class Model:
    """The base of every model: the public calls over `score`, `complete` and `stream`.

    `workers` is in how many processes a local model may work; `note` is said once to the user.
    """

    workers: int = 1
    name: Name
    _ledger: SpendingLedger | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> Identity:
        raise NotImplementedError

    @property
    def capabilities(self) -> Capabilities:
        raise NotImplementedError

    @property
    def context_window(self) -> int:
        return self.capabilities.context_window

    @property
    def peak_memory_bytes(self) -> int:
        return 0

    @property
    def note(self) -> str | None:
        return None

    @property
    def ledger(self) -> SpendingLedger:
        """The account that pays for requests; models share one when it is assigned to them."""
        if self._ledger is None:
            self._ledger = SpendingLedger()
        return self._ledger

    @ledger.setter
    def ledger(self, shared: SpendingLedger) -> None:
        self._ledger = shared

    def pay_from(self, ledger: SpendingLedger) -> None:
        """Let `ledger` pay for requests. Raises UsageError, before anything is spent, where its cap could not hold."""
        self.ledger = ledger
        if ledger.budget is not None and self.price(Usage(1, 1)) is None:
            raise UsageError(NO_PRICE.format(self.name.text))

    def price(self, usage: Usage) -> Decimal | None:
        """US dollars of an answer: 0 for what runs on one's own machines, None if unknown."""
        return Decimal(0)

    @property
    def ready(self) -> bool:
        """Whether its window is known without loading or asking anything for long."""
        return True

    def check(self) -> None:
        """Raise what can be known without loading or asking anything, such as MissingKey."""

    def prepare(self) -> None:
        """Load what is loaded on first use."""

    def most_workers(self) -> int:
        return 1

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        raise NotImplementedError

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        raise NotImplementedError

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """The answer to `request` piece by piece. Setting `cancel`, or closing the generator, ends the computation
        within one token; what came until then has been yielded."""
        raise NotImplementedError

    def render(self, messages: Sequence[Message]) -> str:
        raise NotImplementedError

    def count(self, prompt: str | Sequence[Message]) -> TokenCount:
        """Tokens of raw text, or of messages under the chat template with the reply opened, and how sure that is."""
        return estimate(prompt)

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        """The number alone of `count`."""
        return self.count(prompt).tokens

    def tokenize(self, text: str) -> list[TokenView]:
        """The tokens of raw text, each with its part of it. Raises ModelError where the tokenizer is not at hand."""
        raise ModelError(f"the tokenizer of {self.name.text} is not at hand; its tokens can only be estimated")

    def next_tokens(self, prompt: str | Sequence[int], top: int = 10) -> list[NextToken]:
        """The `top` most likely tokens after raw text, or after token ids, the most likely first."""
        raise ModelError(f"{self.name.text} does not show the probabilities of next tokens; a local model does")

    def trace(self, texts: Sequence[str], want: Collection[Want] = LOGPROB) -> Iterator[TokenTrace]:
        """How likely the model finds each token of whole texts, and how uncertain it is there: one TokenTrace a text, in
        input order. Raises UsageError where `capabilities.trace` is false, ContextOverflow for a text that is too long."""
        raise UsageError(f"{self.name.text} does not show how likely each token of a text is; a local checkpoint does")

    def forward(self, ids: Sequence[int]) -> ForwardPass:
        """Logits, hidden states and attentions over token ids. Raises UsageError where `capabilities.forward` is false,
        ContextOverflow where they are more than the window holds."""
        raise UsageError(f"{self.name.text} cannot be looked into; a local checkpoint can")

    def chat_model(self) -> PydanticModel:
        """This model as a pydantic-ai `Model`, for chat, tools and agents."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what was loaded."""

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        """log P(continuation | context) of each (context, continuation) pair, in input order, in nats.

        Pairs with a common prefix share its computation; equal to one-by-one scoring within 1e-4 + 1e-6·|ll| in
        float32. Contexts too long are cut on the left (`cut`). Raises ContextOverflow where a continuation cannot
        fit, and ModelError where no answer came.
        """
        return _in_order(self.score(pairs), len(pairs))

    def generate(
        self,
        prompts: Sequence[str | Sequence[Message]],
        *,
        max_tokens: int = 256,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> list[Completion]:
        """One Completion per prompt, in input order: raw text as it is, messages under the chat template."""
        if isinstance(prompts, str):
            raise ModelError(f"generate takes a list of prompts; got the string {prompts[:40]!r}. Write [prompt]")
        requests = [
            Generate(
                p if isinstance(p, str) else tuple(p), max_tokens, tuple(stop), temperature, top_k, top_p, seed + i
            )
            for i, p in enumerate(prompts)
        ]
        return _in_order(self.complete(requests), len(requests))


def _in_order(results: Iterator[tuple[int, T | Failure]], count: int) -> list[T]:
    ordered: dict[int, T] = {}
    for index, result in results:
        if isinstance(result, Failure):
            kind = ContextOverflow if "context" in result.reason else ModelError
            raise kind(f"request {index}: {result.reason}")
        ordered[index] = result
    return [ordered[index] for index in range(count)]
