"""Time of the fit of a scaling law and of 1,000 refits, and how often its 95 % intervals hold the truth. One thread.

python benchmarks/scaling_fit.py                       # on 240 synthetic runs
python benchmarks/scaling_fit.py RUNS.csv --drop 5     # on a file
python benchmarks/scaling_fit.py --coverage 200        # 200 synthetic data sets of each kind
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize  # noqa: F401  # loaded before the clock starts

from llms.training.scaling.fit import fit_law
from llms.training.scaling.law import ScalingLaw
from llms.training.scaling.observed import ObservedRun, ObservedRuns, read_runs

LAW = ScalingLaw(E=1.8172, A=482.0, B=2085.0, alpha=0.3478, beta=0.3658)
NUMBERS: dict[str, Callable[[ScalingLaw], float]] = {
    "E": lambda law: law.E,
    "alpha": lambda law: law.alpha,
    "beta": lambda law: law.beta,
    "a": lambda law: law.a,
    "D*/N* at the largest run": lambda law: 1 / math.exp(2 * math.log(law.optimum(1e22)[0]) - math.log(1e22 / 6)),
    "loss at ten times it": lambda law: law.loss(*LAW.optimum(1e23)),
}


def drawn(sizes: int, counts: int, noise: float, generator: np.random.Generator) -> ObservedRuns:
    """A grid of runs whose losses are LAW's times e^noise."""
    rows = [
        ObservedRun(float(n), float(d), LAW.loss(n, d) * math.exp(noise * generator.normal()))
        for n in np.geomspace(6e7, 1.6e10, sizes)
        for d in np.geomspace(1e9, 3e11, counts)
    ]
    return ObservedRuns(tuple(rows), "nats per token", "synthetic")


def print_times(runs: ObservedRuns) -> None:
    for refits in (0, 1000):
        wall, processor = time.perf_counter(), time.process_time()
        fit = fit_law(runs, refits)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        what = f"fit and {refits} refits" if refits else "fit"
        print(
            f"{what:<22} {wall:7.3f} s   processor {processor:7.3f} s   objective {fit.objective:.8g}, {len(runs.rows)} runs"
        )


def print_coverage(sets: int) -> None:
    generator = np.random.default_rng(0)
    for sizes, counts in ((4, 4), (8, 8), (15, 16)):
        held = dict.fromkeys(NUMBERS, 0)
        for _ in range(sets):
            fit = fit_law(drawn(sizes, counts, 0.004, generator), 300)
            for name, of in NUMBERS.items():
                low, high = fit.interval(of) or (math.nan, math.nan)
                held[name] += low <= of(LAW) <= high
        print(
            f"{sizes} × {counts} runs: "
            + ", ".join(f"{name} {100 * count / sets:.0f} %" for name, count in held.items())
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?")
    parser.add_argument("--drop", type=int, default=0)
    parser.add_argument("--coverage", type=int, default=0, metavar="SETS")
    arguments = parser.parse_args()
    if arguments.coverage:
        print_coverage(arguments.coverage)
        return
    print_times(
        read_runs(arguments.runs, arguments.drop) if arguments.runs else drawn(15, 16, 0.004, np.random.default_rng(0))
    )


if __name__ == "__main__":
    main()
