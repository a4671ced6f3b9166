"""The log of a running MCP server: its standard error, and lines of its standard output that are no messages. Bounded.

LLMS_HOME/mcp-NAME.log, and what came before it in mcp-NAME.log.1; each at most MOST_BYTES
"""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, TextIO

from .. import settings

MOST_BYTES = 1_000_000
SHOWN = 100  # stray lines that are written into the log; the others are counted
LONGEST = 500  # characters of one of them
END_SECONDS = 1.0  # that the last words of a server may take
CURRENT: ContextVar["ServerLog | None"] = ContextVar("mcp_log", default=None)  # of the tasks that read from a server


class ServerLog:
    """`stray` lines of the server's standard output were no messages."""

    def __init__(self, path: Path):
        self.path, self.stray = settings.private(path), 0
        self._file: BinaryIO = path.open("ab")
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None

    @contextlib.contextmanager
    def receiving(self) -> Iterator[TextIO]:
        """A stream for the server to write to, which it must have been given before this is left."""
        source, target = os.pipe()
        self._reader = threading.Thread(target=self._read, args=(source,), name="llms-mcp-log", daemon=True)
        self._reader.start()
        token = CURRENT.set(self)
        try:
            with os.fdopen(target, "w") as stream:
                yield stream
        finally:
            CURRENT.reset(token)

    def close(self) -> None:
        """Call it when the server has ended; a child that it left behind may go on writing, and is not waited for."""
        if self._reader is not None:
            self._reader.join(END_SECONDS)
        with self._lock:
            self._file.close()

    def note_stray(self, line: str) -> None:
        self.stray += 1
        if self.stray <= SHOWN:
            self._write(f"not a message: {line[:LONGEST]}\n".encode("utf-8", "replace"))

    def _read(self, source: int) -> None:
        with os.fdopen(source, "rb", buffering=0) as stream:
            while chunk := stream.read(65_536):
                self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._file.closed:
                return
            if self._file.tell() + len(chunk) > MOST_BYTES:
                self._file.close()
                os.replace(self.path, f"{self.path}.1")
                self._file = settings.private(self.path).open("ab")
            self._file.write(chunk)
            self._file.flush()


class _Strays(logging.Filter):
    """Lines that the client cannot read are counted in the server's log, in place of a trace for each."""

    def filter(self, record: logging.LogRecord) -> bool:
        log = CURRENT.get()
        if log is None:
            return True
        error = record.exc_info[1] if record.exc_info else None
        log.note_stray(_line(error) or record.getMessage())
        return False


def _line(error: BaseException | None) -> str:
    """The line that a validation error is about."""
    from pydantic import ValidationError  # with the client comes pydantic; who only names servers needs neither

    if not isinstance(error, ValidationError):
        return "" if error is None else str(error)
    return str(error.errors(include_url=False)[0].get("input", ""))


logging.getLogger("mcp.client.stdio").addFilter(_Strays())
