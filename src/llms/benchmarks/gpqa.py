"""GPQA (Rein et al. 2023, arXiv 2311.12022): graduate-level questions that a search engine does not answer.

Its authors ask that no item appears in plain text: rows are never stored, shown or exported. Prompts are those of
lm-evaluation-harness (tasks/leaderboard/gpqa), but for the order of the choices, which the harness draws from a generator
that everything before it has moved; here it depends on the item alone.
"""

import hashlib
import re
from random import Random

from ..data import Dataset, Row
from ..scoring.choice import accuracy, accuracy_normalized, best
from ..values import Example
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, View, logprobs

LETTERS = ("(A)", "(B)", "(C)", "(D)")
WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
DATASET = Dataset(
    hub="Idavidrein/gpqa",
    revision="633f5ee89ab8ad4522a9f850766b73f62147ffdd",
    folder="gpqa",
    columns={"Question": str, "Correct Answer": str, **dict.fromkeys(WRONG, str)},
    files=("{config}.csv",),
    withheld=True,
)
ITEMS = {"gpqa_main": 448, "gpqa_extended": 546, "gpqa_diamond": 198}


def clean(text: str) -> str:
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def choices(row: Row) -> tuple[list[str], int]:
    """The four answers in an order that the question's own text decides, and where the right one stands."""
    seed = hashlib.sha256(row["Question"].encode()).hexdigest()
    order = list(range(4))
    Random(seed).shuffle(order)
    texts = [clean(row[column]) for column in (*WRONG, "Correct Answer")]
    return [texts[i] for i in order], order.index(3)


def text(row: Row) -> str:
    options = "\n".join(f"{letter} {choice}" for letter, choice in zip(LETTERS, choices(row)[0], strict=True))
    return f"What is the correct answer to this question:{row['Question']}\nChoices:\n{options}\nAnswer: "


def ask(row: Row) -> Choices:
    return Choices((text(row),), tuple(f" {letter}" for letter in LETTERS))


def shot(row: Row) -> str:
    return f"{text(row)} {LETTERS[choices(row)[1]]}"


def grade(row: Row, answers: Answers) -> Grade:
    gold, got = choices(row)[1], logprobs(answers)
    scores = {"acc": accuracy(got, gold), "acc_norm": accuracy_normalized(got, LETTERS, gold)}
    return Grade(scores, target=LETTERS[gold], extracted=LETTERS[best(got)])


def record(example: Example) -> str:
    """The same question stands in several configurations; its errors belong together."""
    return hashlib.sha256(example.row["Question"].encode()).hexdigest()[:12]


def declare(name: str, title: str, configs: tuple[str, ...], views: dict[str, View]) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        version="1",
        licence="CC BY 4.0, gated",
        items=sum(ITEMS[config] for config in configs),
        chance=0.25,
        dataset=DATASET,
        parts=tuple(EvalSplit(config, config, "train", "train") for config in configs),
        metrics=("acc_norm", "acc"),
        views=views,
        ask=ask,
        shot=shot,
        grade=grade,
        cluster=record,
        harness_draw="first",
    )


DEFAULT = View(0, "fixed", "acc_norm")
GPQA_MAIN, GPQA_EXTENDED, GPQA_DIAMOND = (
    declare(name, f"GPQA {name.removeprefix('gpqa_')}", (name,), {"default": DEFAULT}) for name in ITEMS
)
GPQA = declare(
    "gpqa", "GPQA, all three", tuple(ITEMS), {"v2": View(0, "harness", "acc_norm", normalized=("acc_norm",))}
)
