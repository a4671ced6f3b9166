"""How often the named set holds the best, how large it is, and how many items `--go` saves: simulated worlds.

    python benchmarks/choose_simulation.py [--worlds 2000] [--gaps 0 2 10]

Eight candidates answer up to 1,000 items right or wrong; answers of two candidates correlate by about 0.5 (a Gaussian
copula). The runner-up is `gap` points below the best; the others are lower by 5 more points each (`spread`), or all as good as
the runner-up (`level`, the hardest). Everything is decided by the functions that `llms choose` itself uses. Prints one
object a line.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.stats import beta, norm

from llms.arena.choose.pairs import pairs
from llms.arena.choose.sequential import SequentialRule, sequential_rule
from llms.arena.choose.table import Floats, ScoreTable
from llms.arena.choose.top import standings

CANDIDATES, ITEMS, BEST, LATENT = 8, 1000, 0.75, 0.735  # latent correlation that makes 0.5 of right-or-wrong answers
NAMES = tuple(f"m{number}" for number in range(CANDIDATES))
FIXED = (50, 75, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 700, 800, 900, 1000)


@dataclass(frozen=True)
class Ended:
    """How a sequential world ended: who is left, items asked of all together, whether at the cap."""

    left: list[str]
    asked: int
    cap: bool


def rates(gap: float, worlds: str) -> list[float]:
    below = [gap + (0.05 * number if worlds == "spread" else 0.0) for number in range(CANDIDATES - 1)]
    return [BEST, *(BEST - each for each in below)]


def world(generator: np.random.Generator, shares: Sequence[float]) -> ScoreTable:
    """Scores of all candidates on all items."""
    common, own = generator.standard_normal(ITEMS), generator.standard_normal((CANDIDATES, ITEMS))
    ability = np.sqrt(LATENT) * common + np.sqrt(1 - LATENT) * own
    right = (ability < norm.ppf(shares)[:, None]).astype(np.float64)
    return table_of(right)


def table_of(right: Floats) -> ScoreTable:
    items = right.shape[1]
    return ScoreTable(NAMES, right, np.arange(items), np.zeros(items, dtype=np.intp), np.ones(1), ("own",))


def named_set(table: ScoreTable) -> list[str]:
    return [each.system for each in standings(pairs(table)) if not each.out]


def step_by_step(table: ScoreTable, rule: SequentialRule) -> Ended:
    """What `--go` does: all that are left are asked up to the next look."""
    left, asked, before = list(NAMES), 0, 0
    for look in rule.looks:
        asked += len(left) * (look - before)
        before = look
        left = rule.left(pairs(table.of(left).first(look)))
        if len(left) == 1:
            return Ended(left, asked, False)
    return Ended(left, asked, True)


def bound(hits: int, worlds: int) -> float:
    """The lower end of Clopper and Pearson's 95 % interval."""
    return float(beta.ppf(0.025, hits, worlds - hits + 1)) if hits else 0.0


def fixed_items(tables: Sequence[ScoreTable], share: float) -> int | None:
    """The fewest items of each candidate by which a fixed plan names the best alone as often as `share`."""
    low, high = 0, len(FIXED)  # more items name it more often
    while low < high:
        middle = (low + high) // 2
        hits = sum(named_set(table.first(FIXED[middle])) == ["m0"] for table in tables)
        low, high = (low, middle) if hits >= share * len(tables) else (middle + 1, high)
    return FIXED[low] if low < len(FIXED) else None


def simulate(gap: float, kind: str, worlds: int, seed: int = 0) -> dict[str, object]:
    generator = np.random.default_rng(seed)
    shares = rates(gap / 100, kind)
    tables = [world(generator, shares) for _ in range(worlds)]
    correlation = float(np.mean([np.corrcoef(table.scores[:2])[0, 1] for table in tables]))
    fixed = [named_set(table) for table in tables]
    rule = sequential_rule(ITEMS, CANDIDATES)
    ends = [step_by_step(table, rule) for table in tables]
    result: dict[str, object] = {"gap": gap, "others": kind, "worlds": worlds, "correlation": round(correlation, 3)}
    for name, sets in (("fixed", fixed), ("go", [end.left for end in ends])):
        held = sum("m0" in left for left in sets)
        result[f"{name}_holds_best"] = held / worlds
        result[f"{name}_holds_best_at_least"] = round(bound(held, worlds), 4)
        result[f"{name}_median_set"] = median(map(len, sets))
    result["go_at_cap"] = sum(end.cap for end in ends) / worlds
    result["go_mean_items"] = round(float(np.mean([end.asked for end in ends])))
    if gap >= 5:
        alone = sum(end.left == ["m0"] for end in ends) / worlds
        same = fixed_items(tables, alone)
        result["go_names_best_alone"] = alone
        result["fixed_items_for_the_same"] = None if same is None else same * CANDIDATES
        result["go_over_fixed"] = (
            None if same is None else round(float(result["go_mean_items"]) / (same * CANDIDATES), 3)
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--gaps", type=float, nargs="*", default=[0.0, 2.0, 10.0])
    asked = parser.parse_args()
    for gap in asked.gaps:
        for kind in ("spread", "level"):
            print(json.dumps(simulate(gap, kind, asked.worlds)), flush=True)


if __name__ == "__main__":
    main()
