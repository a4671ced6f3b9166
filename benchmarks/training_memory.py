"""The estimated memory of fine-tuning against what a process takes: until its first step is done, and until its third.

    python benchmarks/training_memory.py [--model smollm2] [--method lora qlora full dpo] [--rows-at-once 4] [--tokens 256]

Each line is of a process of its own, on rows of random tokens from half of --tokens to all of them, half of each trained: the peak
of its resident set over the estimate.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

WITHIN = 0.15
STEPS = 3


def rows(method: str, tokens: int, count: int) -> list[dict[str, object]]:
    """Of random ids that every vocabulary has."""
    draw, result = random.Random(0), []
    for number in range(count):
        length = draw.randint(tokens // 2, tokens)
        ids, prompt = [draw.randrange(5, 200) for _ in range(length)], length // 2
        row: dict[str, object] = {"source": f"row {number}"}
        if method == "dpo":
            row |= {"prompt": ids[:prompt], "chosen": ids[prompt:], "rejected": ids[prompt:][::-1]}
        else:
            row |= {"input_ids": ids, "trained": [0] * prompt + [1] * (length - prompt), "prefix": 0}
        result.append(row)
    return result


def one(model: str, method: str, at_once: int, tokens: int) -> None:
    """Train STEPS steps and print what was estimated and measured."""
    from datasets import Dataset

    from llms.models.name import parse
    from llms.models.weights import weight_facts
    from llms.training.estimate import estimate
    from llms.training.lengths import row_lengths
    from llms.training.progress import Progress, Stepped
    from llms.training.recipe import TrainingRecipe
    from llms.training.train import train_rows

    data = Dataset.from_list(rows(method, tokens, STEPS * at_once))
    recipe = TrainingRecipe(
        model, "random", method, rows_per_step=at_once, rows_at_once=at_once, window=tokens, save_every=10**6
    )
    facts = weight_facts(parse(model))
    assert facts.shape is not None, facts.problem
    said = estimate(recipe, facts.shape, row_lengths(data), 1 << 40, stored_dtype=facts.dtype)
    peaks: list[int] = []

    def emit(event: Progress) -> None:
        if isinstance(event, Stepped):
            peaks.append(event.memory_bytes)

    with tempfile.TemporaryDirectory() as folder:
        train_rows(recipe, Path(folder), emit, data, data.select([]))
    print(json.dumps({"first": [said.first_step_bytes, peaks[0]], "whole": [said.memory_bytes, peaks[-1]]}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--method", nargs="+", default=["lora", "qlora", "full", "dpo"])
    parser.add_argument("--rows-at-once", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--one", action="store_true", help="measure in this process")
    options = parser.parse_args()
    if options.one:
        one(options.model, options.method[0], options.rows_at_once, options.tokens)
        return 0
    missed = 0
    for method in options.method:
        command = [sys.executable, __file__, "--one", "--model", options.model, "--method", method]
        command += ["--rows-at-once", str(options.rows_at_once), "--tokens", str(options.tokens)]
        result = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        )
        for name, (estimated, measured) in result.items():
            ratio = estimated / measured
            missed += name == "first" and abs(ratio - 1) > WITHIN
            print(
                f"{method:6} {name:5}: estimated {estimated / 1e9:.2f} GB, measured {measured / 1e9:.2f} GB, ratio {ratio:.2f}",
                flush=True,
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
