"""Online Elo: what each vote did to the ratings of its time. It depends on the order of votes, so it is history, no verdict."""

from dataclasses import dataclass

import numpy as np

from .vote_table import Floats, Ints, VoteTable

K, SCALE, BASE, INITIAL = 4.0, 400.0, 10.0, 1000.0  # Chatbot Arena's
ORDERS = 100


@dataclass(frozen=True, slots=True)
class EloHistory:
    """`ratings` (T, M) after `votes` (T,) votes, in the order of `models`; the first row is before any."""

    models: tuple[str, ...]
    votes: tuple[int, ...]
    ratings: Floats


def elo_history(table: VoteTable, points: int = 60) -> EloHistory:
    """Elo in the order of the votes, at about `points` moments, evenly spaced."""
    n = len(table)
    moments = sorted({round(x) for x in np.linspace(0, n, max(2, min(points, n + 1)))})
    wanted = set(moments)
    ratings, first, second = [INITIAL] * len(table.models), table.first.tolist(), table.second.tolist()
    rows = [list(ratings)]
    for vote, outcome in enumerate(table.outcome.tolist()):
        a, b = first[vote], second[vote]
        expected = 1 / (1 + BASE ** ((ratings[b] - ratings[a]) / SCALE))
        change = K * (outcome / 2 - expected)
        ratings[a] += change
        ratings[b] -= change
        if vote + 1 in wanted:
            rows.append(list(ratings))
    return EloHistory(table.models, tuple(moments), np.array(rows))


def elo(table: VoteTable) -> Floats:
    """Elo (M,) after all votes in their order: K = 4, 400 points a factor of ten, from 1000, a tie is half a win."""
    return np.array(elo_history(table, 2).ratings[-1])


def elo_median(table: VoteTable, orders: int = ORDERS, seed: int = 0) -> Floats:
    """The median (M,) of Elo over random orders of the votes; all orders take each step at once."""
    generator, n = np.random.default_rng(seed), len(table)
    permutations: Ints = np.stack([generator.permutation(n) for _ in range(orders)], axis=1)
    first, second, y = (values[permutations] for values in (table.first, table.second, table.outcome / 2))
    ratings, row = np.full((orders, len(table.models)), INITIAL), np.arange(orders)
    for vote in range(n):
        a, b = first[vote], second[vote]
        expected = 1 / (1 + BASE ** ((ratings[row, b] - ratings[row, a]) / SCALE))
        change = K * (y[vote] - expected)
        ratings[row, a] += change
        ratings[row, b] -= change
    return np.array(np.median(ratings, axis=0))
