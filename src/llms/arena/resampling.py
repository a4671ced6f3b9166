"""The bootstrap of Bradley-Terry abilities: votes, or whole clusters of them, drawn anew, all fits of a block at once."""

from dataclasses import dataclass

import numpy as np

from .bradley_terry import RatingFit
from .ties import sigmoid
from .vote_table import Floats, Ints, VoteTable

AT_ONCE = 1 << 19  # numbers in a block's (R, M, M): 4 MB, which stays near the processor
STEPS = 30


@dataclass(frozen=True, slots=True)
class Replicates:
    """`abilities` (R, M) in logits, centred in each component; `separable` replicates have none and were left out."""

    abilities: Floats
    separable: int


def bootstrap(fit: RatingFit, component: Ints, rounds: int, cluster: Ints | None = None, seed: int = 0) -> Replicates:
    """`rounds` replicates of a fit with ties as halves and no features: multinomial over unique votes, or over clusters where
    `cluster` (n,) names each vote's.

    A replicate whose graph is not strongly connected within `component` (M,) has no finite maximum: it is counted, and
    left out. Newton's method starts at the fit's abilities.
    """
    pairs, cell = _pairs(fit.table)
    generator, m = np.random.default_rng(seed), len(fit.table.models)
    abilities: list[Floats] = []
    step = max(1, AT_ONCE // (m * m))
    for begin in range(0, rounds, step):
        size = min(step, rounds - begin)
        counts = _drawn(generator, cell, len(pairs), size, cluster)
        wins = np.zeros((size, m, m))
        wins[:, pairs[:, 0], pairs[:, 1]] = counts[:, :, 2] + counts[:, :, 1] / 2
        wins[:, pairs[:, 1], pairs[:, 0]] = counts[:, :, 0] + counts[:, :, 1] / 2
        wins = wins[_connected(wins, component)]
        if len(wins):
            abilities.append(_newton(wins, pairs, component, fit.abilities))
    values = np.concatenate(abilities) if abilities else np.zeros((0, m))
    return Replicates(values, rounds - len(values))


def _pairs(table: VoteTable) -> tuple[Ints, Ints]:
    """The pairs that met (E, 2), lower index first, and of each vote its cell: three times its pair, plus the outcome for
    the lower index."""
    m = len(table.models)
    turned = table.first > table.second
    low, high = np.where(turned, table.second, table.first), np.where(turned, table.first, table.second)
    codes, pair = np.unique(low * m + high, return_inverse=True)
    return np.stack([codes // m, codes % m], axis=1), pair * 3 + np.where(turned, 2 - table.outcome, table.outcome)


def _drawn(generator: np.random.Generator, cell: Ints, pairs: int, size: int, cluster: Ints | None) -> Floats:
    """Counts of (size, pairs, outcomes) in as many draws as there are votes, or clusters."""
    n = len(cell)
    if cluster is None:
        shares = np.bincount(cell, minlength=3 * pairs) / n
        return generator.multinomial(n, shares, size).reshape(size, pairs, 3).astype(np.float64)
    count = int(cluster.max()) + 1
    weights = generator.multinomial(count, np.full(count, 1 / count), size)
    rows = [np.bincount(cell, row[cluster], 3 * pairs) for row in weights]
    return np.stack(rows).reshape(size, pairs, 3).astype(np.float64)


def _connected(wins: Floats, component: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which of (R, M, M) lead from one model of each component to all of it, and back."""
    start = np.zeros(wins.shape[:2], np.float32)
    start[:, np.unique(component, return_index=True)[1]] = 1
    result = np.ones(len(wins), bool)
    for edges in ((wins > 0).astype(np.float32), (wins > 0).transpose(0, 2, 1).astype(np.float32)):
        reached = start
        while True:
            further = np.maximum(reached, (np.einsum("rm,rmk->rk", reached, edges) > 0).astype(np.float32))
            if (further == reached).all():
                break
            reached = further
        result &= reached.all(1)
    return result


def _newton(wins: Floats, pairs: Ints, component: Ints, start: Floats) -> Floats:
    """Abilities (R, M) for win matrices (R, M, M); steps are halved for replicates whose likelihood they lower."""
    i, j = pairs.T
    m = wins.shape[1]
    won, games = wins[:, i, j], wins[:, i, j] + wins[:, j, i]
    gauge = (component[:, None] == component[None, :]) / np.bincount(component)[component][:, None]
    abilities = np.tile(start, (len(wins), 1))
    diagonal = np.arange(m)

    def value(at: Floats) -> Floats:
        d = at[:, i] - at[:, j]
        return np.array((won * d - games * np.logaddexp(0.0, d)).sum(1))

    reached = value(abilities)
    for _ in range(STEPS):
        p = sigmoid(abilities[:, i] - abilities[:, j])
        residual, curve = won - games * p, games * p * (1 - p)
        slopes, hessian = np.zeros(wins.shape), np.zeros(wins.shape)
        slopes[:, i, j] = residual
        hessian[:, i, j] = hessian[:, j, i] = -curve
        hessian[:, diagonal, diagonal] = -hessian.sum(2)
        gradient = slopes.sum(2) - slopes.sum(1)
        step = np.linalg.solve(hessian + gauge, gradient[:, :, None])[:, :, 0]
        after = value(abilities + step)
        while (worse := after < reached - 1e-9 * np.abs(reached)).any() and np.abs(step).max() > 1e-9:
            step[worse] /= 2
            after = value(abilities + step)
        abilities, reached = abilities + step, after
        if np.abs(step).max() < 1e-6:  # the error is its square
            break
    return abilities
