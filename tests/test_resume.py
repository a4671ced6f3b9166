"""A run that is killed in the middle continues, and ends as if it had never been."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

ITEMS = 600


def rows(folder: Path) -> Path:
    """An ARC-Easy of this test's own."""
    path = folder / "arc" / "ARC-Easy"
    path.mkdir(parents=True)
    for split, count in (("test", ITEMS), ("train", 5)):
        with (path / f"{split}.jsonl").open("w") as file:
            for i in range(count):
                options = {"text": [f"{i * k % 97} apples" for k in (3, 5, 7, 11)], "label": list("ABCD")}
                row = {"question": f"{split}: how many is {i}?", "choices": options, "answerKey": "ABCD"[i % 4]}
                file.write(json.dumps(row) + "\n")
    return folder


def command(tiny: str, data: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "llms", "eval", f"hf:{tiny}", "-b", "arc_easy", "--data", str(data), "--json", *more]


def stored(home: Path) -> int:
    try:
        with sqlite3.connect(f"file:{home / 'llms.sqlite3'}?mode=ro", uri=True) as db:
            return db.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0]
    except sqlite3.Error:
        return 0


def children(pid: int) -> list[int]:
    """Processes below `pid`, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found += [int(entry.name), *children(int(entry.name))]
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def samples(home: Path) -> dict[str, dict]:
    environment = {**os.environ, "LLMS_HOME": str(home)}
    arguments = [sys.executable, "-m", "llms", "samples", "last", "--json"]
    output = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout
    return {row["item"]: row for row in map(json.loads, output.splitlines())}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.slow
def test_a_killed_run_continues_and_ends_the_same(tiny, tmp_path):
    data = rows(tmp_path / "data")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(
        command(tiny, data, "--workers", "2"),
        env={**os.environ, "LLMS_HOME": str(whole)},
        check=True,
        stdout=subprocess.DEVNULL,
    )

    process = subprocess.Popen(
        command(tiny, data, "--workers", "2"),
        env={**os.environ, "LLMS_HOME": str(broken)},
        stdout=subprocess.DEVNULL,
    )
    below = []
    try:
        deadline = time.monotonic() + 120
        while stored(broken) < 40:
            assert time.monotonic() < deadline, "nothing was stored"
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        below = children(process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    survived = stored(broken)
    assert 40 <= survived < ITEMS
    assert len(below) >= 2, "two workers were asked for"
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in below):
        assert time.monotonic() < deadline, "workers outlived their parent"
        time.sleep(0.05)

    again = subprocess.run(
        command(tiny, data, "--workers", "1"),
        env={**os.environ, "LLMS_HOME": str(broken)},
        capture_output=True,
        text=True,
        check=True,
    )
    (report,) = map(json.loads, again.stdout.splitlines())
    assert report["n"] == ITEMS
    attempts = sqlite3.connect(broken / "llms.sqlite3").execute("SELECT seconds FROM attempts ORDER BY id").fetchall()
    assert len(attempts) == 2
    assert all(seconds > 0 for (seconds,) in attempts)
    assert report["seconds"] == pytest.approx(sum(seconds for (seconds,) in attempts))

    one, two = samples(whole), samples(broken)
    assert list(one) == list(two)
    for item, row in one.items():
        other = two[item]
        assert row["prompt"] == other["prompt"]
        assert row["scores"] == other["scores"]
        assert row["greedy"] == other["greedy"]
        assert row["logprob"] == pytest.approx(other["logprob"], abs=1e-4, rel=1e-6)
