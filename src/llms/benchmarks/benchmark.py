"""What a benchmark is: a declaration of where its rows are, what is asked, and how an answer is graded.

A benchmark knows no model. It turns an Example and its few-shot examples into a Prompt, and the answers to
that prompt into a Grade. Changing anything that reaches a prompt or a grade changes `version`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..data import Dataset, Row
from ..values import ChoicePrompt, Completion, Example, GenerationPrompt, LogLikelihood, Prompt, Status

Answers = tuple[LogLikelihood, ...] | tuple[Completion, ...]
Draw = Literal["fixed", "harness"]
Average = Literal["micro", "macro"]


@dataclass(frozen=True, slots=True)
class Part:
    """One tested split: `subset` names it in items and reports; few-shot rows come from `shots_split`."""

    subset: str
    config: str
    split: str
    shots_split: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A named way to run a benchmark: how many shots, how drawn, which metric leads, how subsets are averaged.

    `draw` is `fixed` (the first `shots` rows of the pool, for every item) or `harness` (as the reference
    harness draws them). `stop` replaces the benchmark's stop strings.
    """

    shots: int
    draw: Draw
    headline: str
    average: Average = "micro"
    stop: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """A question with answers to score: one context, or one per continuation."""

    contexts: tuple[str, ...]
    continuations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """A question that is answered by generating text."""

    text: str
    stop: tuple[str, ...]
    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Grade:
    """Metrics of one item, by name; `target` and `extracted` are for people to compare."""

    scores: Mapping[str, float]
    target: str
    extracted: str | None
    status: Status = "ok"


def logprobs(answers: Answers) -> list[float]:
    """log P of each choice, nats."""
    return [answer.logprob for answer in answers if isinstance(answer, LogLikelihood)]


def reply(answers: Answers) -> Completion:
    """The one text that was generated."""
    (answer,) = answers
    assert isinstance(answer, Completion)
    return answer


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`items` counts the full benchmark on the hub; `chance` is what guessing gets on the default headline metric.

    `ask` makes the question of a row, `shot` the text of a solved example (without the blank line behind it),
    `grade` the metrics. `kind` is what a system must be able to do: score choices, or generate.
    """

    name: str
    title: str
    version: str
    licence: str
    items: int
    chance: float
    dataset: Dataset
    parts: tuple[Part, ...]
    metrics: tuple[str, ...]
    views: Mapping[str, View]
    ask: Callable[[Row], Choices | Open]
    shot: Callable[[Row], str]
    grade: Callable[[Row, Answers], Grade]
    description: Callable[[str], str] = field(default=lambda subset: "")
    cluster: Callable[[Example], str] = field(default=lambda example: example.item)
    harness_draw: Literal["random", "spare", "first"] = "random"
    kind: Literal["choice", "generation"] = "choice"

    def prompt(self, example: Example, shots: Sequence[Row], view: View) -> Prompt:
        """The prompt of one item, byte for byte; `shots` come already drawn, in order."""
        description = self.description(example.subset)
        header = "".join(self.shot(row) + "\n\n" for row in shots)
        question = self.ask(example.row)
        if isinstance(question, Choices):
            contexts = question.contexts * (len(question.continuations) if len(question.contexts) == 1 else 1)
            return ChoicePrompt(description, header, contexts, question.continuations)
        stop = question.stop if view.stop is None else view.stop
        return GenerationPrompt(description, header, question.text, stop, question.max_tokens)
