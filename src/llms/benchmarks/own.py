"""A benchmark of the user's own rows, declared on the fly."""

from collections.abc import Callable
from dataclasses import dataclass

from ..data.dataset import Dataset, Row
from ..data.own import OwnTable
from ..scoring.choice import accuracy, accuracy_normalized, best_normalized
from ..scoring.open import RUBRIC, SCORERS, Judge, judged
from .benchmark import Answers, Benchmark, Choices, Grade, Open, Part, View, logprobs, reply


@dataclass(frozen=True)
class Scorer:
    """How open answers are graded: a name of SCORERS, or `judge`: a model (`judge_name`) and a rubric, both shown."""

    name: str = "exact"
    judge: Judge | None = None
    judge_name: str = ""
    rubric: str = RUBRIC

    @property
    def identity(self) -> str:
        """Part of the benchmark's version, which reports show: another scorer is another benchmark."""
        return self.name if self.name != "judge" else f"judged by {self.judge_name}: {self.rubric.strip()}"


def declare(table: OwnTable, scorer: Scorer | None = None) -> Benchmark:
    """`Question: …\\nAnswer:`; choices are scored by their text, open answers end at the first line break."""
    rows = len(table.content.rows)
    scorer = scorer or Scorer()
    metrics = ("acc", "acc_norm") if table.choices else (f"{scorer.name}_match" if scorer.name != "judge" else "judge",)
    chance = sum(1 / len(r["choices"]) for r in table.content.rows) / rows if table.choices else 0.0
    return Benchmark(
        name=table.name,
        title=table.name,
        version="1" if table.choices else f"1, {scorer.identity}",
        licence="the user's own",
        items=rows,
        chance=chance,
        dataset=Dataset(table.name, table.content.revision, table.name, {}),
        parts=(Part(table.name, "", "", None),),
        metrics=metrics,
        views={"default": View(0, "fixed", metrics[-1])},
        ask=_ask_choices if table.choices else _ask_open,
        chat=None if table.choices else _ask_in_chat,
        shot=lambda row: "",
        grade=_grade_choices if table.choices else _grader(scorer, metrics[0]),
        kind="choice" if table.choices else "generation",
    )


def _text(row: Row) -> str:
    return f"Question: {row['question']}\nAnswer:"


def _ask_choices(row: Row) -> Choices:
    return Choices((_text(row),), tuple(f" {choice}" for choice in row["choices"]))


def _ask_open(row: Row) -> Open:
    return Open(_text(row), ("\n",), 64)


def _ask_in_chat(row: Row) -> Open:
    return Open(row["question"], (), 256)


def _grade_choices(row: Row, answers: Answers) -> Grade:
    got, options, gold = logprobs(answers), row["choices"], row["answer"]
    scores = {"acc": accuracy(got, gold), "acc_norm": accuracy_normalized(got, options, gold)}
    return Grade(scores, options[gold], options[best_normalized(got, options)])


def _grader(scorer: Scorer, metric: str) -> Callable[[Row, Answers], Grade]:
    def grade(row: Row, answers: Answers) -> Grade:
        text = reply(answers).text.strip()
        if scorer.name == "judge":
            assert scorer.judge
            right = judged(scorer.judge, scorer.rubric, row["question"], row["answer"], text) if text else False
        else:
            right = SCORERS[scorer.name](text, row["answer"])
        return Grade(
            {metric: float(right or False)},
            row["answer"],
            text or None,
            "ok" if text and right is not None else "unparsed",
        )

    return grade
