"""A file as it is attached: what it is, the text or picture that is sent, how much of it there is."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic_ai.messages import BinaryContent, UserContent

from ...errors import UsageError
from ...settings import refuse_database
from ...tools import page
from ...values import several
from ..conversation.messages import document
from .apart import ReadFile, read_apart
from .encoding import decode
from .kinds import READ_APART, Kind, Refused, kind_of, pixels

LARGEST = 25 << 20  # bytes
LARGEST_PIXELS = 40_000_000
_MEDIA = ("png", "jpg", "jpeg", "gif", "webp", "bmp", "heic", "avif", "tif", "tiff", "wav", "mp3", "ogg", "flac", "m4a",
          "pdf", "docx", "xlsx", "pptx")  # fmt: skip
_MARKUP = ("html", "htm", "xhtml")
_UNNAMED = ("", "bin", "dat", "download", *_MEDIA)
_PAGE = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html)\b", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w-]{2,40})""", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """`data` is what is sent (of text as UTF-8), `media_type` its type; `about` says how much it is: "12 pages". `notes` are
    what a person must know before sending, such as pages that have no text."""

    name: str
    kind: Literal["image", "audio", "text"]
    media_type: str
    data: bytes
    about: str = ""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.data.decode() if self.kind == "text" else ""

    def content(self) -> UserContent:
        """The file as a part of a message."""
        if self.kind == "text":
            return document(self.name, self.text)
        return BinaryContent(self.data, media_type=self.media_type, vendor_metadata={"name": self.name})


def examine_path(path: Path) -> ExaminedFile:
    """The file at `path`. Raises UsageError if it cannot be attached, MissingExtra."""
    refuse_database(path)
    try:
        size = path.stat().st_size
        if size > LARGEST:  # before it is read
            raise _too_large(path.name, size)
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be attached: {error.strerror or error}") from error
    return examine(path.name, data)


def examine(name: str, data: bytes) -> ExaminedFile:
    """The file of that name, by what `data` really is. Blocks while it is read.

    Raises UsageError with the reason if it cannot be attached, MissingExtra.
    """
    name = _INVISIBLE.sub("", name.replace("\\", "/").rpartition("/")[2])[-120:] or "attachment"
    if not data:
        raise UsageError(f"{name} is empty")
    if len(data) > LARGEST:
        raise _too_large(name, len(data))
    try:
        return _examined(name, data)
    except Refused as refused:
        raise UsageError(f"{name} {refused}") from refused


def _too_large(name: str, size: int) -> UsageError:
    return UsageError(f"{name} has {size / 1e6:.0f} MB; at most {LARGEST >> 20} MB can be attached")


def _examined(name: str, data: bytes) -> ExaminedFile:
    kind, media_type = kind_of(data)
    if kind == "audio":
        return ExaminedFile(name, "audio", media_type, data, f"{len(data) / 1e6:.1f} MB of sound")
    if kind == "text":
        return _text(name, data)
    if kind == "image":
        size = pixels(media_type, data)
        if size is None:
            raise Refused(f"begins like {media_type} and is broken")
        if size[0] * size[1] > LARGEST_PIXELS:
            raise Refused(
                f"has {size[0]} × {size[1]} pixels; at most {LARGEST_PIXELS // 1_000_000} million can be attached"
            )
    file = read_apart(kind, media_type, name, data)
    if kind in ("image", "converted"):
        return ExaminedFile(name, "image", file.media_type, file.data, file.about, file.notes)
    return ExaminedFile(name, "text", "text/plain", file.text.encode(), file.about, _notes(name, kind, file))


def _notes(name: str, kind: Kind, file: ReadFile) -> tuple[str, ...]:
    """With a first one where the name says something else than the bytes."""
    ending = _ending(name)
    misnamed = ending in _MEDIA and ending != kind
    return (f"it is a {READ_APART[kind]}, whatever its name says",) * misnamed + file.notes


def _ending(name: str) -> str:
    return name.rpartition(".")[2].casefold() if "." in name else ""


def _text(name: str, data: bytes) -> ExaminedFile:
    if _ending(name) in _MEDIA:
        decode(data)
        raise Refused("is not what its name says: it holds text")
    decoded = decode(data)
    notes = [f"{decoded.broken:,} characters are damaged and show as \ufffd"] if decoded.broken else []
    encoding = "" if decoded.encoding == "UTF-8" else f", {decoded.encoding}"
    text = decoded.text.replace("\r\n", "\n")
    if _ending(name) in (*_MARKUP, *_UNNAMED) and _PAGE.match(text[:4096]):
        read = page.read(_declared(data) or text)
        if read.text:
            text = f"# {read.title}\n\n{read.text}" if read.title else read.text
            words = len(text.split())
            notes.append("the text of the page; name it .txt to send its markup")
            return ExaminedFile(name, "text", "text/plain", text.encode(), f"{words:,} words{encoding}", tuple(notes))
    lines = text.count("\n") + (not text.endswith("\n"))
    about = f"{several(lines, 'line')}{encoding}"
    return ExaminedFile(name, "text", "text/plain", text.encode("utf-8", "replace"), about, tuple(notes))


def _declared(data: bytes) -> str | None:
    """The page in the encoding that it declares, where it is no UTF-8."""
    declared = _CHARSET.search(data[:4096])
    if declared is None:
        return None
    try:
        return data.decode(declared[1].decode())
    except (LookupError, UnicodeDecodeError):
        return None
