"""Seconds to judge HumanEval's programs in isolation: tests in a process of their own, against one process for both.

python benchmarks/programs.py [--programs 200]

Both ways take turns, one program each, as many at once as there are cores; the second is no judge, it only sets the price.
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from llms.benchmarks.benchmark import Program
from llms.benchmarks.humaneval import HUMANEVAL, program
from llms.benchmarks.languages import execute, passes
from llms.data import open_source
from llms.sandbox import Sandbox


def seconds(sandbox: Sandbox, one: Program) -> tuple[float, float, bool]:
    """Of both ways, and whether the program passed both."""
    started = time.perf_counter()
    apart = passes(sandbox, one)
    between = time.perf_counter()
    together = execute(sandbox, "python", f"{one.source}\n{one.tests}")
    return between - started, time.perf_counter() - between, apart.ok and together.ok


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=200)
    count = parser.parse_args().programs
    rows = open_source("sample").table(HUMANEVAL.dataset, "openai_humaneval", "test").rows
    sandbox, cores = Sandbox(), os.cpu_count() or 1
    programs = [program(row, row["canonical_solution"]) for row in rows]
    with ThreadPoolExecutor(cores) as pool:
        measured = list(pool.map(lambda i: seconds(sandbox, programs[i % len(programs)]), range(count)))
    apart, together = (statistics.median(times) for times in list(zip(*measured, strict=True))[:2])
    print(f"{count} programs, {cores} at once, {sum(passed for _, _, passed in measured)} passed both ways")
    print(f"median seconds: {apart:.3f} apart, {together:.3f} together, ratio {apart / together:.2f}")


if __name__ == "__main__":
    main()
