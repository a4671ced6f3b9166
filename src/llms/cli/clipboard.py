"""Text into the clipboard: of this machine by its own program, and of the terminal's machine by an escape sequence."""

import base64
import shutil
import subprocess
import sys
from contextlib import suppress

from ..errors import UsageError
from ..settings import get

PROGRAMS = (  # (program, arguments, the variable without which it cannot work)
    ("pbcopy", (), ""),
    ("wl-copy", (), "WAYLAND_DISPLAY"),
    ("xclip", ("-selection", "clipboard"), "DISPLAY"),
    ("xsel", ("--clipboard", "--input"), "DISPLAY"),
    ("clip.exe", (), ""),
)
SECONDS = 5.0
MOST_BYTES = 74_000  # of an escape sequence; longer ones are dropped by xterm and others


def copy(text: str) -> str:
    """Put `text` into the clipboard; by what that was done, for the user. Raises UsageError where there is no way."""
    at_hand = (program for program in PROGRAMS if not program[2] or get(program[2]))
    worked = next((name for name, arguments, _ in at_hand if _runs(name, arguments, text)), None)
    ways = [worked] if worked else []
    encoded = base64.b64encode(text.encode()).decode()
    if sys.stdout.isatty() and len(encoded) <= MOST_BYTES:
        sys.stdout.write(f"\x1b]52;c;{encoded}\x07")
        sys.stdout.flush()
        ways.append("the terminal (OSC 52, if it allows that)")
    if not ways:
        names = ", ".join(name for name, _, _ in PROGRAMS)
        raise UsageError(
            f"there is no clipboard here: none of {names} works, and this is no terminal; /export FILE writes it"
        )
    return " and ".join(ways)


def _runs(program: str, arguments: tuple[str, ...], text: str) -> bool:
    path = shutil.which(program)
    if path is None:
        return False
    with suppress(OSError, subprocess.TimeoutExpired):
        ran = subprocess.run(
            [path, *arguments],
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        )
        return ran.returncode == 0
    return False
