"""`llms chat` and `llms ask`: talk to a model in the terminal, or from a script."""

import contextlib
import json
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.prompt import Prompt
from rich.text import Text

from ..errors import LlmsError, UsageError
from . import given
from .output import console

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
EXIT = {"budget": 3, "strict": 4, "waiting": 5}


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

    Exit status: 0 answered, 1 the model failed, 2 wrong usage, 3 budget, 4 refused by the policy, 5 a tool needs approval.
    """
    text = given.question(words, template, parameters)
    wanted = given.schema(schema) if schema else None
    with _open({**how, "schema": wanted}) as chat:
        if explain:
            return _explain(chat, text, how["files"])
        for one in chat.recalled(text):
            click.echo(f"llms: told from memory ({one.fact.id}): {one.fact.text}", err=True)
        events = chat.send(text, how["files"], confirmed=True)
        status = _print_json(events) if as_json else _print(chat, events)
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
            for one in talk.recalled(text):
                out.print(Text(f"told from memory ({one.fact.id}): {one.fact.text}", style="dim"))
            _answer(out, talk, talk.send(text, files, confirmed=True))
            files.clear()
    finally:
        talk.close()


def _command(out: Console, talk: Any, text: str, files: list[str], how: dict[str, Any]) -> tuple[Any, bool]:
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
                _answer(out, talk, talk.edit(last.id, rest or Prompt.ask("new wording", console=out)))
            case "/again":
                _answer(out, talk, talk.regenerate())
            case "/more":
                _answer(out, talk, talk.carry_on())
            case "/saw":
                _saw(out, talk)
            case "/list":
                for one in talk.store.all(limit=20):
                    out.print(Text(f"{one.id}  {one.updated[:16]}  {one.title}"))
    except LlmsError as error:
        out.print(Text(str(error), style="red"))
    return talk, True


def _open(how: dict[str, Any]) -> Any:
    from ..models.default import for_chats
    from ..workbench.chat import Chat

    stored = "last" if how.get("last") else how.get("conversation")
    prompt = how.get("system")
    return Chat(
        how.get("model") or (None if stored else for_chats()),
        tools=tuple(how.get("tools") or ()),
        system=given.text_of(prompt) if prompt else None,
        id=stored,
        policy=how.get("policy"),
        approve=how.get("approve") or "ask",
        max_tokens=how.get("max_tokens"),
        temperature=how.get("temperature"),
        seed=how.get("seed"),
        schema=how.get("schema"),
        budget=given.money(how.get("budget")),
        ephemeral=bool(how.get("no_store")),
        memory=bool(how.get("memory")),
    )


def _answer(out: Console, talk: Any, events: Iterator[Any]) -> None:
    """Show an answer while it comes; Ctrl-C stops it and keeps what came. Tools that act are asked about."""
    while True:
        waiting = _show(out, events)
        if not waiting:
            return
        events = talk.decide({event.tool_call: _decide(out, event) for event in waiting})


def _show(out: Console, events: Iterator[Any]) -> list[Any]:
    """The calls that wait for a decision; none once the answer is whole."""
    from rich.markdown import Markdown

    from ..chat.events import (
        ApprovalNeeded,
        Notice,
        ReasoningDelta,
        RunFinished,
        TextDelta,
        ToolCallReady,
        ToolFinished,
    )

    waiting: list[Any] = []
    text = ""
    before = signal.getsignal(signal.SIGINT)
    try:
        with Live(console=out, refresh_per_second=12, vertical_overflow="visible", transient=False) as live:
            for event in events:
                match event:
                    case TextDelta():
                        text += event.text
                        live.update(Markdown(text))
                    case ReasoningDelta():
                        pass
                    case ToolCallReady():
                        live.console.print(
                            Text(f"{event.name} {json.dumps(event.args, ensure_ascii=False)}", style="cyan")
                        )
                    case ToolFinished():
                        live.console.print(Text(f"  {event.outcome}: {event.text[:300]}", style="dim"))
                    case ApprovalNeeded():
                        waiting.append(event)
                    case Notice():
                        live.console.print(Text(event.text, style="yellow"))
                    case RunFinished() if event.state == "failed":
                        live.console.print(Text(event.text or "the answer failed", style="red"))
    except KeyboardInterrupt:
        close = getattr(events, "close", None)
        if close is not None:
            close()
        out.print(Text("stopped; what came is kept", style="dim"))
    finally:
        signal.signal(signal.SIGINT, before)
    return waiting


def _decide(out: Console, event: Any) -> Any:
    from ..chat.consent import Decision

    if not sys.stdin.isatty():
        return Decision(False, reason="nobody is there to ask")
    if event.sources:
        out.print(Text(f"untrusted text was read: {', '.join(event.sources)}", style="yellow"))
    out.print(Text(f"{event.name} ({event.kind}) {json.dumps(event.args, ensure_ascii=False)}", style="bold"))
    said = Prompt.ask(
        "run it? (y)es, (c)onversation, (e)dit, (n)o", choices=["y", "c", "e", "n"], default="n", console=out
    )
    if said == "n":
        return Decision(False)
    args = None
    if said == "e":
        try:
            args = json.loads(Prompt.ask("arguments as JSON", console=out))
        except ValueError as error:
            out.print(Text(f"no JSON: {error}; denied", style="red"))
            return Decision(False)
    return Decision(True, "conversation" if said == "c" else "once", args)


def _print(chat: Any, events: Iterable[Any]) -> int:
    """Plain text as it comes, thinking and notices to standard error; the exit status."""
    from ..chat.events import ApprovalNeeded, Notice, ReasoningDelta, RunFinished, TextDelta

    status, ended = 1, False
    for event in events:
        match event:
            case TextDelta():
                click.echo(event.text, nl=False)
                ended = event.text.endswith("\n")
            case ReasoningDelta():
                click.echo(event.text, nl=False, err=True)
            case Notice():
                click.echo(f"llms: {event.text}", err=True)
            case ApprovalNeeded():
                args = json.dumps(event.args, ensure_ascii=False)
                click.echo(f"llms: {event.name} {args} needs approval; give --approve all, or use llms chat", err=True)
                status = EXIT["waiting"]
            case RunFinished():
                status = 0 if event.state == "finished" else EXIT.get(event.reason, 1)
                if event.state == "failed" and event.text:
                    click.echo(f"llms: {event.text}", err=True)
    if not ended:
        click.echo()
    return status


def _print_json(events: Iterable[Any]) -> int:
    from ..chat.events import ApprovalNeeded, RunFinished, to_json

    status = 1
    for event in events:
        click.echo(to_json(event))
        if isinstance(event, ApprovalNeeded):
            status = EXIT["waiting"]
        elif isinstance(event, RunFinished):
            status = 0 if event.state == "finished" else EXIT.get(event.reason, 1)
    return status


def _explain(chat: Any, text: str, files: Iterable[str]) -> None:
    from ..chat.messages import index

    fitted = chat.explain(text, list(files))
    report = fitted.report
    click.echo(f"{report.count} of {report.budget} tokens ({report.grade}); nothing is sent")
    for message in fitted.payload.messages:
        for part in index(message):
            click.echo(f"\n[{part.kind}]\n{part.text}")
    for fate in report.fates:
        if fate.what != "sent":
            click.echo(f"{fate.what}: message {fate.node}, {fate.tokens} tokens {fate.why}".rstrip())


def _saw(out: Console, talk: Any) -> None:
    from ..chat.messages import index
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
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        readline.write_history_file(path)
        path.chmod(0o600)
