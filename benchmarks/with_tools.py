"""Does the calculator make the embedded model better? The same questions to all, side by side on the leaderboard, paired.

    python benchmarks/with_tools.py [--problems 64] [--sums 40] [--gsm8k 8] [--adapter calculator] [--model smollm2] [--seed 11]

Three systems: the model, with the calculator at hand, and with the adapter that calls it (`--adapter ''` leaves that out). Word
problems and sums are drawn here and graded by the number in the answer; `--gsm8k` are GSM8K's, fresh from the seed, five shots.
What is asked already is not asked again; `llms leaderboard -b word_problems` shows the systems afterwards.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent))

from llms.evaluation.config import EvalConfig
from llms.workbench.compare import Comparison, compare_all
from word_problems import word_problems


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


def systems(model: str, adapter: str) -> list[str]:
    """The names of the model alone, with the calculator, and with the adapter as well."""
    join = "&" if "?" in model else "?"
    names = [model, f"{model}{join}tools=calculator"]
    return [*names, f"{model}{join}adapter={adapter}&tools=calculator"] if adapter else names


def versus(names: list[str], benchmarks: list[str], options: EvalConfig) -> None:
    """Each further system against the first one."""
    for name in names[1:]:
        begun = time.monotonic()
        for event in compare_all(name, names[0], benchmarks, options, 0.01, False):
            if isinstance(event, list):
                for found in event:
                    print(json.dumps(row(found, time.monotonic() - begun)), flush=True)


def row(found: Comparison, seconds: float) -> dict:
    low, high = found.bounds
    return {
        "benchmark": found.benchmark,
        "metric": found.metric,
        "n": found.paired.n if found.paired else 0,
        "with": found.system_a,
        "score": found.score_a,
        "alone": found.score_b,
        "difference": None if low is None or high is None else [round(low, 3), round(high, 3)],
        "verdict": found.verdict,
        "reason": found.reason,
        "seconds": round(seconds),
    }


def of_file(names: list[str], name: str, rows: Sequence[dict[str, str]]) -> None:
    """Questions of one's own, each a benchmark by the name of its file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        versus(names, [], EvalConfig(data=str(file), scorer="numeric", chat_template=True, workers=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--sums", type=int, default=40)
    parser.add_argument("--gsm8k", type=int, default=0)
    parser.add_argument("--adapter", default="calculator", help="a folder, or a shipped one's name")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    names = systems(given.model, given.adapter)
    if given.problems:
        of_file(names, "word_problems", word_problems(given.problems, given.seed))
    if given.sums:
        of_file(names, "sums", sums(given.sums, given.seed))
    if given.gsm8k:
        versus(
            names,
            ["gsm8k"],
            EvalConfig(data=f"fresh:{given.seed}", limit=given.gsm8k, chat_template=True, workers=1),
        )


if __name__ == "__main__":
    main()
