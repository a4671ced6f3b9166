"""`llms presets`: what chats are asked with, under a name."""

from typing import TYPE_CHECKING

import click
from rich.text import Text

from ..chat.chat_settings import HOTTEST, POLICIES, ChatSettings
from ..store.presets import Preset
from ..workbench import presets as verb
from .arguments import text_of
from .finite import FiniteRange
from .output import console, print_json, table, visible

if TYPE_CHECKING:
    from ..chat.chat_settings import PolicyName

_JSON = click.option("--json", "as_json", is_flag=True, help="One object a line.")
NOTHING = "no preset is kept; make one with: llms presets save NAME -s 'Answer in one sentence.' --temperature 0"


@click.group(invoke_without_command=True)
@click.pass_context
def presets(context: click.Context) -> None:
    """List the presets: a model, a system prompt, tools and sampling under a name. The chat page has the same ones.

    \b
    llms presets save brief -s "Answer in one sentence." --temperature 0
    llms ask --preset brief "What is a token?"
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@presets.command("list")
@_JSON
def list_(as_json: bool = False) -> None:
    """List the presets."""
    listed = verb.presets()
    if as_json:
        return print_json(map(_to_json, listed))
    if not listed:
        return click.echo(NOTHING)
    rows = table("name", "model", "says", "changed")
    for one in listed:
        rows.add_row(Text(one.name), one.settings.model or "the default", Text(_said(one.settings)), one.updated[:10])
    console().print(rows)


@presets.command()
@click.argument("name")
@_JSON
def show(name: str, as_json: bool) -> None:
    """Show what the preset NAME says; what it does not say stays as it is elsewhere."""
    one = verb.preset(name)
    if as_json:
        return print_json([_to_json(one)])
    for field, value in one.settings.to_json().items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        click.echo(f"{field.replace('_', ' '):12} {text}")


@presets.command()
@click.argument("name")
@click.option("-m", "--model", help="The model; without it the default one, or the conversation's own.")
@click.option("-s", "--system", help="A system prompt, or @FILE.")
@click.option("--tool", "tools", multiple=True, help="A tool the model may call; may be given again.")
@click.option("--policy", type=click.Choice(POLICIES), help="What to do when the window is full.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Of an answer.")
@click.option("--temperature", type=FiniteRange(0, HOTTEST), help="0 is greedy.")
@click.option("--seed", type=int, help="Of sampling.")
@click.option("--memory/--no-memory", default=None, help="Whether the model is told the remembered facts that matter.")
def save(
    name: str,
    model: str | None,
    system: str | None,
    tools: tuple[str, ...],
    policy: "PolicyName | None",
    max_tokens: int | None,
    **sampling: float | None,
) -> None:
    """Keep these settings under NAME, in the place of earlier ones."""
    prompt = text_of(system) if system is not None else None
    chosen = ChatSettings(model, prompt, tools or None, policy=policy, max_tokens=max_tokens)
    one = verb.save(name, chosen.changed({field: value for field, value in sampling.items() if value is not None}))
    click.echo(f"{one.name}: {_said(one.settings) or 'says nothing yet'}")


@presets.command()
@click.argument("name")
def delete(name: str) -> None:
    """Delete the preset NAME. Conversations that took it keep what it said."""
    verb.delete(name)
    click.echo(f"deleted {name}")


def _to_json(one: Preset) -> dict[str, object]:
    return {"name": one.name, **one.settings.to_json(), "updated": one.updated}


def _said(settings: ChatSettings) -> str:
    """All but the model, in one line."""
    words = []
    for field, value in settings.to_json().items():
        if field == "system":
            words.append(f"“{_cut(visible(str(value)))}”")
        elif field == "tools" and isinstance(value, list):
            words.append(", ".join(map(str, value)) or "no tools")
        elif field != "model":
            words.append(f"{field.replace('_', ' ')} {value}")
    return "; ".join(words)


def _cut(text: str, longest: int = 60) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
