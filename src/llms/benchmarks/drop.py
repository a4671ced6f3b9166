"""DROP (Dua et al. 2019, arXiv 1903.00161): reading comprehension that needs counting and arithmetic.

The bare set-up of lm-evaluation-harness (tasks/drop): passage and question, the answer up to the first period. Few-shot
examples are this project's reading of it, as the harness writes them out wrongly; trust published numbers at 0 shots only.
"""

import hashlib
from collections.abc import Mapping, Sequence

from ..data import Dataset, Row
from ..scoring.spans import drop_scores
from ..values import Example
from .benchmark import Answers, Benchmark, EvalSplit, Grade, Open, View, reply

DATASET = Dataset(
    hub="ucinlp/drop",
    revision="main",
    folder="drop",
    columns={"passage": str, "question": str},
)


def golds(row: Row) -> list[Sequence[str]]:
    """The right answers, each one or several spans: of `answers`, else of annotators' objects, else of a flat list."""
    if row.get("answers"):
        return [tuple(answer) for answer in row["answers"]]
    if "answer" in row:
        every = [row["answer"], *_rows(row.get("validated_answers") or [])]
        return list(dict.fromkeys(_spans(answer) for answer in every))
    return [(span,) for span in dict.fromkeys(row["answers_spans"]["spans"])]


def _rows(table: Mapping[str, Sequence[object]] | Sequence[Row]) -> list[Row]:
    """Objects of a list, or of a dict of lists, as parquet files hold them."""
    if isinstance(table, Mapping):
        return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    return list(table)


def _spans(answer: Row) -> tuple[str, ...]:
    if answer["number"] != "":
        return (str(answer["number"]),)
    if answer["spans"]:
        return tuple(answer["spans"])
    date = answer["date"]
    return (" ".join((date["day"], date["month"], date["year"])).strip(),)


def ask(row: Row) -> Open:
    return Open(f"{row['passage']} {row['question']}", (".",))


def shot(row: Row) -> str:
    return f"{row['passage']} {row['question']} {', '.join(golds(row)[0])}"


def grade(row: Row, answers: Answers) -> Grade:
    answer = reply(answers)
    exact, f1 = drop_scores(answer.text, golds(row))
    shown = " | ".join(", ".join(gold) for gold in golds(row))
    return Grade(
        {"em": exact, "f1": f1}, shown, answer.text.strip() or None, "ok" if answer.text.strip() else "unparsed"
    )


def passage(example: Example) -> str:
    """Several questions stand on one passage."""
    return hashlib.sha256(example.row["passage"].encode()).hexdigest()[:12]


DROP = Benchmark(
    name="drop",
    title="DROP",
    version="1",
    licence="CC BY-SA 4.0",
    items=9535,
    chance=0.0,
    dataset=DATASET,
    parts=(EvalSplit("drop", "default", "validation", "train"),),
    metrics=("f1", "em"),
    views={"default": View(0, "fixed", "f1")},
    ask=ask,
    shot=shot,
    grade=grade,
    cluster=passage,
    kind="generation",
    scorer="2",
)
