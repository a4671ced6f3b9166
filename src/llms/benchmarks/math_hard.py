"""MATH, level 5 (Hendrycks et al. 2021, arXiv 2103.03874): competition mathematics, worked out.

Prompt of lm-evaluation-harness (tasks/leaderboard/math): Minerva's four worked examples, read from the data.
`exact_match` is symbolic equivalence by math_verify, `exact_match_original` the older textual rule.
"""

from ..data import Dataset, Row
from ..scoring.mathematics import boxed, equivalent, minerva_match
from .benchmark import Answers, Benchmark, EvalSplit, Grade, Open, View, reply

DATASET = Dataset(
    hub="DigitalLearningGmbH/MATH-lighteval",
    revision="0530c78699ea5e8eb5530600900e1f328b48acad",
    folder="math",
    columns={"problem": str, "solution": str},
)
ITEMS = {
    "algebra": 307,
    "counting_and_probability": 123,
    "geometry": 132,
    "intermediate_algebra": 280,
    "number_theory": 154,
    "prealgebra": 193,
    "precalculus": 135,
}


def text(row: Row) -> str:
    return f"Problem:\n{row['problem']}\n\nSolution:"


def ask(row: Row) -> Open:
    return Open(text(row), ("Problem:",), 1024)


def shot(row: Row) -> str:
    return f"{text(row)} {row['solution']}"


def grade(row: Row, answers: Answers) -> Grade:
    answer = reply(answers)
    scores = {
        "exact_match": float(equivalent(answer.text, row["solution"])),
        "exact_match_original": float(minerva_match(answer.text, row["solution"])),
    }
    extracted = boxed(answer.text) or answer.text.strip().split("\n")[-1] or None
    return Grade(scores, boxed(row["solution"]) or "", extracted, "truncated" if answer.finish == "length" else "ok")


def hardest(row: Row) -> bool:
    return bool(row.get("level", "Level 5") == "Level 5")


MATH_HARD = Benchmark(
    name="math_hard",
    title="MATH level 5",
    version="1",
    licence="MIT",
    items=sum(ITEMS.values()),
    chance=0.0,
    dataset=DATASET,
    parts=tuple(EvalSplit(s, s, "test", "fewshot", "minerva_4shot", keep=hardest) for s in ITEMS),
    metrics=("exact_match", "exact_match_original"),
    views={
        "default": View(4, "fixed", "exact_match"),
        "v2": View(4, "harness", "exact_match", normalized=("exact_match",)),
    },
    ask=ask,
    shot=shot,
    grade=grade,
    harness_draw="first",
    kind="generation",
    scorer="2",
)
