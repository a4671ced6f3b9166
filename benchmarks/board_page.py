"""How soon the leaderboard's page stands there and how fast it sorts and filters: 200 systems × 40 columns, in Debian's Chromium.

    python benchmarks/board_page.py [--systems 200] [--columns 40] [--rounds 5]

The page comes from `llms web` and its data from memory; the same board is then opened as one file. Times in milliseconds, medians
of the rounds: from the beginning of the navigation to the first paint and to the frame after the table was drawn; from an
input to the frame that shows what it did. `cpu` has the CPU time of the renderer's main thread for the same, which depends
less on what else the machine does. Prints one object for each, and the page's weight without its data.
"""

import argparse
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from boards import crowded
from llms.web.pages import HERE
from llms.workbench.board_page.export import ASSETS, page

TOKEN = "of-the-benchmark"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DRAWN = """() => new Promise((done) => {
  const look = () => performance.getEntriesByName("board-drawn").length
    ? requestAnimationFrame(() => setTimeout(() => done([performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0, performance.now()])))
    : setTimeout(look, 1);
  look();
})"""
AFTER = """(act) => new Promise((done) => {
  const start = performance.now();
  (0, eval)(act);
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""
COLUMN = "document.querySelector('thead th[data-sort=%s]').click()"
SEARCH = "{ const box = document.querySelector('input[type=search]'); box.value = '%s'; box.dispatchEvent(new Event('input')); }"
CHIP = "[...document.querySelectorAll('.board-chip')].find((one) => one.textContent === '%s').click()"
EVIDENCE = "{ const box = document.querySelector('select[aria-label=Evidence]'); box.value = '%s'; box.dispatchEvent(new Event('change')); }"
ACTS = {
    "sort": [COLUMN % "b3", COLUMN % "b3", COLUMN % "b7"],
    "search": [SEARCH % "family-3", SEARCH % ""],
    "filter by group": [CHIP % "Benchmarks", CHIP % "Benchmarks"],
    "filter by evidence": [EVIDENCE % "own", EVIDENCE % "all"],
    "scatter": [CHIP % "Scatter", CHIP % "Table"],
}


def measured(tab: Page, address: str, rounds: int) -> dict[str, object]:
    devtools = tab.context.new_cdp_session(tab)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
        return 1000 * metrics["TaskDuration"]

    opened, acts = [], {name: [] for name in ACTS}
    cpu: dict[str, list[float]] = {name: [] for name in ["table", *ACTS]}
    for _ in range(rounds):
        tab.goto("about:blank")
        before = spent()
        tab.goto(address)
        opened.append(tab.evaluate(DRAWN))
        cpu["table"].append(spent() - before)
        for name, steps in ACTS.items():
            for step in steps:
                before = spent()
                acts[name].append(tab.evaluate(AFTER, step))
                cpu[name].append(spent() - before)
    first, table = (round(statistics.median(times)) for times in zip(*opened, strict=True))
    slowest = {name: round(max(times)) for name, times in acts.items()}
    return {
        "first_paint": first,
        "table": table,
        **{name: round(statistics.median(times)) for name, times in acts.items()},
        "slowest": slowest,
        "cpu": {name: round(statistics.median(times)) for name, times in cpu.items()},
    }


def main(systems: int, columns: int, rounds: int) -> None:
    board = crowded(systems, columns)
    weight = sum(
        len(gzip.compress(file.read_bytes(), 6))
        for file in [*ASSETS.iterdir(), HERE / "static" / "style.css", HERE / "templates" / "leaderboard.html"]
    )
    print(json.dumps({"systems": systems, "columns": columns, "weight_kB": round(weight / 1000, 1)}))
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        tab = chromium.new_page(viewport={"width": 1280, "height": 800})
        environment = {**os.environ, "LLMS_HOME": home, "PYTHONUNBUFFERED": "1", "LLMS_WEB_TOKEN": TOKEN}
        command = [sys.executable, "-m", "llms", "web", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            assert server.stdout
            address = re.search(r"(http://\S+)/\?token", server.stdout.readline())
            assert address
            tab.goto(f"{address[1]}/?token={TOKEN}")
            body = json.dumps(board.to_json())
            tab.route("**/api/board", lambda route: route.fulfill(body=body, content_type="application/json"))
            print(json.dumps({"page": measured(tab, f"{address[1]}/leaderboard", rounds)}))
            server.terminate()
        file = Path(home, "board.html")
        file.write_text(page(board), encoding="utf-8")
        print(json.dumps({"file": measured(tab, file.as_uri(), rounds)}))
        chromium.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=200)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    main(**vars(parser.parse_args()))
