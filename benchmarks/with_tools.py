"""Is the embedded model better with the calculator? The same questions to both, paired, with an interval.

    python benchmarks/with_tools.py [--sums 40] [--problems 8] [--model smollm2] [--seed 11]

Sums are drawn here and graded by the last number of the answer; word problems are GSM8K's, fresh from the seed, five shots.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from random import Random

from llms.evaluation.config import EvalConfig
from llms.workbench.compare import Comparison, compare_all


def sums(count: int, seed: int) -> list[dict[str, str]]:
    """Products and sums of numbers that small models get wrong by head."""
    draw, found = Random(f"sums {seed}"), {}
    while len(found) < count:
        a, b, c = draw.randint(12, 99), draw.randint(12, 99), draw.randint(100, 999)
        text, value = draw.choice(
            [(f"{a} * {b}", a * b), (f"{a} * {b} + {c}", a * b + c), (f"{c} - {a}", c - a), (f"{c} + {b}", c + b)]
        )
        found[text] = str(value)
    return [{"question": f"What is {text}?", "answer": value} for text, value in found.items()]


def versus(model: str, names: list[str], options: EvalConfig) -> None:
    begun = time.monotonic()
    for event in compare_all(f"{model}?tools=calculator", model, names, options, 0.01, False):
        if isinstance(event, list):
            for found in event:
                print(json.dumps(row(found, time.monotonic() - begun)))


def row(found: Comparison, seconds: float) -> dict:
    paired = found.paired
    bounds = (paired.low, paired.high) if paired else (None, None)
    interval = None if None in bounds else [round(bound, 3) for bound in bounds]
    return {
        "benchmark": found.benchmark,
        "metric": found.metric,
        "n": paired.n if paired else 0,
        "with the calculator": found.score_a,
        "alone": found.score_b,
        "difference": interval,
        "verdict": found.verdict,
        "reason": found.reason,
        "seconds": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sums", type=int, default=40)
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sums.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in sums(given.sums, given.seed)), encoding="utf-8")
        versus(given.model, [], EvalConfig(data=str(file), scorer="numeric", chat_template=True, workers=1))
    versus(
        given.model,
        ["gsm8k"],
        EvalConfig(data=f"fresh:{given.seed}", limit=given.problems, chat_template=True, workers=1),
    )


if __name__ == "__main__":
    main()
