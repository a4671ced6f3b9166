"""The steps that a run had finished before it was cut off: given again in its place, never asked again."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from .events import StepEnded
from .step import StepResult

RESULT = 2000  # characters of a tool's result that are kept


def ended(got: StepResult, role: str, task: str | None, purpose: str, seconds: float) -> StepEnded:
    """The event of a step that ended, with what `Steps` needs to give it again."""
    value = got.value.model_dump(mode="json") if isinstance(got.value, BaseModel) else got.value
    used = tuple(replace(use, result=use.result[:RESULT]) for use in got.used)
    return StepEnded(role, task, seconds, got.problem, purpose, value, used)


class Steps:
    """Each step is given once, to the same role, task and purpose, in the order in which they ended.

    A pattern that begins anew walks the same way again, failures included. One that goes on from its plan
    (`planned`) makes new attempts at what failed, and needs no planner if it has tasks.
    """

    def __init__(self, ended: Iterable[StepEnded] = (), planned: bool = False, has_plan: bool = False):
        self._steps: dict[tuple, deque[StepEnded]] = defaultdict(deque)
        for step in ended:
            if not (planned and step.problem) and not (has_plan and step.purpose == "plan"):
                self._steps[step.role, step.task, step.purpose].append(step)

    def take(self, role: str, task: str | None, purpose: str, output: Any) -> StepResult | None:
        """What the next such step answered; None if it must be asked."""
        waiting = self._steps.get((role, task, purpose))
        if not waiting:
            return None
        step = waiting.popleft()
        value = step.value
        if value is not None and isinstance(output, type) and issubclass(output, BaseModel):
            value = output.model_validate(value)
        return StepResult(value, step.problem, "", step.used)
