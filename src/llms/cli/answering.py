"""An answer in the terminal while it comes: shown or printed, stopped by Ctrl-C, its tool calls agreed to by a person."""

import json
import signal
import sys
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, assert_never

import click
from rich.console import Console
from rich.live import Live
from rich.prompt import Prompt
from rich.text import Text

if TYPE_CHECKING:
    from ..chat.turn.events import ApprovalNeeded, Event, RunFinished
    from ..tools.consent import Decision
    from ..workbench.chat import Chat

EXIT = {"budget": 3, "strict": 4, "waiting": 5}
INTERRUPTED = 130
STOPPED = "stopped; what came is kept"
CHOICES = {
    "y": "yes, once",
    "c": "yes, in this conversation",
    "a": "always with exactly these arguments",
    "e": "edit the arguments",
    "n": "no",
}
FAILURE = "error"  # the notice of what the end of the run says as well
LASTING = ("c", "a")  # hold for nothing once untrusted text was read
LONGEST = 300  # characters of a tool's result that are shown


@contextmanager
def stopping(talk: "Chat") -> Iterator[None]:
    """The first Ctrl-C stops the answer, which then ends like any other and is kept; one more, or one while there is no
    answer to stop, is a KeyboardInterrupt."""
    stopped = False

    def interrupted(*_: Any) -> None:
        nonlocal stopped
        if stopped or talk.turn is None or talk.turn.ended:
            raise KeyboardInterrupt
        stopped = True
        talk.stop()

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def answer(out: Console, talk: "Chat", events: "Generator[Event, None, None]") -> None:
    """Show an answer while it comes; Ctrl-C stops it and keeps what came. Tools that act are asked about."""
    try:
        while True:
            with stopping(talk):
                waiting = _show(out, events)
            if not waiting:
                return
            events = talk.decide({event.tool_call: decide(out, event) for event in waiting})
    except (KeyboardInterrupt, EOFError):
        events.close()
        out.print(Text(STOPPED, style="dim"))


def _show(out: Console, events: "Iterable[Event]") -> "list[ApprovalNeeded]":
    """The calls that wait for a decision; none once the answer is whole."""
    from rich.markdown import Markdown

    from ..chat.turn import events as told

    waiting: list[told.ApprovalNeeded] = []
    text = ""
    with Live(console=out, refresh_per_second=12, vertical_overflow="visible", transient=False) as live:
        for event in events:
            match event:
                case told.TextDelta():
                    text += event.text
                    live.update(Markdown(text))
                case told.ToolCallReady():
                    live.console.print(Text(f"{event.name} {_written(event.args)}", style="cyan"))
                case told.ToolFinished():
                    live.console.print(Text(f"  {event.outcome}: {event.text[:LONGEST]}", style="dim"))
                case told.ApprovalNeeded():
                    waiting.append(event)
                case told.Notice():
                    if event.code != FAILURE:
                        live.console.print(Text(event.text, style="yellow"))
                case told.RunFinished():
                    if event.state == "failed":
                        live.console.print(Text(event.text or "the answer failed", style="red"))
                    elif event.state == "stopped":
                        live.console.print(Text(STOPPED, style="dim"))
                case (
                    told.RunStarted()
                    | told.CallStarted()
                    | told.ReasoningDelta()
                    | told.ToolCallStarted()
                    | told.ToolArgsDelta()
                    | told.ToolStarted()
                    | told.ToolProgress()
                    | told.UsageReported()
                    | told.NodeCommitted()
                ):
                    pass
                case _:
                    assert_never(event)
    return waiting


def decide(out: Console, event: "ApprovalNeeded") -> "Decision":
    """What a person says to a tool call; where there is none, no."""
    from ..tools.consent import Decision

    if not sys.stdin.isatty():
        return Decision(False, reason="nobody is there to ask")
    if event.sources:
        out.print(Text(f"untrusted text was read: {', '.join(event.sources)}", style="yellow"))
    out.print(Text(f"{event.name} ({event.tool_kind}) {_written(event.args)}", style="bold"))
    choices = {key: what for key, what in CHOICES.items() if not event.sources or key not in LASTING}
    out.print(Text(", ".join(f"{key}: {what}" for key, what in choices.items()), style="dim"))
    said = Prompt.ask("run it?", choices=list(choices), default="n", console=out)
    match said:
        case "y":
            return Decision(True)
        case "c":
            return Decision(True, "conversation")
        case "a":
            return Decision(True, "always")
        case "e":
            try:
                args = json.loads(Prompt.ask("arguments as JSON", console=out))
            except ValueError as error:
                out.print(Text(f"no JSON: {error}; denied", style="red"))
                return Decision(False)
            if not isinstance(args, dict):
                out.print(Text('the arguments are one JSON object, as {"name": value}; denied', style="red"))
                return Decision(False)
            return Decision(True, "once", args)
    return Decision(False)


def print_plain(talk: "Chat", events: "Iterable[Event]") -> int:
    """Plain text as it comes, thinking and notices to standard error; the exit status."""
    from ..chat.turn import events as told

    status, ended = 1, False
    with stopping(talk):
        for event in events:
            match event:
                case told.TextDelta():
                    click.echo(event.text, nl=False)
                    ended = event.text.endswith("\n")
                case told.ReasoningDelta():
                    click.echo(event.text, nl=False, err=True)
                case told.Notice():
                    if event.code != FAILURE:
                        click.echo(f"llms: {event.text}", err=True)
                case told.ApprovalNeeded():
                    what = f"{event.name} {_written(event.args)} needs approval"
                    click.echo(f"llms: {what}; give --approve all, or use llms chat", err=True)
                    status = EXIT["waiting"]
                case told.RunFinished():
                    status = status_of(event)
                    if event.state == "failed" and event.text:
                        click.echo(f"llms: {event.text}", err=True)
                    elif event.state == "stopped":
                        click.echo(f"{'' if ended else chr(10)}llms: {STOPPED}", err=True)
                case (
                    told.RunStarted()
                    | told.CallStarted()
                    | told.ToolCallStarted()
                    | told.ToolArgsDelta()
                    | told.ToolCallReady()
                    | told.ToolStarted()
                    | told.ToolProgress()
                    | told.ToolFinished()
                    | told.UsageReported()
                    | told.NodeCommitted()
                ):
                    pass
                case _:
                    assert_never(event)
    if not ended:
        click.echo()
    return status


def print_json(talk: "Chat", events: "Iterable[Event]") -> int:
    """One event a line; the exit status."""
    from ..chat.turn.events import ApprovalNeeded, RunFinished, to_json

    status = 1
    with stopping(talk):
        for event in events:
            click.echo(to_json(event))
            if isinstance(event, ApprovalNeeded):
                status = EXIT["waiting"]
            elif isinstance(event, RunFinished):
                status = status_of(event)
    return status


def status_of(end: "RunFinished") -> int:
    """The exit status of a run's end."""
    if end.state == "stopped":
        return INTERRUPTED
    return 0 if end.state == "finished" else EXIT.get(end.reason, 1)


def _written(args: Any) -> str:
    return json.dumps(args, ensure_ascii=False)
