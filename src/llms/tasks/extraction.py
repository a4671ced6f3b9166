"""Extractive question answering: the place in a text that answers a question, or that there is none.

As the pipeline `question-answering` of transformers 4, which version 5 no longer has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..lazy import lazy
from ..models.local.checkpoint import Checkpoint
from ..models.name import Name
from ..models.task_model import LabelScore, TaskInput, TaskOptions, TaskOutput, TextSpan
from ..values import Failure
from .catalogue import HubTask
from .encoder import Cut, Encoder, Row, fault_of, flags_of

if TYPE_CHECKING:
    from transformers.utils.generic import ModelOutput

LONGEST = 384  # tokens of question and context together
STRIDE = 128  # of the context, in common with the next window
LONGEST_ANSWER = 15  # tokens
LEAST_ROOM = 8  # tokens of the context beside the question


def open_model(task: HubTask, name: Name, checkpoint: Checkpoint, options: TaskOptions) -> AnswerExtractor:
    return AnswerExtractor(task, name, checkpoint, options)


@dataclass(slots=True)
class SpanAnswer:
    """Characters `start` to `end` of the context. `score` is the sum over all places that read the same."""

    start: int
    end: int
    text: str
    score: float


class AnswerExtractor(Encoder):
    """A TaskModel over contexts, each with a question of its own or that of the options.

    A score is P(start) · P(end) within a window. There is no answer where the place that stands for none (the first token)
    is likelier than the best, in every window, or the best is below `options.threshold`; `scores` have both.
    """

    auto = "AutoModelForQuestionAnswering"
    needs_places = True

    @property
    def window(self) -> int:
        return min(LONGEST, super().window)

    def question(self, each: TaskInput) -> str:
        return each.question or self.options.question

    def fault(self, each: TaskInput) -> str:
        if fault := fault_of(each.text, "context") or fault_of(self.question(each), "question"):
            return fault
        size = self._size(self.question(each))
        if self.room(pair=True) - size < LEAST_ROOM:
            return f"the question is {size} tokens; {self.name.text} reads {self.window} with its context. Ask a shorter one"
        return ""

    @lazy
    def _sizes(self) -> dict[str, int]:
        return {}

    def _size(self, question: str) -> int:
        """Tokens of a question. The last ones are remembered: most rows ask the same."""
        if question not in self._sizes:
            if len(self._sizes) > 1000:
                self._sizes.clear()
            ids: list[int] = self._tokenizer(question, add_special_tokens=False, verbose=False)["input_ids"]
            self._sizes[question] = len(ids)
        return self._sizes[question]

    def rows(self, numbered: Sequence[tuple[int, TaskInput]]) -> list[Row]:
        groups: dict[int, list[tuple[int, TaskInput]]] = {}
        for number, each in numbered:
            room = self.room(pair=True) - self._size(self.question(each))
            groups.setdefault(min(STRIDE, self.window // 2, room // 2), []).append((number, each))
        rows: list[Row] = []
        for stride, group in groups.items():
            questions = [(number, 0, self.question(each)) for number, each in group]
            rows += self.tokenize(questions, Cut(self.window, stride, "only_second"), [each.text for _, each in group])
        return rows

    def read(self, output: ModelOutput, mask: torch.Tensor, rows: Sequence[Row]) -> Sequence[torch.Tensor]:
        """Logits of start and end: (2, T)."""
        both = torch.stack([output["start_logits"], output["end_logits"]], 1).float().cpu()
        return [values[:, : len(row.ids)] for values, row in zip(both, rows, strict=True)]

    def merge(self, each: TaskInput, rows: Sequence[Row], values: Sequence[torch.Tensor]) -> TaskOutput | Failure:
        answers: dict[str, SpanAnswer] = {}
        none = 1.0
        for row, logits in zip(rows, values, strict=True):
            nothing, candidates = self._candidates(row, logits)
            none = min(none, nothing)
            for start, end, score in candidates:
                text = each.text[start:end]
                if text.lower() in answers:
                    answers[text.lower()].score += score
                else:
                    answers[text.lower()] = SpanAnswer(start, end, text, score)
        best = sorted(answers.values(), key=lambda answer: -answer.score)[: max(1, self.options.top)]
        scores = [LabelScore(answer.text, answer.score) for answer in best]
        ordered = tuple(sorted([*scores, LabelScore("", none)], key=lambda one: -one.score))
        if not best or none > best[0].score or best[0].score < self.options.threshold:
            return TaskOutput("", ordered, flags=(*flags_of(rows), "no answer"))
        spans = tuple(TextSpan(one.start, one.end, "answer", one.score, one.text) for one in best)
        return TaskOutput(best[0].text, ordered, spans, flags=flags_of(rows))

    def _candidates(self, row: Row, logits: torch.Tensor) -> tuple[float, Iterator[tuple[int, int, float]]]:
        """(probability that there is no answer, the likeliest (start, end, score) in characters of the context)."""
        assert row.encoding is not None  # needs_places
        allowed = torch.tensor([part == 1 for part in row.encoding.sequence_ids])
        readable = allowed.clone()
        cls = self._tokenizer.cls_token_id
        if cls is not None:
            readable |= torch.tensor(row.ids) == cls
        starts, ends = logits.masked_fill(~readable, -10000.0).softmax(-1)
        none = float(starts[0] * ends[0])
        starts, ends = starts.clone(), ends.clone()
        starts[0] = ends[0] = 0.0
        pairs = torch.outer(starts, ends).triu().tril(LONGEST_ANSWER - 1).flatten()
        scores, places = pairs.topk(min(len(pairs), 2 * max(1, self.options.top) + 10))
        return none, self._places(row, readable, list(zip(scores.tolist(), places.tolist(), strict=True)))

    @staticmethod
    def _places(
        row: Row, readable: torch.Tensor, scored: Sequence[tuple[float, int]]
    ) -> Iterator[tuple[int, int, float]]:
        """Whole words where the tokenizer knows words."""
        encoding, width = row.encoding, len(row.ids)
        assert encoding is not None
        for score, position in scored:
            first, last = divmod(position, width)
            if not (readable[first] and readable[last]):
                continue
            words = encoding.token_to_word(first), encoding.token_to_word(last)
            bounds = [None if word is None else encoding.word_to_chars(word, 1) for word in words]
            if bounds[0] is None or bounds[1] is None:
                yield encoding.offsets[first][0], encoding.offsets[last][1], score
            else:
                yield bounds[0][0], bounds[1][1], score
