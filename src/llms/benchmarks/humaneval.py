"""HumanEval (Chen et al. 2021, arXiv 2107.03374): write the body of a Python function; hidden tests decide.

Prompt and stops of lm-evaluation-harness (tasks/humaneval). Under a chat template the reply's first code block counts.
"""

import re

from ..data import Dataset, Row
from .benchmark import Benchmark, EvalSplit, Open, Program, View

DATASET = Dataset(
    hub="openai/openai_humaneval",
    revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    folder="humaneval",
    columns={"task_id": str, "prompt": str, "entry_point": str, "test": str},
)
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def ask(row: Row) -> Open:
    return Open(row["prompt"], STOP, 1024)


def chat(row: Row) -> Open:
    task = "Write a solution to the following problem and make sure that it passes the tests:"
    return Open(f"{task}\n```python\n{row['prompt']}\n```", (), 1024)


def program(row: Row, completion: str) -> Program:
    """The prompt with the completion, and the tests; a code block that defines the whole function stands for both.

    The tests use functions that some prompts define (HumanEval/32, 38): the prompt is given to them, its own text.
    """
    block = re.search(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", completion, re.DOTALL)
    body = row["prompt"] + completion
    if block and f"def {row['entry_point']}" in block[1]:
        before = row["prompt"].split(f"def {row['entry_point']}")[0]
        body = before + block[1]
    elif block:
        body = row["prompt"] + block[1]
    entry = row["entry_point"]
    return Program("python", body, f"{row['test']}\ncheck({entry})\n", row["prompt"], entry)


HUMANEVAL = Benchmark(
    name="humaneval",
    title="HumanEval",
    version="1",
    licence="MIT",
    items=164,
    chance=0.0,
    dataset=DATASET,
    parts=(EvalSplit("humaneval", "openai_humaneval", "test"),),
    metrics=("pass@1",),
    views={"default": View(0, "fixed", "pass@1")},
    ask=ask,
    chat=chat,
    shot=lambda row: row["prompt"] + row["canonical_solution"],
    program=program,
    kind="code",
    scorer="3",
)
