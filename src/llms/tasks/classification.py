"""Text classification with a checkpoint made for it: sentiment, topic, language, toxicity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..errors import UsageError
from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint
from ..models.name import Name
from ..models.task_model import LabelScore, TaskInput, TaskOptions, TaskOutput
from .catalogue import HubTask
from .encoder import Encoder, Row, flags_of, labels_of, weighted

if TYPE_CHECKING:
    from transformers.utils.generic import ModelOutput


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> TextClassifier:
    """Raises UsageError where `options.labels` are not labels of the checkpoint."""
    restricted(options.labels, labels_of(checkpoint.config), name.text)
    return TextClassifier(task, name, checkpoint, options)


class TextClassifier(Encoder):
    """A TaskModel over texts. Of a text that is longer than the model reads, each label's probability is the mean over its
    windows by their tokens; nothing is cut. `options.labels` restrict the choice: probabilities then are given that it is
    one of them."""

    auto = "AutoModelForSequenceClassification"

    @lazy
    def _numbers(self) -> dict[int, str]:
        """The labels to choose among, by their numbers, spelled as the user spelled them."""
        return restricted(self.options.labels, self.labels, self.name.text)

    def read(self, output: ModelOutput, mask: torch.Tensor, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        """Independent labels, and a single one, go through a sigmoid; labels that exclude each other through a softmax; what
        a regression gives is left as it is."""
        logits: torch.Tensor = output["logits"].float().cpu()
        config = self._network.config
        if config.problem_type == "regression":
            values = logits
        elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
            values = logits.sigmoid()
        else:
            values = logits.softmax(-1)
            if self.options.labels:
                chosen = values[:, list(self._numbers)]
                values = values / chosen.sum(-1, keepdim=True)
        return values.unbind(0)

    def merge(self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> TaskOutput:
        chances = weighted(rows, values).tolist()
        scores = [
            LabelScore(label, chances[number]) for number, label in self._numbers.items() if number < len(chances)
        ]
        return label_output(scores, self.options.threshold, flags_of(rows))


def label_output(scores: Sequence[LabelScore], threshold: float, flags: tuple[str, ...]) -> TaskOutput:
    """The likeliest label; none, and a flag, where it is less likely than `threshold`."""
    ordered = tuple(sorted(scores, key=lambda one: -one.score))
    if threshold and ordered[0].score < threshold:
        return TaskOutput("", ordered, flags=(*flags, "below threshold"))
    return TaskOutput(ordered[0].label, ordered, flags=flags)


def restricted(chosen: Sequence[str], labels: Sequence[str], model: str) -> dict[int, str]:
    """{number: label} of the labels of a model that are among `chosen`, all if there are none. Raises UsageError."""
    if not chosen:
        return dict(enumerate(labels))
    spelled = {label.casefold(): label for label in chosen}
    if unknown := [label for label in chosen if label.casefold() not in {own.casefold() for own in labels}]:
        raise UsageError(
            f"{model} has the labels {', '.join(labels)}; not {', '.join(unknown)}. Name some of its own, or use zero-shot"
        )
    return {number: spelled[own.casefold()] for number, own in enumerate(labels) if own.casefold() in spelled}
