"""The commands of a talk in the terminal: what each is called, what it does, what completes its argument."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from prompt_toolkit.completion import Completer
from rich.text import Text

from ..chat.conversation.messages import index, visible
from ..errors import UnknownName, UsageError
from ..models.default import for_chats
from ..store import model_calls
from ..tools import catalogue
from ..web.service.import_export import bytes_for
from ..workbench import presets
from ..workbench.chat.attachments import examined
from ..workbench.chat.resolve import system_of, tools_of
from ..workbench.models import listing
from . import clipboard
from .arguments import text_of
from .chat_session import ChatSession
from .line_editor import FILES, Choices

LISTED = 20
NONE = "none"
Source = Callable[[ChatSession], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class ChatCommand:
    """`usage` is its name, with what stands behind it: `FILE` must, `[FILE]` may. `source` offers words for that."""

    usage: str
    effect: str
    act: Callable[[ChatSession, str], None]
    source: Source | Completer | None = None

    @property
    def name(self) -> str:
        return self.usage.split()[0]

    def check(self, argument: str) -> None:
        """Raises UsageError where the argument is missing, or there is one that nothing would look at."""
        _, _, wanted = self.usage.partition(" ")
        if wanted and not wanted.startswith("[") and not argument:
            raise UsageError(f"{self.name} needs {wanted}; write {self.usage}")
        if argument and not wanted:
            raise UsageError(f"{self.name} takes nothing behind it; got {argument!r}")


def unslashed(text: str) -> str | None:
    """The message that a typed text is; None if it is a command. `//` or a blank before it makes a message of any text."""
    if text.startswith("//"):
        return text[1:]
    if text.startswith("/"):
        return None
    return text[1:] if text.startswith(" /") else text


def obey(session: ChatSession, text: str) -> None:
    """Carry out the command that `text` is. Raises UsageError for one that there is not: it is never sent to the model."""
    name, *rest = text.split(None, 1)
    command = COMMANDS.get(name.casefold())
    if command is None:
        near = [known for known in COMMANDS if known.startswith(name)] if len(name) > 1 else []
        near = near or get_close_matches(name.casefold(), COMMANDS, n=2, cutoff=0.6)
        advice = f"did you mean {' or '.join(near[:3])}?" if near else "/help lists the commands."
        raise UsageError(
            f"there is no command {name}; {advice} Nothing was sent: a message that begins with a slash is written "
            f"with two, as in /{name}, or with a blank before it"
        )
    argument = rest[0].strip() if rest else ""
    command.check(argument)
    command.act(session, argument)


def completions(session: ChatSession) -> list[tuple[str, str, Choices | Completer | None]]:
    """(name, effect, words for its argument) of each command."""

    def words(source: Source) -> Choices:
        return lambda: source(session)

    return [
        (
            one.name,
            one.effect,
            one.source if one.source is None or isinstance(one.source, Completer) else words(one.source),
        )
        for one in COMMANDS.values()
    ]


def _help(session: ChatSession, argument: str) -> None:
    width = max(len(command.usage) for command in COMMANDS.values())
    for command in COMMANDS.values():
        session.out.print(Text(f"{command.usage:{width}}  {command.effect}"))
    session.dim(
        "Enter sends, Alt-Enter or a backslash at the end begins a new line, Tab completes, Ctrl-C stops an answer"
    )


def _new(session: ChatSession, argument: str) -> None:
    session.reopen(None, None)


def _model(session: ChatSession, name: str) -> None:
    if not name:
        return session.dim(
            f"{session.chat.model.name.text}; /model NAME goes on with another one, llms models lists them"
        )
    session.change_model(name)


def _preset(session: ChatSession, name: str) -> None:
    if not name:
        names = [f"{one.name}{' *' if one.name == session.chat.settings.preset else ''}" for one in presets.presets()]
        return session.dim(", ".join(names) or "no preset is kept yet; llms presets save NAME makes one")
    chosen = presets.preset(name).settings
    if chosen.model is not None and chosen.model != session.chat.model.name.text:
        session.change_model(chosen.model)
    chat = session.chat
    chat.settings = replace(chosen.over(chat.settings), preset=name)
    chat.policy = chosen.policy or chat.policy
    if chosen.tools is not None:
        _set_tools(session, chosen.tools)
    fields = ", ".join(field.replace("_", " ") for field in chosen.to_json())
    session.dim(f"from the next message on: {fields or 'nothing, as the preset says nothing'}")


def _system(session: ChatSession, text: str) -> None:
    chat = session.chat
    if text:
        chat.settings = replace(chat.settings, system="" if text == NONE else text_of(text), preset=None)
    session.dim(system_of(chat.path, chat.settings) or "no system prompt")


def _tools(session: ChatSession, names: str) -> None:
    chat = session.chat
    if names:
        chosen = () if names == NONE else tuple(name for word in names.split() for name in catalogue.split(word))
        for name in chosen:
            catalogue.tools_of(name)
        chat.settings = replace(chat.settings, preset=None)
        _set_tools(session, chosen)
    on = [tool for tool in tools_of(chat.config, chat.settings) if isinstance(tool, str)]
    off = [name for name in catalogue.TOOLS if name not in on]
    session.dim(f"on: {', '.join(on) or NONE}; off: {', '.join([*off, *catalogue.FORMS])}")


def _set_tools(session: ChatSession, names: tuple[str, ...]) -> None:
    chat = session.chat
    chat.config = replace(chat.config, tools=None)  # those of the command line, which would go before
    chat.settings = replace(chat.settings, tools=names)
    session.flags["tools"] = names


def _attach(session: ChatSession, file: str) -> None:
    if file:
        path = Path(file).expanduser()
        if not path.is_file():
            raise UsageError(f"{file} is not a file")
        session.files.append(examined(path))
    session.dim("goes along with the next message:" if session.files else "no file is attached")
    session.show_files()


def _detach(session: ChatSession, name: str) -> None:
    names = [file.name for file in session.files]
    if name and name not in names:
        raise UnknownName("attached file", name, names)
    session.files = [file for file in session.files if name and file.name != name]
    session.dim(f"not sent: {name or ', '.join(names)}" if names else "no file is attached")


def _edit(session: ChatSession, text: str) -> None:
    last = next((node for node in reversed(session.chat.path) if node.role == "user"), None)
    if last is None:
        raise UsageError("nothing has been said yet")
    text = text or session.editor.read("new wording: ", default=visible(last.message))
    if text.strip():
        session.show(session.chat.edit(last.id, text))


def _again(session: ChatSession, argument: str) -> None:
    session.show(session.chat.regenerate())


def _more(session: ChatSession, argument: str) -> None:
    session.show(session.chat.carry_on())


def _saw(session: ChatSession, argument: str) -> None:
    last = next((node for node in reversed(session.chat.path) if node.role == "assistant"), None)
    if last is None:
        raise UsageError("there is no answer yet")
    for call in model_calls.calls(session.store, node=last.id):
        session.out.print(Text(f"{call.model}, {call.purpose}: {call.counted} tokens ({call.grade})", style="bold"))
        for message in call.messages:
            for part in index(message):
                session.out.print(Text(f"[{part.kind}] ", style="dim") + Text(part.text))


def _copy(session: ChatSession, argument: str) -> None:
    text = session.chat.answer
    if not text:
        raise UsageError("there is no answer to copy yet")
    session.dim(f"copied {len(text)} characters by {clipboard.copy(text)}")


def _export(session: ChatSession, file: str) -> None:
    if not session.store.has(session.chat.id):
        raise UsageError("nothing has been said yet")
    path = Path(file).expanduser() if file else Path(f"{session.chat.id}.md")
    if path.exists():
        raise UsageError(f"{path} is there already; name another file")
    try:
        path.write_bytes(bytes_for(path, session.store, session.chat.id))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    session.dim(f"wrote {path}")


def _list(session: ChatSession, argument: str) -> None:
    listed = session.store.all(limit=LISTED)
    session.listed = [one.id for one in listed]
    for number, one in enumerate(listed, 1):
        here = "*" if one.id == session.chat.id else " "
        session.out.print(Text(f"{number:3}{here} {one.updated[:16].replace('T', ' ')}  {one.id}  {one.title}"))
    session.dim("/open NUMBER goes on with one" if listed else "no conversation is stored yet")


def _open(session: ChatSession, name: str) -> None:
    """By the number that the list gave it, else by its id or a beginning of that."""
    if name.isdigit() and len(name) <= len(str(LISTED)):
        if not session.listed:
            session.listed = [one.id for one in session.store.all(limit=LISTED)]
        if not 0 < int(name) <= len(session.listed):
            raise UsageError(f"the list has no number {name}, it has {len(session.listed)} lines; see /list")
        name = session.listed[int(name) - 1]
    session.reopen(None, name)


def _quit(session: ChatSession, argument: str) -> None:
    session.ended = True


def _models(session: ChatSession) -> Iterable[tuple[str, str]]:
    """Those at hand, and those of earlier conversations."""
    used = {one.model: "used before" for one in session.store.all(limit=LISTED) if one.model}
    return sorted((used | {row.name: row.state for row in listing()} | {for_chats(): "the default"}).items())


def _presets(session: ChatSession) -> Iterable[tuple[str, str]]:
    return [(one.name, one.settings.model or "") for one in presets.presets()]


def _tool_names(session: ChatSession) -> Iterable[tuple[str, str]]:
    return [(name, "") for name in (NONE, *catalogue.TOOLS)]


def _ids(session: ChatSession) -> Iterable[tuple[str, str]]:
    return [(one.id, one.title) for one in session.store.all(limit=LISTED)]


COMMANDS: Mapping[str, ChatCommand] = {
    command.name: command
    for command in (
        ChatCommand("/help", "this list", _help),
        ChatCommand("/new", "begin a new conversation", _new),
        ChatCommand("/model [NAME]", "go on with another model", _model, _models),
        ChatCommand("/preset [NAME]", "take a preset's model, system prompt, tools and sampling", _preset, _presets),
        ChatCommand("/system [TEXT]", "the system prompt: @FILE reads one, `none` takes it away", _system),
        ChatCommand("/tools [NAMES]", "the tools the model may call; `none` for none", _tools, _tool_names),
        ChatCommand("/attach [FILE]", "send a file along with the next message; alone it lists those that go along", _attach, FILES),
        ChatCommand("/detach [NAME]", "send no file along after all, or not that one", _detach),
        ChatCommand("/edit [TEXT]", "write the last message anew, on a branch of its own", _edit),
        ChatCommand("/again", "another answer beside the last one", _again),
        ChatCommand("/more", "go on with an answer that was cut short", _more),
        ChatCommand("/saw", "what the model was sent for the last answer", _saw),
        ChatCommand("/copy", "the last answer into the clipboard", _copy),
        ChatCommand("/export [FILE]", "write the conversation: .md is Markdown, any other ending an archive", _export, FILES),
        ChatCommand("/list", "the conversations used last", _list),
        ChatCommand("/open ID", "go on with another conversation: its number in /list, its id or a beginning of it", _open, _ids),
        ChatCommand("/quit", "end (Ctrl-D, too)", _quit),
    )
}  # fmt: skip
