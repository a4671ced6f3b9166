"""Time of ratings: 100,000 battles among 100 models, intervals by formula and by bootstrap. Prints medians in seconds.

python benchmarks/ratings.py            # 5 repeats of each; 2 of the bootstraps
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from llms.arena.battle import Battle
from llms.arena.bradley_terry import fit
from llms.arena.graph import connections
from llms.arena.rate import rate
from llms.arena.resampling import bootstrap
from llms.arena.spread import spreads
from llms.arena.vote_table import vote_table

BATTLES, MODELS, JUDGES, PROMPTS, ROUNDS = 100_000, 100, 8_000, 20_000, 1_000


def battles() -> list[Battle]:
    """Votes by the model itself, 15 % ties; models, judges and prompts drawn alike."""
    generator = np.random.default_rng(0)
    abilities = generator.normal(0, 1, MODELS)
    first = generator.integers(0, MODELS, BATTLES)
    second = (first + generator.integers(1, MODELS, BATTLES)) % MODELS
    wins = generator.random(BATTLES) < 1 / (1 + np.exp(abilities[second] - abilities[first]))
    tied = generator.random(BATTLES) < 0.15
    judges, prompts = generator.integers(0, JUDGES, BATTLES), generator.integers(0, PROMPTS, BATTLES)
    return [
        Battle(f"m{a}", f"m{b}", "tie" if tie else "a" if win else "b", judge=f"j{judge}", prompt=f"p{prompt}")
        for a, b, win, tie, judge, prompt in zip(first, second, wins, tied, judges, prompts, strict=True)
    ]


def seconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall time and median processor time."""
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return median(walls), median(processors)


def main() -> None:
    votes = battles()
    table = vote_table(votes)
    groups = connections(table).strong
    fitted = fit(table, groups)

    def print_line(name: str, limit: str, work: Callable[[], object], repeats: int = 5) -> None:
        wall, processor = seconds(work, repeats)
        print(f"{name:<58} {wall:8.3f} s   processor {processor:8.3f} s   {limit}")

    print(f"{BATTLES} battles, {MODELS} models, {JUDGES} judges, {PROMPTS} prompts")
    print_line("votes to arrays", "", lambda: vote_table(votes))
    print_line("graph and fit", "", lambda: fit(table, connections(table).strong))
    print_line("fit, sandwich, by judge, by prompt", "≤ 0.5 s", lambda: spreads(fit(table, groups), "largest"))
    print_line("llms.rate, all of it (ranks, position, judges, pairs)", "", lambda: rate(votes), 3)
    print_line(f"{ROUNDS} bootstraps of votes", "≤ 20 s", lambda: bootstrap(fitted, groups, ROUNDS), 2)
    judges = table.clusters["judge"]
    print_line(f"{ROUNDS} bootstraps of judges", "≤ 20 s", lambda: bootstrap(fitted, groups, ROUNDS, judges), 2)


if __name__ == "__main__":
    main()
