"""`llms scaling fit`."""

import math
from pathlib import Path

import click
from rich.text import Text

from ..training.scaling.curves import LawCurves, curves_of
from ..training.scaling.fit import REFITS, ScalingFit
from ..values import several
from ..workbench import scaling as verb
from ..workbench.scaling_plot import write_plot
from ..workbench.scaling_words import exponential
from .output import console, print_json, table

HEIGHT, WIDTH = 16, 90  # of the drawing, in signs
NAMES = {
    "E": "the loss that no scale removes",
    "A": "of parameters",
    "B": "of tokens",
    "alpha": "exponent of parameters",
    "beta": "exponent of tokens",
    "a": "optimal parameters grow as C^a",
    "b": "optimal tokens grow as C^b",
}


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--drop-highest", type=click.IntRange(0), default=0, metavar="K", help="Leave out the K runs of highest loss."
)
@click.option("--refits", type=click.IntRange(0), default=REFITS, show_default=True, help="Resamplings for the intervals; 0: none.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the resamplings.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the law as .svg or .png.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def fit(file: Path | None, drop_highest: int, refits: int, seed: int, plot: Path | None, as_json: bool) -> None:
    """Fit loss = E + A/N^alpha + B/D^beta to the training runs of FILE: N parameters, D tokens.

    \b
    llms scaling fit runs.csv --plot law.svg

    FILE has a row for each run: parameters (or N); tokens (or D), or flops (or C = 6 N D); loss (nats per token) or
    bits_per_byte. The fit is Hoffmann et al.'s third approach: Huber loss on log loss. Intervals are 95 % of refits of
    resampled runs.
    """
    law = verb.fit_scaling(verb.runs_or_example(file), drop_highest=drop_highest, refits=refits, seed=seed)
    if plot:
        write_plot(law, plot)
        click.echo(f"wrote {plot}", err=True)
    if as_json:
        print_json([verb.fit_json(law)])
    else:
        show_fit(law)


def show_fit(fit: ScalingFit) -> None:
    """The drawing, the parameters with their intervals, and what to mind."""
    out = console()
    out.print(
        Text(f"{several(len(fit.runs.rows), 'run')} · loss in {fit.runs.unit}", style="bold")
        + Text(f" · objective {fit.objective:.6g} · runs scatter {100 * fit.scatter:.2g} % around the law (median)")
    )
    for line in drawing(fit, curves_of(fit), min(WIDTH, out.width - 10)):
        out.print(line, no_wrap=True)
    intervals = verb.intervals_of(fit)
    rows = table("", "value", "95 % interval", "", right=("value", "95 % interval"))
    rows.columns[3].justify = "left"
    for name, words in NAMES.items():
        rows.add_row(name, f"{getattr(fit.law, name):.4g}", _bounds(intervals.get(name)), words)
    largest = fit.runs.largest_flops
    if fit.law.alpha > 0 and fit.law.beta > 0:
        parameters, tokens = fit.law.optimum(largest)
        words = f"optimal tokens per parameter at {exponential(largest)} FLOPs, the largest run"
        rows.add_row("D*/N*", f"{tokens / parameters:.3g}", _bounds(intervals.get("tokens_per_parameter")), words)
    out.print(rows)
    for note in fit.notes:
        out.print(Text(note, style="dim"), soft_wrap=True)


def _bounds(bounds: tuple[float, float] | None) -> str:
    return f"{bounds[0]:.4g} – {bounds[1]:.4g}" if bounds else ""


def drawing(fit: ScalingFit, curves: LawCurves, width: int) -> list[Text]:
    """Loss down, compute across, both logarithmic: ● runs, ━ the compute-optimal frontier, · beyond ten times the largest run."""
    runs = fit.runs.rows
    left, right = math.log(curves.frontier[0].flops), math.log(curves.frontier[-1].flops)
    losses = [run.loss for run in runs] + [point.loss for point in curves.frontier]
    low, high = math.log(min(losses)), math.log(max(losses))
    signs = [[" "] * width for _ in range(HEIGHT)]

    def draw(flops: float, loss: float, sign: str) -> None:
        across = round((math.log(flops) - left) / ((right - left) or 1) * (width - 1))
        down = round((high - math.log(loss)) / ((high - low) or 1) * (HEIGHT - 1))
        signs[min(max(down, 0), HEIGHT - 1)][min(max(across, 0), width - 1)] = sign

    for here, after in zip(curves.frontier, curves.frontier[1:], strict=False):
        for share in (0.0, 0.25, 0.5, 0.75):
            flops = here.flops ** (1 - share) * after.flops**share
            draw(flops, here.loss ** (1 - share) * after.loss**share, "·" if here.extrapolated else "━")
    for run in runs:
        draw(run.flops, run.loss, "●")
    lines = []
    for number, row in enumerate(signs):
        loss = math.exp(high - (high - low) * number / (HEIGHT - 1))
        label = f"{loss:7.3g} │" if number % 5 == 0 else "        │"
        line = Text(label)
        for sign in row:
            line.append(sign, style={"━": "bold green", "·": "dim"}.get(sign, ""))
        lines.append(line)
    ends = exponential(math.exp(left)), f"{exponential(math.exp(right))} FLOPs"
    lines.append(Text("        └" + "─" * width))
    lines.append(Text("         " + ends[0] + ends[1].rjust(width - len(ends[0]))))
    lines.append(Text("         ● runs  ━ compute-optimal  · beyond ten times the largest run", style="dim"))
    return lines
