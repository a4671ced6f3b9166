"""`llms chat` and `llms ask`: talk to a model in the terminal, or from a script."""

import contextlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.prompt import Prompt
from rich.text import Text

from ..errors import LlmsError, UsageError
from . import arguments
from .answering import INTERRUPTED, answer, print_json, print_plain
from .output import console

if TYPE_CHECKING:
    from ..workbench.chat import Chat

COMMANDS = {
    "/help": "this list",
    "/new": "begin a new conversation",
    "/model NAME": "go on with another model",
    "/attach FILE": "send a file along with the next message",
    "/edit": "write the last message anew, on a branch of its own",
    "/again": "another answer beside the last one",
    "/more": "go on with an answer that was cut short",
    "/saw": "what the model was sent for the last answer",
    "/list": "conversations; /open ID goes on with one",
    "/quit": "end (Ctrl-D, too)",
}


def _options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("-m", "--model", help="The model; a stored conversation remembers its own (default: gguf:smollm2, or smollm2 where there is no llama.cpp)."),
            click.option("-s", "--system", help="A system prompt, or @FILE."),
            click.option("-a", "--attach", "files", multiple=True, type=click.Path(exists=True, dir_okay=False), help="A file to send along; may be given again."),
            click.option("-c", "--continue", "last", is_flag=True, help="Go on with the last conversation."),
            click.option("--conversation", metavar="ID", help="Go on with this conversation."),
            click.option("--tool", "tools", multiple=True, help="A tool the model may call, such as calculator; may be given again."),
            click.option("--approve", type=click.Choice(["ask", "never", "all"]), default="ask", show_default=True, help="What happens to tools that act."),
            click.option("--policy", type=click.Choice(["truncate", "summarise", "strict"]), help="What to do when the window is full."),
            click.option("--max-tokens", type=click.IntRange(min=1), help="Of an answer."),
            click.option("--temperature", type=click.FloatRange(min=0)),
            click.option("--seed", type=int),
            click.option("--budget", help="At most so much money, in US dollars."),
            click.option("--memory", is_flag=True, help="Tell the model the remembered facts that matter; they are shown first (llms memory)."),
            click.option("--no-store", is_flag=True, help="Keep nothing on disk."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@click.argument("words", nargs=-1)
@_options
@click.option(
    "-t", "--template", type=click.Path(exists=True, dir_okay=False), help="A file with {names}; -p gives their values."
)
@click.option("-p", "--param", "parameters", multiple=True, metavar="NAME=VALUE")
@click.option("--schema", help="A JSON schema that the answer obeys, or a file that holds one.")
@click.option("--json", "as_json", is_flag=True, help="One event a line.")
@click.option("--explain", is_flag=True, help="Show what would be sent, and send nothing.")
def ask(words, template, parameters, schema, as_json, explain, **how) -> None:
    """Ask once: WORDS, what comes in by standard input, or both. The answer goes to standard output as it comes.

    \b
    llms ask "What is a token?"
    cat notes.txt | llms ask "Summarise this in two sentences" -m openai:gpt-5-mini
    llms ask -c "And in French?"

    Ctrl-C stops the answer and keeps what came. Exit status: 0 answered, 1 the model failed, 2 wrong usage, 3 budget,
    4 refused by the policy, 5 a tool needs approval, 130 stopped.
    """
    text = arguments.question(words, template, parameters)
    wanted = arguments.schema(schema) if schema else None
    with _open({**how, "schema": wanted}) as chat:
        if explain:
            return _explain(chat, text, how["files"])
        for one in chat.recalled(text):
            click.echo(f"llms: told from memory ({one.fact.id}): {one.fact.text}", err=True)
        events = chat.send(text, how["files"], confirmed=True)
        try:
            status = print_json(chat, events) if as_json else print_plain(chat, events)
        except KeyboardInterrupt:
            click.echo("\nllms: interrupted; what came is kept", err=True)
            status = INTERRUPTED
        if wanted and status == 0 and not _is_json(chat.answer):
            click.echo("llms: the answer is no JSON: it was cut, or the model does not follow schemas", err=True)
            status = 1
        sys.exit(status)


@click.command()
@_options
def chat(**how) -> None:
    """Talk to a model. Enter sends; a line that ends in \\ goes on; /help lists the commands; Ctrl-C stops an answer."""
    out = console()
    files = list(how.pop("files"))
    talk = _open({**how, "files": ()})
    talk.model.prepare()
    out.print(
        Text(f"{talk.model.name.text}, conversation {talk.id}; /help lists the commands, Ctrl-D ends", style="dim")
    )
    _history()
    try:
        while True:
            try:
                text = _read()
            except EOFError:
                break
            except KeyboardInterrupt:
                out.print()
                continue
            if not text.strip():
                continue
            if text.startswith("/") and text.split()[0] in {name.split()[0] for name in COMMANDS}:
                talk, going = _command(out, talk, text, files, how)
                if not going:
                    break
                continue
            try:
                for one in talk.recalled(text):
                    out.print(Text(f"told from memory ({one.fact.id}): {one.fact.text}", style="dim"))
                answer(out, talk, talk.send(text, files, confirmed=True))
                files.clear()
            except LlmsError as error:
                out.print(Text(str(error), style="red"))
            except KeyboardInterrupt:
                out.print()
    finally:
        talk.close()


def _command(out: Console, talk: "Chat", text: str, files: list[str], how: dict[str, Any]) -> tuple["Chat", bool]:
    """(the conversation to go on with, whether to go on)."""
    name, _, rest = text.strip().partition(" ")
    try:
        match name:
            case "/quit":
                return talk, False
            case "/help":
                for command, what in COMMANDS.items():
                    out.print(Text(f"{command:14} {what}"))
            case "/new" | "/model" | "/open":
                chosen = {"/model": {"model": rest, "conversation": talk.id}, "/open": {"conversation": rest}}.get(
                    name, {}
                )
                opened = _open({**how, "files": (), "last": False, "conversation": None, **chosen})
                talk.close()
                talk = opened
                talk.model.prepare()
                out.print(Text(f"{talk.model.name.text}, conversation {talk.id}", style="dim"))
            case "/attach":
                if not Path(rest).is_file():
                    raise UsageError(f"{rest} is no file")
                files.append(rest)
            case "/edit":
                last = next((n for n in reversed(talk.path) if n.role == "user"), None)
                if last is None:
                    raise UsageError("nothing has been said yet")
                answer(out, talk, talk.edit(last.id, rest or Prompt.ask("new wording", console=out)))
            case "/again":
                answer(out, talk, talk.regenerate())
            case "/more":
                answer(out, talk, talk.carry_on())
            case "/saw":
                _saw(out, talk)
            case "/list":
                for one in talk.store.all(limit=20):
                    out.print(Text(f"{one.id}  {one.updated[:16]}  {one.title}"))
    except LlmsError as error:
        out.print(Text(str(error), style="red"))
    except (KeyboardInterrupt, EOFError):  # at a question of the command, or while a model was loaded
        out.print()
    return talk, True


def _open(how: dict[str, Any]) -> "Chat":
    from ..models.default import for_chats
    from ..workbench.chat import Chat

    stored = "last" if how.get("last") else how.get("conversation")
    prompt = how.get("system")
    return Chat(
        how.get("model") or (None if stored else for_chats()),
        tools=tuple(how.get("tools") or ()),
        system=arguments.text_of(prompt) if prompt else None,
        id=stored,
        policy=how.get("policy"),
        approve=how.get("approve") or "ask",
        max_tokens=how.get("max_tokens"),
        temperature=how.get("temperature"),
        seed=how.get("seed"),
        schema=how.get("schema"),
        budget=arguments.money(how.get("budget")),
        ephemeral=bool(how.get("no_store")),
        memory=bool(how.get("memory")),
    )


def _explain(chat: "Chat", text: str, files: Iterable[str]) -> None:
    from ..chat.conversation.messages import index

    fitted = chat.explain(text, list(files))
    report = fitted.report
    click.echo(f"{report.count} of {report.budget} tokens ({report.grade}); nothing is sent")
    for message in fitted.payload.messages:
        for part in index(message):
            click.echo(f"\n[{part.kind}]\n{part.text}")
    for fate in report.fates:
        if fate.what != "sent":
            click.echo(f"{fate.what}: message {fate.node}, {fate.tokens} tokens {fate.why}".rstrip())


def _saw(out: Console, talk: "Chat") -> None:
    from ..chat.conversation.messages import index
    from ..store import chat_runs

    last = next((node for node in reversed(talk.path) if node.role == "assistant"), None)
    for call in chat_runs.calls(talk.store, node=last.id) if last else []:
        out.print(Text(f"{call.model}, {call.purpose}: {call.counted} tokens ({call.grade})", style="bold"))
        for message in call.messages:
            for part in index(message):
                out.print(Text(f"[{part.kind}] ", style="dim") + Text(part.text))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _read() -> str:
    """One message; a line that ends in a backslash goes on in the next one."""
    lines: list[str] = []
    while True:
        line = input("… " if lines else "> ")
        if not line.endswith("\\"):
            return "\n".join([*lines, line])
        lines.append(line[:-1])


def _history() -> None:
    """Lines of earlier sessions by the arrow keys, where the terminal can."""
    try:
        import atexit
        import readline
    except ImportError:
        return
    from .. import settings

    path = settings.home() / "chat_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(1000)
    atexit.register(_keep_history, readline, path)


def _keep_history(readline: Any, path: Path) -> None:
    from .. import settings

    with contextlib.suppress(OSError):
        readline.write_history_file(settings.private(path))
