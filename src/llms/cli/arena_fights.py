"""Systems answer prompts and models judge, under progress bars; then how far the judges are to be trusted."""

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from .. import settings
from ..errors import UsageError
from ..store.battles import Battles
from ..values import several
from ..workbench.arena import judging
from ..workbench.arena import run as running
from ..workbench.arena.battles import problem_of
from ..workbench.arena.judging import ArenaProgress, JudgeReport
from ..workbench.arena.prompts import read_prompts
from . import arguments
from .output import console, interval, percent, print_json, table

BIASED = 50  # Elo: a judge whose position bias is larger is named


class RunFlags(TypedDict):
    """The options of `llms arena run`."""

    file: Path
    models: tuple[str, ...]
    column: str | None
    source: str | None
    battles: int | None
    max_tokens: int
    temperature: float
    seed: int
    judges: tuple[str, ...]
    budget: str | None
    price: str | None
    retry_failed: bool
    as_json: bool


class JudgeFlags(TypedDict):
    """The options of `llms arena judge`."""

    judges: tuple[str, ...]
    source: str | None
    budget: str | None
    price: str | None
    retry_failed: bool
    as_json: bool


def run(flags: RunFlags) -> None:
    """Fight the battles of a file of prompts, and print what became of them."""
    plan = running.ArenaRun(
        read_prompts(flags["file"], flags["column"]), flags["models"], flags["judges"],
        flags["source"] or flags["file"].name.partition(".")[0], flags["battles"], flags["max_tokens"],
        flags["temperature"], flags["seed"], arguments.money(flags["budget"]), flags["price"], flags["retry_failed"],
    )  # fmt: skip
    show_progress(running.run(plan))
    _summary(plan.source, flags["as_json"])


def judge(flags: JudgeFlags) -> None:
    """Let models judge what is stored, and print how they did."""
    with ExitStack() as opened, Battles(settings.database()) as store:
        plan = running.ArenaRun((), (), flags["judges"], budget=arguments.money(flags["budget"]), price=flags["price"])
        _, models = running.opened_models(plan, opened)
        battles = store.all(flags["source"])
        if not battles:
            of = f" of the source {flags['source']}" if flags["source"] else ""
            raise UsageError(f"no battle{of} is stored; begin with llms arena run")
        for model in models:
            show_progress(judging.judge(store, model, battles, flags["retry_failed"]))
    _summary(flags["source"], flags["as_json"])


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
    reports = judging.judge_reports(battles)
    if as_json:
        print_json(map(_report_json, reports))
        return
    click.echo(several(len(battles), "battle"))
    for reason, count in Counter(filter(None, map(problem_of, battles))).items():
        click.echo(f"{count} of them cannot count: {reason}")
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
