"""IFEval (Zhou et al. 2023, arXiv 2311.07911): does a response follow instructions that a program can check?

Metrics: all instructions of a prompt, or each instruction by itself; strictly, or loosely (one of eight trimmed readings).
"""

from ..data import Dataset, Row
from ..scoring.instructions import follows, variants
from .benchmark import Answers, Benchmark, EvalSplit, Grade, Open, View, reply

DATASET = Dataset(
    hub="google/IFEval",
    revision="966cd89545d6b6acfd7638bc708b98261ca58e84",
    folder="ifeval",
    columns={"prompt": str, "instruction_id_list": list, "kwargs": list},
    files=("ifeval_input_data.jsonl",),
)


def ask(row: Row) -> Open:
    return Open(row["prompt"], (), 1280)


def grade(row: Row, answers: Answers) -> Grade:
    text = reply(answers).text
    asked = list(zip(row["instruction_id_list"], row["kwargs"], strict=True))
    strict = tuple(float(follows(kind, arguments, text)) for kind, arguments in asked)
    loose = tuple(
        float(any(follows(kind, arguments, reading) for reading in variants(text))) for kind, arguments in asked
    )
    missed = [kind for (kind, _), followed in zip(asked, strict, strict=True) if not followed]
    return Grade(
        {"prompt_strict": float(all(strict)), "prompt_loose": float(all(loose))},
        target="all of " + ", ".join(row["instruction_id_list"]),
        extracted="missed " + ", ".join(missed) if missed else "followed all",
        status="ok" if text.strip() else "unparsed",
        pooled={"inst_strict": strict, "inst_loose": loose},
    )


IFEVAL = Benchmark(
    name="ifeval",
    title="IFEval",
    version="1",
    licence="Apache-2.0",
    items=541,
    chance=0.0,
    dataset=DATASET,
    parts=(EvalSplit("ifeval", "default", "train"),),
    metrics=("prompt_strict", "inst_strict", "prompt_loose", "inst_loose"),
    views={
        "default": View(0, "fixed", "prompt_strict"),
        "v2": View(0, "harness", "prompt_strict", normalized=("prompt_strict", "inst_strict")),
    },
    ask=ask,
    shot=lambda row: row["prompt"],
    grade=grade,
    kind="generation",
    scorer="2",
)
