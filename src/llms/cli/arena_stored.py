"""`llms arena list`, `show`, `undo`, `import`, `export`, `rm`: the battles that are stored."""

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import TextIO

import click
from rich.text import Text

from .. import settings
from ..arena.battle import Battle, Style
from ..errors import UsageError
from ..store.battles import USER, AnswerFacts, Battles, StoredBattle
from ..values import Json, several
from ..workbench.arena import battles as verbs
from ..workbench.arena.imports import import_votes as take_in
from ..workbench.arena.imports import remove_source
from .output import console, print_json, table, visible

SHOWN = 60  # characters of a question in a list
_JSON = click.option("--json", "as_json", is_flag=True, help="One object a line.")
_SOURCE = click.option("--source", help="Only those of this source, such as vote, web, or an import's name.")
_FIELDS = ("length", "headers", "lists", "bolds")
COLUMNS = (
    "id", "model_a", "model_b", "winner", "judge", "judge_kind", "prompt", "anonymous", "created", "problem",
    *(f"{field}_{side}" for side in "ab" for field in _FIELDS),
)  # fmt: skip


@click.command("list")
@_SOURCE
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="The latest so many.")
@_JSON
def list_battles(source: str | None, limit: int, as_json: bool) -> None:
    """List the stored battles, the latest last, with the votes on them."""
    with Battles(settings.database()) as store:
        shown, sources = store.all(source, limit), store.sources()
    if as_json:
        print_json(map(_battle_json, shown))
        return
    if not shown:
        click.echo("no battle is stored; begin with: llms arena vote -m MODEL -m MODEL")
        return
    rows = table("battle", "source", "model a", "model b", "votes", "question")
    for battle in shown:
        votes = ", ".join(f"{vote.judge}: {vote.winner}" for vote in battle.votes) or "none"
        question = visible(battle.question[: SHOWN + 1])
        cells = [Text(text) for text in (battle.source, *battle.models, f"{votes}{_mark(battle)}")]
        rows.add_row(battle.id, *cells, Text(question if len(question) <= SHOWN else f"{question[:SHOWN]}…"))
    console().print(rows)
    for name, (count, voted) in sources.items():
        click.echo(f"{name}: {several(count, 'battle')}, {several(voted, 'vote')}")


@click.command()
@click.argument("battle")
@_JSON
def show(battle: str, as_json: bool) -> None:
    """Show one BATTLE (its id, a beginning of it, or `last`): question, answers, votes, what judges replied."""
    with Battles(settings.database()) as store:
        one = store.get(store.find(battle))
    if as_json:
        print_json([{**_battle_json(one), "a": _answer_json(one.answer_a), "b": _answer_json(one.answer_b)}])
        return
    out = console()
    out.print(Text(one.question, style="bold"))
    for name, answer in zip(one.models, one.answers, strict=True):
        out.rule(Text(name), align="left")
        if answer is not None:
            out.print(Text(answer.error or answer.text or "(its text is not stored)"))
    out.rule(Text(f"battle {one.id}, {one.source}, {one.created[:16].replace('T', ' ')}"), align="left")
    for vote in one.votes:
        out.print(Text(f"{vote.judge}: {vote.winner}"))
    if not one.votes:
        out.print("no vote")
    if problem := verbs.problem_of(one):
        out.print(Text(f"votes on it do not count: {problem}", style="yellow"))
    for judge, replies in one.replies.items():
        for order, reply in replies.items():
            out.rule(Text(f"{judge}, shown {order}: {reply.winner or 'no verdict'}"), align="left")
            out.print(Text(reply.error or reply.text), style="dim")


@click.command()
def undo() -> None:
    """Take your last vote back. You have seen the names, so that another vote on the same battle is not blind."""
    vote = verbs.undo()
    click.echo(f"took back: {vote.winner} on {vote.battle}" if vote else f"there is no vote of {USER!r} to take back")


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--source", help="The name under which it is stored (default: the file's).")
@click.option("--judge", default="", help="The column with the verdicts, or the one judge, where there are several.")
@click.option("--dry-run", is_flag=True, help="Say how the file is understood; store nothing.")
def import_votes(file: Path, source: str | None, judge: str, dry_run: bool) -> None:
    """Take in a FILE of votes: CSV, JSON or JSON Lines with the columns model_a (or left), model_b (or right) and winner
    (a, b, tie or both_bad), and perhaps judge, prompt, anonymous, created. The same file is taken in once.

    \b
    llms arena import crowd.csv --source crowd --dry-run
    llms arena import crowd.csv --source crowd
    llms arena rm crowd
    """
    report = take_in(file, source, judge, dry_run)
    winners = ", ".join(f"{count} {winner}" for winner, count in report.winners.items())
    click.echo(
        f"{several(report.votes, 'vote')} ({winners}) on {several(report.models, 'model')}, "
        f"{several(report.judges, 'judge')}, {several(report.prompts, 'prompt')}"
    )
    for reason, count in report.problems.items():
        click.echo(f"{count} of them must not count: {reason}")
    if report.already:
        click.echo(f"stored before, as {report.already}; nothing changed")
    else:
        click.echo(
            "nothing is stored" if dry_run else f"stored as {report.source}; llms arena rm {report.source} removes it"
        )


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), help="Default: as the file's name ends, else csv."
)
@_SOURCE
def export(file: Path | None, form: str | None, source: str | None) -> None:
    """Write every vote to FILE, or standard output, in the form that `llms arena rate` and `import` read."""
    votes = verbs.stored(source)
    if not votes:
        raise UsageError(f"there is no vote{f' of the source {source}' if source else ''} to export")
    lines = form == "jsonl" or (form is None and file is not None and file.suffix == ".jsonl")
    if file is None:
        _write(sys.stdout, votes, lines)
        return
    with file.open("w", encoding="utf-8", newline="") as out:
        _write(out, votes, lines)
    click.echo(f"wrote {several(len(votes), 'vote')} to {file}")


@click.command()
@click.argument("source")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(source: str, yes: bool) -> None:
    """Remove all battles of a SOURCE with their votes, answers and conversations; this cannot be undone."""
    if not yes:
        click.confirm(f"remove every battle of {source}, with all votes and answers?", abort=True)
    click.echo(f"removed {several(remove_source(source), 'battle')} of {source}")


def _write(out: TextIO, votes: list[Battle], lines: bool) -> None:
    rows = map(_row, votes)
    if lines:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _row(vote: Battle) -> Mapping[str, Json]:
    styles = [_style(style, side) for style, side in ((vote.style_a, "a"), (vote.style_b, "b"))]
    return {
        "id": vote.id, "model_a": vote.model_a, "model_b": vote.model_b, "winner": vote.winner, "judge": vote.judge,
        "judge_kind": vote.judge_kind, "prompt": vote.prompt, "anonymous": str(vote.anonymous).lower(),
        "created": vote.created, "problem": vote.problem, **styles[0], **styles[1],
    }  # fmt: skip


def _style(style: Style | None, side: str) -> dict[str, Json]:
    return {f"{field}_{side}": value for field, value in zip(_FIELDS, astuple(style), strict=True)} if style else {}


def _battle_json(battle: StoredBattle) -> dict[str, Json]:
    votes: list[Json] = [
        {
            "judge": vote.judge, "judge_kind": vote.kind, "winner": vote.winner, "created": vote.created,
            "anonymous": battle.anonymous and not vote.named,
        }
        for vote in battle.votes
    ]  # fmt: skip
    return {
        "battle": battle.id, "created": battle.created, "source": battle.source, "question": battle.question,
        "prompt": battle.prompt, "model_a": battle.model_a, "model_b": battle.model_b, "votes": votes,
        "problem": verbs.problem_of(battle),
    }  # fmt: skip


def _answer_json(answer: AnswerFacts | None) -> Json:
    if answer is None:
        return None
    return {
        "text": answer.text, "tokens": answer.tokens, "characters": answer.characters, "headers": answer.headers,
        "lists": answer.lists, "bolds": answer.bolds, "finish": answer.finish, "error": answer.error,
        "leaks": answer.leaks, "seconds": answer.seconds,
    }  # fmt: skip


def _mark(battle: StoredBattle) -> str:
    problem = verbs.problem_of(battle)
    return f" ({problem})" if problem and battle.votes else ""
