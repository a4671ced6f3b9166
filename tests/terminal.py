"""A command of llms on a terminal of its own (a pty): what it shows, what is typed, Ctrl-C."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")
_BLANKS = re.compile(r"\x08\x1b\[(\d+)C")  # how blanks at the end of a line are written: back, then further on


class Terminal:
    def __init__(self, process: subprocess.Popen, screen: int):
        self.process, self.screen = process, screen
        self.text = self.raw = ""  # without escape sequences, and with them

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def read(self, seconds: float) -> str:
        """What comes within a time is added to `text`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self.screen], [], [], left)[0]:
            try:
                self.raw += os.read(self.screen, 65536).decode("utf-8", "replace")
            except OSError:  # the other side is closed
                break
            self.text = _ESCAPES.sub("", _BLANKS.sub(lambda back: " " * (int(back[1]) - 1), self.raw))
        return self.text

    def wait_for(self, pattern: str, after: int = 0, seconds: float = 60) -> int:
        """Where a match ends in `text`, at or behind `after`."""
        end = time.monotonic() + seconds
        while not (found := re.compile(pattern).search(self.text, after)):
            assert time.monotonic() < end, f"no {pattern!r} in {self.text[after:]!r}"
            self.read(0.05)
        return found.end()

    def end(self, seconds: float = 30) -> int:
        """The exit status, everything read."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        self.read(0.1)
        return self.process.wait(1)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """`llms ARGUMENTS` on a pty."""
    screen, inside = pty.openpty()
    settings = termios.tcgetattr(inside)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(inside, termios.TCSANOW, settings)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "llms", *arguments], stdin=inside, stdout=inside, stderr=inside, env=environment,
        start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(screen)
