"""MMLU-Pro (Wang et al. 2024, arXiv 2406.01574): harder questions with up to ten options.

`mmlu_pro`: the letter is scored (tasks/leaderboard/mmlu_pro; the Open LLM Leaderboard v2). `mmlu_pro_cot`: the reasoning is
written out, with five solved questions of the same category (tasks/mmlu_pro, and the authors).
"""

from collections.abc import Callable, Sequence
from functools import partial

from ..data import Dataset, Row
from ..scoring.choice import accuracy, best
from ..scoring.match import exact_match, extract
from ..values import Status
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, Open, View, logprobs, reply

DATASET = Dataset(
    hub="TIGER-Lab/MMLU-Pro",
    revision="b189ec765aa7ed75c8acfea42df31fdae71f97be",
    folder="mmlu_pro",
    columns={"question": str, "options": list, "answer": str, "category": str},
)
LETTERS = "ABCDEFGHIJ"
CATEGORIES = (
    "biology", "business", "chemistry", "computer science", "economics", "engineering", "health", "history", "law", "math",
    "other", "philosophy", "physics", "psychology",
)  # fmt: skip


def text(row: Row) -> str:
    options = "".join(f"{letter}. {option}\n" for letter, option in zip(LETTERS, row["options"], strict=False))
    return f"{row['question']}\n{options}Answer:"


def ask(row: Row) -> Choices:
    return Choices((text(row),), tuple(f" {letter}" for letter in LETTERS[: len(row["options"])]))


def shot(row: Row) -> str:
    return f"{text(row)} {row['answer']}"


def grade(row: Row, answers: Answers) -> Grade:
    got = logprobs(answers)
    return Grade({"acc": accuracy(got, LETTERS.index(row["answer"]))}, row["answer"], LETTERS[best(got)])


def text_cot(row: Row) -> str:
    options = "".join(f"{letter}. {option.strip()}\n" for letter, option in zip(LETTERS, row["options"], strict=False))
    return f"Question:\n{row['question']}\nOptions:\n{options}Answer: Let's think step by step."


def ask_cot(row: Row) -> Open:
    return Open(text_cot(row), ("Question:",), 2048)


def shot_cot(row: Row) -> str:
    reasoning = row["cot_content"].replace("A: Let's think step by step. ", "")
    return f"{text_cot(row)} {reasoning}"


def grade_cot(row: Row, answers: Answers) -> Grade:
    extracted = extract(reply(answers).text, r"answer is \(?([ABCDEFGHIJ])\)?")
    right = exact_match(extracted or "[invalid]", row["answer"], ignore_case=True, ignore_punctuation=True)
    status: Status = "ok" if extracted else "truncated" if reply(answers).finish == "length" else "unparsed"
    return Grade({"exact_match": float(right)}, row["answer"], extracted, status)


def description(category: str, shots: Sequence[Row]) -> str:
    return (
        f"The following are multiple choice questions (with answers) about {category}. Think step by step and then finish "
        'your answer with "the answer is (X)" where X is the correct letter choice.\n'
    )


def _is_of(category: str, row: Row) -> bool:
    return bool(row["category"] == category)


def of(category: str) -> Callable[[Row], bool]:
    return partial(_is_of, category)


MMLU_PRO = Benchmark(
    name="mmlu_pro",
    title="MMLU-Pro",
    version="1",
    licence="MIT",
    items=12032,
    chance=0.1109,
    dataset=DATASET,
    parts=(EvalSplit("mmlu_pro", "default", "test", "validation", chance=0.1),),
    metrics=("acc",),
    views={
        "default": View(5, "fixed", "acc"),
        "v2": View(5, "harness", "acc", normalized=("acc",)),
    },
    ask=ask,
    shot=shot,
    grade=grade,
    harness_draw="first",
)
MMLU_PRO_COT = Benchmark(
    name="mmlu_pro_cot",
    title="MMLU-Pro, chain of thought",
    version="1",
    licence="MIT",
    items=12032,
    chance=0.0,
    dataset=DATASET,
    parts=tuple(EvalSplit(category, "default", "test", "validation", keep=of(category)) for category in CATEGORIES),
    metrics=("exact_match",),
    views={"default": View(5, "fixed", "exact_match")},
    ask=ask_cot,
    shot=shot_cot,
    grade=grade_cot,
    description=description,
    harness_draw="first",
    kind="generation",
    scorer="2",
)
