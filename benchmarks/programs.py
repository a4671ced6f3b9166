"""Wall seconds to run many HumanEval programs in isolation, as many at once as there are cores.

python benchmarks/programs.py [--programs 1000]
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

from llms.benchmarks.humaneval import HUMANEVAL, program
from llms.benchmarks.languages import execute
from llms.data import open_source
from llms.sandbox import Sandbox


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000)
    count = parser.parse_args().programs
    rows = open_source("sample").table(HUMANEVAL.dataset, "openai_humaneval", "test").rows
    sandbox, cores = Sandbox(), os.cpu_count() or 1
    sources = [program(row, row["canonical_solution"]).source for row in rows]
    started = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        ran = list(pool.map(lambda i: execute(sandbox, "python", sources[i % len(sources)]), range(count)))
    seconds = time.perf_counter() - started
    print(f"{count} programs in {seconds:.0f} s on {cores} cores; {sum(r.ok for r in ran)} passed")


if __name__ == "__main__":
    main()
