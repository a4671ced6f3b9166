"""`llms scaling`."""

import click

from .lazy_group import LazyGroup

COMMANDS = {
    "fit": ("scaling_fit", "fit", "Fit loss = E + A/N^alpha + B/D^beta to training runs, with intervals and a plot."),
    "plan": ("scaling_plan", "plan", "Plan parameters and tokens for a budget of compute; what a smaller model costs."),
    "run": ("scaling_run", "run", "Train small models from nothing on your text, and fit a law to them."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def scaling() -> None:
    """Scaling laws: how the loss falls with parameters and tokens, and what to train with the compute there is.

    \b
    llms scaling fit runs.csv --plot law.svg
    llms scaling plan --flops 1e21 --fit runs.csv
    llms scaling plan --gpu-hours 64 --gpu h100
    llms scaling run book.txt --out grid
    """
