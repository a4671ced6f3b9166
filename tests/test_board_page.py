"""The leaderboard as one file, the page of a run, and the answers from which the page in the browser is drawn."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import boards
import llms
from llms.arena.board import BoardRow, Leaderboard
from llms.errors import UnknownName, UsageError
from llms.testing import ScriptedModel
from llms.web.pages import HERE
from llms.workbench.board_page.export import ASSETS, write_page
from llms.workbench.board_page.export import page as board_file
from llms.workbench.html_report import page
from llms.workbench.leaderboard import read
from llms.workbench.run_items import KINDS, list_items, read_item
from llms.workbench.runs import samples


@pytest.fixture
def run() -> str:
    """25 items, of which some are right."""
    (report,) = llms.evaluate(ScriptedModel(lambda text: "#### 5"), ["gsm8k"], limit=25).reports.values()
    return report.key.run


def test_the_file_holds_the_board_and_asks_nobody_for_anything(tmp_path, run):
    write_page(read().table, tmp_path / "board.html")
    text = (tmp_path / "board.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="board-data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data) == json.loads(json.dumps(read().table.to_json()))
    for outside in ("http://www.w3.org/2000/svg",):  # a name, not an address
        text = text.replace(outside, "")
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in text
    assert "import {" not in text


def test_no_name_can_leave_the_data_for_the_page():
    row = BoardRow("</script><script>alert(1)</script><!--", "", boards.usual().rows[0].cells)
    text = board_file(Leaderboard(boards.COLUMNS, (row,)))
    assert text.count("<script") == 2
    assert "<!--" not in text


def test_the_page_is_light_without_its_data():
    import gzip

    files = [*ASSETS.iterdir(), HERE / "static" / "style.css", HERE / "templates" / "leaderboard.html"]
    assert sum(len(gzip.compress(path.read_bytes(), 6)) for path in files) < 60_000  # the promise is 250 KB


def test_a_file_that_stands_alone_has_the_colours_of_the_pages():
    def properties(path: Path) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for name, value in re.findall(r"(--[\w-]+): ([^;]+);", path.read_text()):
            values.setdefault(name, []).append(value)
        return values

    ours, theirs = properties(ASSETS / "frame.css"), properties(HERE / "static" / "style.css")
    assert len(ours) > 25
    assert {name: theirs.get(name) for name in ours} == ours


def test_items_come_wrong_first_and_page_by_page(run):
    whole = list_items(run, count=100)
    kinds = [line.kind for line in whole.items]
    assert len(kinds) == whole.selected == sum(whole.counts.values()) == 25
    assert kinds == sorted(kinds, key=KINDS.index)
    pages = [list_items(run, start=start, count=10).items for start in (0, 10, 20, 30)]
    assert [line for one in pages for line in one] == list(whole.items)
    for kind, count in whole.counts.items():
        assert {line.kind for line in list_items(run, kind, count=100).items} == {kind}
        assert list_items(run, kind).selected == count


def test_an_item_has_the_prompt_that_was_asked_letter_by_letter(run):
    for _, prompt, outcome in samples(run):
        item = read_item(run, outcome.item)
        assert item.header + item.prompt == prompt.context
        assert [text for _, text in item.texts] == ["#### 5"]
    with pytest.raises(UsageError, match="no item 'nothing'"):
        read_item(run, "nothing")
    with pytest.raises(UnknownName):
        list_items("nowhere")


def test_items_of_a_run_that_went_on_are_read_again(run):
    assert list_items(run).selected == 25
    llms.evaluate(ScriptedModel(lambda text: "#### 5"), ["gsm8k"], limit=30)
    assert list_items(run).selected == 30


def test_sentences_about_a_run_are_apart():
    (report,) = llms.evaluate(ScriptedModel(lambda text: "x"), ["gsm8k"], limit=3).reports.values()
    text = page([replace(report, counts={**report.counts, "unparsed": 2, "truncated": 0}, cut=13, cut_tokens=400)])
    assert "In 2 answers nothing could be read, which counts as wrong. 13 prompts lost 400 tokens on the left." in text
    assert "<script" not in text
