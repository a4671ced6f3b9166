"""Grids of small runs: planned, trained, resumed row by row, judged by one text."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from llms.errors import UsageError
from llms.training.scaling.grid import RUNS, plan_grid, read_rows, train_grid
from llms.training.scaling.observed import read_runs

SIZES, TOKENS = (30_000, 60_000, 125_000, 250_000), (2_000, 3_000, 5_000, 8_000)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    lines = [f"{a} and {b} make {a + b}; {b} and {a} make the same.\n" for a in range(60) for b in range(40)]
    path.write_text("".join(lines))
    return path


def ignore(recipe, event):
    pass


def take(plan, count):
    rows = train_grid(plan, ignore)
    taken = [next(rows) for _ in range(count)]
    rows.close()
    return taken


def test_a_grid_is_planned_shortest_run_first_and_its_time_estimated(text, tmp_path):
    plan = plan_grid(tmp_path / "grid", [text], SIZES, TOKENS)
    work = [recipe.shape.parameters * recipe.max_steps * recipe.rows_per_step for recipe in plan.recipes]
    assert len(work) == 16
    assert work == sorted(work)
    assert 0 < plan.seconds < 600
    assert plan.done == ()
    for recipe in plan.recipes:  # the schedule is as long as the run
        assert recipe.schedule == "cosine"
        assert recipe.max_steps * recipe.rows_per_step * recipe.window in [pytest.approx(d, rel=0.1) for d in TOKENS]
    validations = {(tmp_path / "grid" / "text" / "validation.bin").stat().st_mtime_ns}
    again = plan_grid(tmp_path / "grid", [text], SIZES, TOKENS)
    assert again.recipes == plan.recipes
    assert {(tmp_path / "grid" / "text" / "validation.bin").stat().st_mtime_ns} == validations  # written once


def test_runs_that_ended_are_not_run_again_and_the_same_seed_gives_the_same_loss(text, tmp_path):
    first = take(plan_grid(tmp_path / "a", [text], SIZES, TOKENS), 2)
    plan = plan_grid(tmp_path / "a", [text], SIZES, TOKENS)
    assert sorted(plan.done, key=lambda row: row.tokens) == sorted(first, key=lambda row: row.tokens)
    assert {path.name for path in (tmp_path / "a").glob("run-*")} == set()  # only rows are kept of a run that ended
    third = take(plan, 1)[0]
    assert third not in first
    assert len(read_rows(tmp_path / "a")) == 3
    other = take(plan_grid(tmp_path / "b", [text], SIZES, TOKENS), 1)[0]
    assert (other.parameters, other.tokens, other.loss) == (first[0].parameters, first[0].tokens, first[0].loss)
    assert 0 < other.bits_per_byte < 8


def test_a_grid_too_small_or_another_one_in_the_folder_is_refused(text, tmp_path):
    with pytest.raises(UsageError, match="3 sizes and 4 token counts; a law needs at least 4 of each"):
        plan_grid(tmp_path, [text], SIZES[:3], TOKENS)
    with pytest.raises(UsageError, match="same nearest network"):
        plan_grid(tmp_path / "near", [text], (60_000, 60_001, 125_000, 250_000), TOKENS)
    plan_grid(tmp_path / "grid", [text], SIZES, TOKENS)
    with pytest.raises(UsageError, match=r"holds another grid: its seed is 0, and 1 is asked for"):
        plan_grid(tmp_path / "grid", [text], SIZES, TOKENS, seed=1)


def test_a_grid_that_is_refused_leaves_its_folder_free_and_other_peoples_files_alone(text, tmp_path):
    with pytest.raises(UsageError, match="no network of 1 parameters"):
        plan_grid(tmp_path / "grid", [text], (1, 2, 3, 4), TOKENS)
    assert plan_grid(tmp_path / "grid", [text], SIZES, TOKENS).recipes
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tokenizer.json").write_text("mine")
    with pytest.raises(UsageError, match="is not empty, and holds no grid; name a new folder"):
        plan_grid(tmp_path / "model", [text], SIZES, TOKENS)
    assert [path.read_text() for path in (tmp_path / "model").iterdir()] == ["mine"]


def test_text_that_is_read_more_than_once_is_said(text, tmp_path):
    plan = plan_grid(tmp_path / "grid", [text], SIZES, (2_000, 3_000, 5_000, 500_000))
    assert "repeated text teaches less" in plan.notes[0]
    assert not plan_grid(tmp_path / "other", [text], SIZES, TOKENS).notes


@pytest.mark.slow
def test_a_killed_grid_goes_on_and_ends_with_a_law(text, tmp_path):
    command = [sys.executable, "-m", "llms", "scaling", "run", str(text), "--out", str(tmp_path / "grid"), "--json"]
    command += ["--sizes", ",".join(map(str, SIZES)), "--tokens", ",".join(map(str, TOKENS))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "grid" / RUNS).is_file() and time.monotonic() < deadline:
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = read_rows(tmp_path / "grid")
    assert 1 <= len(before) < 16
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    plan, *rows, fit = map(json.loads, result.stdout.splitlines())
    assert plan["done"] == len(before)
    assert len(rows) == 16 - len(before)
    assert {row.loss for row in before} < {row.loss for row in read_rows(tmp_path / "grid")} | {0}
    assert fit["runs"] == 16
    assert (tmp_path / "grid" / "law.svg").is_file()
    runs = read_runs(tmp_path / "grid" / RUNS)
    assert (runs.unit, len(runs.rows)) == ("nats per token", 16)
