"""How smoothly the chat page shows a long answer: frames a second while one of many paragraphs arrives.

    python benchmarks/page_stream.py [--paragraphs 3000] [--seconds 15]

A scripted endpoint streams at an even pace through `llms web` into Debian's Chromium. Prints one object: paragraphs, frames of
the median second, of the first and the last quarter, and the longest time without a frame.
"""

import argparse
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

from llms.testing import ScriptedEndpoint

TOKEN = "of-the-benchmark"
COUNT = """() => { window.frames_ = []; const next = (now) => { frames_.push(now); requestAnimationFrame(next); };
  requestAnimationFrame(next); }"""
DONE = "() => document.getElementById('log').getAttribute('aria-busy') !== 'true'"


def paragraph(number: int) -> str:
    return f"Paragraph **{number}** says in plain words, with `code` and *emphasis*, that a long answer goes on and on.\n\n"


def watched(url: str, paragraphs: int) -> tuple[list[float], int]:
    """When each frame was drawn while the answer came, in milliseconds, and how many paragraphs then stood there."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1100, "height": 800})
        page.goto(f"{url}/?token={TOKEN}")
        page.fill("#text", "go on")
        page.press("#text", "Enter")
        page.wait_for_selector("article.assistant .body p")
        page.evaluate(COUNT)
        page.wait_for_function(DONE, timeout=300_000, polling=500)
        frames = page.evaluate("frames_")
        shown = page.evaluate("document.querySelectorAll('article.assistant .body p').length")
        chromium.close()
        return frames, shown


def main(paragraphs: int, seconds: float) -> None:
    pieces = [paragraph(number) for number in range(paragraphs)]
    with (
        tempfile.TemporaryDirectory() as home,
        ScriptedEndpoint(lambda body: pieces, raw=False, window=1 << 20, seconds=seconds / paragraphs) as endpoint,
    ):
        environment = {**os.environ, "LLMS_HOME": home, "PYTHONUNBUFFERED": "1", "LLMS_WEB_TOKEN": TOKEN}
        command = [sys.executable, "-m", "llms", "web", "--port", "0", "-m", f"{endpoint.url}#m"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            assert server.stdout
            address = re.search(r"(http://\S+)/\?token", server.stdout.readline())
            assert address
            frames, shown = watched(address[1], paragraphs)
            server.terminate()
    gaps = [after - before for before, after in itertools.pairwise(frames)]
    rates = [
        sum(start <= at < start + 1000 for at in frames) for start in range(int(frames[0]), int(frames[-1]) - 999, 1000)
    ]
    quarter = max(1, len(rates) // 4)
    parts = {
        "frames_a_second": statistics.median(rates),
        "first_quarter": statistics.median(rates[:quarter]),
        "last_quarter": statistics.median(rates[-quarter:]),
        "longest_gap_ms": round(max(gaps)),
    }
    print(json.dumps({"paragraphs": shown, "seconds": round((frames[-1] - frames[0]) / 1000, 1)} | parts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paragraphs", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=15)
    main(**vars(parser.parse_args()))
