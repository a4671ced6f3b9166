"""From a budget of compute to a model: how large, on how many tokens, how good, and what a smaller one would cost and save."""

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import UsageError
from ...models.gpus import peak_of
from .fit import ScalingFit
from .law import FLOPS_PER_PARAMETER_TOKEN, PUBLISHED, SERVED_FLOPS_PER_PARAMETER, ScalingLaw

MFU = 0.4  # model FLOPs utilisation of a well-run job (PaLM reports 46 %: Chowdhery et al. 2022, table 3)
REACH = 10.0  # times the largest run: beyond it a law is extrapolated, and said to be
SHARES = (2, 4, 8)  # by which the smaller models are smaller
Bounds = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Basis:
    """The law that a plan rests on. `fit` is None for a published one, which then has no intervals."""

    name: str
    law: ScalingLaw
    largest_flops: float
    unit: str
    source: str
    fit: ScalingFit | None = None

    def interval(self, of: Callable[[ScalingLaw], float]) -> Bounds:
        return self.fit.interval(of) if self.fit else None

    def beyond(self, flops: float) -> bool:
        """Whether `flops` are more than ten times the largest run."""
        return flops > REACH * self.largest_flops


@dataclass(frozen=True, slots=True)
class ComputeBudget:
    """Floating-point operations to train with, and in words where they come from, if they were not given as such."""

    flops: float
    words: str


@dataclass(frozen=True, slots=True)
class SmallerModel:
    """A model of a share of the optimal size, trained for longer until it has the same loss.

    `tokens` is None where no number of tokens is enough; then the figures that follow from it are None too. After
    `break_even_tokens` served, what it saves at inference has paid for its training.
    """

    share: int
    parameters: float
    tokens: float | None
    flops: float | None
    training_ratio: float | None
    served_flops: float
    break_even_tokens: float | None
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class LimitedModel:
    """The model for the whole budget where there are only `tokens` of text, each seen once."""

    parameters: float
    tokens: float
    loss: float
    bounds: Bounds
    optimal_epochs: float  # over the text there is, which the optimum would take


@dataclass(frozen=True, slots=True)
class ComputePlan:
    """Compute-optimal parameters, tokens and loss, each with its 95 % interval (of the law, not of a single run).

    The interval of the loss is at the planned parameters and tokens.
    """

    budget: ComputeBudget
    basis: Basis
    parameters: float
    tokens: float
    loss: float
    parameter_bounds: Bounds
    token_bounds: Bounds
    ratio_bounds: Bounds
    loss_bounds: Bounds
    extrapolated: bool
    smaller: tuple[SmallerModel, ...]
    limited: LimitedModel | None

    @property
    def ratio(self) -> float:
        return self.tokens / self.parameters


def published(name: str) -> Basis:
    """The law of a paper, by its name. Raises UsageError."""
    if name not in PUBLISHED:
        raise UsageError(f"no published law {name!r}; there are {', '.join(PUBLISHED)}")
    law = PUBLISHED[name]
    return Basis(name, law.law, law.largest_flops, "nats per token", law.source)


def fitted(fit: ScalingFit) -> Basis:
    name = f"fit of {len(fit.runs.rows)} runs"
    return Basis(name, fit.law, fit.runs.largest_flops, fit.runs.unit, fit.runs.source, fit)


def budget_of(flops: float | None, gpu_hours: float | None = None, gpu: str = "", mfu: float = MFU) -> ComputeBudget:
    """The budget that is given in FLOPs, or in hours of a GPU of which `mfu` of the peak is used. Raises UsageError."""
    if (flops is None) == (gpu_hours is None):
        raise UsageError("give the compute once: --flops 1e21, or --gpu-hours 64 --gpu h100")
    if flops is not None:
        if gpu:
            raise UsageError(f"--gpu {gpu} says nothing about --flops; give --gpu-hours with it")
        return ComputeBudget(_positive(flops, "FLOPs"), "")
    if not gpu:
        raise UsageError("--gpu-hours needs the GPU: --gpu h100")
    if not 0 < mfu <= 1:
        raise UsageError(f"a model FLOPs utilisation of {mfu:g}; expected a share above 0, at most 1, such as 0.4")
    card, peak = peak_of(gpu)
    hours = _positive(gpu_hours or 0.0, "GPU hours")
    return ComputeBudget(
        hours * 3600 * peak * mfu,
        f"{hours:g} hours of one {card.name} at {mfu:.0%} of its {peak / 1e12:g} TFLOP/s in 16 bits",
    )


def _positive(value: float, noun: str) -> float:
    if not 0 < value < 1e40:
        raise UsageError(f"{value:g} {noun}; expected a number above 0, such as 1e21")
    return value


def plan(budget: ComputeBudget, basis: Basis, tokens_available: float | None = None) -> ComputePlan:
    """The compute-optimal model of `budget`, the smaller ones of equal loss, and what fits the text there is. Raises UsageError."""
    law, flops = basis.law, budget.flops
    if law.alpha <= 0 or law.beta <= 0:
        raise UsageError(
            f"{basis.name} has alpha {law.alpha:.3g} and beta {law.beta:.3g}: its loss does not fall with scale, so that "
            f"nothing can be planned by it. Fit more runs, or take a published law: --law epoch"
        )
    parameters, tokens = law.optimum(flops)
    loss = law.loss(parameters, tokens)
    return ComputePlan(
        budget,
        basis,
        parameters,
        tokens,
        loss,
        parameter_bounds=basis.interval(lambda one: one.optimum(flops)[0]),
        token_bounds=basis.interval(lambda one: one.optimum(flops)[1]),
        ratio_bounds=basis.interval(lambda one: tokens_per_parameter(one, flops)),
        loss_bounds=basis.interval(lambda one: one.loss(parameters, tokens)),
        extrapolated=basis.beyond(flops),
        smaller=tuple(_smaller(basis, parameters, tokens, share) for share in SHARES),
        limited=_limited(basis, flops, tokens, tokens_available),
    )


def tokens_per_parameter(law: ScalingLaw, flops: float) -> float:
    parameters, tokens = law.optimum(flops)
    return tokens / parameters


def _smaller(basis: Basis, parameters: float, tokens: float, share: int) -> SmallerModel:
    law, size = basis.law, parameters / share
    served = SERVED_FLOPS_PER_PARAMETER * size
    needed = law.tokens_for(law.loss(parameters, tokens), size)
    if needed is None:
        return SmallerModel(share, size, None, None, None, served, None, True)
    optimal, flops = (FLOPS_PER_PARAMETER_TOKEN * n * d for n, d in ((parameters, tokens), (size, needed)))
    saved = SERVED_FLOPS_PER_PARAMETER * (parameters - size)
    return SmallerModel(
        share, size, needed, flops, flops / optimal, served, (flops - optimal) / saved, basis.beyond(flops)
    )


def _limited(basis: Basis, flops: float, optimal: float, available: float | None) -> LimitedModel | None:
    if available is None:
        return None
    tokens = _positive(available, "tokens")
    if tokens >= optimal:
        return None
    parameters = flops / (FLOPS_PER_PARAMETER_TOKEN * tokens)
    return LimitedModel(
        parameters,
        tokens,
        basis.law.loss(parameters, tokens),
        basis.interval(lambda one: one.loss(parameters, tokens)),
        optimal / tokens,
    )
