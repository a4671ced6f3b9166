"""Lines and bands that a picture of a scaling law is drawn from: runs, curves of equal size, the compute-optimal frontier."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from .fit import ScalingFit
from .law import FLOPS_PER_PARAMETER_TOKEN, ScalingLaw
from .plan import REACH

POINTS, SIZES = 60, 6


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """The least loss for `flops`; `low` and `high` bound 95 % of the refits' least losses."""

    flops: float
    loss: float
    low: float
    high: float
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class SizeCurve:
    """The fitted loss of a model of `parameters` as it is trained for longer, within what its size was trained for."""

    parameters: float
    flops: tuple[float, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LawCurves:
    frontier: tuple[FrontierPoint, ...]
    sizes: tuple[SizeCurve, ...]


def curves_of(fit: ScalingFit, until: float | None = None) -> LawCurves:
    """Curves from the smallest run to `until` FLOPs, thirty times the largest run by default."""
    runs = fit.runs.rows
    first = min(run.flops for run in runs)
    last = max(until or 0.0, 3 * REACH * fit.runs.largest_flops)
    grid = np.geomspace(first, last, POINTS)
    frontier = []
    for flops in map(float, grid):
        loss = _least_loss(flops, fit.law)
        low, high = fit.interval(partial(_least_loss, flops)) or (loss, loss)
        frontier.append(FrontierPoint(flops, loss, low, high, flops > REACH * fit.runs.largest_flops))
    return LawCurves(tuple(frontier), tuple(_size_curve(fit, size) for size in _sizes(fit)))


def _least_loss(flops: float, law: ScalingLaw) -> float:
    return law.loss(*law.optimum(flops))


def _sizes(fit: ScalingFit) -> list[float]:
    """Up to six sizes of the runs, spread over their range."""
    sizes = sorted({run.parameters for run in fit.runs.rows})
    if len(sizes) <= SIZES:
        return sizes
    wanted = np.linspace(math.log(sizes[0]), math.log(sizes[-1]), SIZES)
    return sorted({min(sizes, key=lambda size: abs(math.log(size) - at)) for at in wanted})


def _size_curve(fit: ScalingFit, size: float) -> SizeCurve:
    near = [run.tokens for run in fit.runs.rows if abs(math.log(run.parameters / size)) < 0.1]
    tokens = np.geomspace(min(near) / 2, max(near) * 2, 24)
    return SizeCurve(
        size,
        tuple(float(FLOPS_PER_PARAMETER_TOKEN * size * count) for count in tokens),
        tuple(fit.law.loss(size, float(count)) for count in tokens),
    )
