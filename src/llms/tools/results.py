"""The result of a tool as a model may read it: of the right size, cleaned and fenced if others wrote it; errors in a few words."""

import json
import re
from collections.abc import Callable
from typing import TypedDict

from pydantic_ai.messages import BinaryContent, ToolReturn
from pydantic_core import to_jsonable_python

from .tool import File, Kind, ToolOutput
from .untrusted import clean, fence

Keep = Callable[[File], str]
PATH = re.compile(r"(?<![\w:/])(?:[A-Za-z]:\\|/|~/)(?:[^\s/\\'\":;,()<>]+[/\\])+([^\s/\\'\":;,()<>]*)")
LONGEST_MESSAGE = 500  # characters of an error
FENCE = 200  # and what a fence takes of a result


class KeptFile(TypedDict):
    """A file of a result; `kept` is the name by which it can be found again, "" if it cannot."""

    name: str
    media_type: str
    bytes: int
    kept: str


def result(value: object, source: str, kind: Kind, most: int, keep: Keep | None) -> ToolReturn:
    """The return of a tool. Its metadata, which no model sees, tells `label`, `source`, `removed`, `cut` and `files`.

    `most` characters go to the model, head and tail; the whole and all files are given to `keep`, which answers with
    the name by which they can be found again.
    """
    output = _apart(value)
    content = to_jsonable_python(output.value, fallback=str, inf_nan_mode="strings")
    files = [_store_file(file, keep) for file in output.files]
    if files:
        content = {"result": content, "files": [{"name": file["name"], "kept": file["kept"]} for file in files]}
    trusted = kind == "pure"
    most -= 0 if trusted else FENCE
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    cleaned = clean(text)
    cut = max(0, len(cleaned.text) - most)
    if cut:
        whole = _store_file(File(f"{source}.txt", "text/plain", cleaned.text.encode()), keep)
        files.append(whole)
        content = clip(cleaned.text, most, f"all of it is kept as {whole['kept']}" if whole["kept"] else "")
    elif cleaned.removed or not trusted:
        content = cleaned.text
    if not trusted:
        content = fence(content, source)
    label = "trusted" if trusted else "untrusted"
    metadata = {"label": label, "source": source, "removed": cleaned.removed, "cut": cut, "files": files}
    return ToolReturn(content, metadata=metadata)


def _apart(value: object) -> ToolOutput:
    """Pictures and sounds that a tool gave as pydantic-ai's values, beside the rest."""
    if isinstance(value, ToolOutput):
        return value
    parts = value if isinstance(value, list) else [value]
    binary = [part for part in parts if isinstance(part, BinaryContent)]
    if not binary:
        return ToolOutput(value)
    files = tuple(File(part.identifier, part.media_type, part.data) for part in binary)
    return ToolOutput([part for part in parts if not isinstance(part, BinaryContent)], files)


def _store_file(file: File, keep: Keep | None) -> KeptFile:
    return {
        "name": file.name,
        "media_type": file.media_type,
        "bytes": len(file.data),
        "kept": keep(file) if keep else "",
    }


def clip(text: str, most: int, hint: str = "") -> str:
    """At most `most` characters: the first 60 % and the last 40 %, and between them how many are missing."""
    if len(text) <= most:
        return text
    longest = f"\n… [{len(text):,} characters left out{'; ' + hint if hint else ''}] …\n"
    room = max(0, most - len(longest))
    head, tail = room * 6 // 10, room - room * 6 // 10
    marker = longest.replace(f"{len(text):,}", f"{len(text) - room:,}")
    return text[:head] + marker + text[len(text) - tail :]


def error(kind: str, message: str, hint: str = "") -> str:
    """A failure as a model reads it: no trace, no path of this machine, one line."""
    short = clip(" ".join(PATH.sub(r"\1", clean(message).text).split()), LONGEST_MESSAGE)
    fields = {"type": kind, "message": short, "hint": hint}
    return json.dumps({key: text for key, text in fields.items() if text}, ensure_ascii=False)
