"""Answers as JSON values: what a script reads first is `output`, what stands behind it lies beside it."""

from dataclasses import asdict

from ..models.task_model import TaskOutput
from ..values import Json
from .catalogue import HubTask


def answer_of(task: HubTask, output: TaskOutput) -> Json:
    """The answer alone: a label, a text, a number, a list of spans, a vector."""
    if task.gives == "spans":
        return [asdict(span) for span in output.spans]
    if task.gives == "vector":
        return list(output.vector)
    if task.gives == "number":
        return float(output.text)
    return output.text


def details_of(task: HubTask, output: TaskOutput) -> dict[str, Json]:
    """The fields beside the answer, those alone that say something."""
    details: dict[str, Json] = {}
    if output.scores:
        details["scores"] = [asdict(score) for score in output.scores]
    if output.spans and task.gives != "spans":
        details["spans"] = [asdict(span) for span in output.spans]
    if output.segments:
        details["segments"] = [{**asdict(part), "flags": list(part.flags)} for part in output.segments]
    if output.flags:
        details["flags"] = list(output.flags)
    return details
