"""Makes the README's pictures from nothing but this repository: pages in Chromium, and a terminal session.

    python docs/pictures.py              # choose.png, chat.png, phone.png, leaderboard.png, terminal.svg of docs/; some minutes
    python docs/pictures.py --home DIR   # in a home that is kept, whose models and runs are used again

The commands really ran, in a pseudo-terminal, and so did what the board shows and the tool; the pages are those of `llms
web`. What the chat's model says is written below, so that the picture holds all that an answer can be made of.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from llms.testing import ScriptedEndpoint, call
from llms.values import ToolCall

DOCS = Path(__file__).resolve().parent
CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
COLUMNS = 102
DESK, PHONE = {"width": 1120, "height": 860}, {"width": 390, "height": 860}
PICTURES = ("choose.png", "chat.png", "phone.png", "leaderboard.png", "terminal.svg")
MEASURE = "eval smollm2 smollm2?quantize=int8 -b arc_easy,hellaswag,gsm8k --limit 8"
ROWS, CANDIDATES = "docs/quiz.csv", ("smollm2", "smollm2?quantize=nf4", "gguf:smollm2")
SESSION = (
    'ask "What is the capital of Japan?"',
    'next "The capital of France is" --top 5',
    'calc "2^100 / 3"',
    "leaderboard -b arc_easy -b hellaswag",
)
QUESTIONS = ("What is 17 % of 2,340?", "How do I reverse a string in Python, and how long does it take?")
SUM = "17 % of 2,340 is **397.8**."
REVERSED = r"""A slice with a step of -1 reads it backwards, in linear time:

```python
def reverse(text: str) -> str:
    return text[::-1]  # from the last character to the first
```

$$T(n) = \sum_{i=1}^{n} c = c\,n \in O(n)$$
"""
COLOURS = TerminalTheme(
    (22, 24, 29), (232, 234, 238),
    [(22, 24, 29), (255, 156, 148), (127, 214, 160), (240, 198, 116), (138, 180, 248), (214, 160, 240), (120, 210, 220), (200, 204, 212)],
    [(110, 117, 130), (255, 156, 148), (127, 214, 160), (240, 198, 116), (138, 180, 248), (214, 160, 240), (120, 210, 220), (255, 255, 255)],
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a home that is kept (default: a new one, removed afterwards)")
    given = parser.parse_args()
    if given.home:
        given.home = given.home.resolve()
    os.chdir(DOCS.parent)  # where the path of the rows begins
    with tempfile.TemporaryDirectory(prefix="llms-pictures-") as folder:
        home = given.home or Path(folder)
        environment = {**os.environ, "LLMS_HOME": str(home.resolve()), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        subprocess.run([*llms(), *shlex.split(MEASURE)], env=environment, check=True)
        among = [word for name in CANDIDATES for word in ("-m", name)]
        subprocess.run([*llms(), "choose", "--data", ROWS, *among, "--go"], env=environment, check=True)
        draw_session(environment)
        take_pages(environment)
    for name in PICTURES:
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


def answer(body: Mapping[str, Any]) -> str | list[ToolCall]:
    last = body["messages"][-1]
    if last["role"] == "tool":
        return SUM
    return [call("calculator", expression="0.17 * 2340")] if QUESTIONS[0] in str(last["content"]) else REVERSED


@contextmanager
def serving(environment: dict[str, str], model: str) -> Iterator[str]:
    command = [*llms(), "web", "--port", "0", "-m", model, "--folder", "docs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield re.search(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


def take_pages(environment: dict[str, str]) -> None:
    with (
        ScriptedEndpoint(answer, raw=False, window=8192, models=("scripted",)) as endpoint,
        serving(environment, f"{endpoint.url}#scripted") as address,
        sync_playwright() as driver,
    ):
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = chromium.new_page(viewport=DESK, color_scheme="light", reduced_motion="reduce")
        page.set_default_timeout(180_000)
        page.goto(address)
        page.click("#panel-open")
        page.check("#tool-calculator")
        page.keyboard.press("Escape")
        for number, text in enumerate(QUESTIONS, 1):
            ask(page, text, number)
        page.fill("#text", "Does it work for an empty string?")  # the gauge says what sending this would take
        page.wait_for_function("() => document.getElementById('meter').textContent.includes('/')")
        page.wait_for_selector("article .katex")
        page.wait_for_selector("article .hljs-keyword")
        page.mouse.move(0, 0)
        page.screenshot(path=DOCS / "chat.png")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size(PHONE)
        page.evaluate("document.getElementById('log').scrollTo(0, 1e6)")
        page.screenshot(path=DOCS / "phone.png")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESK)
        site = address.partition("/?")[0]
        page.goto(f"{site}/choose?{urlencode({'data': ROWS, 'm': CANDIDATES}, doseq=True)}")
        page.wait_for_selector("#candidates tr.chosen")
        page.screenshot(path=DOCS / "choose.png", full_page=True)
        page.goto(f"{site}/leaderboard")
        page.wait_for_selector(".board-table")
        page.screenshot(path=DOCS / "leaderboard.png", full_page=True)
        chromium.close()


def ask(page: Page, text: str, count: int) -> None:
    """Ask the question of that number, and wait until its answer stands there whole."""
    page.fill("#text", text)
    page.press("#text", "Enter")
    page.wait_for_function(
        "n => document.querySelectorAll('article.user').length === n"
        " && [...document.querySelectorAll('article')].at(-1).matches('.assistant:has(.acts button)')"
        " && document.getElementById('log').getAttribute('aria-busy') !== 'true'",
        arg=count,
    )


if __name__ == "__main__":
    main()
