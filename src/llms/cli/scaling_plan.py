"""`llms scaling plan`."""

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from ..training.scaling.plan import MFU, REACH, Bounds, ComputePlan, LimitedModel, SmallerModel, budget_of
from ..training.scaling.plan import plan as planned
from ..workbench import scaling as verb
from ..workbench.scaling_plot import write_plot
from ..workbench.scaling_words import brief, exponential
from .finite import FiniteRange
from .option_groups import DATA, LIMITS, MODEL, OUTPUT, GroupedCommand, option
from .output import console, print_json, table

GREY = "dim"
FRESH_EPOCHS = (
    4  # Muennighoff et al. 2023 (arXiv 2305.16264): text seen up to four times is worth nearly as much as new text
)


@click.command(cls=GroupedCommand)
@option(LIMITS, "--flops", type=FiniteRange(0, min_open=True), help="The budget, as 1e21: C = 6 N D.")
@option(
    LIMITS,
    "--gpu-hours",
    type=FiniteRange(0, min_open=True),
    help="The budget in hours of one --gpu; for several, hours times GPUs.",
)
@option(LIMITS, "--gpu", default="", help="As h100, a100, l4, rtx 4090.")
@option(
    LIMITS,
    "--mfu",
    type=FiniteRange(0, 1, min_open=True),
    default=MFU,
    show_default=True,
    help="The share of the GPU's peak that training uses.",
)
@option(
    LIMITS,
    "--tokens-available",
    type=FiniteRange(0, min_open=True),
    help="Tokens of text there are; plans within them, too.",
)
@option(MODEL, "--law", default="", help="A published law: epoch (default), hoffmann, hoffmann-printed.")
@option(DATA, "--fit", "runs", type=click.Path(path_type=Path), help="Fit the law to the runs of this file instead.")
@option(DATA, "--drop-highest", type=click.IntRange(0), default=0, metavar="K", help="Leave out the file's K runs of highest loss.")  # fmt: skip
@option(OUTPUT, "--plot", type=click.Path(dir_okay=False, path_type=Path), help="With --fit: draw the law up to the budget, .svg or .png.")  # fmt: skip
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object.")
def plan(
    flops: float | None,
    gpu_hours: float | None,
    gpu: str,
    mfu: float,
    tokens_available: float | None,
    law: str,
    runs: Path | None,
    drop_highest: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Say how large a model to train on how many tokens with the compute there is, how good it will be, and what a smaller
    model of the same loss costs to train and saves at inference.

    \b
    llms scaling plan --flops 1e21
    llms scaling plan --gpu-hours 64 --gpu h100 --fit runs.csv

    A published law has no interval; --fit gives one, for your own data and tokenizer. Beyond ten times the largest run the
    figures are grey: no run speaks for them.
    """
    if runs is None and (plot or drop_highest):
        raise click.UsageError(f"{'--plot' if plot else '--drop-highest'} goes with --fit FILE")
    budget = budget_of(flops, gpu_hours, gpu, mfu)
    basis = verb.basis_of(law, runs, drop_highest)
    result = planned(budget, basis, tokens_available)
    if plot and basis.fit:
        write_plot(basis.fit, plot, budget.flops)
        click.echo(f"wrote {plot}", err=True)
    if as_json:
        print_json([verb.plan_json(result)])
    else:
        show_plan(result)


def show_plan(plan: ComputePlan) -> None:
    """The optimum, the smaller models, and what to mind; grey where it is extrapolated."""
    out, basis = console(), plan.basis
    style = GREY if plan.extrapolated else ""
    out.print(Text(f"{exponential(plan.budget.flops)} FLOPs", style="bold") + Text(f"{f' · {plan.budget.words}' if plan.budget.words else ''} · law: {basis.name} ({basis.source})"), soft_wrap=True)  # fmt: skip
    rows = table("compute-optimal", "value", "95 % interval", right=("value", "95 % interval"))
    for name, value, bounds in (
        ("parameters", brief(plan.parameters), _counts(plan.parameter_bounds)),
        ("tokens", brief(plan.tokens), _counts(plan.token_bounds)),
        ("tokens per parameter", f"{plan.ratio:.3g}", _numbers(plan.ratio_bounds)),
        (f"loss ({basis.unit})", f"{plan.loss:.4f}", _numbers(plan.loss_bounds)),
    ):
        rows.add_row(name, value, bounds, style=style)
    out.print(rows)
    out.print()
    out.print(_smaller_table(plan.smaller))
    for note in _notes(plan):
        out.print(Text(note, style=GREY), soft_wrap=True)


def _smaller_table(smaller: tuple[SmallerModel, ...]) -> Table:
    columns = ("tokens", "training", "inference", "pays for itself after serving")
    rows = table("the same loss, with", *columns, right=columns)
    for model in smaller:
        name = f"1/{model.share} of the parameters: {brief(model.parameters)}"
        style = GREY if model.extrapolated else ""
        if model.tokens is None or model.training_ratio is None or model.break_even_tokens is None:
            rows.add_row(name, "never reaches it", "", f"1/{model.share}", "", style=style)
            continue
        after = f"{brief(model.break_even_tokens)} tokens"
        rows.add_row(name, brief(model.tokens), f"× {model.training_ratio:.3g}", f"1/{model.share}", after, style=style)
    return rows


def _notes(plan: ComputePlan) -> list[str]:
    basis, notes = plan.basis, []
    if plan.extrapolated:
        notes.append(
            f"grey: {exponential(plan.budget.flops)} FLOPs are {plan.budget.flops / basis.largest_flops:.3g} times the largest "
            f"run behind the law ({exponential(basis.largest_flops)}); beyond {REACH:.0f} times no run speaks for the figures"
        )
    elif any(model.extrapolated for model in plan.smaller):
        notes.append(
            f"grey rows take more than {REACH:.0f} times the compute of the largest run behind the law, or never reach the loss"
        )
    if basis.fit is None:
        notes.append(
            "no interval: the paper gives the law, and its runs are not at hand; --fit FILE fits runs of your own. Losses hold for "
            "the paper's data and tokenizer"
        )
    else:
        notes += basis.fit.notes
        notes.append(
            f"intervals are of the law; single runs scatter {100 * basis.fit.scatter:.2g} % around it (median)"
        )
    if plan.limited:
        notes.append(_limited_note(plan.limited))
    return notes


def _limited_note(limited: LimitedModel) -> str:
    few = limited.optimal_epochs <= FRESH_EPOCHS
    worth = "up to four are nearly as good as new text" if few else "beyond four, repeating helps less and less"
    return (
        f"with {brief(limited.tokens)} tokens, each seen once, the whole budget goes into {brief(limited.parameters)} "
        f"parameters: loss {limited.loss:.4f}{_appended(limited.bounds)}. The optimum takes {limited.optimal_epochs:.3g} "
        f"epochs over this text; {worth} (Muennighoff et al. 2023)"
    )


def _counts(bounds: Bounds) -> str:
    return f"{brief(bounds[0])} – {brief(bounds[1])}" if bounds else ""


def _numbers(bounds: Bounds) -> str:
    return f"{bounds[0]:.4g} – {bounds[1]:.4g}" if bounds else ""


def _appended(bounds: Bounds) -> str:
    return f" ({_numbers(bounds)})" if bounds else ""
