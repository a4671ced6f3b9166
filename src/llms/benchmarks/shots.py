"""The few-shot draw: which solved examples stand before which item. A pure function of whole, ordered splits.

The reference harness draws from one generator, item after item, so item 7's examples depend on items 0-6 having
been drawn before: neither a limit, nor a resumed run, nor another order of work may shift them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Literal

from ..data import Row
from ..errors import UsageError

SEED = 1234


def draw(
    how: Literal["fixed", "random", "spare", "first"],
    pool: Sequence[Row],
    shots: int,
    documents: Sequence[Row],
    wanted: Iterable[int],
    *,
    same_split: bool = False,
    who: str = "the benchmark",
) -> Mapping[int, list[Row]]:
    """The examples of each wanted document (by position in `documents`).

    `fixed` and `first` take the first `shots` rows of `pool`; `random` draws anew for each document, in order,
    as lm-evaluation-harness 0.4.13 does (api/samplers.py, seed 1234). `spare` is its draw for tasks that name
    neither a test split nor a few-shot split: one more row is drawn, in case the document itself is among them.
    With `same_split` the document never is. Raises UsageError if the pool is too small.
    """
    needed = shots + (1 if shots and (same_split or how == "spare") else 0)
    if needed > len(pool):
        raise UsageError(
            f"{who} needs {shots} few-shot examples{' and a spare one' if needed > shots else ''}; the data holds "
            f"{len(pool)}. Use --shots {max(0, len(pool) - (needed - shots))}, or data with more (--data hub)"
        )
    positions = wanted if isinstance(wanted, range) else sorted(set(wanted))
    if not shots or not positions:
        return Drawn(positions, lambda position: [])
    if how in ("fixed", "first"):
        first = list(islice(pool, shots))
        return Drawn(positions, lambda p: _first_without(pool, documents[p], shots) if same_split else first)
    return _as_the_harness(list(pool), shots, needed, documents, positions)  # drawn from at random: held


def _as_the_harness(
    pool: list[Row], shots: int, needed: int, documents: Sequence[Row], positions: Sequence[int]
) -> dict[int, list[Row]]:
    random, chosen, keep = Random(SEED), {}, set(positions)
    indices = range(len(pool))
    for position in range(positions[-1] + 1):
        drawn = [pool[i] for i in random.sample(indices, needed)]
        if needed > shots:
            drawn = _without(drawn, documents[position])[:shots]
            if len(drawn) < shots:  # the document stands in the pool more than once
                drawn = random.sample(_without(pool, documents[position]), shots)
        if position in keep:
            chosen[position] = drawn
    return chosen


class Drawn(Mapping[int, list[Row]]):
    """The examples of each document by its position, found when they are asked for."""

    def __init__(self, positions: Sequence[int], rows: Callable[[int], list[Row]]):
        self._positions, self._rows = positions, rows

    def __getitem__(self, position: int) -> list[Row]:
        if position not in self._positions:
            raise KeyError(position)
        return self._rows(position)

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)


def _first_without(pool: Sequence[Row], document: Row, count: int) -> list[Row]:
    return list(islice((row for row in pool if row != document), count))


def _without(rows: Sequence[Row], document: Row) -> list[Row]:
    return [row for row in rows if row != document]
