"""How sure a choice is: items are drawn anew, and the weights of benchmarks are shaken.

Efron and Tibshirani 1993, chapters 6 and 17. Items of a cluster stay together and systems keep their pairing.
"""

from dataclasses import dataclass

import numpy as np

from .table import Floats, Numbers, ScoreTable

DRAWS = 4000
BLOCKS = 2000  # that are drawn from: where there are more units, they are first gathered into so many at random
FEWEST_BLOCKS = 30  # of each part, if it has so many units
CONCENTRATION = 20.0  # of the Dirichlet distribution: a weight of a half is off by 11 points at one standard deviation


@dataclass(frozen=True, slots=True)
class Resampled:
    """`shares[s]`: share of draws in which system s scores best (ties are divided). `corrected`: the expected score of
    whichever system comes out best, on items that did not choose it; None where there are too few to leave some out."""

    shares: tuple[float, ...]
    corrected: float | None


def resample(table: ScoreTable, seed: int, draws: int = DRAWS) -> Resampled:
    """Draw the table's items anew `draws` times, and with several benchmarks their weights from a Dirichlet distribution
    around the given ones. The same seed gives the same result.

    Each draw leaves out some 37 % of the units. The system that scores best on those drawn is scored on those left out:
    that is free of the optimism of a best of N, for equal systems exactly.
    """
    generator = np.random.default_rng(seed)
    weights = _weights(table, generator, draws)

    starts = np.flatnonzero(np.diff(table.units, prepend=-1))
    homes = table.parts[starts]  # a unit is drawn with the part in which it begins
    inside, outside = _Sums(table, draws), _Sums(table, draws)
    for part in np.unique(homes):
        units = np.flatnonzero(homes == part)
        block_of = _blocks(len(units), len(starts), generator)
        count = int(block_of.max()) + 1
        picked = generator.integers(0, count, (draws, count)) + np.arange(draws)[:, None] * count
        counts = np.bincount(picked.ravel(), minlength=draws * count).reshape(draws, count).astype(np.float32)
        position = np.full(len(starts), -1)
        position[units] = block_of
        item_blocks = position[table.units]
        inside.add(counts, item_blocks)
        outside.add((counts == 0).astype(np.float32), item_blocks)
    drawn_scores, other_scores = inside.scores(weights), outside.scores(weights)
    best = np.nan_to_num(drawn_scores, nan=-np.inf)
    top = best >= best.max(axis=1, keepdims=True) - 1e-6
    winning = top / top.sum(axis=1, keepdims=True)
    known = ~np.isnan(other_scores).any(axis=1)
    corrected = float((winning * other_scores)[known].sum(axis=1).mean()) if known.any() else None
    return Resampled(tuple(winning.mean(axis=0).tolist()), corrected)


class _Sums:
    """Sums of scores and counts of items of each part, by draw and system."""

    def __init__(self, table: ScoreTable, draws: int):
        self.table = table
        self.parts = len(table.weights)
        shape = (self.parts, draws, len(table.systems))
        self.sums, self.sizes = np.zeros(shape), np.zeros(shape)

    def add(self, counts: Floats, item_blocks: Numbers) -> None:
        """`counts` (draws, blocks): how often each block was drawn; `item_blocks`: the block of each item, -1 for none here."""
        for part in np.unique(self.table.parts[item_blocks >= 0]):
            here = (self.table.parts == part) & (item_blocks >= 0)
            blocks, scores = item_blocks[here], self.table.scores[:, here]
            having = ~np.isnan(scores)
            sums = _by_block(np.where(having, scores, 0.0), blocks, counts.shape[1])
            self.sums[part] += counts @ sums
            if having.all():
                size = np.bincount(blocks, minlength=counts.shape[1]).astype(np.float32)
                self.sizes[part] += (counts @ size)[:, None]
            else:
                self.sizes[part] += counts @ _by_block(having.astype(np.float64), blocks, counts.shape[1])

    def scores(self, weights: Floats) -> Floats:
        """(draws, systems): the weighted score; NaN where a part has no item."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.sums / self.sizes
        result: Floats = np.einsum("dp,pds->ds", weights, means)
        return result


def _by_block(values: Floats, blocks: Numbers, count: int) -> Floats:
    """(blocks, systems) in float32: sums over the items of each block."""
    result = np.zeros((count, len(values)))
    np.add.at(result, blocks, values.T)
    return result.astype(np.float32)


def _blocks(units: int, all_units: int, generator: np.random.Generator) -> Numbers:
    """The block of each unit of a part: itself, or at random one of fewer."""
    count = min(units, max(FEWEST_BLOCKS, BLOCKS * units // all_units))
    numbers: Numbers = np.arange(units) % count
    return numbers if count == units else generator.permutation(numbers)


def _weights(table: ScoreTable, generator: np.random.Generator, draws: int) -> Floats:
    """(draws, parts): those of a benchmark's parts go up and down together."""
    names = list(dict.fromkeys(table.benchmarks))
    if len(names) == 1:
        return np.tile(table.weights, (draws, 1))
    number = np.array([names.index(name) for name in table.benchmarks])
    totals = np.bincount(number, weights=table.weights)
    shaken = generator.dirichlet(CONCENTRATION * totals, draws)
    result: Floats = shaken[:, number] * (table.weights / totals[number])
    return result
