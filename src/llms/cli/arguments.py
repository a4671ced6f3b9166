"""What a command was given, as the values it needs: the question with its template and standard input, a schema, a sum."""

import json
import re
import secrets
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..settings import refuse_database


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
    try:
        return (sys.stdin.buffer.read() if file is None else file.read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file or 'standard input'} is no text in UTF-8 ({error.reason}); send a file by -a"
        ) from error


def _filled(template: str, parameters: tuple[str, ...], words: str) -> str:
    from string import Formatter

    given = dict(one.partition("=")[::2] for one in parameters)
    given.setdefault("input", words)
    wanted = {name for _, name, _, _ in Formatter().parse(template) if name}
    if missing := sorted(wanted - set(given)):
        raise UsageError(f"the template needs {', '.join(missing)}; give -p {missing[0]}=…")
    return template.format(**given)


def text_of(given: str) -> str:
    """The text itself, or of @FILE what stands in it."""
    if not given.startswith("@"):
        return given
    refuse_database(Path(given[1:]))
    try:
        return Path(given[1:]).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or f"no text in UTF-8 ({error})"
        raise UsageError(f"cannot read {given[1:]}: {why}") from error


def template_of(given: str) -> str:
    """A template as it was typed, `\\n` and `\\t` in it read as line break and tab; one from @FILE as it stands."""
    return text_of(given).removesuffix("\n") if given.startswith("@") else unescaped(given)


def unescaped(typed: str) -> str:
    """What shells do not: `\\n`, `\\t` and `\\\\` as line break, tab and backslash."""
    return re.sub(r"\\([nt\\])", lambda found: {"n": "\n", "t": "\t"}.get(found[1], "\\"), typed)


def schema(given: str) -> dict[str, Any]:
    text = given
    if not given.lstrip().startswith("{"):
        refuse_database(Path(given))
        try:
            text = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the schema {given}: {getattr(error, 'strerror', None) or error}") from error
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--schema takes a JSON schema; {given} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f'--schema takes a JSON schema, an object as in {{"type": "object"}}; got {text.strip()[:80]}')
    return found


def money(given: str | None) -> Decimal | None:
    if given is None:
        return None
    try:
        return Decimal(given)
    except InvalidOperation as error:
        raise UsageError(f"--budget takes US dollars, as in 0.50; got {given!r}") from error
