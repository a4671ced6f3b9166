"""`llms.choose`."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from ...arena.choose.job import Choice, ChoiceJob, ChoiceLimits
from ...evaluation.config import EvalConfig
from .choose import choose as answer
from .choose import go as measure


class LimitSettings(TypedDict, total=False):
    """The fields of ChoiceLimits as keywords, for `llms.choose`; a test keeps the two alike."""

    memory_bytes: int | None
    gpu: str
    first_token_seconds: float | None
    seconds_per_task: float | None
    dollars_per_task: float | None
    licences: tuple[str, ...]
    local_only: bool
    context: int | None
    batch: int


def choose(
    data: str = "",
    models: Sequence[str] = (),
    *,
    weights: Mapping[str, float] | None = None,
    margin: float = 0.01,
    config: EvalConfig | None = None,
    go: bool = False,
    budget: float | None = None,
    **limits: Unpack[LimitSettings],
) -> Choice:
    """The answer to: which of `models` (all that were measured) for rows of one's own (`data`) or `weights` over benchmarks?

    Keywords are the fields of ChoiceLimits, which are hard. `config` is how systems are asked. With `go`, what is not
    measured yet is, step by step, for at most `budget` US dollars; without it no model is asked.
    """
    bounds = ChoiceLimits(**limits)
    job = ChoiceJob(data, dict(weights or {}), tuple(models), bounds, margin=margin, config=config or EvalConfig())
    if not go:
        return answer(job)
    *_, last = measure(job, budget)
    assert isinstance(last, Choice)
    return last
