"""How sure ratings are: covariances of abilities by what is taken as independent, and what they leave open of the order.

The sandwich (Huber 1967; White 1982) is H⁺ B H⁺ with B the sum of outer products of the votes' gradients, summed within each
judge or prompt first where votes of one are not independent (Liang and Zeger 1986).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np

from ..statistics.intervals import FEW_CLUSTERS
from ..statistics.paired import holm
from ..statistics.student import Z, normal_tail, t_quantile, t_tail
from .bradley_terry import RatingFit, outer, scores
from .vote_table import Floats, Ints

Interval = Literal["largest", "model", "independent", "judge", "prompt"]
UNITS: tuple[Interval, ...] = ("independent", "judge", "prompt")
AT_ONCE = 1 << 22  # numbers in a block of clusters' gradients: 32 MB
NO_SPREAD = 1e-12


@dataclass(frozen=True, slots=True)
class Spread:
    """`covariance` (P, P) of a fit's parameters in squared logits; 95 % reaches `quantile` standard errors. `clusters` is None
    where votes are independent. `label` names a covariance that comes from no formula."""

    unit: str
    covariance: Floats
    quantile: float = Z
    clusters: int | None = None
    label: str = ""

    @property
    def name(self) -> str:
        if self.label:
            return self.label
        if self.clusters is None:
            return {"independent": "sandwich", "model": "model-based"}.get(self.unit, self.unit)
        few = f", t with {self.clusters - 1} df" if self.quantile != Z else ""
        return f"sandwich clustered by {self.unit} ({self.clusters}{few})"

    def stderr(self) -> Floats:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def differences(self, m: int) -> Floats:
        """Standard errors of θ_i - θ_j, (m, m): Var_ii + Var_jj - 2 Cov_ij."""
        block = self.covariance[:m, :m]
        variance = np.diag(block)
        return np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * block, 0.0))

    def p_values(self, ratio: Floats) -> Floats:
        """Two-sided p of each estimate over its standard error, by the normal or by t as the quantile; 1 where p is above
        5 %, which decides nothing."""
        tail = normal_tail if self.quantile == Z or self.clusters is None else partial(t_tail, df=self.clusters - 1)
        return np.array([2 * tail(z) if z > Z else 1.0 for z in np.abs(ratio).tolist()])


def spreads(fit: RatingFit, interval: Interval) -> tuple[Spread, ...]:
    """The covariances that `interval` asks for; "largest" are all that the votes allow, of which a reader takes the largest.

    One cluster has no spread, and as many clusters as votes are independent ones. Where the votes of some model show no
    variance (all ties), the model-based covariance stands beside.
    """
    if interval == "model":
        return (Spread("model", fit.inverse),)
    wanted = UNITS if interval == "largest" else (interval,)
    result = []
    for unit in wanted:
        codes = fit.table.clusters.get(unit)
        count = 0 if codes is None else int(codes.max(initial=-1)) + 1
        if unit == "independent" or codes is None:
            squares = outer(
                fit.rows,
                fit.ties,
                fit.count * fit.slope**2,
                fit.count * fit.slope * fit.tie_slope,
                fit.count * fit.tie_slope**2,
            )
            result.append(Spread("independent", fit.inverse @ squares @ fit.inverse))
        elif 1 < count < len(codes):
            covariance = fit.inverse @ clustered(fit, codes, count) @ fit.inverse
            quantile = t_quantile(count - 1) if count < FEW_CLUSTERS else Z
            result.append(Spread(unit, covariance, quantile, count))
    m = len(fit.table.models)
    bounded = np.diag(fit.inverse)[:m] > NO_SPREAD
    if result and (np.max([np.diag(s.covariance)[:m] for s in result], axis=0)[bounded] < NO_SPREAD).any():
        result.append(Spread("model", fit.inverse))
    return tuple(result)


def clustered(fit: RatingFit, codes: Ints, count: int) -> Floats:
    """Σ over clusters of g gᵀ, (P, P), with g the sum of the votes' gradients in a cluster; `codes` (n,) below `count`."""
    size = len(fit.parameters)
    slope, tie_slope = fit.slope[fit.row], fit.tie_slope[fit.row]
    first, second, features = fit.table.first, fit.table.second, fit.table.features
    order = np.argsort(codes, kind="stable")
    step = max(1, AT_ONCE // size)
    cuts = np.searchsorted(codes[order], range(0, count + step, step))
    result = np.zeros((size, size))
    for block, (begin, end) in enumerate(pairwise(cuts)):
        votes = order[begin:end]
        within = codes[votes] - block * step
        table = replace(fit.table, first=first[votes], second=second[votes], features=features[votes], clusters={})
        g = scores(table, fit.ties, slope[votes], tie_slope[votes], within, min(step, count - block * step))
        result += g.T @ g
    return result


def half_widths(choices: Sequence[Spread], errors: Sequence[Floats]) -> tuple[Floats, Ints]:
    """Of each number the largest 95 % half-width among `choices`, and which of them has it."""
    widths = np.stack([choice.quantile * error for choice, error in zip(choices, errors, strict=True)])
    return widths.max(0), widths.argmax(0)


def rank_intervals(abilities: Floats, choices: Sequence[Spread], bounded: Ints, count: int) -> tuple[Ints, Ints]:
    """Best and worst rank of each of the models `bounded` among `count` of a part (others of it are not bounded).

    1 + how many are significantly better, `count` less how many are significantly worse: each pair by the error of its
    difference, p the largest over `choices`. Holm's adjustment is over the comparisons of one model with all others, so that
    each interval by itself holds the true rank in 95 % (Mogstad, Romano, Shaikh and Wilhelm 2024, Rev. Econ. Stud. 91(1)).
    """
    k = len(bounded)
    i, j = np.triu_indices(k, 1)
    difference = abilities[bounded][:, None] - abilities[bounded][None, :]
    p = np.zeros((k, k))
    for choice in choices:
        error = choice.differences(len(abilities))[np.ix_(bounded, bounded)]
        ratio = np.divide(difference, error, out=np.zeros((k, k)), where=error > 1e-9)
        p[i, j] = np.maximum(p[i, j], choice.p_values(ratio[i, j]))
    p += p.T
    best, worst = np.ones(k, np.int64), np.full(k, count)
    for model in range(k):
        others = np.flatnonzero(np.arange(k) != model)
        differ = others[np.array(holm(p[model, others].tolist())) < 0.05]
        best[model] += (difference[model, differ] < 0).sum()
        worst[model] -= (difference[model, differ] > 0).sum()
    return best, worst
