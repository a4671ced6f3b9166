"""A conversation in the terminal: one question with its answer, or message by message with commands that begin with a slash."""

import click
from rich.text import Text

from .. import settings
from ..chat.conversation.messages import index
from ..errors import LlmsError
from ..values import JsonObject, is_json
from ..workbench.chat.attachments import described, examined
from .answering import INTERRUPTED, print_json, print_plain
from .arguments import ChatFlags
from .chat_commands import COMMANDS, completions, obey, unslashed
from .chat_session import ChatSession, open_chat
from .line_editor import LineEditor
from .output import console


def ask_once(text: str, flags: ChatFlags, schema: JsonObject | None, as_json: bool, whole: bool = False) -> int:
    """Print the answer as it comes; the exit status, which tells a `whole` answer from others if asked."""
    with open_chat(flags, schema) as chat:
        for one in chat.recalled(text):
            click.echo(f"llms: told from memory ({one.fact.id}): {one.fact.text}", err=True)
        files = [examined(file) for file in flags["files"]]
        for file in files:
            click.echo(f"llms: {described(chat.model, file)}", err=True)
        events = chat.send(text, files, confirmed=True)
        try:
            status = (print_json if as_json else print_plain)(chat, events, flags["save_files"], whole)
        except KeyboardInterrupt:
            click.echo("\nllms: interrupted; what came is kept", err=True)
            status = INTERRUPTED
        if schema and status == 0 and not is_json(chat.answer):
            click.echo("llms: the answer is not JSON: it was cut, or the model does not follow schemas", err=True)
            status = 1
        return status


def explain_request(text: str, flags: ChatFlags) -> None:
    """Print what would be sent, and what of the conversation would not be."""
    with open_chat(flags) as chat:
        fit_result = chat.explain(text, flags["files"])
    report = fit_result.report
    click.echo(f"{report.count} of {report.budget} tokens ({report.grade}); nothing is sent")
    if plan := fit_result.reading:
        parts = f"{len(plan.chosen)} of {len(plan.chunks)} parts, {plan.tokens} tokens"
        about = "about " if fit_result.rough else ""
        click.echo(f"too large for the window: it would be read in {about}{plan.calls} requests ({parts})")
    for message in fit_result.payload.messages:
        for part in index(message):
            click.echo(f"\n[{part.kind}]\n{part.text}")
    for fate in report.fates:
        if fate.what != "sent":
            click.echo(f"{fate.what}: message {fate.node}, {fate.tokens} tokens {fate.why}".rstrip())


class TerminalChat:
    """Reads messages until the user ends it."""

    def __init__(self, flags: ChatFlags):
        self.session = ChatSession(flags, console())
        history = None if flags["no_store"] else settings.home() / "chat_history"
        self.session.editor = LineEditor(completions(self.session), history)
        self._refused = ""  # a text that was no command, to be put right

    def run(self) -> None:
        session = self.session
        try:
            session.begin("; /help lists the commands, Ctrl-D ends")
            session.show_files()
            while not session.ended:
                default, self._refused = self._refused, ""
                try:
                    text = session.editor.read(default=default)
                except EOFError:
                    break
                except KeyboardInterrupt:
                    session.out.print()
                    continue
                if text.strip():
                    self._take(text)
        finally:
            session.close()

    def _take(self, text: str) -> None:
        """Obey a command, or send the text. Ctrl-D at a question of a command leaves the question alone."""
        session = self.session
        try:
            message = unslashed(text)
            if message is None:
                self._refused = text if text.split()[0].casefold() not in COMMANDS else ""
                return obey(session, text)
            for one in session.chat.recalled(message):
                session.dim(f"told from memory ({one.fact.id}): {one.fact.text}")
            session.show(session.chat.send(message, session.files, confirmed=True))
            session.files.clear()
        except LlmsError as error:
            session.out.print(Text(str(error), style="red"))
        except (KeyboardInterrupt, EOFError):  # also at a question of a command, or while a model was loaded
            session.out.print()
