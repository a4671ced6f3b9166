"""The answer from what is stored, and what was measured for it on the way."""

from collections.abc import Iterator

from ... import settings
from ...arena.choose.job import Choice, ChoiceJob
from ...store.runs import Runs
from ..evaluate import Progress
from .answer import answer
from .evidence import evidence
from .go import measure
from .plan import planned, systems_of, with_ways


def choose(job: ChoiceJob) -> Choice:
    """The answer from what is stored; with nothing stored, a plan. Asks no model."""
    job = with_ways(job)
    with Runs(settings.database()) as store:
        seen = evidence(job, store)
        systems = systems_of(job, seen, store)
        if any(system in seen.measured for system in systems):
            return answer(job, seen, systems)
        return planned(job, seen, systems)


def go(job: ChoiceJob, budget: float | None = None) -> Iterator[Progress | Choice]:
    """Measure what the plan says, one after the other, until the answer is clear or the budget (US dollars) is spent."""
    yield from measure(job, budget)
