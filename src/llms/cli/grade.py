"""`llms grade`."""

import sys

import click

from ..scoring.open import VERSIONS
from ..workbench.grade import Regrade, grade
from ..workbench.leaderboard import build
from . import arguments
from .evaluate import show_groups, show_progress
from .finite import FiniteRange
from .leaderboard import show
from .output import print_json


@click.command("grade")
@click.argument("run")
@click.option(
    "--scorer", type=click.Choice(list(VERSIONS)), default=None, help="Another scorer, for a run of your own file."
)
@click.option("--judge", default="", help="The model that judges, with --scorer judge.")
@click.option("--rubric", default="", help="What the judge asks for, or @FILE.")
@click.option(
    "--data", default="", help="The rows the run was made of, where it cannot tell: a file, a folder, fresh:SEED."
)
@click.option("--by", multiple=True, metavar="COLUMN", help="Group scores by a column of your own file; needs --data.")
@click.option("--budget", type=FiniteRange(min=0, min_open=True), help="US dollars that a judge may cost; a hard cap.")
@click.option("--price", metavar="IN/OUT", help="US dollars per million tokens that a judge is sent and answers.")
@click.option("--json", "as_json", is_flag=True, help="One object, as llms eval prints it.")
def command(
    run: str,
    scorer: str | None,
    judge: str,
    rubric: str,
    data: str,
    by: tuple[str, ...],
    budget: float | None,
    price: str | None,
    as_json: bool,
) -> None:
    """Grade the answers of RUN (its name, the beginning of it, or `last`) again; the model is not asked.

    \b
    llms grade last --scorer contains
    llms grade 3f2a --scorer judge --judge openai:gpt-5-mini --budget 0.20
    llms grade 3f2a                  # under the present version of its scorer; what a judge left open is judged again

    The result is a run of its own, which says what it was graded from; RUN stays as it is.
    """
    how = Regrade(scorer or "", judge, arguments.text_of(rubric), data, budget, by, price)
    (report,) = show_progress(grade(run, how))
    if as_json:
        print_json([report.to_json()])
    elif report.score:
        show(build([report]))
        show_groups([report])
    if not as_json and report.graded_from:
        click.echo(f"\ngraded from run {report.graded_from}; look closer: llms samples {report.key.run} --wrong")
    if not report.score:
        click.echo(f"all {report.failed} items failed; llms samples {report.key.run} --failed", err=True)
        sys.exit(1)
