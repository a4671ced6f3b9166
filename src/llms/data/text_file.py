"""A text file on disk: its encoding checked and its content's digest taken once, then read by offset, as UTF-8.

What is compressed or in another encoding is written out again as UTF-8, beyond a few megabytes on disk.
"""

import codecs
import gzip
import hashlib
import os
import weakref
import zlib
from io import BufferedReader
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO

from ..errors import DataError

CHUNK = 1 << 20  # bytes that are looked at together
IN_MEMORY = 1 << 22  # bytes of a text that is held rather than written to disk
MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with BOM"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


class TextFile:
    """The text of `path` from byte `start` to `size`, as UTF-8; `revision` is the digest of the file as it lies there.

    `encoding` is the name of what it was written in, `nul` tells whether a NUL character stands in it. Raises DataError
    for bytes that are not text, naming the line, with the position in it unless the text is `withheld`.
    """

    def __init__(self, path: Path, withheld: bool = False):
        self.path = path
        self._lock = Lock()
        self._rewritten: IO[bytes] | None = None
        with _opened(path) as file:
            self._stamp = _stamp(file)
            self.revision = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            file.seek(0)
            source: IO[bytes] = file
            if path.name.lower().endswith(".gz"):
                source = self._rewritten = self._close_with_self(_unzipped(file, path))
            head = source.read(4)
            codec, self.encoding, mark = next(
                ((codec, name, len(mark)) for mark, codec, name in MARKS if head.startswith(mark)),
                ("utf-8", "UTF-8", 0),
            )
            self.start = mark if codec == "utf-8" else 0
            self.nul = _checked(source, self.start, codec, self.encoding, path, withheld)
            if codec != "utf-8":
                source = self._rewritten = self._close_with_self(_as_utf8(source, codec))
                self.nul = _has_nul(source)
            self.size = source.seek(0, os.SEEK_END)

    def _close_with_self(self, spool: IO[bytes]) -> IO[bytes]:
        weakref.finalize(self, spool.close)
        return spool

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`. Raises DataError if the file is no longer what it was."""
        if self._rewritten:
            with self._lock:
                self._rewritten.seek(start)
                return self._rewritten.read(end - start)
        with _opened(self.path) as file:
            if _stamp(file) != self._stamp:
                raise DataError(f"{self.path} was changed while it was read; begin again")
            file.seek(start)
            return file.read(end - start)

    def text(self) -> str:
        """The whole text."""
        return self.read(self.start, self.size).decode()

    def beginning(self, lines: int) -> str:
        """So much of the text that `lines` lines in it are whole and not blank, or all of it."""
        size = 1 << 16
        while True:
            content = self.read(self.start, self.start + size)
            if self.start + len(content) >= self.size:
                return content.decode()
            cut = 1 + max(content.rfind(b"\n"), content.rfind(b"\r", 0, -1))
            if sum(bool(line.strip()) for line in content[:cut].splitlines()) >= lines:
                return content[:cut].decode()
            size *= 2

    def holds(self, text: str) -> bool:
        """Whether `text` stands anywhere in it."""
        wanted, tail = text.encode(), b""
        for position in range(self.start, self.size, CHUNK):
            content = tail + self.read(position, position + CHUNK)
            if wanted in content:
                return True
            tail = content[-len(wanted) :]
        return False


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _stamp(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _unzipped(file: IO[bytes], path: Path) -> IO[bytes]:
    spool = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # closed with the TextFile
    try:
        with gzip.GzipFile(fileobj=file) as content:
            while chunk := content.read(CHUNK):
                spool.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        spool.close()
        raise DataError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    spool.seek(0)
    return spool


def _as_utf8(source: IO[bytes], codec: str) -> IO[bytes]:
    decoder = codecs.getincrementaldecoder(codec)()
    spool = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # closed with the TextFile
    source.seek(0)
    while chunk := source.read(CHUNK):
        spool.write(decoder.decode(chunk).encode())
    return spool


def _has_nul(source: IO[bytes]) -> bool:
    source.seek(0)
    return any(b"\0" in chunk for chunk in iter(lambda: source.read(CHUNK), b""))


def _checked(source: IO[bytes], start: int, codec: str, name: str, path: Path, withheld: bool) -> bool:
    """Whether there is a byte 0 in it. Raises DataError where it is not text in `codec`."""
    decoder = codecs.getincrementaldecoder(codec)()
    zeros, size, wrong = 0, start, None
    source.seek(start)
    while chunk := source.read(CHUNK):
        zeros += chunk.count(0)
        if wrong is None:
            before = size - len(decoder.getstate()[0])  # where the bytes begin that are still to be decoded
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                wrong = before + error.start, error
        size += len(chunk)
    if wrong is None:
        before = size - len(decoder.getstate()[0])
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            wrong = before + error.start, error
    if name == "UTF-8" and 3 * zeros > size:
        raise DataError(
            f"{path}: every second byte is 0, as in UTF-16 without a byte order mark; save the file as UTF-8"
        )
    if wrong is not None:
        raise _not_text(source, wrong[0], name, path, withheld) from wrong[1]
    return zeros > 0


def _not_text(source: IO[bytes], position: int, name: str, path: Path, withheld: bool) -> DataError:
    source.seek(0)
    line, left = 1, position
    while left and (chunk := source.read(min(CHUNK, left))):
        line += chunk.count(b"\n")
        left -= len(chunk)
    source.seek(max(0, position - 12))
    before, behind = source.read(min(12, position)), source.read(12)
    seen = (before.splitlines() or [b""])[-1] + behind.splitlines()[0]
    hint = f"; in Windows-1252 it would read {seen.decode('cp1252', 'replace')!r}"
    hint = hint if name == "UTF-8" and not withheld else ""
    return DataError(
        f"{path}, line {line}: not {name} (byte 0x{behind[0]:02X}{hint}); "
        "save the file as UTF-8 (in a spreadsheet: CSV UTF-8)"
    )
