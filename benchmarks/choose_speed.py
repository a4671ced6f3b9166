"""Seconds of `choose` over 30 stored systems on 1,000 items: the vectors made on the way, and read again.

    python benchmarks/choose_speed.py [--systems 30] [--items 1000] [--rounds 5]

Fills a temporary store and prints medians, one object a line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=30)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    with tempfile.TemporaryDirectory() as home:
        os.environ["LLMS_HOME"] = home
        from choosing import store_own, write_rows
        from llms.arena.choose.job import ChoiceJob
        from llms.workbench.choose.choose import choose

        data = write_rows(Path(home) / "rows.csv", asked.items)
        generator = np.random.default_rng(0)
        common = generator.random(asked.items)
        scores = {}
        for number in range(asked.systems):
            same = generator.random(asked.items) < 0.7
            draws = np.where(same, common, generator.random(asked.items))
            scores[f"openai:m{number}"] = (draws < 0.8 - 0.01 * number).astype(float).tolist()
        store_own(data, scores)
        seconds, processor = [], []
        for _ in range(asked.rounds + 1):
            begun, used = time.perf_counter(), time.process_time()
            choose(ChoiceJob(data))
            seconds.append(time.perf_counter() - begun)
            processor.append(time.process_time() - used)
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "llms", "choose", "--data", data, "--json"], check=True, capture_output=True
        )
        command = time.perf_counter() - begun
    print(
        json.dumps({
            "systems": asked.systems, "items": asked.items, "first_seconds": round(seconds[0], 3),
            "median_seconds": round(median(seconds[1:]), 3), "median_processor_seconds": round(median(processor[1:]), 3),
            "command_seconds": round(command, 3),
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
