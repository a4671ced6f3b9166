"""The maximum likelihood of Bradley and Terry's model and its kin, by Newton's method.

Abilities θ are in natural logits; their sum is 0 in each component of the graph (the gauge). Votes that bound nothing must be
left out before (graph.py says which). The Hessian of abilities is the Laplacian of a graph: singular, but regular once the
projection on the constant vectors is added, and its pseudo-inverse is that inverse less the projection. A pseudo-inverse by
singular values would have to guess which of them are 0.
"""

from dataclasses import dataclass

import numpy as np

from .ties import LIKELIHOODS, Terms, Ties, first_tie
from .vote_table import TIE, Floats, Ints, VoteTable

ELO = float(400 / np.log(10))  # points of Elo per natural logit
CENTRE = 1000.0
STEPS = 60
FAR = 50.0  # a logit so large is on its way to infinity


@dataclass(frozen=True, slots=True)
class RatingFit:
    """`parameters` (P,): M abilities, k coefficients of features, and the tie parameter where the model has one.

    `inverse` (P, P) is the pseudo-inverse of the observed information. `rows` are the unique votes, `count` says how many
    votes each stands for, `row` (n,) which of them a vote is; `slope` and `tie_slope` are of unique rows. `finite` is false
    where the maximum is not: features, or the position, then decide every vote.
    """

    table: VoteTable
    ties: Ties
    parameters: Floats
    inverse: Floats
    log_likelihood: float
    rows: VoteTable
    row: Ints
    count: Floats
    slope: Floats
    tie_slope: Floats
    steps: int
    finite: bool

    @property
    def abilities(self) -> Floats:
        return self.parameters[: len(self.table.models)]

    @property
    def logits(self) -> Floats:
        """Of each vote (n,), of the first model's win."""
        abilities, table = self.abilities, self.table
        difference: Floats = abilities[table.first] - abilities[table.second] + table.features @ self.coefficients
        return difference

    @property
    def coefficients(self) -> Floats:
        m = len(self.table.models)
        return self.parameters[m : m + self.table.features.shape[1]]

    @property
    def tie(self) -> float | None:
        return None if self.ties == "half" else float(self.parameters[-1])


def fit(table: VoteTable, component: Ints, ties: Ties = "half", ridge: float = 0.0) -> RatingFit:
    """The maximum over abilities, coefficients and tie parameter together.

    `component` (M,) numbers the strongly connected components; `ridge` is λ of ½ λ |θ|² against the mean log-likelihood
    (arena-rank's scale). About six steps reach 1e-12. A maximum at infinity (features or a position that decide
    every vote) is not an error: `finite` is false.
    """
    rows, row, count = unique_rows(table)
    m, k = len(table.models), table.features.shape[1]
    size = m + k + (ties != "half")
    parameters = np.zeros(size)
    if ties != "half":
        parameters[-1] = first_tie(ties, float((table.outcome == TIE).mean()))
    gauge = np.zeros((size, size))
    same = component[:, None] == component[None, :]
    gauge[:m, :m] = same / same.sum(1)
    penalty = np.zeros(size)
    penalty[:m] = ridge * len(table)

    def at(point: Floats) -> tuple[float, Terms | None]:
        if ties == "rao-kupper" and point[-1] <= 0:
            return -np.inf, None
        logits = point[rows.first] - point[rows.second] + rows.features @ point[m : m + k]
        terms = LIKELIHOODS[ties](logits, rows.outcome, float(point[-1]))
        return float(count @ terms.value - penalty @ point**2 / 2), terms

    value, terms = at(parameters)
    finite, steps = False, 0
    while steps < STEPS and not finite and terms is not None:
        steps += 1
        gradient = scores(rows, ties, count * terms.slope, count * terms.tie_slope) - penalty * parameters
        try:
            step = np.linalg.solve(information(rows, ties, count, terms) + gauge + np.diag(penalty), gradient)
        except np.linalg.LinAlgError:
            break
        following, next_terms = at(parameters + step)
        while not following >= value - 1e-9 * abs(value) and np.abs(step).max() > 1e-12:
            step /= 2
            following, next_terms = at(parameters + step)
        parameters, value, terms = parameters + step, following, next_terms
        finite = bool(np.abs(step).max() < 1e-10)
        if np.abs(parameters).max() > FAR:
            break
    assert terms is not None
    hessian = information(rows, ties, count, terms) + np.diag(penalty)
    try:
        inverse = np.linalg.inv(hessian + gauge) - (gauge if ridge == 0 else 0)
    except np.linalg.LinAlgError:
        inverse, finite = np.full((size, size), np.nan), False
    return RatingFit(
        table, ties, parameters, inverse, value, rows, row, count, terms.slope, terms.tie_slope, steps, finite
    )


def unique_rows(table: VoteTable) -> tuple[VoteTable, Ints, Floats]:
    """Unique (first, second, outcome, features), the unique row of each vote (n,), and how many votes each stands for."""
    m = len(table.models)
    key = (table.first * m + table.second) * 3 + table.outcome
    if table.features.shape[1] and (table.features != table.features[:1]).any():
        return table, np.arange(len(table)), np.ones(len(table))
    _, one, row, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    rows = VoteTable(table.models, table.first[one], table.second[one], table.outcome[one], {}, table.features[one])
    return rows, row, count.astype(np.float64)


def scores(
    rows: VoteTable, ties: Ties, slope: Floats, tie_slope: Floats, cluster: Ints | None = None, clusters: int = 1
) -> Floats:
    """The gradient summed within each cluster, (clusters, P); over all rows, (P,), where `cluster` (n,) is None."""
    codes = np.zeros(len(rows), np.int64) if cluster is None else cluster
    m = len(rows.models)
    blocks = [
        (
            np.bincount(codes * m + rows.first, slope, clusters * m)
            - np.bincount(codes * m + rows.second, slope, clusters * m)
        ).reshape(clusters, m)
    ]
    blocks += [np.bincount(codes, slope * x, clusters)[:, None] for x in rows.features.T]
    if ties != "half":
        blocks.append(np.bincount(codes, tie_slope, clusters)[:, None])
    result: Floats = np.hstack(blocks).astype(np.float64)
    return result[0] if cluster is None else result


def information(rows: VoteTable, ties: Ties, count: Floats, terms: Terms) -> Floats:
    """Minus the second derivatives of the log-likelihood, (P, P)."""
    return outer(rows, ties, count * terms.curve, count * terms.cross, count * terms.tie_curve)


def outer(rows: VoteTable, ties: Ties, curve: Floats, cross: Floats, tie_curve: Floats) -> Floats:
    """Σ over rows of D W Dᵀ, (P, P): D has (e_first - e_second, features) and 1 for the tie parameter, W is
    ((curve, cross), (cross, tie_curve))."""
    m, x = len(rows.models), rows.features
    k = x.shape[1]
    size = m + k + (ties != "half")
    result = np.zeros((size, size))
    pairs = np.bincount(rows.first * m + rows.second, curve, m * m).reshape(m, m)
    pairs += pairs.T
    result[:m, :m] = np.diag(pairs.sum(1)) - pairs

    def spread(weights: Floats) -> Floats:
        return np.subtract(np.bincount(rows.first, weights, m), np.bincount(rows.second, weights, m), dtype=np.float64)

    for position in range(k):
        result[:m, m + position] = result[m + position, :m] = spread(curve * x[:, position])
    result[m : m + k, m : m + k] = (x * curve[:, None]).T @ x
    if ties != "half":
        result[:m, -1] = result[-1, :m] = spread(cross)
        result[m:-1, -1] = result[-1, m:-1] = x.T @ cross
        result[-1, -1] = tie_curve.sum()
    return result
