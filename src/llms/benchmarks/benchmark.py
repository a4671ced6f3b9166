"""A benchmark declares where its rows are, what is asked, and how an answer is graded.

It knows no model. It turns an Example and its few-shot examples into a Prompt, and the answers to
that prompt into a Grade. Changing anything that reaches a prompt changes `version`; anything that makes another score of
the same answer changes `scorer`. Either begins new runs: a run is never continued under another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..data import Dataset, Row
from ..models.task_model import TaskInput
from ..tokens.pair import Pair
from ..values import ChoicePrompt, Completion, Example, GenerationPrompt, Json, LogLikelihood, Prompt, Status

Answers = tuple[LogLikelihood, ...] | tuple[Completion, ...]
Draw = Literal["fixed", "harness"]
Average = Literal["micro", "macro"]


@dataclass(frozen=True, slots=True)
class EvalSplit:
    """One tested split: `subset` names it in items and reports; few-shot rows come from `shots_split`.

    `shots_config` is where those lie if elsewhere. `keep` leaves other rows of both splits out. `fields` are added to
    each row: what the row itself does not say of its subset. `chance` is what guessing gets here, if not as elsewhere.
    """

    subset: str
    config: str
    split: str
    shots_split: str | None = None
    shots_config: str | None = None
    keep: Callable[[Row], bool] | None = None
    fields: Mapping[str, Json] = field(default_factory=dict)
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A named way to run a benchmark: how many shots, how drawn, which metric leads, how subsets are averaged.

    `draw` is `fixed` (the first `shots` rows of the pool, for every item) or `harness` (as the reference
    harness draws them). `stop` replaces the benchmark's stop strings. `normalized`: of the mean of these metrics
    what exceeds guessing is reported, as the Open LLM Leaderboard v2 does: of each subset and then averaged where the
    parts have chances of their own, else of the whole.
    """

    shots: int
    draw: Draw
    headline: str
    average: Average = "micro"
    stop: tuple[str, ...] | None = None
    normalized: tuple[str, ...] = ()


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
    """Metrics of one item, by name; `target` and `extracted` are for people to compare.

    `pooled` metrics have several values in one item (IFEval's instructions); their mean is over all values. `judge` is what a judge
    said, word for word. `counts` of a metric that belongs to all items together (statistics.corpus) are added up over them.
    """

    scores: Mapping[str, float]
    target: str
    extracted: str | None
    status: Status = "ok"
    pooled: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    judge: str = ""
    counts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """A program to test: `language` is a row of the table of runners, `source` what was written, `tests` what decides over it.

    In Python `entry` names the function that the tests call; besides it they see what `setup` defines and nothing else.
    """

    language: str
    source: str
    tests: str
    setup: str = ""
    entry: str = ""


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
    `grade` the metrics. `kind` is what a system must be able to do: score choices, or generate; for `code`, `program`
    makes what is run of a row and a completion, in `language`; of a `task`, `task_input` makes what is worked on. `description` takes the subset and the few-shot rows.
    `chat` is what is asked under a chat template, if not the same. `scorer` counts how often the meaning of an answer
    has changed: raise it with every change of extraction, comparison or engine that may change a score. Of kind `tokens`,
    `token_pairs` makes the token ids that are scored as they are, one Pair per choice; its text is for people.
    """

    name: str
    title: str
    version: str
    licence: str
    items: int
    chance: float
    dataset: Dataset
    parts: tuple[EvalSplit, ...]
    metrics: tuple[str, ...]
    views: Mapping[str, View]
    ask: Callable[[Row], Choices | Open]
    shot: Callable[[Row], str]
    grade: Callable[[Row, Answers], Grade] | None = None
    description: Callable[[str, Sequence[Row]], str] = field(default=lambda subset, shots: "")
    cluster: Callable[[Example], str] = field(default=lambda example: example.item)
    harness_draw: Literal["random", "spare", "first"] = "random"
    kind: Literal["choice", "generation", "code", "task", "tokens"] = "choice"
    program: Callable[[Row, str], Program] | None = None
    language: str = "python"
    chat: Callable[[Row], Open] | None = None
    scorer: str = "1"
    task_input: Callable[[Row], TaskInput] | None = None
    token_pairs: Callable[[Row], Sequence[Pair]] | None = None

    def prompt(self, example: Example, shots: Sequence[Row], view: View) -> Prompt:
        """The prompt of one item, byte for byte; `shots` come already drawn, in order."""
        description = self.description(example.subset, shots)
        header = "".join(self.shot(row) + "\n\n" for row in shots)
        question = self.ask(example.row)
        if isinstance(question, Choices):
            contexts = question.contexts * (len(question.continuations) if len(question.contexts) == 1 else 1)
            return ChoicePrompt(description, header, contexts, question.continuations)
        stop = question.stop if view.stop is None else view.stop
        return GenerationPrompt(description, header, question.text, stop, question.max_tokens)
