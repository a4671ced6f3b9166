"""Requests to one model of an endpoint, in the words of its server; answers as values. Asynchronous throughout.

The handshake, evaluation, chat and the probe all ask through here.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from ...errors import ModelError
from ...tokens.pair import move_spaces
from ...values import Completion, Failure, Json, JsonObject, LogLikelihood, Usage
from ..name import Name
from ..spending import SpendingLedger
from ..system import Generate
from .connection import EndpointConnection, Events
from .dialect import Dialect
from .endpoints import Endpoint
from .errors import EndpointError, StatusError, failure, refused, unreachable
from .request import body
from .response import NoEcho, NoNumber, completion, cut, likelihood
from .retry_policy import RetryPolicy
from .transport import EXCHANGE, HttpExchange, Transport


class EndpointClient:
    """Making one connects nowhere. Raises MissingKey."""

    def __init__(
        self,
        name: Name,
        endpoint: Endpoint,
        dialect: Dialect,
        retry_policy: RetryPolicy,
        charge: Callable[[Usage], Decimal | None],
        ledger: Callable[[], SpendingLedger],
    ):
        self.name, self.endpoint, self.dialect, self.retry_policy = name, endpoint, dialect, retry_policy
        self.transport = Transport(retry_policy, charge, ledger)
        self.connection = EndpointConnection(endpoint, self.transport)

    async def post(self, path: str, body: JsonObject) -> Json:
        """The answer's JSON, keys hidden. Raises EndpointError, BudgetExceeded or UsageError."""
        return await self.dialect.carried(body, lambda spoken: self.connection.post(path, spoken))

    async def open(self, path: str, body: JsonObject, exchange: HttpExchange, stream: bool = True) -> Events:
        """The events of an answer; `exchange` is told what it took. Raises as `post`."""
        streamed: JsonObject = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        return await self.dialect.carried(
            {**body, **streamed}, lambda spoken: self.connection.open(path, spoken, exchange)
        )

    async def complete(self, request: Generate) -> Completion | Failure:
        """The answer to `request`, for the exchange that EXCHANGE holds."""
        exchange = EXCHANGE.get()
        assert exchange
        try:
            data = await self.post(*body(request, self.name.model, self.endpoint))
        except StatusError as error:
            if refused(error):
                return Completion("", 0, "refused", seconds=exchange.seconds)
            raise
        answer = completion(data, request.stop, exchange.usage, exchange.seconds)
        if isinstance(answer, Failure):
            return Failure(answer.kind, f"{self.endpoint.name}: {self.endpoint.scrub(answer.reason)}")
        if self.endpoint.own and (why := cut(request.prompt, exchange.usage)):
            return Failure("infra", f"{self.endpoint.name}: {why}")
        return replace(answer, text=self.endpoint.redactor.clean(answer.text))

    async def score(self, pair: tuple[str, str]) -> LogLikelihood | Failure:
        """As `likelihood`. Raises ModelError where the server does not really score the text it is given."""
        try:
            return await self.likelihood(pair)
        except NoNumber as error:
            return Failure("infra", f"{self.endpoint.name}: {error}")
        except NoEcho as error:
            raise ModelError(f"{self.name.text} gives no log-probabilities of a given text: {error}") from error

    async def likelihood(self, pair: tuple[str, str]) -> LogLikelihood:
        """One (context, continuation) pair, scored through /completions with echo. Raises NoEcho."""
        context, continuation = move_spaces(*pair)
        request: JsonObject = {
            "model": self.name.model,
            "prompt": context + continuation,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 1,
            "echo": True,
        }
        data = await self.post("/completions", request)
        exchange = EXCHANGE.get()
        return likelihood(data, context, continuation, exchange.seconds if exchange else 0.0)

    def failure_of(self, error: EndpointError) -> Failure:
        """The Failure that `error` is. Raises ModelError if nothing can be expected of the endpoint."""
        reported = failure(error, self.endpoint, self.name.model)
        if unreachable(error) and not self.transport.answered:
            raise ModelError(f"{self.endpoint.base_url} does not answer ({error}); is it running?") from error
        if self.transport.silent >= self.retry_policy.silent:
            raise ModelError(
                f"{self.endpoint.name} has stopped answering ({reported.reason}). What was answered is kept; run again "
                "to go on, with --retry-failed for what failed"
            ) from error
        return reported
