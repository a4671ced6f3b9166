"""Whether the code became slower since a revision: the same work done by both, in turn.

    python benchmarks/since.py REVISION [--rounds 7] [--data FOLDER] [--items 30] [--only NAME …]

The revision is checked out beside this one; the interpreter and the packages are the same for both. Each piece of work is a
process of its own on one thread, its figure the CPU seconds of the process and its children. Rounds are interleaved, their
order alternates; printed are both medians, the mean ratio now : then with its 95 % interval (Student's t on the
logarithms of the rounds' ratios), and whether it excludes a slowdown of more than 5 %.
"""

import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from scipy.stats import t as student

ROOT = Path(__file__).parents[1]
SLOWER = 1.05
PROMPT = "The history of the city begins with a small harbour at the mouth of the river, where"
STREAM = f"""
import llms
from llms.models.system import Generate
model = llms.load({{name!r}})
for _ in range({{times}}):
    for delta in model.stream(Generate({PROMPT!r}, 96)):
        pass
"""


def work(data: str, items: int) -> dict[str, list[str]]:
    """Arguments of the interpreter by name."""
    ask = ["-m", "llms", "ask", "What is a language model?", "--max-tokens", "32", "--no-store"]
    hellaswag = ["-m", "llms", "eval", "smollm2", "-b", "hellaswag", "--limit", str(items), "--fresh", "--workers", "1"]
    return {
        f"hellaswag, {items} items": [*hellaswag, "--data", data] if data else hellaswag,
        "stream, float32": ["-c", STREAM.format(name="smollm2", times=1)],
        "stream, gguf": ["-c", STREAM.format(name="gguf:smollm2", times=3)],
        "first answer, gguf": [*ask, "-m", "gguf:smollm2"],
        "first answer, float32": [*ask, "-m", "smollm2"],
    }


def seconds(arguments: list[str], source: Path) -> float:
    """CPU seconds of one run with the package in `source`."""
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
                   "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:6])} failed in {source}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("revision")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--data", default="", help="a folder with HellaSwag's rows; else the embedded sample")
    options.add_argument("--items", type=int, default=30, help="of HellaSwag")
    options.add_argument("--only", action="append")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, "before")
        subprocess.run(["git", "worktree", "add", "-q", "--detach", before, chosen.revision], cwd=ROOT, check=True)
        try:
            compare(before / "src", chosen.rounds, work(chosen.data, chosen.items), chosen.only)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)


def compare(before: Path, rounds: int, works: dict[str, list[str]], only: list[str] | None) -> None:
    sides = {"then": before, "now": ROOT / "src"}
    print(f"{'CPU seconds':<24}{'then':>8}{'now':>8}{'ratio':>8}{'95 % interval':>18}")
    for name, arguments in works.items():
        if only and name not in only:
            continue
        for source in sides.values():
            seconds(arguments, source)  # warms the caches
        spent: dict[str, list[float]] = {side: [] for side in sides}
        for index in range(rounds):
            for side in list(sides)[:: 1 if index % 2 else -1]:
                spent[side].append(seconds(arguments, sides[side]))
        logs = [math.log(now / then) for now, then in zip(spent["now"], spent["then"], strict=True)]
        mean = statistics.fmean(logs)
        half = student.ppf(0.975, rounds - 1) * statistics.stdev(logs) / math.sqrt(rounds)
        low, high = math.exp(mean - half), math.exp(mean + half)
        verdict = "" if high < SLOWER else "  not excluded: 5 % slower"
        medians = "".join(f"{statistics.median(spent[side]):>8.2f}" for side in sides)
        print(f"{name:<24}{medians}{math.exp(mean):>8.3f}{f'{low:.3f} – {high:.3f}':>18}{verdict}", flush=True)


if __name__ == "__main__":
    main()
