"""CPU seconds of the leaderboard over many stored runs: reading, ranking, JSON; and the size of its JSON.

python benchmarks/board.py [--systems 200] [--benchmarks 40] [--items 500] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import tempfile
import time

from llms import settings
from llms.evaluation.plan import Plan, RunKey
from llms.evaluation.report import report
from llms.store.runs import Runs
from llms.values import Identity, LogLikelihood, Scored, Spent
from llms.workbench.leaderboard import read, to_csv

REPORTED = 30  # outcomes from which a report is made, which takes longer than all else here


def fill(systems: int, benchmarks: int, items: int) -> None:
    """Reports and vectors of scores, without the outcomes that they come from."""
    import zlib

    import numpy as np

    draw = np.random.default_rng(0)
    names = sorted(f"s/{i}" for i in range(items))
    stored_names = zlib.compress(json.dumps(names).encode(), 1)
    answers = (LogLikelihood(-1.0, False, 3, 400, 0, 0.01),) * 4
    with Runs(settings.database()) as store:
        for system in range(systems):
            for number in range(benchmarks):
                key = RunKey(
                    Identity(f"hf:owner/model-{system}", f"{system}"), f"bench_{number}", "1", "default", 5, "fixed", False,
                    "cut", "loglikelihood", 0, "1", "hub", f"r{number}",
                )  # fmt: skip
                store.begin(key)
                vector = (draw.random(items) < 0.3 + 0.5 * system / systems).astype("<f8")
                outcomes = [
                    Scored(name, "s", name, "ok", {"acc": float(score)}, "a", "b", answers)
                    for name, score in zip(names[:REPORTED], vector, strict=False)
                ]
                plan = Plan(key, (), len(outcomes), "acc", "micro", 0.25)
                store.save_report(report(plan, outcomes, Spent(10.0, 10_000, 10**9)))
                with store.transaction() as db:
                    db.execute(
                        "INSERT INTO score_vectors SELECT run, updated || ' ', 'acc', ?, x'', ? FROM runs WHERE run = ?",
                        (stored_names, vector.tobytes(), key.run),
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", type=int, default=200)
    parser.add_argument("--benchmarks", type=int, default=40)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["LLMS_HOME"] = home
        fill(options.systems, options.benchmarks, options.items)
        seconds = []
        for _ in range(options.rounds):
            started = time.process_time()
            board = read()
            seconds.append(time.process_time() - started)
        started = time.process_time()
        text = json.dumps(board.table.to_json(), separators=(",", ":"))
        as_json = time.process_time() - started
        cells = sum(len(row.cells) for row in board.table.rows)
        wholes = sum(column.group == "benchmark" for column in board.table.columns)
        print(f"{len(board.table.rows)} systems × {wholes} benchmarks of {options.items} items, {cells} cells")
        print(f"read and ranked in {statistics.median(seconds):.2f} CPU s (median of {options.rounds})")
        print(f"JSON {len(text) / 1e6:.2f} MB in {as_json:.2f} CPU s; CSV {len(to_csv(board.table)) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
