"""Zero-shot classification: a checkpoint for natural language inference says whether a text entails `This example is {label}`.

Source: Yin, Hay, Roth, Benchmarking Zero-shot Text Classification, EMNLP 2019 (arXiv 1909.00161).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..errors import ModelError, UsageError
from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint
from ..models.name import Name
from ..models.task_model import LabelScore, TaskInput, TaskOptions, TaskOutput
from .catalogue import HubTask
from .classification import label_output
from .encoder import OVERLAP, Cut, Encoder, Row, flags_of, labels_of, weighted

if TYPE_CHECKING:
    from transformers.utils.generic import ModelOutput

LEAST_ROOM = 8  # tokens of a text beside the hypothesis


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> ZeroShotClassifier:
    """Raises UsageError without labels or with a hypothesis that has no place for one, ModelError where the checkpoint
    has no label for entailment."""
    if not options.labels:
        raise UsageError("zero-shot needs labels to choose among, such as sport,politics")
    hypotheses(options)
    labels = labels_of(checkpoint.config)
    if entailment(labels) is None:
        raise ModelError(
            f"{name.text} has the labels {', '.join(labels[:8])} and none for entailment; zero-shot needs a checkpoint for "
            f"natural language inference, such as {task.default.name if task.default else 'facebook/bart-large-mnli'}; "
            "for the labels of this one use the task classification"
        )
    return ZeroShotClassifier(task, name, checkpoint, options)


class ZeroShotClassifier(Encoder):
    """A TaskModel over texts; each is computed with each label, all pairs of a block in batches of like length.

    Labels that exclude each other: softmax of their entailment over the labels. `options.several`, or one label: softmax of
    entailment against contradiction, of each label alone. A long text is read in windows, the same for all labels, and
    probabilities are means by tokens.
    """

    auto = "AutoModelForSequenceClassification"

    @lazy
    def _hypotheses(self) -> dict[str, str]:
        return hypotheses(self.options)

    @lazy
    def _lengths(self) -> list[int]:
        """Tokens of each hypothesis. Raises UsageError where one leaves no room for a text."""
        texts = list(self._hypotheses.values())
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        lengths = [len(row) for row in ids]
        if self.room(pair=True) - max(lengths) < LEAST_ROOM:
            worst = texts[lengths.index(max(lengths))]
            raise UsageError(
                f"the hypothesis {worst[:60]!r} is {max(lengths)} tokens; {self.name.text} reads {self.window} with the text. "
                "Use shorter labels"
            )
        return lengths

    def rows(self, numbered: Sequence[tuple[int, TaskInput]]) -> list[Row]:
        """A text's windows are as long as the longest hypothesis leaves room for, so that they are the same for all labels."""
        longest, rows = max(self._lengths), []
        overlap = min(OVERLAP, (self.room(pair=True) - longest) // 4)
        for part, (hypothesis, length) in enumerate(zip(self._hypotheses.values(), self._lengths, strict=True)):
            texts = [(number, part, each.text) for number, each in numbered]
            cut = Cut(self.window - (longest - length), overlap, "only_first")
            rows += self.tokenize(texts, cut, [hypothesis] * len(texts))
        return rows

    def read(self, output: ModelOutput, mask: torch.Tensor, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        """(contradiction, entailment) of each pair, as logits."""
        yes = entailment(self.labels)
        assert yes is not None  # open_model asked
        logits: torch.Tensor = output["logits"]
        return logits[:, [contradiction(self.labels, yes), yes]].float().cpu().unbind(0)

    def merge(self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> TaskOutput:
        by_label: list[list[int]] = [[] for _ in self._hypotheses]
        for number, row in enumerate(rows):
            by_label[row.part].append(number)
        windows = list(zip(*by_label, strict=True))
        chances = [self._chances(torch.stack([values[number] for number in window])) for window in windows]
        mean = weighted([rows[window[0]] for window in windows], chances).tolist()
        scores = [LabelScore(label, chance) for label, chance in zip(self._hypotheses, mean, strict=True)]
        return label_output(scores, self.options.threshold, flags_of(rows))

    def _chances(self, logits: torch.Tensor) -> torch.Tensor:
        """(labels, 2) -> (labels,)."""
        if self.options.several or len(logits) == 1:
            return logits.softmax(-1)[:, 1]
        return logits[:, 1].softmax(-1)


def hypotheses(options: TaskOptions) -> dict[str, str]:
    """{label: hypothesis}. Raises UsageError where the template has no place for a label."""
    try:
        texts = {label: options.hypothesis.format(label) for label in options.labels}
    except (IndexError, KeyError, ValueError) as error:
        raise UsageError(f"the hypothesis {options.hypothesis!r} must hold {{}} once, for the label") from error
    if any(text == options.hypothesis for text in texts.values()):
        raise UsageError(f"the hypothesis {options.hypothesis!r} must hold {{}}, for the label")
    return texts


def entailment(labels: Sequence[str]) -> int | None:
    """The number of the label that means entailment."""
    return next((number for number, label in enumerate(labels) if label.casefold().startswith("entail")), None)


def contradiction(labels: Sequence[str], yes: int) -> int:
    """The number of the label that means contradiction; as transformers has it, the last or the first where none is named."""
    named = (n for n, label in enumerate(labels) if label.casefold().startswith(("contra", "not_entail", "not entail")))
    return next(named, len(labels) - 1 if yes == 0 else 0)
