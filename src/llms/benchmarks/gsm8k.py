"""GSM8K (Cobbe et al. 2021, arXiv 2110.14168): grade-school word problems, worked out in words.

Metrics: `exact_match_strict` (the number after ####) and `exact_match_flexible` (the last number), as in
lm-evaluation-harness 0.4.13; `acc`, the rule of the Open LLM Leaderboard v1 (its revision b281b09).
"""

from ..data import Dataset, Row
from ..scoring.match import exact_match, extract
from ..values import Status
from .benchmark import Answers, Benchmark, EvalSplit, Grade, Open, View, reply

DATASET = Dataset(
    hub="openai/gsm8k",
    revision="740312add88f781978c0658806c59bc2815b9866",
    folder="gsm8k",
    columns={"question": str, "answer": str},
)
STRICT = r"#### (\-?[0-9\.\,]+)"
FLEXIBLE = r"(-?[$0-9.,]{2,})|(-?[0-9]+)"
IGNORED = (",", r"\$", r"(?s).*#### ", r"\.$")
STOP = ("Question:", "</s>", "<|im_end|>")


def text(row: Row) -> str:
    return f"Question: {row['question']}\nAnswer:"


def ask(row: Row) -> Open:
    return Open(text(row), STOP)


def shot(row: Row) -> str:
    return f"{text(row)} {row['answer']}"


def grade(row: Row, answers: Answers) -> Grade:
    answer = reply(answers)
    strict, flexible = extract(answer.text, STRICT), extract(answer.text, FLEXIBLE, select=-1)
    reference = extract(row["answer"], STRICT) or row["answer"]
    scores = {
        "exact_match_strict": _matches(strict, row["answer"]),
        "exact_match_flexible": _matches(flexible, row["answer"]),
        "acc": float(strict is not None and strict.replace(",", "") == reference.replace(",", "")),
    }
    extracted = strict or flexible
    status: Status = "ok" if extracted else "truncated" if answer.finish == "length" else "unparsed"
    return Grade(scores, target=reference, extracted=extracted, status=status)


def _matches(extracted: str | None, reference: str) -> float:
    return float(exact_match(extracted or "[invalid]", reference, ignore=IGNORED, ignore_case=True))


GSM8K = Benchmark(
    name="gsm8k",
    title="GSM8K",
    version="1",
    licence="MIT",
    items=1319,
    chance=0.0,
    dataset=DATASET,
    parts=(EvalSplit("gsm8k", "main", "test", "train"),),
    metrics=("exact_match_strict", "exact_match_flexible", "acc"),
    views={
        "default": View(5, "fixed", "exact_match_strict"),
        "v1": View(5, "harness", "acc", stop=(":", "Question:", "Question")),
    },
    ask=ask,
    shot=shot,
    grade=grade,
    kind="generation",
    scorer="2",
)
