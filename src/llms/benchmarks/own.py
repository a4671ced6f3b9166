"""A benchmark of the user's own rows, declared on the fly."""

from ..data.dataset import Dataset, Row
from ..data.own import OwnTable
from ..scoring.choice import accuracy, accuracy_normalized, best
from ..scoring.match import exact_match
from .benchmark import Answers, Benchmark, Choices, Grade, Open, Part, View, logprobs, reply


def declare(table: OwnTable) -> Benchmark:
    """`Question: …\\nAnswer:`; choices are scored by their text, open answers end at the first line break."""
    rows = len(table.content.rows)
    metrics = ("acc", "acc_norm") if table.choices else ("exact_match",)
    chance = sum(1 / len(r["choices"]) for r in table.content.rows) / rows if table.choices else 0.0
    return Benchmark(
        name=table.name,
        title=table.name,
        version="1",
        licence="the user's own",
        items=rows,
        chance=chance,
        dataset=Dataset(table.name, table.content.revision, table.name, {}),
        parts=(Part(table.name, "", "", None),),
        metrics=metrics,
        views={"default": View(0, "fixed", metrics[-1])},
        ask=_ask_choices if table.choices else _ask_open,
        shot=lambda row: "",
        grade=_grade_choices if table.choices else _grade_open,
        kind="choice" if table.choices else "generation",
    )


def _text(row: Row) -> str:
    return f"Question: {row['question']}\nAnswer:"


def _ask_choices(row: Row) -> Choices:
    return Choices((_text(row),), tuple(f" {choice}" for choice in row["choices"]))


def _ask_open(row: Row) -> Open:
    return Open(_text(row), ("\n",), 64)


def _grade_choices(row: Row, answers: Answers) -> Grade:
    got, options, gold = logprobs(answers), row["choices"], row["answer"]
    scores = {"acc": accuracy(got, gold), "acc_norm": accuracy_normalized(got, options, gold)}
    return Grade(scores, options[gold], options[best(got)])


def _grade_open(row: Row, answers: Answers) -> Grade:
    text = reply(answers).text.strip()
    right = exact_match(text, row["answer"].strip(), ignore_case=True, ignore_punctuation=True)
    return Grade({"exact_match": float(right)}, row["answer"], text or None, "ok" if text else "unparsed")
