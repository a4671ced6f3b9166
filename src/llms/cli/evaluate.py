"""`llms eval`."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from ..arena.board_columns import failures_of
from ..evaluation.report import Report
from ..workbench.estimate import Estimate, estimate
from ..workbench.evaluate import Progress as Step
from ..workbench.evaluate import evaluate_all
from ..workbench.leaderboard import build
from .eval_options import config_file, config_of, eval_options
from .leaderboard import show
from .option_groups import DATA, OUTPUT, GroupedCommand, option
from .output import console, dollars, interval, notes_shown, percent, print_json, table

NUMBERS = ("score", "95 % interval", "n")


def names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> list[str]:
    benchmarks = [name for value in values for name in value.replace(",", " ").split()]
    if values and not benchmarks:  # an unset variable of a shell must not mean everything
        raise click.BadParameter("it names no benchmark; leave it out for all of them")
    return benchmarks


@click.command(cls=GroupedCommand)
@click.argument("systems", nargs=-1, required=True)
@option(
    DATA,
    "-b",
    "--benchmark",
    "benchmarks",
    multiple=True,
    callback=names,
    help="Benchmarks, comma-separated; all is the default.",
)
@option(
    DATA,
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=config_file,
    help="A TOML file of settings, named as in Python: shots, data, system_prompt …; what is given here goes before.",
)
@eval_options()
@option(OUTPUT, "--dry-run", is_flag=True, help="Say items, tokens, expected time and cost; load nothing.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a line, one per system and benchmark.")
def evaluate(systems: tuple[str, ...], benchmarks: list[str], dry_run: bool, as_json: bool, **settings: object) -> None:
    """Evaluate SYSTEMS on benchmarks, store every outcome, show the scores.

    \b
    llms eval smollm2 -b hellaswag,gsm8k --limit 50
    llms eval smollm2 'smollm2?dtype=bfloat16' -b all
    llms eval hf:./my-checkpoint -b arc_challenge --view v1 --data hub
    llms eval openai:gpt-5-mini -b gsm8k,arc_easy:letter --limit 50 --budget 0.50
    llms eval smollm2 --data mine.csv --scorer contains --by region --prompt 'Q: {question}\\nA:'
    llms eval hf:./classifier smollm2 --task sentiment --data my.csv --way prompt,choice

    A file of your own has the columns question and answer (a text or a number), answers (several accepted ones: a list, or
    texts separated by |) or choices with answer (a choice's text, its letter or, from 0, its index), and perhaps id; further
    columns are metadata. What was understood of it is said first.

    The same command continues where a killed one stopped.
    """
    config = config_of(settings)
    if dry_run:
        _show_estimates(list(estimate(systems, benchmarks, config)), as_json)
        return
    reports = show_progress(evaluate_all(systems, benchmarks, config))
    if not reports:
        raise click.ClickException("nothing could be run")
    scored = [report for report in reports if report.score]
    if as_json:
        print_json(report.to_json() for report in reports)
    elif scored:
        show(build(scored[::-1]))
        show_metrics(scored)
        show_groups(scored)
        click.echo(f"\nlook closer: llms samples {scored[-1].key.run} --wrong")
    for report in reports:
        if not report.score:
            where = f"{report.key.system.name} on {report.key.benchmark}"
            click.echo(f"{where}: {failures_of(report)}; llms samples {report.key.run} --failed", err=True)
    if len(scored) < len(reports):
        sys.exit(1)


def show_progress(events: Iterable[Step | Report]) -> list[Report]:
    """Run everything under a progress bar on standard error; the reports that came."""
    reports: list[Report] = []
    printed: set[str] = set()
    err = console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=not sys.stderr.isatty(),
    ) as progress:
        bar = None
        for event in events:
            if isinstance(event, Report):
                reports.append(event)
                bar = None
                continue
            if event.note and event.note not in printed | notes_shown:
                printed.add(event.note)
                err.print(Text(event.note, style="dim"), soft_wrap=True)
            if not event.total:
                continue
            if bar is None:
                bar = progress.add_task(_title(event), total=event.total)
            progress.update(bar, completed=event.done)
    return reports


def show_metrics(reports: list[Report]) -> None:
    """Of tasks every metric, as several say something about the same answers."""
    for report in (each for each in reports if each.key.config.task and len(each.scores) > 1):
        rows = table(f"{report.key.system.name}, {report.key.benchmark}", "score", "95 % interval", right=NUMBERS)
        for metric, score in report.scores.items():
            rows.add_row(Text(metric), percent(score.value), interval(score.low, score.high))
        console().print(rows)


def show_groups(reports: list[Report]) -> None:
    """A block per system and column: each value of it with its score, interval and n."""
    for report in reports:
        for column, values in report.groups.items():
            rows = table(f"{report.key.system.name}, by {column}", "score", "95 % interval", "n", right=NUMBERS)
            for value, scores in values.items():
                score = scores[report.headline]
                rows.add_row(Text(value), percent(score.value), interval(score.low, score.high), str(score.n))
            console().print(rows)


def _title(step: Step) -> str:
    return f"{step.benchmark}  {step.system}" + (f"  ({step.resumed} stored before)" if step.resumed else "")


def _show_estimates(estimates: list[Estimate], as_json: bool) -> None:
    for note in dict.fromkeys(note for e in estimates for note in e.notes):
        click.echo(note, err=True)
    if as_json:
        print_json(
            {
                "run": e.plan.key.run if e.plan.key.system.weights else None,
                "system": e.plan.key.system.name,
                "benchmark": e.plan.key.benchmark,
                "items": e.items,
                "tokens": e.tokens,
                "counted": e.counted,
                "seconds": e.seconds,
                "cost": e.cost,
                "how": e.how,
                "problem": e.problem,
            }
            for e in estimates
        )
        return
    paid = any(e.cost != 0 for e in estimates)
    numbers = ("items", "tokens", "time", "cost at most")[: 4 if paid else 3]
    rows = table("benchmark", "system", "by", *numbers, right=numbers)
    for e in estimates:
        time = (
            "unknown" if e.seconds is None else f"{e.seconds:.0f} s" if e.seconds < 120 else f"{e.seconds / 60:.0f} min"
        )
        cost = [dollars(e.cost)] if paid else []
        if e.problem:
            rows.add_row(e.plan.key.benchmark, e.plan.key.system.name, "cannot be asked", "", "", "")
        else:
            rows.add_row(e.plan.key.benchmark, e.plan.key.system.name, e.how, str(e.items), f"~{e.tokens}", time, *cost)
    console().print(rows)
    for problem in dict.fromkeys(e.problem for e in estimates if e.problem):
        click.echo(problem)
    if any(e.seconds is None for e in estimates):
        click.echo("time is known once this model has been measured on anything; try --limit 5 first")
