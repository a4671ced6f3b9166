"""How long to wait for an endpoint, how often to try again, how much to ask of it at once: every such number is here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`tries` count all attempts at a request that fails on the way or in the server, `rate_tries` those that were too many.

    A request is repeated only before the first token of its answer. `start` and `most` bound how many run at once.
    """

    connect_seconds: float = 10
    first_token_seconds: float = 60
    between_tokens_seconds: float = 60
    answer_seconds: float = 600  # of an answer that comes in one piece
    tries: int = 3
    rate_tries: int = 8
    backoff_seconds: float = 0.5  # doubles with each try
    longest_wait_seconds: float = 60
    start: int = 8  # as many agents as work at once
    most: int = 32
    silent: int = 8  # requests in a row that got no answer at all before a run is given up
