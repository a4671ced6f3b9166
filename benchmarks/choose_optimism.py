"""How much the best of N seems better than it is, and whether the corrected value is right: simulated worlds.

    python benchmarks/choose_optimism.py [--worlds 2000] [--variants 20] [--items 200]

All variants answer each item right with the same chance, so that the true value of whichever is chosen is known. Prints the
bias of the best one's score and of the corrected value that `llms choose` shows, in points, each with its standard error.
"""

import argparse
from math import sqrt
from statistics import mean, stdev

import numpy as np

from llms.arena.choose.resampling import resample
from llms.arena.choose.table import ScoreTable

CHANCE = 0.6


def world(generator: np.random.Generator, variants: int, items: int) -> ScoreTable:
    right = (generator.random((variants, items)) < CHANCE).astype(np.float64)
    names = tuple(f"m{number}" for number in range(variants))
    return ScoreTable(names, right, np.arange(items), np.zeros(items, dtype=np.intp), np.ones(1), ("own",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--variants", type=int, default=20)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--draws", type=int, default=400)
    asked = parser.parse_args()
    generator = np.random.default_rng(0)
    seeming, corrected = [], []
    for number in range(asked.worlds):
        table = world(generator, asked.variants, asked.items)
        seeming.append(100 * (float(table.scores.mean(axis=1).max()) - CHANCE))
        corrected.append(100 * (resample(table, number, draws=asked.draws).corrected - CHANCE))
    for name, biases in (("best score", seeming), ("corrected", corrected)):
        print(f"{name}: bias {mean(biases):+.2f} points, standard error {stdev(biases) / sqrt(len(biases)):.2f}")


if __name__ == "__main__":
    main()
