"""One message at a time from a person: typed or pasted, with the lines of earlier sessions and completion by Tab.

On a terminal that marks what is pasted (bracketed paste), lines that are pasted stay one message. Where standard input is no
terminal, each line is a message.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import create_output

from .. import settings

Choices = Callable[[], Iterable[tuple[str, str]]]  # (word, what it is)
PROMPT, MORE = "> ", "… "


class LineEditor:
    """Reads messages. `commands` are (name, effect, choices for its argument); `history` is kept in a file, or nowhere."""

    def __init__(self, commands: Iterable[tuple[str, str, "Choices | Completer | None"]], history: Path | None):
        self._session: PromptSession[str] | None = None
        if not (sys.stdin.isatty() and sys.stdout.isatty()) or settings.get("TERM") == "dumb":
            return
        lines: History = InMemoryHistory()
        if history is not None:
            with suppress(OSError):  # one that cannot be kept is no reason not to talk
                lines = FileHistory(settings.private(history))
        output = create_output()
        output.enable_cpr = False  # type: ignore[attr-defined]  # the answer would be read as typed where the terminal is slow
        self._session = PromptSession(
            history=lines,
            completer=CommandCompleter(list(commands)),
            complete_while_typing=False,
            multiline=True,
            prompt_continuation=lambda width, line, wrapped: MORE,
            key_bindings=_keys(),
            output=output,
        )

    def read(self, prompt: str = PROMPT, default: str = "") -> str:
        """One message; a line that ends in a backslash goes on in the next one. Raises EOFError and KeyboardInterrupt."""
        if self._session is not None:
            return self._session.prompt(prompt, default=default)
        lines: list[str] = []
        while True:
            line = input(MORE if lines else prompt)
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])


class CommandCompleter(Completer):
    """Completes the name of a command, and what stands behind it."""

    def __init__(self, commands: list[tuple[str, str, "Choices | Completer | None"]]):
        self._commands = commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        typed, blank, argument = text.partition(" ")
        if not blank:
            for name, effect, _ in self._commands:
                if name.startswith(typed):
                    yield Completion(name, -len(typed), display_meta=effect)
            return
        source = next((source for name, _, source in self._commands if name == typed), None)
        if isinstance(source, Completer):
            yield from source.get_completions(Document(argument), complete_event)
        elif source is not None:
            for word, meaning in source():
                if word.startswith(argument):
                    yield Completion(word, -len(argument), display_meta=meaning)


FILES = PathCompleter(expanduser=True)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.text.endswith("\\") and buffer.document.is_cursor_at_the_end:
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
