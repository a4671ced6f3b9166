"""`llms scaling run`: its options; scaling_watch.py carries it out."""

from importlib import import_module
from pathlib import Path

import click

from ..training.sizes import count_of
from .option_groups import DATA, OUTPUT, RUN, GroupedCommand, option

SIZES, TOKENS = "30K,60K,125K,250K", "150K,300K,600K,1.2M"


def _counts(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    return tuple(count_of(part) for part in text.split(","))


@click.command(cls=GroupedCommand)
@click.argument("texts", nargs=-1, required=True, type=click.Path(path_type=Path))
@option(
    DATA, "--sizes", default=SIZES, show_default=True, callback=_counts, help="Parameters of the models; four or more."
)
@option(DATA, "--tokens", default=TOKENS, show_default=True, callback=_counts, help="Tokens that each is trained on; four or more.")  # fmt: skip
@option(RUN, "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="A folder for the grid; the same one goes on with it.")  # fmt: skip
@option(RUN, "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and order.")
@option(OUTPUT, "--dry-run", is_flag=True, help="Write the tokenizer, say how long it takes, and train nothing.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a line: plan, runs, fit.")
def run(
    texts: tuple[Path, ...],
    sizes: tuple[int, ...],
    tokens: tuple[int, ...],
    out: Path,
    seed: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train small models from nothing on TEXTS, every size for every number of tokens, and fit a law to their losses.

    \b
    llms scaling run book.txt --out grid

    All are judged by the same held-out text; each has a learning-rate schedule of its own length. A row of grid/runs.csv is
    written as each run ends, and the same command goes on after an interruption. It ends with the fit and grid/law.svg.
    """
    watch = import_module("llms.cli.scaling_watch")  # torch: --help need not wait for it
    watch.run(texts, sizes, tokens, out, seed, dry_run, as_json)
