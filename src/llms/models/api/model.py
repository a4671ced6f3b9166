"""A model behind an endpoint that speaks OpenAI's protocol: hosted, or served on one's own machines.

No connection is made, and no client of HTTP imported, before the first request: `session` is the one way to both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from ...errors import ModelError, UsageError
from ...lazy import lazy
from ...values import Completion, Delta, Failure, Identity, LogLikelihood, Message, NextToken, TokenChance, Usage
from ..name import Name
from ..prices import Price
from ..system import Capabilities, Generate, Model
from .dialect import Dialect, dialect
from .endpoints import Endpoint, endpoint
from .retry_policy import RetryPolicy

if TYPE_CHECKING:
    from pydantic_ai.models import Model as PydanticModel

    from .session import EndpointSession

ASSUMED_WINDOW = 8192  # where neither the server nor the table of prices says


def open_api(name: Name, retry_policy: RetryPolicy = RetryPolicy()) -> ApiModel:
    """The model that `name` names; no connection is made."""
    return ApiModel(name, endpoint(name.provider, name.address), retry_policy)


class ApiModel(Model):
    """A System over an endpoint. All its requests, and those of its `chat_model`, go one way: its session's transport."""

    def __init__(self, name: Name, endpoint: Endpoint, retry_policy: RetryPolicy):
        self.name, self.endpoint, self.retry_policy = name, endpoint, retry_policy

    @property
    def identity(self) -> Identity:
        return Identity(self.name.text, f"{self.endpoint.base_url}#{self.name.model}", template="of the endpoint")

    @lazy
    def capabilities(self) -> Capabilities:
        """Known of named endpoints; one that is named by its URL is asked. Raises ModelError if it does not answer."""
        window, scores, raw = self.price_row.window, False, self.endpoint.raw
        if raw is None:
            handshake = self.session.handshake
            window, scores, raw = handshake.window or window, not handshake.no_echo, handshake.raw
        elif self.endpoint.name == "ollama":
            window = self.session.ollama_window()
        return Capabilities(
            loglikelihood=scores,
            generate=True,
            chat=True,
            context_window=window or ASSUMED_WINDOW,
            raw_text=raw,
            renders=False,
            tools=True,
            vision=True,
            schemas=self.endpoint.schemas,
        )

    @lazy
    def session(self) -> EndpointSession:
        """Raises MissingKey."""
        from .session import open_session  # with it come httpx2 and asyncio, a quarter of a second

        return open_session(self, self.endpoint, self.dialect, self.retry_policy)

    @lazy
    def price_row(self) -> Price:
        return Price(self.endpoint, self.name.model)

    @property
    def ready(self) -> bool:
        session = self.__dict__.get("session")
        return session is not None and session.asked

    @property
    def dialect(self) -> Dialect:
        """The words that the server takes, as far as it has said."""
        return dialect(self.endpoint.base_url, self.name.model, self.endpoint.max_tokens)

    @property
    def note(self) -> str | None:
        if not self.dialect.refused:
            return None
        left = ", ".join(sorted(self.dialect.refused - {"stream_options"}))
        return f"{self.name.text} does not take {left}; left to the server's own settings" if left else None

    def check(self) -> None:
        _ = self.endpoint.key

    def price(self, usage: Usage) -> Decimal | None:
        stated = self.ledger.stated
        return self.price_row.of(usage) if stated is None else stated.of(usage)

    def chat_model(self) -> PydanticModel:
        from .chat_model import ApiChatModel  # pydantic-ai, half a second

        return ApiChatModel(self.session.client)

    def served_count(self, prompt: str | Sequence[Message]) -> int | None:
        """Tokens of raw text or of messages as the server's own /tokenize counts them; None where it has none, or does not
        answer."""
        return self.session.served_count(prompt)

    def next_tokens(self, prompt: str | Sequence[int], top: int = 10) -> list[NextToken]:
        """As Model.next_tokens, of raw text. Raises ModelError where the server shows no such probabilities."""
        if not isinstance(prompt, str) or not self.capabilities.raw_text:
            raise ModelError(f"{self.name.text} is reached through chat only, which continues no raw text")
        chances: list[TokenChance] = []
        for delta in self.stream(Generate(prompt, max_tokens=1, top=top)):
            if delta.failure is not None:
                raise ModelError(delta.failure.reason)
            chances += delta.chances
        if not chances or not chances[0].top:
            raise ModelError(f"{self.name.text} does not show the probabilities of next tokens; a local model does")
        likeliest = {**dict(chances[0].top), chances[0].text: chances[0].logprob}
        best = sorted(likeliest.items(), key=lambda pair: -pair[1])[:top]
        return [NextToken(None, text, logprob) for text, logprob in best]

    def render(self, messages: Sequence[Message]) -> str:
        raise ModelError(f"{self.name.text} keeps its chat template to itself; give it messages instead of raw text")

    def prepare(self) -> None:
        session = self.session
        if self.endpoint.raw is None:
            _ = session.handshake

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        """(index, result) in order of completion, through /completions with echo. Raises ModelError where the server
        does not really score the text it is given."""
        if self.endpoint.raw is False or self.session.handshake.no_echo:
            why = "is reached through chat" if self.endpoint.raw is False else self.session.handshake.no_echo
            raise ModelError(f"{self.name.text} gives no log-probabilities of a given text: {why}")
        yield from self.session.score(pairs)

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result) in order of completion. Raises ModelError where every request would fail alike."""
        yield from self.session.complete(map(self._taken, requests))

    def stream(self, request: Generate, cancel: threading.Event | None = None) -> Iterator[Delta]:
        """Cancelling, or closing this generator, closes the connection; what came until then is billed."""
        session = self.session
        yield from session.stream(self._taken(request), cancel or threading.Event())

    def _taken(self, request: Generate) -> Generate:
        """`request`, unless it is raw text that the server does not take. Here, before the event loop waits for an answer:
        what the server takes may have to be asked first."""
        if isinstance(request.prompt, str) and not self.capabilities.raw_text:
            raise UsageError(f"{self.name.text} is reached through chat only; give it messages")
        return request

    def close(self) -> None:
        if (session := self.__dict__.pop("session", None)) is not None:
            session.close()
