"""MultiPL-E (Cassano et al. 2022, arXiv 2208.08227): HumanEval in other languages, one benchmark a language.

Greedy, one answer, as most model reports; the authors' own figures are pass@1 from 20 or more answers at temperature 0.2,
which `--samples 20 --temperature 0.2` asks for. C# compares lists by reference in the original tests, so that problems
which return a list cannot pass; others patched them, and scores are not comparable.
"""

import re

from ..data import Dataset, Row
from .benchmark import Benchmark, EvalSplit, Open, Program, View

DATASET = Dataset(
    hub="nuprl/MultiPL-E",
    revision="main",
    folder="multipl-e",
    columns={"name": str, "prompt": str, "tests": str, "stop_tokens": list},
)
ITEMS = {
    "cpp": 161, "cs": 158, "d": 156, "go": 154, "java": 158, "jl": 159, "js": 161, "lua": 161, "php": 161, "pl": 161,
    "r": 161, "rb": 161, "rkt": 161, "rs": 156, "scala": 160, "sh": 158, "swift": 158, "ts": 159,
}  # fmt: skip


def ask(row: Row) -> Open:
    return Open(row["prompt"], tuple(row["stop_tokens"]), 1024)


def chat(row: Row) -> Open:
    task = f"Complete the following {row['language']} program. Answer with the whole function in one code block."
    return Open(f"{task}\n```\n{row['prompt']}\n```", (), 1024)


def program(row: Row, completion: str) -> Program:
    """The prompt with the completion, and the tests; of a reply with a code block, the block, without the prompt if it repeats it."""
    block = re.search(r"```[a-zA-Z+#]*[ \t]*\n(.*?)(?:\n```|\Z)", completion, re.DOTALL)
    text = block[1] if block else completion
    signature = row["prompt"].rstrip().splitlines()[-1].strip()
    if block and signature in text:
        text = text[text.index(signature) + len(signature) :]
    for stop in row["stop_tokens"] if block else ():
        text = text.split(stop)[0]
    return Program(row["language"], f"{row['prompt']}{text}", row["tests"])


def declare(language: str) -> Benchmark:
    return Benchmark(
        name=f"multipl_e_{language}",
        title=f"MultiPL-E {language}",
        version="1",
        licence="MIT",
        items=ITEMS[language],
        chance=0.0,
        dataset=DATASET,
        parts=(EvalSplit(language, f"humaneval-{language}", "test", fields={"language": language}),),
        metrics=("pass@1",),
        views={"default": View(0, "fixed", "pass@1")},
        ask=ask,
        chat=chat,
        shot=lambda row: row["prompt"],
        program=program,
        cluster=lambda example: example.row["name"],
        kind="code",
        scorer="3",
        language=language,
    )


MULTIPL_E = tuple(declare(language) for language in ITEMS)
