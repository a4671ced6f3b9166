"""The page training in a real browser: the list, the curves, a run that goes on while it is watched, and what it refuses."""

import json

import pytest

import training_logs
from llms.store.training_runs import TrainingRuns
from llms.training.launch import locked
from llms.training.progress import Ended, append
from serving import TOKEN, pages
from test_browser import CHROMIUM, PATIENCE, QUIET, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("training")
    with TrainingRuns(home / "llms.sqlite3") as store:
        store.add(training_logs.failed(home / "out" / "second"), "smollm2", "chats.jsonl", "full")
        store.add(training_logs.done(home / "out" / "first"), "smollm2", "chats.jsonl", "lora")
        store.keep_evidence(home / "out" / "first", training_logs.EVIDENCE)
    return home


@pytest.fixture(scope="module")
def server(home):
    with pages(home=home) as address:
        yield address


@pytest.fixture(scope="module")
def context(server):
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE)
        context.new_page().goto(f"{server}/?token={TOKEN}")
        yield context
        chromium.close()


@pytest.fixture
def page(context, server):
    problems: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(f"{server}/training")
    opened.wait_for_selector("#run h2")
    yield opened
    opened.close()
    assert not problems


def pick(page, name: str) -> None:
    page.click(f"#runs a:has(.name:text-is('{name}'))")
    page.wait_for_selector(f"#run h2:has-text('{name}')")


def test_a_run_that_is_done_shows_its_curves_what_it_changed_and_its_name(page, home):
    pick(page, "first")
    label = page.wait_for_selector("#run figure svg").get_attribute("aria-label")
    assert "at step 1" in label
    assert "at step 120" in label
    assert "on held-out rows" in label
    assert "held-out rows better by 1.87 nats per token (1.71 to 2.02)" in page.text_content("#run .evidence")
    assert page.text_content("#run .evidence").count("forgetting: none detectable") == 2
    assert f"smollm2?adapter={home / 'out' / 'first'}" in page.text_content("#run .command")
    assert page.get_attribute("#runs a:has(.name:text-is('first'))", "aria-current") == "true"


def test_a_run_that_failed_says_why_and_keeps_its_curve(page):
    pick(page, "second")
    assert "step 31 is not a number" in page.text_content("#run p.bad")
    page.wait_for_selector("#run figure svg")
    assert page.query_selector("#run button.primary") is None


def test_chat_with_the_result_opens_a_chat_with_its_name(page, home):
    pick(page, "first")
    page.click("#run button:text('Chat with it')")
    page.wait_for_url("**/")
    settings = page.evaluate("JSON.parse(sessionStorage.getItem('llms.settings'))")
    assert settings["model"] == f"smollm2?adapter={home / 'out' / 'first'}"


def test_a_run_that_goes_on_is_followed_step_by_step(page, home, server):
    folder = training_logs.write(home / "out" / "live", training_logs.events(until=10))
    with TrainingRuns(home / "llms.sqlite3") as store:
        store.add(folder, "smollm2", "chats.jsonl", "lora")
    with locked(folder):
        page.goto(f"{server}/training")
        pick(page, "live")
        page.wait_for_selector("#run .facts dd:text('step 10 of 120')")
        assert "running" in page.text_content("#run h2")
        append(folder, training_logs.events(until=11)[-1])
        page.wait_for_selector("#run .facts dd:text('step 11 of 120')")
        append(folder, Ended(11, "early stopping", 60.0, str(folder)))
    page.wait_for_selector("#run h2 .state:text('done')")
    with TrainingRuns(home / "llms.sqlite3") as store:
        store.forget(folder)


def test_a_run_without_a_process_and_without_an_end_is_interrupted_and_says_how_it_goes_on(page, home, server):
    folder = training_logs.write(home / "out" / "killed", training_logs.events(until=10))
    with TrainingRuns(home / "llms.sqlite3") as store:
        store.add(folder, "smollm2", "chats.jsonl", "lora")
    page.goto(f"{server}/training")
    pick(page, "killed")
    page.wait_for_selector("#run h2 .state:text('interrupted')")
    assert f"--resume {folder}" in page.text_content("#run")
    page.click("#run [aria-label='Take this run off the list']")
    page.click("dialog button:text('Take it off')")
    page.wait_for_selector("#runs a:has(.name:text-is('killed'))", state="detached")
    assert (folder / "log.jsonl").is_file()


def test_steps_that_a_killed_run_does_again_are_drawn_once(page, home, server):
    folder = training_logs.write(home / "out" / "again", training_logs.events(until=30))
    for event in training_logs.events(first=24):
        append(folder, event)
    with TrainingRuns(home / "llms.sqlite3") as store:
        store.add(folder, "smollm2", "chats.jsonl", "lora")
    page.goto(f"{server}/training")
    pick(page, "again")
    page.wait_for_selector("#run .facts dd:text('step 120 of 120')")
    points = page.get_attribute("#run figure .curve.raw", "points").split()
    columns = [float(point.split(",")[0]) for point in points]
    assert columns == sorted(columns)
    assert len(columns) == training_logs.STEPS
    with TrainingRuns(home / "llms.sqlite3") as store:
        store.forget(folder)


def test_an_unknown_run_is_refused(context, server):
    answer = context.request.get(f"{server}/api/training/nowhere/events")
    assert answer.status == 404
    assert json.loads(answer.text())["error"] == "there is no training run nowhere"
