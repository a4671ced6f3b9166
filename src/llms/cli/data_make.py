"""`llms data make`."""

import sys
from pathlib import Path

import click
from rich.markup import escape

from ..models.default import for_chats
from ..values import several
from ..workbench.data_make import MakeReport, RowRecipe, check, make
from ..workbench.system import load
from .arguments import money
from .output import console, dollars, print_json, table, visible


@click.command("make")
@click.argument("description")
@click.option("--task", required=True, help="Whose rows: sentiment, classification, entities, question-answering …")
@click.option("--labels", default="", help="The labels, separated by commas.")
@click.option("-n", "--rows", "count", type=click.IntRange(1), default=200, show_default=True, help="How many rows.")
@click.option("-m", "--model", help="Who writes them.  [default: as llms models default]")
@click.option(
    "--examples", type=click.Path(path_type=Path), help="A file of rows that show the form; none like them is written."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A .csv, .tsv or .jsonl.  [default: TASK-made.csv]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws topics, styles and tokens.")
@click.option("--budget", help="Dollars that may be spent, as in 0.50.")
@click.option("--price", help="Dollars per million tokens, IN/OUT, of a model whose price is not known.")
@click.option("--force", is_flag=True, help="Begin a file that is there anew.")
@click.option("--json", "as_json", is_flag=True, help="The report as one object.")
def make_command(
    description: str, task: str, labels: str, count: int, model: str | None, examples: Path | None, out: Path | None,
    seed: int, budget: str | None, price: str | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Let a language model write labelled rows of what DESCRIPTION says, checked, and no two alike.

    Each row says in the columns generated, model and seed that it was made. A file that was begun is gone on with.

    \b
    llms data make "reviews of headphones" --task sentiment -n 100 -m openai:gpt-5-mini --budget 0.50
    llms data make "mails to a town hall" --task classification --labels question,complaint,praise --out mails.csv
    """
    name = model or for_chats()
    recipe = RowRecipe(
        description, task, name, out or Path(f"{task}-made.csv"), tuple(each.strip() for each in labels.split(",") if each.strip()),
        count, examples, seed, money(budget), price,
    )  # fmt: skip
    check(recipe)
    report: MakeReport | None = None
    watched = sys.stderr.isatty()
    with load(name) as opened:
        for report in make(recipe, opened, force):
            if watched:
                click.echo(
                    f"\r{report.rows:,} of {several(count, 'row')}, {report.requests} requests ", nl=False, err=True
                )
    if watched:
        click.echo(err=True)
    assert report is not None, "the last one comes always"
    if as_json:
        print_json([report.to_json()])
    else:
        print_report(report)
    if report.rows < count:
        sys.exit(1)


def print_report(report: MakeReport) -> None:
    """Print the counts of a run: rows asked for, written, refused; tokens and money."""
    before = f", {report.before:,} of them from before" if report.before else ""
    click.echo(f"{several(report.rows, 'row')} of {report.asked:,} are in {report.out}{before}")
    rows = table("what", "count", "detail", right=("count",))
    rows.show_header = False
    rows.add_row("requests", f"{report.requests:,}", "")
    rows.add_row("new rows", f"{report.valid:,}", "")
    for reason, (number, example) in sorted(report.refused.items(), key=lambda each: -each[1][0]):
        rows.add_row("refused", f"{number:,}", escape(f"{reason}, such as {visible(example)[:120]}"))
    for number, what in (
        (report.same, "the same as another"),
        (report.near, "nearly another"),
        (report.of_examples, "like an example"),
    ):
        if number:
            rows.add_row("left out", f"{number:,}", what)
    for label, number in report.labels.items():
        rows.add_row("label", f"{number:,}", escape(label))
    least, middle, most = report.lengths
    rows.add_row("characters", f"{middle:,}", f"median; {least:,} to {most:,}")
    rows.add_row(
        "tokens",
        f"{report.prompt_tokens + report.tokens:,}",
        f"{report.prompt_tokens:,} read, {report.tokens:,} written",
    )
    rows.add_row("cost", dollars(report.cost), "")
    console().print(rows)
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    if report.stopped:
        click.echo(f"stopped: {report.stopped}", err=True)
