"""ARC, the AI2 Reasoning Challenge (Clark et al. 2018, arXiv 1803.05457): grade-school science questions.

The answer's text is scored, not its letter, as in lm-evaluation-harness (tasks/arc).
"""

from ..data import Dataset, Row
from ..scoring.choice import accuracy, accuracy_normalized, best_normalized
from .benchmark import Answers, Benchmark, Choices, EvalSplit, Grade, View, logprobs

DATASET = Dataset(
    hub="allenai/ai2_arc",
    revision="210d026faf9955653af8916fad021475a3f00453",
    folder="arc",
    columns={"question": str, "choices": dict, "answerKey": str},
)


def text(row: Row) -> str:
    return f"Question: {row['question']}\nAnswer:"


def gold(row: Row) -> int:
    return int(row["choices"]["label"].index(row["answerKey"]))


def ask(row: Row) -> Choices:
    return Choices((text(row),), tuple(f" {choice}" for choice in row["choices"]["text"]))


def shot(row: Row) -> str:
    return f"{text(row)} {row['choices']['text'][gold(row)]}"


def grade(row: Row, answers: Answers) -> Grade:
    choices, got = row["choices"]["text"], logprobs(answers)
    scores = {
        "acc": accuracy(got, gold(row)),
        "acc_norm": accuracy_normalized(got, choices, gold(row)),
    }
    return Grade(scores, target=choices[gold(row)], extracted=choices[best_normalized(got, choices)])


def declare(name: str, title: str, config: str, items: int, views: dict[str, View]) -> Benchmark:
    return Benchmark(
        name=name,
        title=title,
        version="1",
        licence="CC BY-SA 4.0",
        items=items,
        chance=0.25,
        dataset=DATASET,
        parts=(EvalSplit(config, config, "test", "train"),),
        metrics=("acc", "acc_norm"),
        views=views,
        ask=ask,
        shot=shot,
        grade=grade,
    )


ARC_EASY = declare("arc_easy", "ARC Easy", "ARC-Easy", 2376, {"default": View(5, "fixed", "acc_norm")})
ARC_CHALLENGE = declare(
    "arc_challenge",
    "ARC Challenge",
    "ARC-Challenge",
    1172,
    {"default": View(5, "fixed", "acc_norm"), "v1": View(25, "harness", "acc_norm")},
)
