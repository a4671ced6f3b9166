"""A scaling law from runs: Huber loss on log L from a few starts, and refits of resampled runs for the intervals.

The objective is that of Hoffmann et al. 2022 (eq. 3) and Besiroglu et al. 2024: the sum over runs of
Huber(log L - LSE(a - alpha log N, b - beta log D, e)) with delta 1e-3, where A = exp(a), B = exp(b), E = exp(e).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, MissingExtra
from .law import ScalingLaw
from .observed import ObservedRuns

if TYPE_CHECKING:
    from collections.abc import Callable

Floats: TypeAlias = NDArray[np.float64]
DELTA = 1e-3
SCALE = 1e3  # the objective is about 1e-3, where an optimiser's tolerances would end it early
REFITS = 1000
PARAMETERS = ("E", "A", "B", "alpha", "beta")
EXPONENTS = (0.3, 0.7)  # of the starts
FLOORS = (0.5, 0.85)  # E of the starts, as a share of the lowest loss
LEAST_SHARE = 1e-3  # of the loss: a term that is nowhere more does not show in the data
WIDEST = 10.0  # an interval of A or B wider than by this factor is a flat valley
FLAT = 1e-3  # objectives nearer than this share are equal


@dataclass(frozen=True, slots=True)
class ScalingFit:
    """A fitted law. Intervals are 95 % percentiles of `laws`, the refits of resampled runs; empty where none were made.

    `objective` is the unscaled sum; `scatter` the median of |log L - log of the fitted loss|.
    """

    law: ScalingLaw
    objective: float
    scatter: float
    laws: tuple[ScalingLaw, ...]
    runs: ObservedRuns
    notes: tuple[str, ...]

    def interval(self, of: "Callable[[ScalingLaw], float]") -> tuple[float, float] | None:
        """95 % of `of`, a number that follows from a law; None where more than one in twenty refits give no number."""
        values = [value for value in map(of, self.laws) if np.isfinite(value)]
        if not values or len(values) < 0.95 * len(self.laws):
            return None
        low, high = np.quantile(values, (0.025, 0.975))
        return float(low), float(high)


class Objective:
    """The sum of Huber losses, times SCALE, and its gradient, of t = (a, b, e, alpha, beta); log N and log D are centred, which
    takes most of the correlation between a and alpha, b and beta."""

    def __init__(self, runs: ObservedRuns):
        n, d, loss = (
            np.log([getattr(run, name) for run in runs.rows], dtype=np.float64)
            for name in ("parameters", "tokens", "loss")
        )
        self.n_mean, self.d_mean = float(n.mean()), float(d.mean())
        self.n, self.d, self.loss = n - self.n_mean, d - self.d_mean, loss

    def terms(self, t: Floats) -> tuple[Floats, Floats, float]:
        """A/N^alpha, B/D^beta and E at each run."""
        return np.exp(t[0] - t[3] * self.n), np.exp(t[1] - t[4] * self.d), float(np.exp(t[2]))

    def residuals(self, t: Floats) -> Floats:
        by_size, by_tokens, floor = self.terms(t)
        return self.loss - np.log(by_size + by_tokens + floor)

    def __call__(self, t: Floats, weights: Floats) -> tuple[float, Floats]:
        by_size, by_tokens, floor = self.terms(t)
        total = by_size + by_tokens + floor
        residuals = self.loss - np.log(total)
        clipped = np.clip(residuals, -DELTA, DELTA)
        slope = -weights * clipped / total
        g_size, g_tokens = slope * by_size, slope * by_tokens
        gradient = np.array(
            [g_size.sum(), g_tokens.sum(), slope.sum() * floor, -(g_size @ self.n), -(g_tokens @ self.d)]
        )
        return SCALE * float(weights @ (clipped * (residuals - clipped / 2))), SCALE * gradient

    def law(self, t: Floats) -> ScalingLaw:
        with np.errstate(over="ignore"):
            A, B, E = np.exp([t[0] + t[3] * self.n_mean, t[1] + t[4] * self.d_mean, t[2]])
        return ScalingLaw(float(E), float(A), float(B), float(t[3]), float(t[4]))

    def starts(self) -> list[Floats]:
        """Eight: two exponents each, and two shares of the lowest loss that no scale removes."""
        lowest, middle = np.exp(self.loss.min()), np.exp(self.loss.mean())
        return [
            np.array([rest := np.log((middle - share * lowest) / 2), rest, np.log(share * lowest), alpha, beta])
            for alpha in EXPONENTS
            for beta in EXPONENTS
            for share in FLOORS
        ]

    def step(self, t: Floats) -> Floats:
        """A matrix whose columns are steps that change the objective equally: of the reweighted least squares at `t`."""
        by_size, by_tokens, floor = self.terms(t)
        total = by_size + by_tokens + floor
        jacobian = np.stack([by_size, by_tokens, np.full(len(total), floor), -self.n * by_size, -self.d * by_tokens])
        jacobian /= total
        weights = np.minimum(1, DELTA / np.maximum(np.abs(self.residuals(t)), 1e-12))
        curvature = SCALE * (jacobian * weights) @ jacobian.T
        values, vectors = np.linalg.eigh(curvature)
        steps: Floats = vectors / np.sqrt(np.maximum(values, values[-1] * 1e-9))
        return steps


def fit_law(runs: ObservedRuns, refits: int = REFITS, seed: int = 0) -> ScalingFit:
    """The law of least objective, with `refits` refits of resampled runs, each warm-started at it. Raises DataError."""
    objective = Objective(runs)
    weights = np.ones(len(runs.rows))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        ends = [_minimise(objective, weights, start, np.eye(5), 1e-13, 1e-9) for start in objective.starts()]
        ends = [end for end in ends if np.isfinite(end[0])]
        if not ends:
            raise DataError(f"{runs.source}: no start of the fit led to a finite objective; look at its numbers")
        value, t = min(ends, key=lambda end: end[0])
        laws = _refit(objective, t, refits, seed)
    law = objective.law(t)
    scatter = float(np.median(np.abs(objective.residuals(t))))
    fitted = ScalingFit(law, value / SCALE, scatter, laws, runs, ())
    notes = (*runs.notes, *_doubts(fitted, objective, t, ends))
    return ScalingFit(law, value / SCALE, scatter, laws, runs, notes)


def _minimise(
    objective: Objective, weights: Floats, start: Floats, steps: Floats, ftol: float, gtol: float
) -> tuple[float, Floats]:
    """(least objective, where) by L-BFGS in the coordinates of `steps`."""
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtra("scipy", "fitting a scaling law", "local") from error

    def value(z: Floats) -> tuple[float, Floats]:
        total, gradient = objective(start + steps @ z, weights)
        return total, steps.T @ gradient

    options = {"ftol": ftol, "gtol": gtol, "maxiter": 3000}
    end = minimize(value, np.zeros(5), jac=True, method="L-BFGS-B", options=options)
    return float(end.fun), start + steps @ np.asarray(end.x)


def _refit(objective: Objective, t: Floats, refits: int, seed: int) -> tuple[ScalingLaw, ...]:
    generator, count = np.random.default_rng(seed), len(objective.loss)
    steps = objective.step(t)
    laws = []
    for _ in range(refits):
        weights = np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)
        laws.append(objective.law(_minimise(objective, weights, t, steps, 1e-10, 1e-7)[1]))
    return tuple(laws)


def _doubts(fitted: ScalingFit, objective: Objective, t: Floats, ends: list[tuple[float, Floats]]) -> list[str]:
    """Sentences on what the runs do not determine."""
    notes = []
    by_size, by_tokens, floor = objective.terms(t)
    total = by_size + by_tokens + floor
    for term, share, more in (
        ("A/N^alpha", by_size / total, "sizes further apart"),
        ("B/D^beta", by_tokens / total, "token counts further apart"),
        ("E", floor / total, "larger runs"),
    ):
        if share.max() < LEAST_SHARE:
            notes.append(
                f"{term} is nowhere more than {share.max():.1g} of the loss: the fit is at a boundary, and these runs do not "
                f"determine it. It needs {more}"
            )
    law = fitted.law
    for name, exponent in (("alpha", law.alpha), ("beta", law.beta)):
        if exponent <= 0.01:
            notes.append(f"{name} is {exponent:.3g}: its term cannot be told from the constant E, or grows with scale")
    value = min(end[0] for end in ends)
    level = [objective.law(where) for total_, where in ends if total_ <= value * (1 + FLAT) + 1e-9]
    spread = max(abs(other.alpha - law.alpha) + abs(other.beta - law.beta) for other in level)
    if spread > 0.02:
        notes.append(
            f"a flat valley: starts ended at exponents that differ by up to {spread:.2g} with the same objective to 0.1 %"
        )
    bounds_of = {"A": fitted.interval(lambda one: one.A), "B": fitted.interval(lambda one: one.B)}
    wide = [name for name, bounds in bounds_of.items() if bounds and bounds[1] > WIDEST * max(bounds[0], 1e-300)]
    if wide:
        notes.append(
            f"the interval of {' and '.join(wide)} spans more than a factor of {WIDEST:.0f}: these runs hardly determine "
            f"{'it' if len(wide) == 1 else 'them'} apart from the exponent; look at predictions, not at parameters"
        )
    floor_bounds = fitted.interval(lambda one: one.E)
    if floor_bounds and floor_bounds[0] < 0.05 * law.E:
        notes.append(
            "the interval of E reaches down to almost 0: how low the loss can go is not determined by these runs"
        )
    return notes
