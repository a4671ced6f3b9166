"""`llms memory`: the facts that are remembered from one conversation to the next."""

from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.text import Text

from ..agents.memory import Fact
from ..workbench import memory as verb
from .output import console, print_json, table

_JSON = click.option("--json", "as_json", is_flag=True, help="One object a line.")


@click.group(invoke_without_command=True)
@_JSON
@click.pass_context
def memory(context: click.Context, as_json: bool) -> None:
    """List what is remembered, the newest first. Models are told only where --memory is given.

    \b
    llms memory add "I work in metric units"
    llms memory search units
    llms chat --memory
    """
    if context.invoked_subcommand:
        return
    with verb.open_memory() as store:
        _show(store.facts(), as_json, 'nothing is remembered; begin with: llms memory add "…"')


@memory.command()
@click.argument("text")
@click.option(
    "--scope", default="global", show_default=True, help="global, project:NAME, conversation:ID or role:NAME."
)
@click.option("--kind", default="preference", show_default=True, help="preference, identity, project fact, lesson or procedure.")  # fmt: skip
@click.option("--key", default="", help="What it is a value of, such as user/name; a new value replaces the old one.")
def add(text: str, scope: str, kind: str, key: str) -> None:
    """Remember TEXT, one statement. Passwords, keys and card numbers are refused."""
    with verb.open_memory() as store:
        click.echo(verb.add(store, text, scope, kind, key))


@memory.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--scope", "scopes", multiple=True, help="Besides global; may be given again.")
@_JSON
def search(words: tuple[str, ...], scopes: tuple[str, ...], as_json: bool) -> None:
    """Show what a model would be told with a question of these WORDS."""
    with verb.open_memory() as store:
        hits = verb.recalled(store, " ".join(words), scopes)
        _show([hit.fact for hit in hits], as_json, f"no fact matches “{' '.join(words)}”; llms memory lists all")


@memory.command()
@click.argument("id")
def accept(id: str) -> None:
    """Believe a proposal."""
    with verb.open_memory() as store:
        click.echo(verb.accept(store, id))


@memory.command()
def undo() -> None:
    """Take back what was remembered last; what it replaced is believed again."""
    with verb.open_memory() as store:
        click.echo(verb.undo(store))


@memory.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(ids: tuple[str, ...], yes: bool) -> None:
    """Forget facts for good."""
    with verb.open_memory() as store:
        texts = [f"“{store.fact(id).text}”" for id in ids]
        if not (yes or click.confirm(f"forget {', '.join(texts)}?")):
            return click.echo("nothing was forgotten")
        for notice in verb.forget(store, ids):
            click.echo(notice)


def _show(facts: Sequence[Fact], as_json: bool, none: str) -> None:
    """A table of facts, or the sentence `none`."""
    if as_json:
        return print_json(asdict(fact) for fact in facts)
    if not facts:
        return click.echo(none)
    rows = table("id", "fact", "state", "scope", "from", "since", "uses", right=("uses",))
    for fact in facts:
        rows.add_row(fact.id, Text(fact.text), fact.state, Text(fact.scope), Text(fact.source), fact.created[:10], str(fact.uses))  # fmt: skip
    console().print(rows)
