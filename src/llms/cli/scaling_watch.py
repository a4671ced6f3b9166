"""A grid of small runs as it is trained: an estimate before, a line for each run, the fit after."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.text import Text

from ..errors import MissingExtra
from ..training.curve import loss_text
from ..training.progress import Progress, Stepped
from ..training.recipe import TrainingRecipe
from ..training.scaling.grid import GridPlan, GridRow
from ..values import several
from ..workbench import scaling_run as verb
from ..workbench.scaling import fit_json
from ..workbench.scaling_plot import write_plot
from ..workbench.scaling_words import brief
from .output import console, print_json
from .scaling_fit import show_fit

SHOWN_STEPS = 10  # between two sights of a run, in a terminal


def run(
    texts: Sequence[Path],
    sizes: Sequence[int],
    tokens: Sequence[int],
    out: Path,
    seed: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Carry out `llms scaling run`."""
    plan = verb.prepare(texts, out, sizes, tokens, seed)
    if as_json:
        print_json([verb.plan_json(plan)])
    else:
        show_grid(plan)
    if dry_run:
        return
    number = len(plan.done)
    terminal = console(stderr=True)
    with terminal.status("training") as status:

        def watch(recipe: TrainingRecipe, event: Progress) -> None:
            if isinstance(event, Stepped) and event.step % SHOWN_STEPS == 0 and recipe.shape:
                status.update(
                    f"run {number + 1} of {len(plan.recipes)}: {brief(recipe.shape.parameters)} parameters, step "
                    f"{event.step} of {recipe.max_steps}, loss {loss_text(event.loss, 3)}"
                )

        for result in verb.train(plan, watch):
            if isinstance(result, GridRow):
                number += 1
                _show_row(result, number, plan, as_json)
                continue
            status.stop()
            if as_json:
                print_json([fit_json(result.fit)])
            else:
                show_fit(result.fit)
            try:
                write_plot(result.fit, out / verb.PLOT)
                click.echo(f"wrote {result.table} and {out / verb.PLOT}", err=True)
            except MissingExtra as error:  # the law is there all the same
                click.echo(f"wrote {result.table}; {error}", err=True)


def show_grid(plan: GridPlan) -> None:
    """Print how many runs there are, and how long those to come take."""
    out, left = console(), len(plan.recipes) - len(plan.done)
    minutes = max(1, round(plan.seconds / 60))
    out.print(
        Text(f"{several(len(plan.recipes), 'run')}", style="bold")
        + Text(
            f" on {brief(plan.counts.tokens)} tokens of text"
            + (f" · {len(plan.done)} done already" if plan.done else "")
            + (f" · about {several(minutes, 'minute')} for the rest of them" if left else "")
        )
    )
    for note in plan.notes:
        out.print(Text(note, style="dim"), soft_wrap=True)


def _show_row(row: GridRow, number: int, plan: GridPlan, as_json: bool) -> None:
    if as_json:
        print_json([verb.row_json(row)])
        return
    console().print(
        f"{number:>3} of {len(plan.recipes)}  {brief(row.parameters):>6} parameters  {brief(row.tokens):>6} tokens  "
        f"loss {loss_text(row.loss)}  {row.bits_per_byte:.4f} bits per byte  {row.seconds:.0f} s"
    )
