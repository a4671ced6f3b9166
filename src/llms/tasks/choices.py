"""Labels chosen by a language model without a word generated: each is scored as what the model would say next.

The probability of a label is the softmax, over the labels, of the log-probability (nats) of its tokens behind the prompt,
their plain sum: with labels of one token this is what transformers' `decision` pipeline computes. Where several labels
may hold, each is a question of its own, whose answers are yes and no.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import exp

from ..lazy import lazy
from ..models.system import Model
from ..models.task_model import Answered, LabelScore, TaskInput, TaskOptions, TaskOutput
from ..values import Failure, Identity, LogLikelihood, Message
from .catalogue import HubTask
from .forms import IN_PARTS, PROMPT_VERSION, quoted
from .passages import Passage, passages
from .special import identity_of_task

SCORED_TOGETHER = 512  # pairs of a prompt and a label in one call of the model, which computes what they share once
MARGIN = 8
YES_OR_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class LabelQuestion:
    """One prompt of an input, about a passage, and what may follow it; `label` is the one that yes and no are about."""

    input: int
    weight: float
    context: str
    answers: tuple[str, ...]
    label: str = ""


class ChoosingModel:
    """A TaskModel that scores labels. Inputs are read in blocks, since the model computes what they share together."""

    def __init__(self, task: HubTask, model: Model, options: TaskOptions, labels: Sequence[str], asks: str):
        self.kind, self.model, self.options = task, model, options
        self.labels, self._asks = tuple(labels), asks

    @property
    def task(self) -> str:
        return self.kind.name

    @lazy
    def identity(self) -> Identity:
        return identity_of_task(self.model.identity, self.task, "choice", self.options, prompt=PROMPT_VERSION)

    def answer(self, inputs: Iterable[TaskInput]) -> Iterator[Answered]:
        """(index, result), block by block, in input order; an input is a Failure where one of its labels got no score."""
        rows = enumerate(inputs)
        while block := list(islice(rows, max(1, SCORED_TOGETHER // len(self.labels)))):
            yield from self._answer_block(block)

    def close(self) -> None:
        self.model.close()

    def _answer_block(self, block: Sequence[tuple[int, TaskInput]]) -> Iterator[Answered]:
        questions: list[LabelQuestion] = []
        failed: dict[int, Failure] = {}
        for index, row in block:
            planned = self._questions(index, row)
            if isinstance(planned, Failure):
                failed[index] = planned
            else:
                questions += planned
        pairs = [(question.context, answer) for question in questions for answer in question.answers]
        owners = [question for question in questions for _ in question.answers]
        scores: list[LogLikelihood | None] = [None] * len(pairs)
        for number, score in self.model.score(pairs) if pairs else ():
            if isinstance(score, Failure):
                failed[owners[number].input] = score
            else:
                scores[number] = score
        grouped: dict[int, list[tuple[LabelQuestion, list[LogLikelihood]]]] = defaultdict(list)
        start = 0
        for question in questions:
            end = start + len(question.answers)
            grouped[question.input].append((question, [score for score in scores[start:end] if score is not None]))
            start = end
        for index, _ in block:
            yield index, failed[index] if index in failed else self._output(grouped[index])

    def _questions(self, index: int, row: TaskInput) -> list[LabelQuestion] | Failure:
        if not row.text.strip():
            return Failure("infra", f"input {index} is empty; expected a text")
        window = self.model.context_window
        fixed = max(self.model.count_tokens(self._context("", label)) for label in self._asked)
        longest = max(self.model.count_tokens(label) for label in (*self.labels, *YES_OR_NO))
        room = window - fixed - longest - MARGIN
        if room < MARGIN:
            return Failure(
                "infra",
                f"input {index}: the labels fill the window of {self.model.name.text}, {window} tokens; name fewer",
            )
        short = len(row.text.encode()) <= room  # a token is a byte or more
        parts = [Passage(0, len(row.text), row.text)] if short else passages(row.text, room, self.model.count_tokens)
        total = sum(len(part.text) for part in parts)
        return [
            LabelQuestion(
                index,
                len(part.text) / total,
                self._context(part.text, label),
                tuple(self._next(answer) for answer in (YES_OR_NO if label else self.labels)),
                label,
            )
            for part in parts
            for label in self._asked
        ]

    @property
    def _asked(self) -> tuple[str, ...]:
        """The labels that are asked about one by one; one empty text where they are chosen among."""
        return self.labels if self.options.several else ("",)

    @property
    def _chats(self) -> bool:
        return self.model.capabilities.chat and self.model.capabilities.renders

    def _context(self, text: str, label: str) -> str:
        if label:
            words = statement(text, self.options.hypothesis.replace("{}", label))
        else:
            words = choice(text, self.labels, self._asks)
        return self.model.render((Message("user", words),)) if self._chats else f"{words}\n\nAnswer:"

    def _next(self, answer: str) -> str:
        return answer if self._chats else f" {answer}"

    def _output(self, scored: Sequence[tuple[LabelQuestion, list[LogLikelihood]]]) -> TaskOutput:
        chances: dict[str, float] = defaultdict(float)
        for question, scores in scored:
            shares = softmax([score.logprob for score in scores])
            if question.label:
                chances[question.label] += question.weight * shares[0]
            else:
                for label, share in zip(self.labels, shares, strict=True):
                    chances[label] += question.weight * share
        labels = tuple(sorted(map(LabelScore, chances, chances.values()), key=lambda one: -one.score))
        every = [score for _, scores in scored for score in scores]
        return TaskOutput(
            labels[0].label,
            labels,
            truncated=any(score.cut for score in every),
            flags=(IN_PARTS,) if len(scored) > len(self._asked) else (),
            tokens=sum(scores[0].context_tokens + sum(score.tokens for score in scores) for _, scores in scored),
            seconds=sum(score.seconds for score in every),
        )


def choice(text: str, labels: Sequence[str], asks: str) -> str:
    """The question which of the labels fits."""
    return f"{quoted(text)}\n\n{asks} The labels are: {', '.join(labels)}. Answer with the label alone."


def statement(text: str, sentence: str) -> str:
    """The question whether a sentence is true."""
    return f"{quoted(text)}\n\nStatement: {sentence}\n\nIs the statement true of the text? Answer yes or no."


def softmax(logprobs: Sequence[float]) -> list[float]:
    """Log-probabilities (nats) as shares that sum to 1."""
    highest = max(logprobs)
    weights = [exp(value - highest) for value in logprobs]
    return [weight / sum(weights) for weight in weights]
