"""WinoGrande (Sakaguchi et al. 2020, arXiv 1907.10641): whom or what does the blank stand for?

Partial scoring (Trinh and Le 2018): the same end of the sentence is scored after either filled-in beginning.
"""

from ..data import Dataset, Row
from ..scoring.choice import accuracy, best
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, View, logprobs

DATASET = Dataset(
    hub="allenai/winogrande",
    revision="01e74176c63542e6b0bcb004dcdea22d94fb67b5",
    folder="winogrande",
    columns={"sentence": str, "option1": str, "option2": str, "answer": str},
)


def beginnings(row: Row) -> tuple[str, str]:
    before = row["sentence"][: row["sentence"].index("_")]
    return before + row["option1"], before + row["option2"]


def end(row: Row) -> str:
    sentence: str = row["sentence"]
    return sentence[sentence.index("_") + 1 :].strip()


def gold(row: Row) -> int:
    return int(row["answer"]) - 1


def ask(row: Row) -> Choices:
    return Choices(beginnings(row), (f" {end(row)}",) * 2)


def shot(row: Row) -> str:
    return f"{beginnings(row)[gold(row)]} {end(row)}"


def grade(row: Row, answers: Answers) -> Grade:
    options, got = (row["option1"], row["option2"]), logprobs(answers)
    return Grade({"acc": accuracy(got, gold(row))}, target=options[gold(row)], extracted=options[best(got)])


WINOGRANDE = Benchmark(
    name="winogrande",
    title="WinoGrande",
    version="1",
    licence="CC BY 4.0",
    items=1267,
    chance=0.5,
    dataset=DATASET,
    parts=(EvalSplit("winogrande", "winogrande_xl", "validation", "train"),),
    metrics=("acc",),
    views={"default": View(5, "fixed", "acc"), "v1": View(5, "harness", "acc")},
    ask=ask,
    shot=shot,
    grade=grade,
    harness_draw="spare",
)
