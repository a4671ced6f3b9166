"""Answers: labels by their scores as an answer, and answers as JSON values: `output` is what a script reads first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ..models.task_model import LabelScore, TaskOptions, TaskOutput
from ..values import Json
from .catalogue import HubTask

HOLDS = 0.5  # the least score of a label that holds, where several may and no threshold is set


def names_of(id2label: Mapping[int, str] | Mapping[str, str] | None, count: int) -> list[str]:
    """The names of `count` labels as a network's configuration has them; a number where it has none."""
    labels = {int(number): label for number, label in (id2label or {}).items()}
    return [labels.get(number, str(number)) for number in range(count)]


def label_output(
    scores: Sequence[LabelScore], options: TaskOptions, flags: tuple[str, ...] = (), truncated: bool = False
) -> TaskOutput:
    """The likeliest label; none, and a flag, where it is less likely than `options.threshold`. Where several may hold, all
    that reach the threshold, the likeliest first and joined by commas, which may be none."""
    ordered = tuple(sorted(scores, key=lambda one: -one.score))
    if options.several:
        held = [one.label for one in ordered if one.score >= (options.threshold or HOLDS)]
        return TaskOutput(", ".join(held), ordered, truncated=truncated, flags=flags)
    if ordered[0].score < options.threshold:
        return TaskOutput("", ordered, truncated=truncated, flags=(*flags, "below threshold"))
    return TaskOutput(ordered[0].label, ordered, truncated=truncated, flags=flags)


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
