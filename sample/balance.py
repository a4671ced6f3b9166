"""Chooses which written answers are shown, so that length says nothing about which of them is right.

Each question comes with several *showings*: other wrong answers, or longer and shorter wordings. One is taken of each, and
the questions are ordered, so that in every measure of length the right answer is the longest, the second longest, … equally
often, in the whole and in each of its beginnings. The search draws by fixed seeds: the same texts give the same result.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from random import Random
from typing import Any

Rows = list[dict[str, Any]]
Measures = Sequence[Callable[[Sequence[str]], Sequence[int]]]
SEARCHED = 96  # showings that are tried of one question
SEARCHES = 8


@dataclass(frozen=True, eq=False)
class Showing:
    """One question's choices as they could be shown. Several sets of them where a benchmark asks in several ways."""

    sets: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]  # (choices, 1 for each right one)


def wordings(written: str) -> list[str]:
    """A text with and without what stands in [brackets]."""
    long, short = re.sub(r"[\[\]]", "", written), re.sub(r"\[.*?\]", "", written)
    return [short] if short == long else [short, long]


def showings(right: str, wrong: Sequence[str], shown: int, seed: str) -> list[Showing]:
    """Ways to show `right` beside `shown` of `wrong`, in order of a seeded draw if there are too many."""
    every = [
        Showing((((first, *others), (1,) + (0,) * shown),))
        for chosen in combinations(wrong, shown)
        for first, *others in product(*map(wordings, (right, *chosen)))
    ]
    return every if len(every) <= SEARCHED else Random(seed).sample(every, SEARCHED)


def characters(choices: Sequence[str]) -> list[int]:
    return [len(choice) for choice in choices]


def rank_shares(lengths: Sequence[int], labels: Sequence[int]) -> list[float]:
    """How many right answers stand at each rank from the longest to the shortest; equal lengths share their ranks."""
    shares = [0.0] * len(lengths)
    for length, label in zip(lengths, labels, strict=True):
        if label:
            longer, equal = sum(other > length for other in lengths), lengths.count(length)
            for rank in range(longer, longer + equal):
                shares[rank] += 1 / equal
    return shares


def spread(shares: Sequence[float]) -> float:
    """Sum of squared distances from the mean."""
    mean = sum(shares) / len(shares)
    return sum((share - mean) ** 2 for share in shares)


class Balance:
    """Right answers at each rank so far, by measure, set and number of choices."""

    def __init__(self, measures: Measures):
        self.measures = measures
        self.totals: dict[tuple[int, int, int], list[float]] = {}
        self.known: dict[Showing, dict[tuple[int, int, int], list[float]]] = {}

    def of(self, showing: Showing) -> dict[tuple[int, int, int], list[float]]:
        if showing not in self.known:
            self.known[showing] = {
                (index, number, len(choices)): rank_shares(measure(choices), labels)
                for index, measure in enumerate(self.measures)
                for number, (choices, labels) in enumerate(showing.sets)
            }
        return self.known[showing]

    def add(self, showing: Showing, sign: int = 1) -> None:
        for key, shares in self.of(showing).items():
            before = self.totals.setdefault(key, [0.0] * len(shares))
            self.totals[key] = [total + sign * share for total, share in zip(before, shares, strict=True)]

    def cost(self, showing: Showing) -> float:
        """Squared distance from equal ranks if `showing` came next; rounded, so that a tie is one on every machine."""
        more = 0.0
        for key, shares in self.of(showing).items():
            before = self.totals.get(key, [0.0] * len(shares))
            after = [total + share for total, share in zip(before, shares, strict=True)]
            more += spread(after) - spread(before)
        return round(more, 9)

    def worst(self) -> float:
        """How far the rank that is farthest from its equal share is from it, in questions."""
        apart = (abs(share - sum(shares) / len(shares)) for shares in self.totals.values() for share in shares)
        return round(max(apart, default=0.0), 9)


def chosen(questions: Sequence[Sequence[Showing]], measures: Measures) -> list[Showing]:
    """One showing of each question, each the best for all others; searched in other orders until no rank is a question off."""
    balance, random, order = Balance(measures), Random(len(questions)), list(range(len(questions)))
    results = []
    for _ in range(SEARCHES):
        taken = [questions[index][0] for index in order]
        for index in order:
            taken[index] = min(questions[index], key=balance.cost)
            balance.add(taken[index])
        while sum(improved(balance, taken, index, questions[index]) for index in order):
            pass
        results.append((balance.worst(), taken))
        if balance.worst() < 1:
            break
        balance.totals.clear()
        random.shuffle(order)
    return min(results, key=lambda result: result[0])[1]


def improved(balance: Balance, taken: list[Showing], index: int, ways: Sequence[Showing]) -> bool:
    """Whether another of `ways` was better for question `index`; it is taken then."""
    balance.add(taken[index], -1)
    best = min(ways, key=balance.cost)
    better = balance.cost(best) < balance.cost(taken[index])
    if better:
        taken[index] = best
    balance.add(taken[index])
    return better


def ordered(taken: Sequence[Showing], measures: Measures) -> list[int]:
    """An order of the questions in which every beginning is as balanced as can be, found step by step."""
    balance, left, order = Balance(measures), list(range(len(taken))), []
    while left:
        order.append(min(left, key=lambda index: balance.cost(taken[index])))
        left.remove(order[-1])
        balance.add(taken[order[-1]])
    return order


def places(count: int, options: int, seed: str) -> list[int]:
    """Where the right answer stands: each place once in every `options` questions, in random order."""
    random, found = Random(seed), []
    while len(found) < count:
        found += random.sample(range(options), options)
    return found[:count]


def evenly(rows: Iterable[dict[str, Any]], count: int, kind: Callable[[dict[str, Any]], object], kinds: int) -> Rows:
    """The first `count` rows of which none is of a kind seen more than once in `kinds` rows, twice in 2 `kinds`, …"""
    seen: list[object] = []

    def fits(row: dict[str, Any]) -> bool:
        if seen.count(kind(row)) > len(seen) // kinds:
            return False
        seen.append(kind(row))
        return True

    return list(islice(filter(fits, rows), count))
