"""Which options each task heeds, by one of its ways at least; any other is refused, for it would change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from ..errors import UsageError
from ..models.task_model import TaskOptions
from .catalogue import TASKS, HubTask

TEXT_LABELS = ("sentiment", "classification", "zero-shot")
JUDGED = (*TEXT_LABELS, "image-classification")
WRITTEN = tuple(task.name for task in TASKS.values() if "prompt" in task.ways)  # a language model writes the answer
DRAWN = ("text-to-image",)

TAKEN_BY: Mapping[str, Sequence[str]] = {
    "labels": (*JUDGED, "entities", "fill-mask"),
    "several": JUDGED,
    "hypothesis": JUDGED,
    "question": ("question-answering", "visual-question-answering"),
    "source": ("translation", "speech-to-text"),
    "target": ("translation", "speech-to-text"),
    "top": ("question-answering", "text-generation", "fill-mask", "image-classification"),
    "threshold": (*JUDGED, "entities", "question-answering"),
    "max_tokens": WRITTEN,
    "temperature": WRITTEN,
    "top_p": WRITTEN,
    "seed": (*WRITTEN, "speech-to-text", "text-to-speech", *DRAWN),
    "voice": ("text-to-speech",),
    "steps": DRAWN,
    "width": DRAWN,
    "height": DRAWN,
}
FLAGS = {"source": "--from", "target": "--to"}  # those that are not called as their fields are
USUAL = TaskOptions()


def check_options(task: HubTask, options: TaskOptions) -> None:
    """Raise UsageError for an option that is not as usual and that `task` does not take, and for labels that are none."""
    for field in fields(options):
        if getattr(options, field.name) != getattr(USUAL, field.name) and task.name not in TAKEN_BY[field.name]:
            flag = FLAGS.get(field.name, f"--{field.name.replace('_', '-')}")
            raise UsageError(
                f"{task.name} takes no {field.name} ({flag}); leave it out. Tasks that take it: "
                f"{', '.join(TAKEN_BY[field.name])}"
            )
    check_labels(options.labels)


def check_labels(labels: Sequence[str]) -> None:
    """Raise UsageError for a label that is empty, or that is there twice but for its capitals."""
    seen: set[str] = set()
    for label in (each.strip() for each in labels):
        if not label:
            raise UsageError(f"a label is empty in {', '.join(map(repr, labels))}; name each label")
        if label.casefold() in seen:
            raise UsageError(f"the label {label!r} is named twice; each label counts once, capitals aside")
        seen.add(label.casefold())


def read_labels(text: str) -> tuple[str, ...]:
    """The labels of a text that holds them between commas. Raises UsageError where it holds none."""
    labels = tuple(label.strip() for label in text.split(",") if label.strip())
    if not labels:
        raise UsageError(f"--labels {text!r} names no label; write them between commas, such as praise,complaint")
    check_labels(labels)
    return labels
