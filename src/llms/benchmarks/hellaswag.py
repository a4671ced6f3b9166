"""HellaSwag (Zellers et al. 2019, arXiv 1905.07830): which sentence comes next?

Text is cleaned as in lm-evaluation-harness (tasks/hellaswag/utils.py), its stray double spaces included.
"""

import re

from ..data import Dataset, Row
from ..scoring.choice import accuracy, accuracy_normalized, best_normalized
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, View, logprobs

DATASET = Dataset(
    hub="Rowan/hellaswag",
    revision="218ec52e09a7e7462a5400043bb9a69a41d06b76",
    folder="hellaswag",
    columns={"activity_label": str, "ctx_a": str, "ctx_b": str, "endings": list, "label": str},
)


def clean(text: str) -> str:
    """Titles become sentence ends, other bracketed marks go, each pair of spaces becomes one (one pass)."""
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def query(row: Row) -> str:
    return clean(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")


def endings(row: Row) -> list[str]:
    return [clean(ending) for ending in row["endings"]]


def ask(row: Row) -> Choices:
    return Choices((query(row),), tuple(f" {ending}" for ending in endings(row)))


def shot(row: Row) -> str:
    return f"{query(row)} {endings(row)[int(row['label'])]}"


def grade(row: Row, answers: Answers) -> Grade:
    choices, gold, got = endings(row), int(row["label"]), logprobs(answers)
    scores = {"acc": accuracy(got, gold), "acc_norm": accuracy_normalized(got, choices, gold)}
    return Grade(scores, target=choices[gold], extracted=choices[best_normalized(got, choices)])


HELLASWAG = Benchmark(
    name="hellaswag",
    title="HellaSwag",
    version="1",
    licence="MIT",
    items=10042,
    chance=0.25,
    dataset=DATASET,
    parts=(EvalSplit("hellaswag", "default", "validation", "train"),),
    metrics=("acc", "acc_norm"),
    views={"default": View(5, "fixed", "acc_norm"), "v1": View(10, "harness", "acc_norm")},
    ask=ask,
    shot=shot,
    grade=grade,
    harness_draw="spare",
)
