"""Named entities with a checkpoint that labels each token: spans at their exact characters in the text, however long it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import torch

from ..errors import UsageError
from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint
from ..models.name import Name
from ..models.task_model import TaskInput, TaskOptions, TaskOutput, TextSpan
from .catalogue import HubTask
from .encoder import Cut, Encoder, Row, labels_of

if TYPE_CHECKING:
    from transformers.utils.generic import ModelOutput

NO_ENTITY = "O"


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> EntityTagger:
    """Raises UsageError where `options.labels` are kinds of entity that the checkpoint does not know."""
    known = {tag_of(label)[1].casefold() for label in labels_of(checkpoint.config)} - {NO_ENTITY.casefold()}
    if unknown := [label for label in options.labels if label.casefold() not in known]:
        raise UsageError(f"{name.text} knows the entities {', '.join(sorted(known))}; not {', '.join(unknown)}")
    return EntityTagger(task, name, checkpoint, options)


@dataclass(frozen=True, slots=True)
class TaggedToken:
    """Characters `start` to `end` of the text, with their likeliest label."""

    start: int
    end: int
    label: str
    score: float


class EntityTagger(Encoder):
    """A TaskModel over texts. Tokens of windows that overlap are taken from the one in which more stands around them, and
    only then joined: an entity across a border is one. `options.labels` are the kinds wanted, `threshold` the least score."""

    auto = "AutoModelForTokenClassification"
    needs_places = True

    @lazy
    def _wanted(self) -> frozenset[str]:
        return frozenset(label.casefold() for label in self.options.labels)

    @lazy
    def _cut(self) -> Cut:
        return self.cut(self.room())

    def read(self, output: ModelOutput, mask: torch.Tensor, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        """(score, label) of each token: (T, 2)."""
        scores, labels = output["logits"].float().softmax(-1).max(-1)
        both = torch.stack([scores, labels.float()], -1).cpu()
        return [values[: len(row.ids)] for values, row in zip(both, rows, strict=True)]

    def merge(self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> TaskOutput:
        tokens: list[TaggedToken] = []
        for number, (row, value) in enumerate(zip(rows, values, strict=True)):
            own = list(self._tagged(row, value))
            first = self._cut.overlap // 2 if number else 0
            last = self._cut.overlap - self._cut.overlap // 2 if number < len(rows) - 1 else 0
            tokens += own[first : len(own) - last]
        spans = tuple(span for span in joined(tokens, each.text) if self._is_wanted(span))
        return TaskOutput("; ".join(f"{span.text} ({span.label})" for span in spans), spans=spans)

    def _is_wanted(self, span: TextSpan) -> bool:
        asked = not self._wanted or span.label.casefold() in self._wanted
        return asked and span.score >= self.options.threshold

    def _tagged(self, row: Row, value: torch.Tensor) -> Iterator[TaggedToken]:
        """The tokens of a row that stand in the text."""
        assert row.encoding is not None  # needs_places
        labels = self.labels
        for (start, end), special, (score, label) in zip(
            row.encoding.offsets, row.encoding.special_tokens_mask, value.tolist(), strict=True
        ):
            if not special:
                yield TaggedToken(start, end, labels[int(label)], score)


def joined(tokens: Sequence[TaggedToken], text: str) -> list[TextSpan]:
    """Neighbours of one kind as one span, unless the second begins a new one (B-); its score is the mean of theirs.

    As transformers' strategy `simple`. Tokens of no entity are a kind of their own, and left out.
    """
    groups: list[list[TaggedToken]] = []
    for token in tokens:
        begins, kind = tag_of(token.label)
        if groups and not begins and kind == tag_of(groups[-1][-1].label)[1]:
            groups[-1].append(token)
        else:
            groups.append([token])
    spans = []
    for group in groups:
        kind = group[0].label.split("-", 1)[-1]
        if kind == NO_ENTITY:
            continue
        start, end = trimmed(text, group[0].start, group[-1].end)
        spans.append(TextSpan(start, end, kind, fmean(token.score for token in group), text[start:end]))
    return spans


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The place without the blanks at its ends, which some tokenizers count to a word."""
    part = text[start:end]
    return (end - len(part.lstrip()), start + len(part.rstrip())) if part.strip() else (start, end)


def tag_of(label: str) -> tuple[bool, str]:
    """(whether it begins an entity, of what kind): B-PER, I-PER, or PER alone, which goes on."""
    if label.startswith(("B-", "I-")):
        return label.startswith("B-"), label[2:]
    return False, label
