"""Scaling laws from files, and plans by them, for the command line and Python."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ..errors import UsageError
from ..training.scaling import observed
from ..training.scaling.fit import REFITS, ScalingFit, fit_law
from ..training.scaling.law import ScalingLaw
from ..training.scaling.observed import read_runs
from ..training.scaling.plan import Basis, ComputePlan, SmallerModel, fitted, published, tokens_per_parameter
from ..values import JsonObject

EXAMPLE = Path(observed.__file__).with_name("sample.csv")  # of benchmarks/scaling_example.py
PARAMETERS = ("E", "A", "B", "alpha", "beta", "a", "b")


def fit_scaling(
    runs: str | Path | Sequence[Mapping[str, object]], *, drop_highest: int = 0, refits: int = REFITS, seed: int = 0
) -> ScalingFit:
    """The law E + A/N^alpha + B/D^beta of the least Huber loss on log loss, with refits of resampled runs for its intervals.

    `runs` is a file, or rows, with `parameters`, `tokens` (or `flops`) and `loss` (or `bits_per_byte`); `drop_highest` leaves
    out so many runs of highest loss. Raises DataError.
    """
    return fit_law(read_runs(runs, drop_highest), refits, seed)


def runs_or_example(file: Path | None) -> Path:
    """`file`, or the runs that come along. Raises UsageError where none do."""
    if file is not None:
        return file
    if not EXAMPLE.is_file():
        raise UsageError(
            "give a file with the columns parameters, tokens (or flops) and loss; llms scaling run TEXT --out grid makes one"
        )
    return EXAMPLE


def basis_of(law: str, runs: Path | None, drop_highest: int = 0, refits: int = REFITS) -> Basis:
    """The published law of that name, or the fit of a file. Raises UsageError, DataError."""
    if runs is None:
        return published(law or "epoch")
    if law:
        raise UsageError(f"--fit {runs} and --law {law} are two laws; give one of them")
    return fitted(fit_scaling(runs, drop_highest=drop_highest, refits=refits))


def intervals_of(fit: ScalingFit) -> dict[str, tuple[float, float]]:
    """95 % of each parameter, of the exponents a and b, and of D*/N* at the largest run's compute; empty without refits."""
    largest = fit.runs.largest_flops

    def value(name: str, law: ScalingLaw) -> float:
        return tokens_per_parameter(law, largest) if name == "tokens_per_parameter" else float(getattr(law, name))

    names = (*PARAMETERS, "tokens_per_parameter") if fit.law.alpha > 0 and fit.law.beta > 0 else PARAMETERS
    intervals = {name: fit.interval(partial(value, name)) for name in names}
    return {name: bounds for name, bounds in intervals.items() if bounds}


def fit_json(fit: ScalingFit) -> JsonObject:
    """The fit as `llms scaling fit --json` prints it."""
    law = fit.law
    return {
        "objective": fit.objective,
        **{name: getattr(law, name) for name in PARAMETERS},
        "intervals": {name: list(bounds) for name, bounds in intervals_of(fit).items()},
        "refits": len(fit.laws),
        "runs": len(fit.runs.rows),
        "unit": fit.runs.unit,
        "scatter": fit.scatter,
        "largest_flops": fit.runs.largest_flops,
        "source": fit.runs.source,
        "notes": list(fit.notes),
    }


def plan_json(plan: ComputePlan) -> JsonObject:
    """The plan as `llms scaling plan --json` prints it."""
    limited = plan.limited
    return {
        "flops": plan.budget.flops,
        "law": plan.basis.name,
        "unit": plan.basis.unit,
        "parameters": plan.parameters,
        "tokens": plan.tokens,
        "tokens_per_parameter": plan.ratio,
        "loss": plan.loss,
        "intervals": {
            name: list(bounds)
            for name, bounds in (
                ("parameters", plan.parameter_bounds),
                ("tokens", plan.token_bounds),
                ("tokens_per_parameter", plan.ratio_bounds),
                ("loss", plan.loss_bounds),
            )
            if bounds
        },
        "exponent_parameters": plan.basis.law.a,
        "exponent_tokens": plan.basis.law.b,
        "extrapolated": plan.extrapolated,
        "largest_flops": plan.basis.largest_flops,
        "smaller": [_smaller_json(smaller) for smaller in plan.smaller],
        "limited": None
        if limited is None
        else {
            "parameters": limited.parameters,
            "tokens": limited.tokens,
            "loss": limited.loss,
            "loss_interval": list(limited.bounds) if limited.bounds else None,
            "optimal_epochs": limited.optimal_epochs,
        },
    }


def _smaller_json(smaller: SmallerModel) -> JsonObject:
    return {
        "share": smaller.share,
        "parameters": smaller.parameters,
        "tokens": smaller.tokens,
        "flops": smaller.flops,
        "training_ratio": smaller.training_ratio,
        "served_flops_per_token": smaller.served_flops,
        "break_even_tokens": smaller.break_even_tokens,
        "extrapolated": smaller.extrapolated,
    }
