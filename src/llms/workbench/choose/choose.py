"""The answer from what is stored, and what was measured for it on the way."""

from collections.abc import Iterator

from ...arena.choose.job import Choice, ChoiceJob
from ..evaluate import Progress


def choose(job: ChoiceJob) -> Choice:
    """The answer from what is stored; with nothing stored, a plan. Asks no model."""
    raise NotImplementedError


def go(job: ChoiceJob, budget: float | None = None) -> Iterator[Progress | Choice]:
    """Measure what the plan says, one after the other, until the answer is clear or the budget (US dollars) is spent."""
    raise NotImplementedError
