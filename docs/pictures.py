"""Makes the README's pictures from nothing but this repository: two pages in Chromium, and a terminal session.

    python docs/pictures.py              # docs/chat.png, docs/leaderboard.png, docs/terminal.svg; some minutes
    python docs/pictures.py --home DIR   # in a home that is kept, whose models and runs are used again

All that they show was really answered: the commands ran in a pseudo-terminal, the pages are those of `llms web`.
"""

import argparse
import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

DOCS = Path(__file__).parent
CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
COLUMNS = 102
SIZE = {"width": 1120, "height": 880}
MEASURE = "eval smollm2 smollm2?quantize=int8 -b arc_easy,hellaswag,gsm8k --limit 8"
SESSION = (
    'ask "What is the capital of Japan?"',
    'next "The capital of France is" --top 5',
    'calc "2^100 / 3"',
    "leaderboard -b arc_easy -b hellaswag",
)
FIRST = "Say good morning in French."  # the model is loaded when it is answered
QUESTION = "Write a Python function that reverses a string, and say how it works."
COLOURS = TerminalTheme(
    (22, 24, 29), (232, 234, 238),
    [(22, 24, 29), (255, 156, 148), (127, 214, 160), (240, 198, 116), (138, 180, 248), (214, 160, 240), (120, 210, 220), (200, 204, 212)],
    [(110, 117, 130), (255, 156, 148), (127, 214, 160), (240, 198, 116), (138, 180, 248), (214, 160, 240), (120, 210, 220), (255, 255, 255)],
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a home that is kept (default: a new one, removed afterwards)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="llms-pictures-") as folder:
        home = given.home or Path(folder)
        environment = {**os.environ, "LLMS_HOME": str(home.resolve()), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        subprocess.run([*llms(), *shlex.split(MEASURE)], env=environment, check=True)
        draw_session(environment)
        take_pages(environment)
    for name in ("chat.png", "leaderboard.png", "terminal.svg"):
        print(f"{DOCS / name}: {(DOCS / name).stat().st_size / 1000:.0f} kB")


def llms() -> list[str]:
    return [sys.executable, "-m", "llms"]


# --- the terminal


def draw_session(environment: dict[str, str]) -> None:
    out = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, command in enumerate(SESSION):
        if number:
            out.print()
        out.print(Text("$ ", "bold green") + Text(f"llms {command}", "bold"))
        out.print(Text.from_ansi(in_terminal(command, environment)))
    drawn = out.export_svg(title="llms", theme=COLOURS)
    drawn = re.sub(r"@font-face\s*{.*?}\s*", "", drawn, flags=re.S)  # no font from elsewhere
    (DOCS / "terminal.svg").write_text(drawn, encoding="utf-8")


def in_terminal(command: str, environment: dict[str, str]) -> str:
    """What a command writes to a terminal of COLUMNS columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    settings = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(
        [*llms(), *shlex.split(command)], stdin=its, stdout=its, stderr=subprocess.DEVNULL, env=settings, close_fds=True
    )
    os.close(its)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    if process.wait():
        raise SystemExit(f"llms {command} failed with status {process.returncode}")
    return written.decode().replace("\r\n", "\n").rstrip("\n")


# --- the pages


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    command = [*llms(), "web", "--port", "0", "--max-tokens", "200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


def take_pages(environment: dict[str, str]) -> None:
    with serving(environment) as address, sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = chromium.new_page(viewport=SIZE, color_scheme="light")
        page.set_default_timeout(180_000)
        for text in (FIRST, QUESTION):
            page.goto(address)
            ask(page, text)
        page.fill("#text", "Does it work for an empty string?")  # the meter says what sending this would take
        page.wait_for_function("() => document.getElementById('meter').textContent.includes('exact')")
        page.screenshot(path=DOCS / "chat.png")
        page.goto(f"{address.partition('/?')[0]}/leaderboard")
        page.screenshot(path=DOCS / "leaderboard.png", full_page=True)
        chromium.close()


def ask(page: Page, text: str) -> None:
    """Ask, and wait until the answer stands there whole."""
    page.fill("#text", text)
    page.press("#text", "Enter")
    page.wait_for_function(
        "() => document.querySelector('article.assistant .acts button')"
        " && document.getElementById('log').getAttribute('aria-busy') !== 'true'"
    )


if __name__ == "__main__":
    main()
