"""CPU seconds of commands that people wait for: --help, and the leaderboard over 100,000 stored outcomes.

python benchmarks/commands.py [--outcomes 100000] [--rounds 5]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from llms import settings
from llms.evaluation.items import Item
from llms.evaluation.plan import Plan, RunKey
from llms.evaluation.report import report
from llms.store.runs import Bill, Runs
from llms.values import ChoicePrompt, Example, Identity, LogLikelihood, Scored

SYSTEMS, BENCHMARKS = 10, ("arc_easy", "arc_challenge", "hellaswag", "mmlu", "winogrande")


def fill(count: int) -> None:
    """`count` outcomes over 10 systems and 5 benchmarks, with their reports."""
    each = count // (SYSTEMS * len(BENCHMARKS))
    prompt = ChoicePrompt("", "header " * 200, ("question " * 20,) * 4, (" a", " b", " c", " d"))
    answers = tuple(LogLikelihood(-float(i), False, 3, 400) for i in range(4))
    with Runs(settings.database()) as store:
        for system in range(SYSTEMS):
            for name in BENCHMARKS:
                key = RunKey(
                    Identity(f"hf:owner/model-{system}", f"{system}"),
                    name, "1", "default", 5, "fixed", False, "cut", "loglikelihood", 0, "1", "hub", "r",
                )  # fmt: skip
                attempt = store.begin(key)
                items = tuple(Item(Example("s", i, {}), prompt, f"s/{i}") for i in range(each))
                outcomes = [
                    Scored(item.name, "s", item.name, "ok", {"acc": float(i % (2 + system) == 0)}, "a", "b", answers)
                    for i, item in enumerate(items)
                ]
                for i, outcome in enumerate(outcomes):
                    store.add(key.run, attempt, i, prompt, outcome, Bill(0.01 * i))
                store.end(attempt, Bill(0.01 * each), 10**9)
                store.save_report(report(Plan(key, items, each, "acc", "micro", 0.25), outcomes, store.usage(key.run)))


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(Path(sys.executable).parent / "llms"), *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outcomes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["LLMS_HOME"] = home
        fill(options.outcomes)
        print(f"{options.outcomes} outcomes, {settings.database().stat().st_size / 1e6:.0f} MB")
        for arguments, most in (
            (["--help"], 0.3),
            (["leaderboard"], 0.6),
            (["leaderboard", "--json"], 0.6),
            (["runs"], None),
        ):
            seconds = statistics.median(cpu_seconds(*arguments) for _ in range(options.rounds))
            print(f"llms {' '.join(arguments):20} {seconds:.2f} CPU s" + (f" (at most {most})" if most else ""))


if __name__ == "__main__":
    main()
