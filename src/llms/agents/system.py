"""A team as a system: measured on benchmarks like a model, with what it used beside the score."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from decimal import Decimal

from pydantic_ai.settings import ModelSettings

from .. import bridge
from ..models.name import Name
from ..models.spending import SpendingLedger
from ..models.system import Capabilities, Generate, Model
from ..values import Completion, Failure, Identity, Message, Usage
from .events import Finished
from .role import Role
from .step import Worker
from .team import Team
from .work import Work


class TeamSystem(Model):
    """`team`, whose roles get models and tools from `worker`; `inner` are the models behind it, closed with it.

    Each request is one run with a budget of its own. It is asked in messages only; a run that a model's failure ended
    without an answer is a Failure, never a wrong answer.
    """

    def __init__(
        self,
        name: Name,
        team: Team,
        worker: Callable[[Role], Worker],
        inner: Sequence[Model],
        close: Callable[[], None],
    ):
        self.name, self.team = name, team
        self._worker, self._inner, self._close = worker, inner, close

    @property
    def identity(self) -> Identity:
        first = self._inner[0].identity
        declared = hashlib.sha256(json.dumps(asdict(self.team), sort_keys=True, default=str).encode()).hexdigest()[:16]
        weights = "+".join(dict.fromkeys(model.identity.weights for model in self._inner))
        return replace(first, name=self.name.text, weights=weights, extra={**first.extra, "team": declared})

    @property
    def capabilities(self) -> Capabilities:
        window = min(model.context_window for model in self._inner)
        return Capabilities(False, True, True, window, raw_text=False, renders=False)

    @property
    def peak_memory_bytes(self) -> int:
        return sum(model.peak_memory_bytes for model in self._inner)

    def pay_from(self, ledger: SpendingLedger) -> None:
        self.ledger = ledger
        for model in self._inner:
            model.pay_from(ledger)

    def price(self, usage: Usage) -> Decimal | None:
        """0 where no model of the team costs anything, else unknown: how often it will ask them is."""
        return Decimal(0) if all(model.price(usage) == 0 for model in self._inner) else None

    def check(self) -> None:
        for model in self._inner:
            model.check()

    def count_tokens(self, prompt: str | Sequence[Message]) -> int:
        return self._inner[0].count_tokens(prompt)

    def complete(self, requests: Iterable[Generate]) -> Iterator[tuple[int, Completion | Failure]]:
        """(index, result), one request after the other: a local model answers one at a time anyway."""
        for index, request in enumerate(requests):
            yield index, self._answer(request)

    def _answer(self, request: Generate) -> Completion | Failure:
        goal = request.prompt if isinstance(request.prompt, str) else "\n\n".join(m.content for m in request.prompt)
        settings = ModelSettings(max_tokens=request.max_tokens, temperature=request.temperature, seed=request.seed)

        def worker(role: Role) -> Worker:
            return replace(self._worker(role), settings=settings)

        started = time.perf_counter()
        work = Work(self.team, goal, worker)
        last = list(bridge.iterate(work.run()))[-1]
        assert isinstance(last, Finished)
        if work.fatal is not None:  # as a model of its own would end the evaluation
            raise work.fatal
        if last.reason == "a model failed" and not last.complete and last.answer.startswith("No model gave an answer"):
            return Failure("infra", work.problem or last.answer)
        return Completion(last.answer, last.used.tokens, "stop", 0, 0, time.perf_counter() - started)

    def close(self) -> None:
        self._close()
