"""The answer of `llms choose` on a terminal: one sentence, the table, why who is out, what would separate the rest."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from shlex import quote

import click
from rich.table import Table
from rich.text import Text

from ..arena.choose.job import Candidate, Choice, ChoiceJob
from ..errors import UsageError
from ..models.name import parse
from ..workbench.choose.choose import choose, go
from ..workbench.choose.differing import differing
from ..workbench.evaluate import Progress
from .evaluate import show_progress
from .output import console, dollars, interval, percent, print_json, size, table, visible

BAR = 16  # cells of the bar of an interval
NUMBERS = ("score", "95 % interval", "n", "first in", "$/task", "s/task", "memory")


def run(job: ChoiceJob, measure: bool, budget: float | None, show_items: int, as_json: bool) -> None:
    """Answer, after measuring where asked to, and show it. Exits with 1 where nobody can be chosen."""
    choice = measured(job, budget) if measure else choose(job)
    if as_json:
        print_json([choice.to_json()])
    else:
        show(choice, show_items)
    if not choice.chosen and not choice.plan:
        sys.exit(1)


def measured(job: ChoiceJob, budget: float | None) -> Choice:
    """The answer after measuring under a progress bar."""
    answers: list[Choice] = []

    def events() -> Iterator[Progress]:
        for event in go(job, budget):
            if isinstance(event, Choice):
                answers.append(event)
            else:
                yield event

    show_progress(events())
    return answers[-1]


def show(choice: Choice, show_items: int = 0) -> None:
    out = console()
    out.print(Text(choice.sentence, style="bold"), soft_wrap=True)
    out.print(_table(choice))
    for candidate in choice.candidates:
        for reason in candidate.reasons:
            out.print(Text(f"{candidate.system}: {reason}", style="dim"), soft_wrap=True)
    for line in _by_hand(choice):
        out.print(Text(line, style="dim"), soft_wrap=True)
    for item in differing(choice, show_items):
        out.print(
            Text(f"{item.item}: {visible(item.prompt)} (right: {visible(item.target)})", style="dim"), soft_wrap=True
        )
        for system, answer, score in item.answers:
            out.print(Text(f"  {system} {score:g}: {visible(answer)}", style="dim"), soft_wrap=True)
    if choice.separating:
        out.print(Text(_separating(choice)), soft_wrap=True)
    for note in choice.notes:
        out.print(Text(note, style="dim"), soft_wrap=True)
    if choice.plan:
        _show_plan(choice)
    if choice.command:
        out.print(Text("use it:  ") + Text(choice.command, style="bold") + Text(_served(choice)), soft_wrap=True)


def _served(choice: Choice) -> str:
    """How programs reach the chosen model, if it is a checkpoint here."""
    with suppress(UsageError):
        if parse(choice.chosen[0]).provider in ("smollm2", "hf"):
            return f"    for programs:  llms serve {quote(choice.chosen[0])}"
    return ""


def _table(choice: Choice) -> Table:
    measured = [c for c in choice.candidates if c.value is not None]
    shown = [name for name in NUMBERS if any(_cell(c, name) for c in choice.candidates)]
    rows = table("", "system", *(["95 %"] if measured else []), *shown, "fits", "allowed", right=shown)
    words = {True: "yes", False: "no", None: "?"}
    for c in choice.candidates:
        mark = "→" if c.system in choice.chosen else ""
        bar = [_bar(c)] if measured else []
        style = "bold" if c.system in choice.chosen else "dim"
        cells = [_cell(c, name) for name in shown]
        rows.add_row(mark, Text(c.system), *bar, *cells, words[c.fits], words[c.allowed], style=style)
    return rows


def _cell(c: Candidate, name: str) -> str:
    if name == "score":
        return "" if c.value is None else percent(c.value)
    if name == "95 % interval":
        return interval(c.low, c.high)
    if name == "n":
        return str(c.n) if c.n else ""
    if name == "first in":
        return "" if c.chosen_share is None else f"{100 * c.chosen_share:.0f} %"
    if name == "$/task":
        return "" if c.cost is None else dollars(c.cost)
    if name == "s/task":
        return "" if c.seconds is None else f"{c.seconds:.2f}"
    return "" if c.memory_bytes is None else size(c.memory_bytes)


def _bar(c: Candidate) -> Text:
    """0 to 100 % in one line: the interval, with the score in it."""
    if c.value is None:
        return Text("")
    cells = ["·"] * BAR
    low, high = c.low if c.low is not None else c.value, c.high if c.high is not None else c.value
    for cell in range(_at(low), _at(high) + 1):
        cells[cell] = "━"
    cells[_at(c.value)] = "●"
    return Text("".join(cells))


def _at(value: float) -> int:
    return min(BAR - 1, max(0, int(value * BAR)))


def _by_hand(choice: Choice) -> Iterator[str]:
    """Lines by which a reader can check the comparison: on how many items only one of two was right."""
    best = next((c for c in choice.candidates if c.details.get("best")), None)
    for c in choice.candidates:
        d = c.details
        if best is None or d.get("best") is not False or c.system not in choice.chosen:
            continue  # of those that are out the reason says it
        yield (
            f"{c.system} against {best.system}: {100 * float(str(d['difference'])):+.1f} points "
            f"[{100 * float(str(d['difference_low'])):+.1f}, {100 * float(str(d['difference_high'])):+.1f}]; of {d['common']} "
            f"items it alone was ahead on {d['only_this']}, the other on {d['only_best']}"
        )
    if choice.optimism is not None and best is not None and best.value is not None:
        corrected = best.value - choice.optimism
        yield f"as the best of several, {best.system} may look better than it is; expect {percent(corrected)} of new items"


def _separating(choice: Choice) -> str:
    separating = choice.separating
    assert separating is not None
    price = "" if separating.dollars is None else f" for {dollars(separating.dollars)}"
    time = "" if separating.seconds is None else f", {_time(separating.seconds)}"
    return f"to separate the rest: {separating.sentence}; all of it{price}{time}"


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _show_plan(choice: Choice) -> None:
    rows = table("to measure", "system", "items", "at most", "time", right=("items", "at most", "time"))
    for step in choice.plan:
        time = "unknown" if step.seconds is None else _time(step.seconds)
        rows.add_row(step.benchmark, Text(step.system), str(step.items), dollars(step.dollars), time)
    console().print(rows)
    click.echo("to measure it step by step, until the answer is clear: the same command with --go")
