"""A conversation in the terminal: one question with its answer, or line by line with commands that begin with a slash."""

import atexit
import contextlib
import json
from pathlib import Path

import click
from rich.prompt import Prompt
from rich.text import Text

from .. import settings
from ..chat.conversation.messages import index
from ..errors import LlmsError, UsageError
from ..models.default import for_chats
from ..store import model_calls
from ..values import JsonObject
from ..workbench.chat.chat import Chat, Stream
from . import arguments
from .answering import INTERRUPTED, answer, print_json, print_plain
from .arguments import ChatFlags
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
    "/list": "the conversations used last",
    "/open ID": "go on with another conversation",
    "/quit": "end (Ctrl-D, too)",
}
NAMES = {command.split()[0] for command in COMMANDS}


def open_chat(flags: ChatFlags, schema: JsonObject | None = None) -> Chat:
    """The conversation that the flags name, or a new one."""
    stored = "last" if flags["last"] else flags["conversation"]
    prompt = flags["system"]
    return Chat(
        flags["model"] or (None if stored or flags["preset"] else for_chats()),
        preset=flags["preset"],
        tools=flags["tools"] or None,
        system=arguments.text_of(prompt) if prompt else None,
        id=stored,
        policy=flags["policy"],
        approve=flags["approve"],
        max_tokens=flags["max_tokens"],
        temperature=flags["temperature"],
        seed=flags["seed"],
        schema=schema,
        budget=arguments.money(flags["budget"]),
        ephemeral=flags["no_store"],
        memory=flags["memory"],
    )


def ask_once(text: str, flags: ChatFlags, schema: JsonObject | None, as_json: bool) -> int:
    """Print the answer as it comes; the exit status."""
    with open_chat(flags, schema) as chat:
        for one in chat.recalled(text):
            click.echo(f"llms: told from memory ({one.fact.id}): {one.fact.text}", err=True)
        events = chat.send(text, flags["files"], confirmed=True)
        try:
            status = (print_json if as_json else print_plain)(chat, events, flags["save_files"])
        except KeyboardInterrupt:
            click.echo("\nllms: interrupted; what came is kept", err=True)
            status = INTERRUPTED
        if schema and status == 0 and not _is_json(chat.answer):
            click.echo("llms: the answer is not JSON: it was cut, or the model does not follow schemas", err=True)
            status = 1
        return status


def explain_request(text: str, flags: ChatFlags) -> None:
    """Print what would be sent, and what of the conversation would not be."""
    with open_chat(flags) as chat:
        fit_result = chat.explain(text, flags["files"])
    report = fit_result.report
    click.echo(f"{report.count} of {report.budget} tokens ({report.grade}); nothing is sent")
    for message in fit_result.payload.messages:
        for part in index(message):
            click.echo(f"\n[{part.kind}]\n{part.text}")
    for fate in report.fates:
        if fate.what != "sent":
            click.echo(f"{fate.what}: message {fate.node}, {fate.tokens} tokens {fate.why}".rstrip())


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class TerminalChat:
    """Reads lines until the user ends it. `files` go along with the next message."""

    def __init__(self, flags: ChatFlags):
        self.flags, self.files, self.out = flags, list(flags["files"]), console()
        self.chat = open_chat(flags)

    def run(self) -> None:
        self._begin("; /help lists the commands, Ctrl-D ends")
        _line_history()
        try:
            while True:
                try:
                    text = _read()
                except EOFError:
                    break
                except KeyboardInterrupt:
                    self.out.print()
                    continue
                if text.strip() and not self._take(text):
                    break
        finally:
            self.chat.close()

    def _begin(self, advice: str = "") -> None:
        self.chat.model.prepare()
        self._dim(f"{self.chat.model.name.text}, conversation {self.chat.id}{advice}")

    def _take(self, text: str) -> bool:
        """Obey a command, or send the text; whether the conversation goes on."""
        is_command = text.startswith("/") and text.split()[0] in NAMES
        try:
            if is_command:
                name, _, rest = text.strip().partition(" ")
                return self._obey(name, rest)
            for one in self.chat.recalled(text):
                self._dim(f"told from memory ({one.fact.id}): {one.fact.text}")
            self._answer(self.chat.send(text, self.files, confirmed=True))
            self.files.clear()
        except LlmsError as error:
            self.out.print(Text(str(error), style="red"))
        except KeyboardInterrupt:  # also at a question of a command, or while a model was loaded
            self.out.print()
        except EOFError:
            if not is_command:
                raise
            self.out.print()
        return True

    def _answer(self, events: Stream) -> None:
        answer(self.out, self.chat, events, self.flags["save_files"])

    def _obey(self, name: str, rest: str) -> bool:
        chat = self.chat
        match name:
            case "/quit":
                return False
            case "/help":
                for command, effect in COMMANDS.items():
                    self.out.print(Text(f"{command:14} {effect}"))
            case "/new":
                self._reopen(self.flags["model"], None)
            case "/model":
                self._reopen(rest, chat.id)
            case "/open":
                self._reopen(self.flags["model"], rest)
            case "/attach":
                if not Path(rest).is_file():
                    raise UsageError(f"{rest} is not a file")
                self.files.append(rest)
            case "/edit":
                last = next((node for node in reversed(chat.path) if node.role == "user"), None)
                if last is None:
                    raise UsageError("nothing has been said yet")
                self._answer(chat.edit(last.id, rest or Prompt.ask("new wording", console=self.out)))
            case "/again":
                self._answer(chat.regenerate())
            case "/more":
                self._answer(chat.carry_on())
            case "/saw":
                self._show_sent()
            case "/list":
                for one in chat.store.all(limit=20):
                    self.out.print(Text(f"{one.id}  {one.updated[:16]}  {one.title}"))
        return True

    def _reopen(self, model: str | None, conversation: str | None) -> None:
        system = None if conversation else self.flags["system"]  # a stored one has its own
        opened = open_chat(
            {**self.flags, "last": False, "model": model, "conversation": conversation, "system": system}
        )
        self.chat.close()
        self.chat = opened
        self._begin()

    def _show_sent(self) -> None:
        last = next((node for node in reversed(self.chat.path) if node.role == "assistant"), None)
        for call in model_calls.calls(self.chat.store, node=last.id) if last else []:
            self.out.print(Text(f"{call.model}, {call.purpose}: {call.counted} tokens ({call.grade})", style="bold"))
            for message in call.messages:
                for part in index(message):
                    self.out.print(Text(f"[{part.kind}] ", style="dim") + Text(part.text))

    def _dim(self, text: str) -> None:
        self.out.print(Text(text, style="dim"))


def _read() -> str:
    """One message; a line that ends in a backslash goes on in the next one."""
    lines: list[str] = []
    while True:
        line = input("… " if lines else "> ")
        if not line.endswith("\\"):
            return "\n".join([*lines, line])
        lines.append(line[:-1])


def _line_history() -> None:
    """Lines of earlier sessions by the arrow keys, where the terminal can."""
    try:
        import readline
    except ImportError:
        return
    path = settings.home() / "chat_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(1000)

    def keep() -> None:
        with contextlib.suppress(OSError):
            readline.write_history_file(settings.private(path))

    atexit.register(keep)
