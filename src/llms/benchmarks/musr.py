"""MuSR (Sprague et al. 2023, arXiv 2310.16049): murder mysteries, misplaced objects and team work in long narratives.

Prompt of lm-evaluation-harness (tasks/leaderboard/musr); the answer's text is scored.
"""

import ast
import hashlib
from functools import lru_cache

from ..data import Dataset, Row
from ..scoring.choice import accuracy, accuracy_normalized, best_normalized
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, View, logprobs

DATASET = Dataset(
    hub="TAUR-Lab/MuSR",
    revision="7c365b439a222150f317764d4f16ae6c96d7d94a",
    folder="musr",
    columns={"narrative": str, "question": str, "choices": (str, list), "answer_choice": str},
    files=("{split}.csv",),
)
CHANCE = {"murder_mysteries": 0.5, "object_placements": 0.2, "team_allocation": 1 / 3}  # as the leaderboard has it


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[str, ...]:
    return tuple(ast.literal_eval(text))


def choices(row: Row) -> tuple[str, ...]:
    """The hub holds them as the text of a Python list."""
    return _parsed(row["choices"]) if isinstance(row["choices"], str) else tuple(row["choices"])


def ask(row: Row) -> Choices:
    options = "".join(f"{number} - {choice}\n" for number, choice in enumerate(choices(row), 1))
    text = f"{row['narrative']}\n\n{row['question']}\n\n{options}\nAnswer:"
    return Choices((text,), tuple(f" {choice}" for choice in choices(row)))


def shot(row: Row) -> str:
    return f"{ask(row).contexts[0]} {row['answer_choice']}"


def grade(row: Row, answers: Answers) -> Grade:
    options, got = choices(row), logprobs(answers)
    gold = options.index(row["answer_choice"])
    scores = {"acc": accuracy(got, gold), "acc_norm": accuracy_normalized(got, options, gold)}
    return Grade(scores, target=options[gold], extracted=options[best_normalized(got, options)])


MUSR = Benchmark(
    name="musr",
    title="MuSR",
    version="1",
    licence="MIT",
    items=756,
    chance=0.344,
    dataset=DATASET,
    parts=tuple(EvalSplit(domain, "default", domain, chance=chance) for domain, chance in CHANCE.items()),
    metrics=("acc_norm", "acc"),
    views={
        "default": View(0, "fixed", "acc_norm"),
        "v2": View(0, "harness", "acc_norm", normalized=("acc_norm",)),
    },
    ask=ask,
    shot=shot,
    grade=grade,
    cluster=lambda example: hashlib.sha256(example.row["narrative"].encode()).hexdigest()[:12],
)
