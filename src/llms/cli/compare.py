"""`llms compare`."""

import sys
from collections.abc import Iterator

import click
from rich.text import Text

from ..statistics.direction import worded
from ..workbench.compare import Comparison, compare_all
from ..workbench.evaluate import Progress
from .eval_options import config_of, eval_options
from .evaluate import names, show_progress
from .finite import FiniteRange
from .option_groups import DATA, GRADING, OUTPUT, RUN, GroupedCommand, option
from .output import console, print_json, table


@click.command(cls=GroupedCommand)
@click.argument("a")
@click.argument("b")
@option(DATA, "-b", "--benchmark", "benchmarks", multiple=True, callback=names, help="Benchmarks, comma-separated.")
@eval_options(
    "view",
    "limit",
    "shots",
    "data",
    "chat_template",
    "samples",
    "temperature",
    limit={"help": "At most so many items of each benchmark.", "least": 2},
    data={"help": "sample (default), hub, a folder of benchmarks, or a file of your own."},
    chat_template={"help": "As llms eval has it."},
    samples={"help": "Answers per question, at a temperature."},
    temperature={"help": "0 is greedy."},
)
@option(
    GRADING,
    "--margin",
    type=FiniteRange(0, 100, min_open=True),
    default=1.0,
    show_default=True,
    help="Differences of less than so many points count as none.",
)
@option(RUN, "--until-decided", is_flag=True, help="Ask in random order and stop as soon as it is clear.")
@option(
    OUTPUT, "--fail-if", type=click.Choice(["worse", "not better"]), help="Exit with 1 if A is that anywhere; for CI."
)
@eval_options(
    "task", "way", "labels", "source", "target", "max_tokens", max_tokens={"help": "Tokens of an answer at most."}
)
@eval_options("workers", "sandbox", sandbox={"help": "Run generated programs without isolation."})
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a line, one per benchmark.")
def compare(
    a: str,
    b: str,
    benchmarks: list[str],
    margin: float,
    until_decided: bool,
    fail_if: str | None,
    as_json: bool,
    **settings: object,
) -> None:
    """Compare A with B on the same questions: models, or two stored runs.

    \b
    llms compare smollm2 'smollm2?dtype=bfloat16' -b arc_easy,hellaswag
    llms compare hf:./tuned hf:./base -b gsm8k --data hub --until-decided --fail-if worse
    llms compare hf:./classifier smollm2 --task sentiment --data my.csv --way choice

    Prints the difference with its 95 % interval, p (adjusted for the number of benchmarks), and of A: better, worse, no
    detectable difference, equivalent, or not comparable. Runs that were asked differently are refused.
    """
    config = config_of(settings)
    comparisons: list[Comparison] = []

    def events() -> Iterator[Progress]:
        for event in compare_all(a, b, benchmarks, config, margin / 100, until_decided):
            if isinstance(event, Progress):
                yield event
            else:
                comparisons.extend(event)

    show_progress(events())
    if as_json:
        print_json(comparison.to_json() for comparison in comparisons)
    else:
        _show(comparisons)
    bad = {"worse": ("worse",), "not better": ("worse", "no detectable difference", "equivalent", "not comparable")}
    if fail_if and any(comparison.verdict in bad[fail_if] for comparison in comparisons):
        sys.exit(1)
    if any(comparison.paired is None for comparison in comparisons):
        sys.exit(1)


def _show(comparisons: list[Comparison]) -> None:
    out = console()
    first = comparisons[0]
    out.print(Text("A  ", style="bold") + Text(first.system_a) + Text("\nB  ", style="bold") + Text(first.system_b))
    rows = table(
        "benchmark",
        "A",
        "B",
        "A - B",
        "95 % interval",
        "p",
        "n",
        "A is",
        right=("A", "B", "A - B", "95 % interval", "p", "n"),
    )
    for c in comparisons:
        rows.add_row(f"{c.benchmark} [dim]{c.metric}[/dim]", *_cells(c), Text(c.verdict, style="bold"))
    out.print(rows)
    for c in comparisons:
        for line in _notes(c):
            out.print(Text(line, style="dim"))


def _cells(c: Comparison) -> list[str]:
    if c.paired is None or c.score_a is None or c.score_b is None:
        return ["", "", "", "", "", ""]
    p = "" if c.p is None else "< 0.001" if c.p < 0.001 else f"{c.p:.3f}"
    scores = [worded(c.metric, score) for score in (c.score_a, c.score_b)]
    bounds = [worded(c.metric, bound, "+") for bound in c.bounds if bound is not None]
    return [*scores, worded(c.metric, c.paired.difference, "+"), " – ".join(bounds), p, str(c.paired.n)]


def _notes(c: Comparison) -> list[str]:
    notes = [f"{c.benchmark}: {text}" for text in (c.reason, c.note) if text]
    if c.left_out:
        notes.append(f"{c.benchmark}: {c.left_out} items failed on one side and were left out of both")
    if c.paired is not None:
        paired = c.paired
        discordant = "" if paired.only_a is None else f", only A right {paired.only_a}, only B right {paired.only_b}"
        how = "confidence sequence" if c.sequence else f"{paired.method}; {paired.test}"
        clusters = f", {paired.clusters} clusters" if paired.clusters < paired.n else ""
        if clusters and c.sequence:
            how += " of the mean over clusters"
        notes.append(f"{c.benchmark}: {how}{clusters}{discordant}; runs {c.run_a} and {c.run_b}")
    return notes
