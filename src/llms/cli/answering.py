"""An answer in the terminal while it comes: shown or printed, stopped by Ctrl-C, its tool calls agreed to by a person."""

import json
import signal
import sys
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import assert_never

import click
from rich.console import Console
from rich.live import Live
from rich.prompt import Prompt
from rich.text import Text

from ..chat.turn import events as turn
from ..tools.consent import Decision
from ..values import read_json
from ..workbench.chat.chat import Chat
from .formulas import whole
from .tool_files import save

EXIT = {"usage": 2, "budget": 3, "strict": 4, "waiting": 5}
NOT_WHOLE = ("length", "refused", "empty", "tool_limit")  # reasons for which an answer ends before it is whole
INTERRUPTED = 130
STOPPED = "stopped; what came is kept"
CHOICES = {
    "y": "yes, once",
    "c": "yes, in this conversation",
    "a": "always with exactly these arguments",
    "e": "edit the arguments",
    "n": "no",
}
LASTING = ("c", "a")  # hold for nothing once untrusted text was read
LONGEST = 300  # characters of a tool's result that are shown


@contextmanager
def stopping(chat: Chat) -> Iterator[None]:
    """The first Ctrl-C stops the answer, which then ends like any other and is kept; one more, or one while there is no
    answer to stop, is a KeyboardInterrupt."""
    stopped = False

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped or chat.turn is None or chat.turn.ended:
            if callable(before):
                before(number, frame)  # which knows where an interrupt would be lost
            return
        stopped = True
        chat.stop()

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def answer(out: Console, chat: Chat, events: Generator[turn.Event, None, None], save_files: str | None = None) -> None:
    """Show an answer while it comes; Ctrl-C stops it and keeps what came. Tools that act are asked about; the files they
    make are saved in the folder `save_files`, or in LLMS_HOME."""
    try:
        while True:
            with stopping(chat):
                waiting = _show(out, chat, events, save_files)
            if not waiting:
                return
            events = chat.decide({event.tool_call: decide(out, event) for event in waiting})
    except (KeyboardInterrupt, EOFError):
        events.close()
        out.print(Text(STOPPED, style="dim"))


def _show(out: Console, chat: Chat, events: Iterable[turn.Event], save_files: str | None) -> list[turn.ApprovalNeeded]:
    """The calls that wait for a decision; none once the answer is whole."""
    waiting: list[turn.ApprovalNeeded] = []
    below: list[Text] = []  # the lines that stand below the answer
    text = ""
    from rich.markdown import Markdown  # a tenth of a second, which an answer to a script need not wait for

    with Live(console=out, refresh_per_second=12, vertical_overflow="visible", transient=False) as live:
        for event in events:
            match event:
                case turn.TextDelta():
                    text += event.text
                    live.update(Markdown(whole(text)))
                case turn.ToolCallReady():
                    live.console.print(Text(f"{event.name} {_written(event.args)}", style="cyan"))
                case turn.ToolFinished():
                    live.console.print(Text(f"  {event.outcome}: {event.text[:LONGEST]}", style="dim"))
                    for line in save(chat, event, save_files):
                        live.console.print(Text(f"  {line}"), soft_wrap=True)
                case turn.ApprovalNeeded():
                    waiting.append(event)
                case turn.Notice():
                    more = " (/more)" if event.code in ("cut", "output_limit") else ""
                    if event.lasts:
                        below.append(Text(event.text + more, style="yellow"))
                    else:
                        live.console.print(Text(event.text, style="dim"))
                case turn.RunFinished():
                    if event.state == "failed":
                        below.append(Text(f"{event.text or 'the answer failed'} (/again)", style="red"))
                    elif event.state == "stopped":
                        below.append(Text(STOPPED, style="dim"))
                case (
                    turn.RunStarted()
                    | turn.CallStarted()
                    | turn.ReasoningDelta()
                    | turn.ToolCallStarted()
                    | turn.ToolArgsDelta()
                    | turn.ToolStarted()
                    | turn.ToolProgress()
                    | turn.UsageReported()
                    | turn.NodeCommitted()
                ):
                    pass
                case _:
                    assert_never(event)
    for last in below:
        out.print(last)
    return waiting


def decide(out: Console, event: turn.ApprovalNeeded) -> Decision:
    """A person's answer to a tool call; where there is nobody to ask, no."""
    if not sys.stdin.isatty():
        return Decision(False, reason="nobody is there to ask")
    if event.sources:
        out.print(Text(f"untrusted text was read: {', '.join(event.sources)}", style="yellow"))
    out.print(Text(f"{event.name} ({event.tool_kind}) {_written(event.args)}", style="bold"))
    choices = {key: meaning for key, meaning in CHOICES.items() if not event.sources or key not in LASTING}
    out.print(Text(", ".join(f"{key}: {meaning}" for key, meaning in choices.items()), style="dim"))
    match Prompt.ask("run it?", choices=list(choices), default="n", console=out):
        case "y":
            return Decision(True)
        case "c":
            return Decision(True, "conversation")
        case "a":
            return Decision(True, "always")
        case "e":
            try:
                args = read_json(Prompt.ask("arguments as JSON", console=out))
            except ValueError as error:
                out.print(Text(f"not JSON: {error}; denied", style="red"))
                return Decision(False)
            if not isinstance(args, dict):
                out.print(Text('the arguments are one JSON object, as {"name": value}; denied', style="red"))
                return Decision(False)
            return Decision(True, "once", args)
    return Decision(False)


def print_plain(chat: Chat, events: Iterable[turn.Event], save_files: str | None = None, whole: bool = False) -> int:
    """Plain text as it comes, thinking, notices and the paths of files to standard error; the exit status."""
    status, ended = 1, True
    with stopping(chat):
        for event in events:
            match event:
                case turn.TextDelta():
                    click.echo(event.text, nl=False)
                    ended = event.text.endswith("\n")
                case turn.ReasoningDelta():
                    click.echo(event.text, nl=False, err=True)
                case turn.Notice(code="preparing"):
                    pass  # what is loaded is said by who loads it
                case turn.Notice():
                    if not ended:
                        click.echo()
                        ended = True
                    click.echo(f"llms: {event.text}", err=True)
                case turn.ApprovalNeeded():
                    call = f"{event.name} {_written(event.args)}"
                    click.echo(f"llms: {call} needs approval; give --approve all, or use llms chat", err=True)
                    status = EXIT["waiting"]
                case turn.ToolFinished():
                    for line in save(chat, event, save_files):
                        click.echo(f"llms: {line}", err=True)
                case turn.RunFinished():
                    status = status_of(event, whole)
                    if event.state == "failed" and event.text:
                        click.echo(f"{'' if ended else chr(10)}llms: {event.text}", err=True)
                    elif event.state == "stopped":
                        click.echo(f"{'' if ended else chr(10)}llms: {STOPPED}", err=True)
                case (
                    turn.RunStarted()
                    | turn.CallStarted()
                    | turn.ToolCallStarted()
                    | turn.ToolArgsDelta()
                    | turn.ToolCallReady()
                    | turn.ToolStarted()
                    | turn.ToolProgress()
                    | turn.UsageReported()
                    | turn.NodeCommitted()
                ):
                    pass
                case _:
                    assert_never(event)
    if not ended:
        click.echo()
    return status


def print_json(chat: Chat, events: Iterable[turn.Event], save_files: str | None = None, whole: bool = False) -> int:
    """One event a line; the exit status. Files are saved where a folder for them is named."""
    status = 1
    with stopping(chat):
        for event in events:
            click.echo(turn.to_json(event))
            if save_files and isinstance(event, turn.ToolFinished):
                for line in save(chat, event, save_files):
                    click.echo(f"llms: {line}", err=True)
            if isinstance(event, turn.ApprovalNeeded):
                status = EXIT["waiting"]
            elif isinstance(event, turn.RunFinished):
                status = status_of(event, whole)
    return status


def status_of(end: turn.RunFinished, whole: bool = False) -> int:
    """The exit status of a run's end; with `whole`, an answer that is not is a failure."""
    if whole and end.state == "finished" and end.reason in NOT_WHOLE:
        return 1
    if end.state == "stopped":
        return INTERRUPTED
    return 0 if end.state == "finished" else EXIT.get(end.reason, 1)


def _written(args: object) -> str:
    return json.dumps(args, ensure_ascii=False)
