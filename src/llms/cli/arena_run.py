"""`llms arena run` and `llms arena judge`."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from .. import settings
from ..errors import UsageError
from ..store.battles import Battles
from ..workbench.arena.judging import ArenaProgress, JudgeReport, judge_reports
from ..workbench.arena.judging import judge as let_judge
from ..workbench.arena.prompts import read_prompts
from ..workbench.arena.run import ArenaRun, opened_models
from ..workbench.arena.run import run as fight
from . import arguments
from .option_groups import ANSWER, DATA, GRADING, MODEL, OUTPUT, RUN, GroupedCommand, option
from .output import console, interval, percent, print_json, table

BIASED = 50  # Elo: a judge whose position bias is larger is named
_JUDGE_HELP = "A model that judges every battle in both orders; may be given again."


@click.command(cls=GroupedCommand)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option(MODEL, "-m", "--model", "models", multiple=True, required=True, help="A system that answers; at least two.")
@option(
    DATA,
    "--column",
    help="The column of the prompts in a CSV, TSV, JSON or Parquet file (default: prompt, or question).",
)
@option(DATA, "--source", help="The name under which the battles are stored (default: the file's).")
@option(DATA, "--pairs", "battles", type=click.IntRange(min=1), help="So many in all, paired where a vote says most (default: every pair on every prompt).")  # fmt: skip
@option(ANSWER, "--max-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Of an answer.")
@option(ANSWER, "--temperature", type=click.FloatRange(min=0), default=0.0, show_default=True, help="0 is greedy.")
@option(ANSWER, "--seed", type=int, default=0, show_default=True, help="Of sampling.")
@option(GRADING, "--judge", "judges", multiple=True, help=_JUDGE_HELP)
@option(RUN, "--budget", help="At most so much money, in US dollars.")
@option(
    RUN, "--price", metavar="IN/OUT", help="US dollars per million tokens sent and answered, where no price is known."
)
@option(RUN, "--retry-failed", is_flag=True, help="Ask again what failed: answers and judgements.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a judge.")
def run(
    file: Path, models: tuple[str, ...], column: str | None, source: str | None, battles: int | None, max_tokens: int,
    temperature: float, seed: int, judges: tuple[str, ...], budget: str | None, price: str | None, retry_failed: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Let every model answer the prompts of FILE (text with one a line, or a table), pair the answers into battles, and let
    models judge them.

    \b
    llms arena run prompts.txt -m smollm2 -m gguf:smollm2
    llms arena run prompts.csv --column question -m smollm2 -m openai:gpt-5-mini --judge anthropic:claude-sonnet-4-5 --budget 2
    llms arena vote --stored prompts

    Each system answers each prompt once. The same command continues where a killed one stopped. A judge is shown both
    orders: where its verdict turns with the order, the vote is a tie.
    """  # fmt: skip
    plan = ArenaRun(
        read_prompts(file, column), models, judges, source or file.name.partition(".")[0], battles, max_tokens,
        temperature, seed, arguments.money(budget), price, retry_failed,
    )  # fmt: skip
    show_progress(fight(plan))
    _summary(plan.source, as_json)


@click.command(cls=GroupedCommand)
@option(GRADING, "--judge", "judges", multiple=True, required=True, help=_JUDGE_HELP)
@option(DATA, "--source", help="Only the battles of this source.")
@option(RUN, "--budget", help="At most so much money, in US dollars.")
@option(
    RUN, "--price", metavar="IN/OUT", help="US dollars per million tokens sent and answered, where no price is known."
)
@option(RUN, "--retry-failed", is_flag=True, help="Judge again where a judgement failed.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a judge.")
def judge(
    judges: tuple[str, ...],
    source: str | None,
    budget: str | None,
    price: str | None,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Let models judge the stored battles that they have not judged yet, in both orders, and compare them with people.

    \b
    llms arena judge --judge openai:gpt-5-mini --budget 0.50
    """
    with ExitStack() as opened, Battles(settings.database()) as store:
        plan = ArenaRun((), (), judges, budget=arguments.money(budget), price=price)
        _, models = opened_models(plan, opened)
        battles = store.all(source)
        if not battles:
            raise UsageError(
                f"no battle{f' of the source {source}' if source else ''} is stored; begin with llms arena run"
            )
        for model in models:
            show_progress(let_judge(store, model, battles, retry_failed))
    _summary(source, as_json)


def show_progress(events: Iterable[ArenaProgress]) -> None:
    """Run everything under progress bars on standard error."""
    err = console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
        console=err, disable=not sys.stderr.isatty(),
    ) as progress:  # fmt: skip
        bars = {}
        for event in events:
            if event.note:
                err.print(Text(event.note, style="dim"), soft_wrap=True)
            if not event.total:
                continue
            if event.doing not in bars:
                before = f"  ({event.resumed} stored before)" if event.resumed else ""
                bars[event.doing] = progress.add_task(f"{event.doing}{before}", total=event.total)
            progress.update(bars[event.doing], completed=event.done, total=event.total)


def _summary(source: str | None, as_json: bool) -> None:
    with Battles(settings.database()) as store:
        battles = store.all(source)
    reports = judge_reports(battles)
    if as_json:
        print_json(map(_report_json, reports))
        return
    failed = sum(any(answer is not None and answer.error for answer in battle.answers) for battle in battles)
    click.echo(
        f"{len(battles)} battles" + (f", {failed} with an answer that failed (--retry-failed)" if failed else "")
    )
    if reports:
        numbers = ("votes", "failed", "flips", "first shown wins", "95 % interval", "bias (Elo)", "as people", "κ", "n")
        rows = table("judge", *numbers, right=numbers)
        for one in reports:
            rows.add_row(Text(one.judge), *_cells(one))
        console().print(rows)
    for one in reports:
        if one.bias is not None and abs(one.bias) > BIASED:
            where = "first" if one.bias > 0 else "second"
            click.echo(
                f"{one.judge} favours the answer shown {where}; where its verdict turned with the order, the vote is a tie"
            )
    click.echo(
        "look closer: llms arena rate; vote blind on the same answers: llms arena vote --stored " + (source or "SOURCE")
    )


def _cells(one: JudgeReport) -> tuple[str, ...]:
    bias = "" if one.bias is None else f"{one.bias:+.0f} ± {one.bias_stderr:.0f}"
    first = percent(one.first / one.decisive) if one.decisive else ""
    agreement = ("", "", "") if one.agreement is None else (
        percent(one.agreement), "" if one.kappa is None else f"{one.kappa:.2f}", str(one.common)
    )  # fmt: skip
    return (
        str(one.votes),
        str(one.failed),
        f"{one.flips}/{one.both}",
        first,
        interval(one.low, one.high),
        bias,
        *agreement,
    )


def _report_json(one: JudgeReport) -> object:
    return {
        "judge": one.judge, "votes": one.votes, "failed": one.failed, "flips": one.flips, "both_orders": one.both,
        "first_shown": one.first, "decisive": one.decisive, "low": one.low, "high": one.high, "bias_elo": one.bias,
        "bias_elo_stderr": one.bias_stderr, "common": one.common, "agreement": one.agreement, "kappa": one.kappa,
    }  # fmt: skip
