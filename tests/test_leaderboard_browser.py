"""The leaderboard as a person uses it, in a real browser: on the page of a real server over stored runs, and in the file that
stands alone; the same scripts do both."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

import boards
import llms
from llms.arena.board import BoardRow, Leaderboard
from llms.testing import ScriptedEndpoint, ScriptedModel
from llms.workbench.board_page.export import page as board_file
from llms.workbench.runs import samples
from serving import TOKEN, pages
from test_browser import CHROMIUM, QUIET, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
TOP = ["openai:large-model", "openai:medium-model", "hf:local/small-7b-instruct?quantize=int8"]
BY_NAME = ["gguf:smollm2", TOP[2], "meta/known-from-papers", *TOP[:2], "smollm2"]
BOARD = boards.usual()
IN_VIEW = """() => {
  const board = JSON.parse(document.getElementById("board-data").textContent);
  const value = board.cell.indexOf("value");
  const box = document.querySelector(".board-scroll").getBoundingClientRect();
  return [...document.querySelectorAll(".board-table tbody td.between:not(.off)")].filter((td) => {
    const own = td.getBoundingClientRect();
    return own.left < box.right && own.right > box.left && own.top < box.bottom && own.bottom > box.top;
  }).map((td) => {
    const row = board.rows.find((one) => one.label === td.parentElement.querySelector("th span").textContent);
    const head = [...document.querySelectorAll("thead th")].find((th) => th.ariaColIndex === td.ariaColIndex);
    const at = board.columns.findIndex((one) => one.id === head.dataset.sort);
    const share = board.columns[at].unit === "share";
    return share ? { text: td.firstChild.data, expected: (100 * row.cells[at][value]).toFixed(1) } : { text: "", expected: "" };
  });
}"""
BOXES = "all => all.map((one) => one.getBBox()).map((box) => [box.x, box.y, box.x + box.width, box.y + box.height])"


def names(page) -> list[str]:
    shown = page.locator(".board-table tbody th > span")
    return shown.all_text_contents()  # rows that are not drawn yet have no inner text


def headings(page) -> list[str]:
    return [
        text.strip() for text in page.locator(".board-table thead th:visible > span").all_inner_texts() if text.strip()
    ]


def cell(page, system: str, column: str):
    at = next(i for i, one in enumerate(BOARD.columns) if one.id == column)
    return page.locator(f".board-table tbody tr:has(th span:text-is('{system}')) td.c{at}")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with two systems on two benchmarks, one of them asked in words."""
    home = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(home))
        for name, liked in (("best", 1.0), ("worst", -1.0)):
            model = ScriptedModel(lambda text: "#### 5", name=name, likelihood=lambda c, k, liked=liked: liked * len(k))
            llms.evaluate(model, ["truthfulqa_mc1", "gsm8k"], limit=25)
    return home


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that stand alone."""
    home = tmp_path_factory.mktemp("board")
    (home / "usual.html").write_text(board_file(BOARD), encoding="utf-8")
    empty = Leaderboard((), (), ("llms eval smollm2 -b arc_easy --limit 50",))
    (home / "empty.html").write_text(board_file(empty), encoding="utf-8")
    (home / "crowded.html").write_text(board_file(boards.crowded()), encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def server(store):
    with ScriptedEndpoint(raw=False) as endpoint, pages("-m", f"{endpoint.url}#m", home=store) as address:
        yield address


@pytest.fixture(scope="module")
def context():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
        context.set_default_timeout(30_000)
        yield context
        chromium.close()


@pytest.fixture
def page(context):
    """A page on which nothing may go wrong, and from which nothing may go out."""
    problems: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    opened.on("request", lambda one: None if one.url.startswith(("http://127.0.0.1:", "file:", "blob:", "data:")) else problems.append(one.url))  # fmt: skip
    yield opened
    opened.close()
    assert not problems


@pytest.fixture
def usual(page, folder):
    """The page of `boards.usual()`, as a file."""

    def go(hash: str = ""):
        page.goto("about:blank")
        page.goto((folder / "usual.html").as_uri() + hash)
        page.wait_for_selector("#board[aria-busy=false]")
        return page

    go()
    page.go = go
    return page


@pytest.fixture
def live(page, server):
    page.goto(f"{server}/?token={TOKEN}")
    page.goto(f"{server}/leaderboard")
    page.wait_for_selector(".board-table tbody tr")
    return page


def test_it_is_sorted_by_the_average_and_names_ranks_as_intervals(usual):
    assert names(usual) == [*TOP, "smollm2", "gguf:smollm2", "meta/known-from-papers"]
    assert usual.locator(".board-table tbody th > small").all_text_contents() == ["1–3", "1–3", "1–3", "4–5", "4–5", ""]
    apart = usual.locator("tr.apart th > span").all_text_contents()
    assert apart == ["smollm2"]  # ties are one group
    assert usual.locator("th[aria-sort=descending]").inner_text().startswith("Average")


def test_a_heading_sorts_the_best_first_then_the_worst_and_by_name(usual):
    usual.click("thead th:has-text('Cost per task')")
    assert names(usual)[:5] == ["smollm2", "gguf:smollm2", TOP[2], TOP[1], TOP[0]]
    assert usual.locator("th[aria-sort=ascending]").inner_text().startswith("Cost")
    usual.click("thead th:has-text('Cost per task')")
    assert names(usual) == [TOP[0], TOP[1], TOP[2], "gguf:smollm2", "smollm2", "meta/known-from-papers"]  # unknown last
    usual.click("thead th.board-name")
    assert names(usual) == sorted(BY_NAME)
    assert usual.locator("th[aria-sort]").count() == 1


def test_it_sorts_by_the_lower_bound(usual):
    """80 % of 3,000 are more than 84 % of 50, by what is certain of them."""
    few, many = boards.share(0.84, 50, (1, 2)), boards.share(0.80, 3000, (1, 2))
    columns = boards.COLUMNS[1:2]
    rows = tuple(BoardRow(name, "", {"arc_easy": one}) for name, one in (("few", few), ("many", many)))
    file = Path(usual.url.removeprefix("file://")).with_name("two.html")
    file.write_text(board_file(Leaderboard(columns, rows)), encoding="utf-8")
    usual.goto(file.as_uri())
    assert names(usual) == ["few", "many"]
    usual.click("button:text-is('Sort by lower bound')")
    assert names(usual) == ["many", "few"]
    usual.wait_for_url("**by=low**")


def test_search_filters_and_hiding_leave_what_they_say(usual):
    usual.fill("input[aria-label='Search systems']", "SMOLLM2")
    assert names(usual) == ["smollm2", "gguf:smollm2"]
    usual.fill("input[aria-label='Search systems']", "model open")  # every word, in any order
    assert names(usual) == TOP[:2]
    usual.click("button:text-is('Show everything')")
    assert len(names(usual)) == 6

    usual.click("[role=group] button:text-is('Benchmarks')")
    assert "arc_easy (%)" not in headings(usual)
    usual.click("[role=group] button:text-is('Benchmarks')")
    usual.select_option("select[aria-label=Evidence]", "own")
    shown = headings(usual)
    assert "tickets.csv (%)" in shown
    assert "Arena (Elo)" in shown
    assert "arc_easy (%)" not in shown
    assert "Peak memory" in shown  # what a system takes is no matter of rows
    usual.select_option("select[aria-label=Evidence]", "here")
    assert "meta/known-from-papers" not in names(usual)
    assert "mmlu (%)" not in headings(usual)
    usual.select_option("select[aria-label=Evidence]", "all")

    usual.click("button:text-is('Hide partial runs')")
    assert "off" in cell(usual, TOP[1], "arc_easy").get_attribute("class")
    assert "off" not in cell(usual, TOP[0], "arc_easy").get_attribute("class")
    usual.click("button:text-is('Hide partial runs')")
    usual.fill("input[type=number]", "150")
    usual.press("input[type=number]", "Enter")
    assert "tickets.csv (%)" not in headings(usual)
    assert "gsm8k (%)" in headings(usual)
    assert "Peak memory" in headings(usual)


@pytest.mark.slow
def test_columns_and_systems_are_hidden_by_name(usual):
    usual.click("summary:text-is('Columns')")
    usual.fill("input[aria-label='Search this list']", "gsm8k")
    usual.uncheck("label:text-is(' gsm8k') input")
    assert "gsm8k (%)" not in headings(usual)
    assert "arc_easy (%)" in headings(usual)
    usual.keyboard.press("Escape")
    assert not usual.locator(".board-drop-body:visible").count()
    assert usual.evaluate("document.activeElement.textContent") == "Columns"
    usual.click("summary:text-is('Systems')")
    usual.click(".board-drop[open] button:text-is('None')")
    assert names(usual) == []
    usual.check("label:text-is(' smollm2') input")
    assert names(usual) == ["smollm2"]
    usual.reload()
    assert names(usual) == ["smollm2"]
    assert "gsm8k (%)" not in headings(usual)


def test_the_address_says_the_state_and_back_and_forward_go_through_it(usual, context):
    usual.click("thead th:has-text('gsm8k'):not(:has-text('task'))")
    usual.click("[role=group] button:text-is('Arena')")
    usual.fill("input[aria-label='Search systems']", "model")
    address, before = usual.evaluate("location.href"), (names(usual), headings(usual))
    other = context.new_page()
    other.goto(address)
    other.wait_for_selector("#board[aria-busy=false]")
    assert (names(other), headings(other)) == before
    assert other.input_value("input[aria-label='Search systems']") == "model"
    assert other.locator("th[aria-sort]").inner_text().startswith("gsm8k")
    other.close()
    usual.click("button:text-is('Scatter')")
    usual.wait_for_url("**view=scatter**")
    usual.go_back()
    usual.wait_for_url(address)
    assert usual.locator(".board-table").is_visible()
    usual.go_back()
    assert "Arena (Elo)" in headings(usual)
    usual.go_forward()
    assert "Arena (Elo)" not in headings(usual)
    usual.go("#sort=nowhere&view=nothing&n=-3&x=%F0%9F&hide=unknown&cell=no&of=no")
    assert len(names(usual)) == 6


def test_what_was_not_measured_here_is_said_in_words_and_greyed(usual):
    published = cell(usual, TOP[0], "mmlu.published")
    assert published.inner_text() == "86.0°"
    published.hover()
    assert "reported by the model's own makers" in published.get_attribute("title")
    assert cell(usual, "smollm2", "gsm8k").inner_text() == "31.0!"
    cell(usual, "smollm2", "gsm8k").click()
    assert boards.MARK in usual.locator("dialog [aria-label=Notes]").inner_text()
    usual.keyboard.press("Escape")
    colours = [
        usual.evaluate("one => getComputedStyle(one).color", one.element_handle())
        for one in (published, cell(usual, TOP[0], "gsm8k"))
    ]
    assert colours[0] != colours[1]


def test_the_scatter_draws_the_frontier_on_a_logarithmic_axis_with_names_apart(usual):
    usual.go("#view=scatter&y=average.macro&x=cost")
    front = set(usual.locator(".point.front").evaluate_all("all => all.map((one) => one.dataset.row)"))
    assert front == {"smollm2", *TOP}  # gguf:smollm2 costs more and answers worse
    assert "logarithmic" in usual.locator(".board-axis").last.inner_text()
    assert "logarithmic" not in usual.locator(".board-axis").first.inner_text()
    assert usual.locator(".point .whisker").count() == 10  # two on each
    boxes = usual.locator(".point .name:not(.crowded)").evaluate_all(BOXES)
    assert len(boxes) == 5
    for number, one in enumerate(boxes):
        assert not any(one[0] < o[2] and o[0] < one[2] and one[1] + 3 < o[3] and o[1] + 3 < one[3] for o in boxes[:number])  # fmt: skip
    usual.select_option("label:has-text('Across') select", "memory")
    assert usual.locator(".point").count() == 3
    usual.wait_for_url("**x=memory**")
    usual.click("summary:has-text('as a table')")
    lines = usual.locator("[aria-label='Points as a table'] tbody tr").all_inner_texts()
    assert [line.split("\t")[0] for line in lines] == ["gguf:smollm2", "smollm2", TOP[2]]
    assert all(line.endswith("yes") for line in lines)


@pytest.mark.slow
def test_points_are_reached_by_keys_and_lead_to_the_number(usual):
    usual.go("#view=scatter&y=average.macro&x=cost")
    usual.locator(".point[tabindex='0']").focus()
    seen = set()
    for _ in range(5):
        seen.add(usual.evaluate("document.activeElement.dataset.row"))
        usual.keyboard.press("ArrowRight")
    assert seen == {"smollm2", "gguf:smollm2", *TOP}
    name = usual.evaluate("document.activeElement.dataset.row")
    usual.keyboard.press("Enter")
    assert usual.locator("dialog h2").inner_text() == f"{name} on Average, macro"
    usual.keyboard.press("Escape")
    assert usual.evaluate("document.activeElement.dataset.row") == name


@pytest.mark.slow
def test_bars_stand_over_benchmarks_for_the_systems_that_are_chosen(usual):
    usual.click("button:text-is('Bars')")
    assert usual.locator("section.board-block h2").all_inner_texts()[:3] == ["Average, macro", "arc_easy", "gsm8k"]
    gsm = usual.locator("section.board-block:has(h2:text-is('gsm8k'))")
    assert gsm.locator("rect").count() == 4
    assert gsm.locator(".whisker").count() == 4
    widths = gsm.locator("rect").evaluate_all("all => all.map((one) => one.width.baseVal.value)")
    assert widths[0] / widths[3] == pytest.approx(0.72 / 0.31, rel=0.01)  # from zero
    usual.click("[aria-label='Systems that are drawn'] button:has-text('large-model')")
    usual.select_option("select[aria-label='Add a system']", "gguf:smollm2")
    drawn = gsm.locator("text").all_text_contents()
    assert "gguf:smollm2" in drawn
    assert "openai:large-model" not in drawn
    usual.reload()
    assert gsm.locator("text").all_text_contents() == drawn


def test_a_number_leads_to_what_stands_behind_it(usual):
    cell(usual, TOP[1], "arc_easy").click()
    words = usual.locator("dialog").inner_text()
    for expected in ("90.0 %", "95 % interval", "part of the data only", "measured here on a benchmark", "Wilson",
                     "guessing gets", "25.0", "view", "default", "1–3", "200", "llms samples run1a"):  # fmt: skip
        assert expected in words, expected
    assert "holds no items" in words  # a file has no server
    usual.keyboard.press("Escape")
    usual.click("tbody th:has-text('gguf:smollm2')")
    assert "Cost per task" in usual.locator("dialog table").inner_text()
    usual.click("dialog button:text-is('Hide this system')")
    assert "gguf:smollm2" not in names(usual)


@pytest.mark.slow
def test_from_a_number_to_its_items_wrong_first_and_the_exact_prompt(live, store):
    headings = live.locator("thead tr").last.locator("th").all_inner_texts()
    at = next(i for i, text in enumerate(headings) if text.startswith("gsm8k"))
    live.locator("tbody tr:has(th span:text-is('best'))").locator("th, td").nth(at).click()
    live.wait_for_selector("dialog .board-items li")
    kinds = live.locator("dialog .board-item .kind").all_inner_texts()
    assert len(kinds) == 20
    assert kinds == sorted(kinds, key=["wrong", "unparsed", "failed", "right"].index)
    live.click("dialog button:text-is('More')")
    live.wait_for_function("() => document.querySelectorAll('dialog .board-items li').length === 25")
    for kind in ("Wrong", "Right"):
        chip = live.locator(f"dialog .board-chip:has-text('{kind}')")
        if chip.count():
            chip.click()
            live.wait_for_function(
                "kind => [...document.querySelectorAll('dialog .board-item .kind')].every((one) => one.textContent === kind) && document.querySelector('dialog .board-item')",
                arg=kind.lower(),
            )
    item = live.locator("dialog .board-item summary").first
    name = item.inner_text().split()[1]
    item.click()
    live.wait_for_selector("dialog pre")
    shown = live.locator("dialog pre").first.inner_text()
    run = live.locator("dialog dd code").first.inner_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(store))
        ((_, prompt, _),) = samples(run, item=name)
    expected = prompt.context if hasattr(prompt, "context") else prompt.pairs[0][0]
    assert shown.rstrip() == expected.rstrip()
    live.reload()  # the panel is part of the address
    live.wait_for_selector("dialog .board-items li")


@pytest.mark.slow
def test_exports_hold_what_is_shown(live, page, tmp_path):
    live.fill("input[aria-label='Search systems']", "best")

    def saved(label: str) -> Path:
        live.click("summary:text-is('Export')")
        with live.expect_download() as download:
            live.click(f".board-drop-body :text-is('{label}')")
        target = tmp_path / download.value.suggested_filename
        download.value.save_as(target)
        live.keyboard.press("Escape")
        return target

    rows = list(csv.DictReader(saved("CSV, as shown").read_text().splitlines()))
    assert {row["system"] for row in rows} == {"best"}
    stored = json.loads(saved("JSON, everything").read_text())
    assert {row["system"] for row in stored["rows"]} == {"best", "worst"}
    file = saved("One HTML file")
    page.goto(file.as_uri())
    page.wait_for_selector("#board[aria-busy=false]")
    assert set(names(page)) == {"best", "worst"}
    assert 'href="/' not in file.read_text()


def test_an_empty_board_shows_what_to_run_next(page, folder):
    page.goto((folder / "empty.html").as_uri())
    page.wait_for_selector("#board[aria-busy=false]")
    assert "Nothing was measured yet" in page.inner_text("#board")
    assert page.inner_text("#board code") == "llms eval smollm2 -b arc_easy --limit 50"


def test_the_table_is_one_stop_of_tab_and_the_arrows_go_through_it(usual):
    usual.focus("input[type=number]")
    for _ in range(8):
        usual.keyboard.press("Tab")
        if usual.evaluate("Boolean(document.activeElement.closest('.board-table'))"):
            break
    assert usual.evaluate("document.activeElement.className") == "board-name"
    usual.keyboard.press("ArrowRight")
    usual.keyboard.press("ArrowRight")
    usual.keyboard.press("Enter")
    assert usual.locator("th[aria-sort]").inner_text().startswith("arc_easy")
    usual.keyboard.press("ArrowDown")
    assert usual.evaluate("document.activeElement.getAttribute('aria-label')").startswith(f"{TOP[0]}, arc_easy: 92.0 %")
    usual.keyboard.press("Enter")
    assert usual.locator("dialog h2").inner_text() == f"{TOP[0]} on arc_easy"
    usual.keyboard.press("Escape")
    assert usual.evaluate("document.activeElement.getAttribute('aria-label')").startswith(f"{TOP[0]}, arc_easy")
    usual.keyboard.press("End")
    assert usual.evaluate("document.activeElement.classList.contains('c10')")
    usual.keyboard.press("Tab")
    assert not usual.evaluate("Boolean(document.activeElement.closest('.board-table'))")


@pytest.mark.slow
def test_of_a_large_board_only_what_is_in_view_is_drawn_and_all_of_it_is_reached(page, folder):
    page.goto((folder / "crowded.html").as_uri())
    page.wait_for_selector("#board[aria-busy=false]")
    assert len(names(page)) == 200  # the browser's own search finds each
    assert page.locator(".board-table tbody td").count() < 600  # of 8,000
    counts = [page.get_attribute(".board-table", f"aria-{name}count") for name in ("row", "col")]
    assert counts == ["202", "41"]
    page.locator(".board-scroll").evaluate("one => one.scrollTo(1900, 4000)")
    page.wait_for_function("() => document.querySelector(\"tr[aria-rowindex='110'] td\")")
    cells = page.evaluate(IN_VIEW)
    assert len(cells) > 60
    assert all(cell["text"] == cell["expected"] for cell in cells)
    page.locator("thead th.board-name").focus()
    for key in ("PageDown", "PageDown", "End"):
        page.keyboard.press(key)
    focused = "[document.activeElement.parentElement.ariaRowIndex, document.activeElement.ariaColIndex]"
    assert page.evaluate(focused) == ["22", "41"]
    page.locator(".board-scroll").evaluate(
        "one => one.scrollTo(0, 9999)"
    )  # its cell leaves the view, the focus stays in the row
    page.wait_for_function("() => document.activeElement.matches('.board-name')")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == ["23", "41"]


@pytest.mark.slow
def test_results_of_others_are_shown_where_they_are_asked_for(live):
    own = replace(BOARD, rows=BOARD.rows[:2])
    live.route("**/api/board*", lambda route: route.fulfill(json=(BOARD if "published=1" in route.request.url else own).to_json()))  # fmt: skip
    live.reload()
    live.wait_for_selector(".board-table tbody tr:nth-child(2)")
    assert "meta/known-from-papers" not in names(live)
    live.click("button:text-is('Published results')")
    live.wait_for_selector("tbody th:has-text('meta/known-from-papers')")
    assert live.get_attribute("button:text-is('Published results')", "aria-pressed") == "true"
    assert live.evaluate("document.activeElement.textContent") == "Published results"
    assert "outside" in cell(live, "meta/known-from-papers", "mmlu.published").get_attribute("class")
    live.go_back()
    live.wait_for_selector("tbody th:has-text('meta/known-from-papers')", state="detached")


@pytest.mark.parametrize(
    ("view", "width", "scheme"),
    [
        ("", 360, "light"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("#dir=worst", 1280, "dark"),
                ("#view=scatter", 360, "dark"),
                ("#view=bars", 1280, "light"),
                ("#cell=arc_easy&of=smollm2", 360, "dark"),
            )
        ),
    ],
)
def test_axe_finds_nothing(usual, view, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    usual.set_viewport_size({"width": width, "height": 800})
    usual.emulate_media(color_scheme=scheme)
    usual.go(view)
    violations = axe.run(usual).response["violations"]
    assert not [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in violations]
    assert usual.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_first_column_stays_and_the_panel_fills_the_screen(usual):
    usual.set_viewport_size({"width": 360, "height": 740})
    usual.go()
    box = usual.locator(".board-scroll").first
    box.evaluate("one => one.scrollTo(400, 60)")
    name = usual.locator("tbody th").first.bounding_box()
    assert name["x"] == pytest.approx(17, abs=2)
    assert name["width"] <= 140
    head = usual.locator("thead").bounding_box()
    assert head["y"] == pytest.approx(box.bounding_box()["y"] + 1, abs=2)
    usual.go("#cell=gsm8k&of=smollm2")
    assert usual.locator("dialog").bounding_box()["width"] == 360
    usual.click("dialog button[aria-label=Close]")
    assert not usual.locator("dialog[open]").count()
    usual.set_viewport_size({"width": 1280, "height": 800})
