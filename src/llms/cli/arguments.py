"""The values a command needs, from the text it was given: a question with its template, a file's text, a schema, a sum."""

import re
import secrets
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, TypedDict

from ..chat.files.encoding import decode
from ..chat.files.kinds import Refused
from ..errors import UsageError
from ..settings import refuse_database
from ..tools.consent import Mode
from ..values import JsonObject, read_json

if TYPE_CHECKING:
    from ..chat.chat_settings import PolicyName


class ChatFlags(TypedDict):
    """The options of both `llms chat` and `llms ask`. `files` go along with the first message; `last` or `conversation` says
    which stored conversation goes on."""

    preset: str | None
    model: str | None
    system: str | None
    files: tuple[str, ...]
    last: bool
    conversation: str | None
    tools: tuple[str, ...]
    approve: Mode
    save_files: str | None
    policy: "PolicyName | None"
    max_tokens: int | None
    temperature: float | None
    seed: int | None
    budget: str | None
    price: str | None
    memory: bool | None
    no_store: bool


def question(words: tuple[str, ...], template: str | None, parameters: tuple[str, ...]) -> str:
    """The words, after a template, before what standard input brings, which is fenced as data."""
    text = " ".join(words)
    if template:
        text = _filled(_read(Path(template)), parameters, text)
    piped = "" if sys.stdin is None or sys.stdin.isatty() else _read(None)
    if piped.strip():
        marker = secrets.token_hex(4)
        text = f"{text}\n\n<<{marker}\n{piped.rstrip()}\n{marker}>>" if text.strip() else piped
    if not text.strip():
        raise UsageError('ask something: llms ask "…", or send text by standard input')
    return text


def _read(file: Path | None) -> str:
    """A file's text, or standard input's."""
    if file is not None:
        refuse_database(file)
    return _text(sys.stdin.buffer.read() if file is None else file.read_bytes(), str(file or "standard input"))


def _text(content: bytes, name: str) -> str:
    """The text in `content`, in whatever encoding. Raises UsageError."""
    try:
        return decode(content).text
    except Refused as error:
        raise UsageError(f"{name} {error}; send a file by -a") from error


def _filled(template: str, parameters: tuple[str, ...], words: str) -> str:
    values: dict[str, str] = dict(one.partition("=")[::2] for one in parameters)
    values.setdefault("input", words)
    names = {name for _, name, _, _ in Formatter().parse(template) if name}
    if missing := sorted(names - set(values)):
        raise UsageError(f"the template needs {', '.join(missing)}; give -p {missing[0]}=…")
    return template.format(**values)


def text_of(argument: str) -> str:
    """The argument itself, or of @FILE the text in that file."""
    if not argument.startswith("@"):
        return argument
    refuse_database(Path(argument[1:]))
    try:
        content = Path(argument[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {argument[1:]}: {error.strerror or error}") from error
    return _text(content, argument[1:])


def template_of(argument: str) -> str:
    """A template as it was typed, `\\n` and `\\t` in it read as line break and tab; one from @FILE as it stands."""
    return text_of(argument).removesuffix("\n") if argument.startswith("@") else unescaped(argument)


def unescaped(typed: str) -> str:
    """Escapes that shells leave alone, read: `\\n`, `\\t` and `\\\\` as line break, tab and backslash."""
    return re.sub(r"\\([nt\\])", lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], "\\"), typed)


def schema(argument: str) -> JsonObject:
    """The JSON schema in the argument, or in the file that it names. Raises UsageError."""
    text = argument
    if not argument.lstrip().startswith("{"):
        refuse_database(Path(argument))
        try:
            text = Path(argument).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot read the schema {argument}: {reason}") from error
    try:
        value = read_json(text)
    except ValueError as error:
        raise UsageError(f"--schema takes a JSON schema; {argument} is not JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise UsageError(f'--schema takes a JSON schema, an object as in {{"type": "object"}}; got {text.strip()[:80]}')
    return value


def money(argument: str | None) -> Decimal | None:
    """US dollars, exactly as they were written. Raises UsageError."""
    if argument is None:
        return None
    try:
        value = Decimal(argument)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or value < 0:
        raise UsageError(f"--budget takes US dollars, as in 0.50; got {argument!r}")
    return value
