"""The leaderboard as a page: ranks, averages, what each line is about, sorting in a real browser."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import llms
from llms.testing import ScriptedModel
from llms.workbench.html_report import page
from llms.workbench.leaderboard import read, write_page

CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)


def measure() -> None:
    """Three systems on two benchmarks; `worst` is asked one of them only where `one` is left out."""
    for name, liked in (("best", 1.0), ("worst", -1.0), ("twin", -1.0)):
        model = ScriptedModel(lambda text: "#### 5", name=name, likelihood=lambda c, k, liked=liked: liked * len(k))
        llms.evaluate(model, ["truthfulqa_mc1", "hellaswag"], limit=20)


def written(tmp_path) -> Path:
    measure()
    write_page(read(), tmp_path / "board.html")
    return tmp_path / "board.html"


def test_systems_are_ranked_where_they_were_asked_the_same_and_averaged(tmp_path):
    board = read()
    assert not board.table.columns
    text = re.sub(r"\s+", " ", written(tmp_path).read_text())
    rows = re.findall(r"<tr> <td>(\w+)<br>.*?<td class=\"left\">(\w+)</td><td>(\d+)</td>", text)
    assert len(rows) == 6
    for benchmark in ("truthfulqa_mc1", "hellaswag"):
        ranks = {system: rank for name, system, rank in rows if name == benchmark}
        assert ranks["twin"] == ranks["worst"]
        assert sorted(ranks.values()) in (["1", "2", "2"], ["1", "1", "3"])
    board = read()
    average = next(column.id for column in board.table.columns if column.group == "average")
    averages = re.findall(r"<tr><td>(\w+)</td><td>(\d)</td><td>([\d.]+)</td></tr>", text)
    assert {name: float(value) for name, _, value in averages} == {
        row.system: pytest.approx(100 * row.cells[average].value, abs=0.05) for row in board.table.rows
    }
    assert "Average over 2 benchmarks" in text
    for system in ("best", "worst", "twin"):
        assert f"hellaswag, {system}: other metrics" in text
    for outside in ("http://", "https://", "src="):
        assert outside not in text


def test_sentences_about_a_run_are_apart():
    (run,) = llms.evaluate(ScriptedModel(lambda text: "x"), ["gsm8k"], limit=3).reports.values()
    text = page([replace(run, counts={**run.counts, "unparsed": 2, "truncated": 0}, cut=13, cut_tokens=400)])
    assert "In 2 answers nothing could be read, which counts as wrong. 13 prompts lost 400 tokens on the left." in text
    assert "<script" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="sorting is tried in Debian's chromium")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_click_on_a_heading_sorts_the_board_one_way_and_the_other(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    file = written(tmp_path)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(file.as_uri())

        def column(number: int) -> list[str]:
            return tab.locator(f"#board tbody td:nth-child({number})").all_inner_texts()

        before = column(4)
        tab.get_by_role("button", name="score").click()
        assert column(4) == sorted(before, key=float, reverse=True)
        assert tab.locator("th[aria-sort=descending]").inner_text().startswith("score")
        tab.get_by_role("button", name="score").click()
        assert column(4) == sorted(before, key=float)
        tab.get_by_role("button", name="system").click()
        assert column(2) == sorted(column(2))
        tab.get_by_role("button", name="rank").click()
        assert column(3) == sorted(column(3))
        assert tab.locator("th[aria-sort]").count() == 1
        browser.close()
