"""The page choose in a real browser: from the question to the answer, by address, by keyboard, and what it refuses."""

import json
import re
import threading
from urllib.parse import urlencode

import pytest

from choosing import store_own, write_rows
from llms.testing import ScriptedEndpoint
from llms.values import Spent
from serving import TOKEN, pages
from test_browser import CHROMIUM, PATIENCE, QUIET, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
GOOD, FAIR, POOR = [1.0] * 54 + [0.0] * 6, [1.0] * 52 + [0.0] * 7 + [1.0], [1.0] * 20 + [0.0] * 40
SPENT = {"openai:big": Spent(60.0, 100, 0, 0.6), "openai:small": Spent(30.0, 100, 0, 0.06), "gguf:poor": Spent(9.0)}
GATE = threading.Event()  # the endpoint answers while it is set
GATE.set()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("choosing")


@pytest.fixture(scope="module")
def rows(home):
    """A file within the folder of the start, answered by three systems in the store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(home))
        (home / "own").mkdir()
        path = write_rows(home / "own" / "mine.csv", 60)
        store_own(path, {"openai:big": GOOD, "openai:small": FAIR, "gguf:poor": POOR}, spent=SPENT)
    return path


@pytest.fixture(scope="module")
def server(home, rows):
    with pages("--folder", str(home / "own"), home=home) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def entered(browser, server):
    """The cookie of one who came with the token."""
    context = browser.new_context()
    context.request.get(f"{server}/?token={TOKEN}")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(params=[None])
def page(browser, server, entered, request):
    context = browser.new_context(viewport=request.param or {"width": 1280, "height": 900}, storage_state=entered)
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(f"{server}/choose")
    yield opened
    context.close()
    assert not problems


def answered(page) -> None:
    page.wait_for_selector("#answer .sentence")


def at(server: str, **words) -> str:
    return f"{server}/choose?{urlencode(words, doseq=True)}"


def test_from_the_question_to_the_answer_and_a_chat_with_the_chosen(page, rows):
    page.fill("#data", rows)
    assert page.inner_text("#command") == f"llms choose --data {rows}"
    page.click("#ask")
    answered(page)
    assert page.inner_text("#answer .sentence").startswith("openai:small and openai:big cannot be told apart")
    assert page.inner_text("#answer .next code") == "llms chat -m openai:small"
    assert page.locator("#candidates tbody tr").count() == 3
    assert page.locator("#candidates tr.chosen").count() == 2
    poor = page.inner_text("#candidates tr[data-system='gguf:poor'] .why")
    assert "worse than openai:big" in poor
    assert page.locator("#answer .scatter circle").count() == 3
    page.click("#chat")
    page.wait_for_selector("#model-open:has-text('small')")


@pytest.mark.slow
def test_the_address_holds_the_job_and_can_be_shared(page, browser, server, entered, rows):
    page.fill("#data", rows)
    page.fill("#dollars", "0.001")
    page.fill("#memory", "8")
    page.check("#local")
    page.fill("#model", "gguf:poor")
    page.press("#model", "Enter")
    page.click("#ask")
    answered(page)
    shared, words = page.url, page.inner_text("#answer .sentence")
    assert page.inner_text("#command") == f"llms choose --data {rows} -m gguf:poor --dollars-per-task 0.001 --memory 8GB --local-only"  # fmt: skip
    other = browser.new_context(storage_state=entered)
    elsewhere = other.new_page()
    elsewhere.goto(shared)
    answered(elsewhere)
    assert elsewhere.inner_text("#answer .sentence") == words
    assert elsewhere.input_value("#dollars") == "0.001"
    assert elsewhere.is_checked("#local")
    other.close()


@pytest.mark.slow
def test_limits_that_nobody_keeps_name_the_nearest(page, server, rows):
    page.goto(at(server, data=rows, dollars="0.0001", m=["openai:big", "openai:small"]))
    answered(page)
    assert "openai:small" in page.inner_text("#answer .sentence")
    assert page.locator("#candidates tr.chosen").count() == 0
    assert page.locator("#chat").count() == 0
    assert "0.0001" in page.inner_text("#candidates tr[data-system='openai:small'] .why")


@pytest.mark.slow
def test_a_file_is_sent_into_the_home_and_read_from_there(page, home, rows):
    content = b"question,answer\nWhat is 1 + 1?,2\nWhat is 2 + 2?,4\n"
    page.set_input_files("#file", {"name": "../../sums.csv", "mimeType": "text/csv", "buffer": content})
    page.wait_for_function("() => document.getElementById('data').value.endsWith('sums.csv')")
    path = page.input_value("#data")
    assert path.startswith(str(home / "rows"))
    with open(path, "rb") as file:
        assert file.read() == content
    page.fill("#model", "gguf:smollm2")
    page.click("#ask")
    answered(page)
    assert page.inner_text("#plan tbody tr").startswith("gguf:smollm2")


def test_a_file_out_of_reach_is_refused(page, home):
    for file in ("/etc/passwd.csv", "~/rows.csv", f"{home}/own/../llms.sqlite3.csv", f"{home}/rows/../x.csv"):
        page.evaluate("document.getElementById('alert').textContent = ''")
        page.fill("#data", file)
        page.click("#ask")
        page.wait_for_selector("#alert:has-text('out of reach')")
        assert page.is_hidden("#answer")


@pytest.mark.slow
def test_a_file_that_holds_no_rows_is_refused_where_it_was_chosen(page):
    page.set_input_files("#file", {"name": "a.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"})
    page.wait_for_selector("#alert:has-text('is no file of rows')")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"b": "gsm8k=0"}, "sum to 0"),
        ({"b": "gsm8k=-1"}, "the weight of gsm8k is -1"),
        ({"b": "gsm9k=1"}, "unknown benchmark 'gsm9k'"),
        ({"b": "gsm8k=1", "memory": "-1"}, "memory_bytes"),
        ({"b": "gsm8k=1", "m": "hf:x/y?allow=pickle"}, "allow= is not taken over HTTP"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_job_is_said(page, server, words, message):
    page.goto(at(server, **words))
    page.wait_for_function("() => document.getElementById('alert').textContent !== ''")
    assert message in page.inner_text("#alert")


@pytest.mark.slow
def test_weights_are_sliders_that_the_keyboard_moves(page):
    page.select_option("#benchmark", "gsm8k")
    page.select_option("#benchmark", "hellaswag")
    page.focus("#weights li[data-benchmark=gsm8k] input")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#command") == "llms choose -b gsm8k=2 -b hellaswag"
    page.click("[aria-label='Take hellaswag out']")
    assert page.inner_text("#command") == "llms choose -b gsm8k=2"


@pytest.mark.slow
def test_the_whole_way_goes_by_the_keyboard(page, rows):
    page.focus("#data")
    page.keyboard.type(rows)
    page.keyboard.press("Enter")
    answered(page)
    page.focus("#chat")
    page.keyboard.press("Enter")
    page.wait_for_selector("#model-open:has-text('small')")


@pytest.fixture
def endpoint():
    """Two models behind one server: `good` knows all answers, `poor` none."""

    def answer(body) -> str:
        assert GATE.wait(30)
        number = re.findall(r"q(\d+)", json.dumps(body["messages"]))[-1]
        return f"a{number}" if body["model"] == "good" else "no"

    with ScriptedEndpoint(answer, raw=False, models=("good", "poor")) as running:
        yield running
    GATE.set()


@pytest.mark.slow
def test_nothing_measured_is_a_plan_that_is_carried_out_and_answered(page, server, home, endpoint):
    path = write_rows(home / "own" / "fresh.csv", 60)
    names = [f"{endpoint.url}#{name}" for name in ("good", "poor")]
    page.goto(at(server, data=path, m=names))
    answered(page)
    assert page.inner_text("#answer .sentence").startswith("Nothing is measured")
    assert page.locator("#plan tbody tr").count() == 2
    GATE.clear()
    page.click("#measure")
    page.wait_for_function("() => location.search.includes('run=')")
    GATE.set()
    page.wait_for_selector("#candidates tr.chosen")
    assert page.inner_text("#candidates tr.chosen .system").startswith(names[0])
    assert "run=" not in page.url


@pytest.mark.slow
def test_a_measurement_outlives_a_reload_and_can_be_stopped(page, server, home, endpoint):
    path = write_rows(home / "own" / "slow.csv", 60)
    names = [f"{endpoint.url}#{name}" for name in ("good", "poor")]
    page.goto(at(server, data=path, m=names))
    answered(page)
    GATE.clear()
    page.click("#measure")
    page.wait_for_function("() => location.search.includes('run=')")
    page.reload()
    page.wait_for_selector("#stop:not(.hidden)")
    page.click("#stop")
    page.wait_for_selector("#end:has-text('stops after')")
    GATE.set()
    page.wait_for_selector("#stop", state="hidden")
    assert "Stopped" in page.inner_text("#end")
    assert "run=" not in page.url


@pytest.mark.slow
@pytest.mark.parametrize("page", [{"width": 360, "height": 740}], indirect=True)
def test_a_phone_shows_all_of_it_without_scrolling_sideways(page, server, rows):
    for address in (f"{server}/choose", at(server, data=rows)):
        page.goto(address)
        if "data" in address:
            answered(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, server, rows, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    for address in (
        f"{server}/choose",
        at(server, data=rows),
        at(server, b=["gsm8k=2"], m="gguf:smollm2", context="2048"),
    ):
        page.goto(address)
        if "?" in address:
            answered(page)
        assert [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in axe.run(page).response["violations"]] == []
