"""One model of an endpoint for synchronous callers: what is asked here runs on the bridge's event loop."""

import threading
from collections.abc import Iterable, Iterator, Sequence

from ...bridge import iterate, run
from ...lazy import lazy
from ...values import Completion, Delta, Failure, LogLikelihood, Message
from ..system import Generate, Model
from .batch import each
from .client import EndpointClient
from .count import served_count
from .dialect import Dialect
from .endpoints import Endpoint
from .handshake import Handshake, shake_hands
from .ollama import ASSUMED_WINDOW, ollama_window
from .retry_policy import RetryPolicy
from .stream import stream


def open_session(model: Model, endpoint: Endpoint, dialect: Dialect, retry_policy: RetryPolicy) -> "EndpointSession":
    """A way to the endpoint of `model`, which says what requests cost and who pays for them. Raises MissingKey."""
    charge, ledger = (lambda usage: model.price(usage)), (lambda: model.ledger)
    return EndpointSession(EndpointClient(model.name, endpoint, dialect, retry_policy, charge, ledger))


class EndpointSession:
    """`client` is for those who are on the event loop already."""

    def __init__(self, client: EndpointClient):
        self.client = client

    @property
    def asked(self) -> bool:
        """Whether the server has said what it is."""
        return "handshake" in self.__dict__

    @lazy
    def handshake(self) -> Handshake:
        """The server's account of itself, asked once. Raises ModelError if it does not answer."""
        return run(shake_hands(self.client))

    def ollama_window(self) -> int:
        """Tokens that Ollama serves; its default where it does not answer."""
        return run(ollama_window(self.client)) or ASSUMED_WINDOW

    def served_count(self, prompt: str | Sequence[Message]) -> int | None:
        return run(served_count(self.client, prompt))

    def score(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[int, LogLikelihood | Failure]]:
        return each(self.client, pairs, self.client.score)

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        return each(self.client, requests, self.client.complete)

    def stream(self, request: Generate, cancel: threading.Event) -> Iterator[Delta]:
        yield from iterate(stream(self.client, request, cancel))

    def close(self) -> None:
        run(self.client.transport.aclose())
