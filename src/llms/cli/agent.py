"""`llms agent`: a team works on a goal, watched as it goes."""

import json
import sys
from collections.abc import Iterable
from typing import assert_never

import click
from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from ..agents.events import (
    Began,
    Budget,
    Finished,
    Planned,
    Remembered,
    StepBegan,
    StepEnded,
    TaskChanged,
    TeamEvent,
    Written,
    from_plain,
    plain,
)
from ..agents.shipped import TEAMS
from ..agents.team import Team
from ..tools.consent import ApprovalRequest, Decision
from ..values import JsonObject
from ..workbench import agent as verb
from ..workbench.team_session import AUTONOMY, TeamSettings
from .arguments import money
from .finite import FiniteRange
from .option_groups import DATA, MODEL, OUTPUT, RUN, GroupedCommand, option
from .output import console, print_json, table


@click.command(cls=GroupedCommand)
@click.argument("goal", required=False)
@click.argument("files", nargs=-1)
@option(MODEL, "--team", help="A shipped team; --teams lists them. The default is chosen by the files.")
@option(MODEL, "-m", "--model", help="The model of every role, instead of the team's.")
@option(DATA, "--tests", type=click.Path(exists=True, dir_okay=False), help="Assertions that the team code must pass.")
@option(
    DATA,
    "--language",
    type=click.Choice(["cpp", "rs"]),
    default="cpp",
    show_default=True,
    help="What the team port writes.",
)
@option(
    RUN,
    "--autonomy",
    type=click.Choice(AUTONOMY),
    default="ask",
    show_default=True,
    help="When tools that act may run.",
)
@option(RUN, "--tool", "tools", multiple=True, help="A tool beside the team's own, as for llms ask: image:MODEL, mcp:NAME …; may be given again.")  # fmt: skip
@option(RUN, "--calls", type=click.IntRange(min=1), help="At most so many model calls.")
@option(RUN, "--budget", help="At most so much money, in US dollars.")
@option(RUN, "--price", metavar="IN/OUT", help="US dollars per million tokens sent and answered, where no price is known.")  # fmt: skip
@option(RUN, "--seconds", type=FiniteRange(min=1), help="At most so much time.")
@option(DATA, "--memory", is_flag=True, help="Tell the team the remembered facts that matter; they are shown first (llms memory).")  # fmt: skip
@option(RUN, "--resume", metavar="RUN", help="Go on with a run that was cut off.")
@option(OUTPUT, "--replay", metavar="RUN", help="Show a stored run again (or `last`).")
@option(OUTPUT, "--runs", is_flag=True, help="List the stored runs.")
@option(OUTPUT, "--teams", is_flag=True, help="List the teams.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One event a line.")
def agent(
    goal: str | None,
    files: tuple[str, ...],
    team: str | None,
    model: str | None,
    tests: str | None,
    language: str,
    autonomy: str,
    calls: int | None,
    budget: str | None,
    price: str | None,
    seconds: float | None,
    memory: bool,
    tools: tuple[str, ...],
    resume: str | None,
    replay: str | None,
    runs: bool,
    teams: bool,
    as_json: bool,
) -> None:
    """Let a team of agents work on GOAL, with FILES to look at. It always ends with an answer, within its budget.

    \b
    llms agent "Which region sold most, and by how much?" sales.csv -m openai:gpt-5-mini
    llms agent "What do the notes say about deadlines?" ./notes --team research -m openai:gpt-5-mini
    llms agent "Make it fast" --team port program.py --language rs -m openai:gpt-5
    """
    if teams:
        return _list_teams(as_json)
    if runs:
        return _list_runs(as_json)
    if replay:
        id, events = verb.replay(replay)
        if as_json:
            return print_json({"run": id, **event} for event in events)
        click.echo(f"run {id}")
        return _show_again(events)
    if not goal and not resume:
        raise click.UsageError('say what the team should do: llms agent "goal"')
    money(budget)
    how = TeamSettings(
        team or verb.choose(files), model, tuple(files), tests, language, autonomy, calls, budget, seconds, memory, price,
        tools,
    )  # fmt: skip
    out = console()
    last: TeamEvent | None = None
    id = ""
    for id, last in verb.follow(goal or "", how, _ask, resume):
        if as_json:
            click.echo(json.dumps({"run": id, **plain(last)}, ensure_ascii=False))
        else:
            _show(out, last)
    if not as_json:
        click.echo(f"\nreplay: llms agent --replay {id}", err=True)
    sys.exit(0 if isinstance(last, Finished) and last.complete else 1)


def _ask(request: ApprovalRequest) -> Decision:
    """A person decides; where there is none, nothing that acts is run."""
    if not sys.stdin.isatty():
        return Decision(False)
    err = Console(stderr=True)
    if request.tainted:
        err.print("[yellow]text from outside was read before this[/yellow]")
    err.print(Text(f"{request.name} ({request.kind}): {json.dumps(request.args, ensure_ascii=False)}"))
    return Decision(Confirm.ask("run it?", console=err, default=False))


def _show(out: Console, event: TeamEvent) -> None:
    match event:
        case Began():
            out.print(Text(f"{event.team} ({event.pattern})", style="bold"))
        case Remembered(facts=facts):
            for fact in facts:
                out.print(Text(f"  told from memory ({fact.id}): {fact.text}", style="dim"))
        case Planned(tasks=tasks, note=note):
            for task in tasks:
                needs = f", after {', '.join(task.needs)}" if task.needs else ""
                out.print(Text(f"  plan {task.id}: {task.title} ({task.owner}{needs})"))
            if note:
                out.print(Text(f"  {note}", style="dim"))
        case TaskChanged(task=task):
            out.print(Text(f"  {task.id} {task.state}: {task.title}", style="dim"))
        case StepBegan():
            out.print(Text(f"  {event.role} …", style="dim"))
        case StepEnded(problem=problem) if problem:
            out.print(Text(f"  {event.role} failed: {problem}", style="red"))
        case StepEnded():
            out.print(Text(f"  {event.role} done in {event.seconds:.1f} s", style="dim"))
            for path in (path for use in event.used for path in use.files):
                out.print(Text(f"  saved {path}"), soft_wrap=True)
        case Written(entry=entry):
            first = entry.text.strip().splitlines()[0][:150]
            out.print(Text(f"  [{entry.id}] {entry.kind} by {entry.author}: ", style="cyan") + Text(first))
        case Finished():
            used = event.used
            cost = "unknown" if used.cost is None else f"${used.cost:.4f}"
            out.print()
            out.print(Text(event.answer))
            line = f"{event.reason}; {used.calls} model calls, {used.tool_calls} tool calls, {used.tokens} tokens, {cost}, {event.seconds:.1f} s"
            out.print(Text(line, style="dim"))
            if event.open_tasks:
                out.print(Text(f"not done: {', '.join(event.open_tasks)}", style="yellow"))
        case Budget():
            pass
        case _:
            assert_never(event)


def _show_again(events: Iterable[JsonObject]) -> None:
    """A stored run, in plain lines."""
    for stored in events:
        event = from_plain(stored)
        match event:
            case Written(entry=entry):
                click.echo(f"[{entry.id}] {entry.kind} by {entry.author}: {entry.text}")
            case Remembered(facts=facts):
                for fact in facts:
                    click.echo(f"told from memory ({fact.id}): {fact.text}")
            case Finished():
                click.echo(f"\n{event.answer}\n({event.reason}, {event.used.calls} model calls)")
            case StepBegan():
                click.echo(f"{event.role}: begins")
            case StepEnded():
                click.echo(f"{event.role}: {event.problem or 'done'}")
            case Planned(tasks=tasks, note=note):
                click.echo("plan: " + ("; ".join(f"{t.id} {t.title} ({t.owner})" for t in tasks) or note))
            case Began() | TaskChanged() | Budget() | None:
                pass
            case _:
                assert_never(event)


def _list_teams(as_json: bool) -> None:
    def row(team: Team) -> JsonObject:
        return {
            "team": team.name,
            "pattern": team.pattern,
            "about": team.about,
            "roles": [role.name for role in team.roles],
            "tools": list(team.tools),
            "calls": team.limits.calls,
        }

    if as_json:
        return print_json(row(team) for team in TEAMS.values())
    rows = table("team", "pattern", "roles", "what it does")
    for team in TEAMS.values():
        rows.add_row(team.name, team.pattern, ", ".join(role.name for role in team.roles), team.about)
    console().print(rows)


def _list_runs(as_json: bool) -> None:
    stored = verb.runs()
    if as_json:
        columns = ("id", "team", "goal", "state", "started", "answer")
        return print_json({column: getattr(run, column) for column in columns} for run in stored)
    rows = table("run", "team", "state", "when", "goal")
    for run in stored:
        rows.add_row(run.id, run.team, run.state, run.started[:16].replace("T", " "), run.goal[:60])
    console().print(rows)
