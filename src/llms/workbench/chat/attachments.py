"""Files that go with a message: text as text, pictures, sounds and documents as what they are, not as they are called."""

from collections.abc import Sequence
from pathlib import Path

from pydantic_ai.messages import BinaryContent, UserContent

from ...chat.conversation.messages import document
from ...errors import DataError
from ...settings import refuse_database

MOST_BYTES = 20 << 20
_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
_NAMED = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "pdf": "application/pdf", "mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg",
}  # fmt: skip

Attachment = str | Path | tuple[str, bytes] | UserContent


def attach(files: Sequence[Attachment]) -> list[UserContent]:
    """Contents of a message, from paths, (name, bytes) pairs, or pydantic-ai's own contents.

    Raises DataError for a file that is missing, too large, or not what its name says.
    """
    contents: list[UserContent] = []
    for file in files:
        if isinstance(file, str | Path):
            contents.append(_content(Path(file).name, _read(Path(file))))
        elif isinstance(file, tuple):
            _checked_size(file[0], len(file[1]))
            contents.append(_content(Path(file[0]).name, file[1]))
        else:
            contents.append(file)
    return contents


def _read(path: Path) -> bytes:
    refuse_database(path)
    try:
        _checked_size(str(path), path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be attached: {error.strerror or error}") from error


def _checked_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise DataError(f"{name} has {size / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB can be attached")


def _content(name: str, content: bytes) -> UserContent:
    kind, named = _kind(content), _NAMED.get(name.rpartition(".")[2].casefold())
    if named is not None and kind != named:
        raise DataError(
            f"{name} is called {named}, but it is {kind or 'something else'}; attach it under its right name"
        )
    if kind is not None:
        return BinaryContent(data=content, media_type=kind, vendor_metadata={"name": name})
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is neither UTF-8 text nor a picture, a sound or a PDF; convert it first") from error
    if "\0" in text:
        raise DataError(f"{name} is not text: it has NUL characters; convert it first")
    return document(name, text)


def _kind(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] in (b"WEBP", b"WAVE"):
        return "image/webp" if content[8:12] == b"WEBP" else "audio/wav"
    return next((kind for sign, kind in _SIGNS if content.startswith(sign)), None)
