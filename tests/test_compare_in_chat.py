"""Two models on one question of an ordinary chat, in a real browser: the vote chooses the branch and counts as not blind."""

import pytest

from llms.store.battles import Battles
from llms.testing import ScriptedEndpoint
from serving import TOKEN, pages
from test_browser import CHROMIUM, QUIET, answered, ask, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def other():
    with ScriptedEndpoint(lambda body: "the second answer", raw=False, models=("basalt",)) as endpoint:
        yield f"{endpoint.url}#basalt"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def page(home):
    with (
        ScriptedEndpoint(lambda body: "the first answer", raw=False, models=("quartz",)) as endpoint,
        pages("-m", f"{endpoint.url}#quartz", home=home) as address,
        playwright.sync_playwright() as driver,
    ):
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(20_000)
        opened = context.new_page()
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.goto(f"{address}/?token={TOKEN}")
        yield opened
        assert not problems
        chromium.close()


def beside(page, other: str) -> None:
    """A new question, and the second answer beside its first."""
    page.goto(page.url.partition("/c/")[0])
    ask(page, "which one is better?")
    answered(page)
    page.click("#log article.assistant [aria-label^=Compare]")
    page.fill("#compare-model", other)
    page.press("#compare-model", "Enter")
    page.wait_for_selector("dialog [data-winner=b]")


def test_the_chosen_answer_is_the_branch_and_the_vote_is_not_blind(page, other, home):
    beside(page, other)
    assert page.locator("dialog .side .body").all_inner_texts() == ["the first answer", "the second answer"]
    assert page.locator("dialog .side .model").all_inner_texts() == ["quartz", "basalt"]
    page.keyboard.press("2")
    page.wait_for_selector("dialog.compare", state="detached")
    page.wait_for_selector("#log article.assistant .body:has-text('the second answer')")
    assert page.inner_text(".branches") .split("\n")[0] == "2 / 2"  # fmt: skip
    assert "quartz" in page.inner_text("#model-open")  # which goes on answering
    with Battles(home / "llms.sqlite3") as store:
        battle = store.all()[-1]
    assert (battle.source, battle.anonymous, [vote.winner for vote in battle.votes]) == ("chat", False, ["b"])
    assert [answer.text for answer in battle.answers] == ["the first answer", "the second answer"]
    page.click(".toast button:has-text('Undo')")
    page.wait_for_selector(".toast", state="detached")
    page.wait_for_timeout(200)
    with Battles(home / "llms.sqlite3") as store:
        assert store.get(battle.id).votes == ()


@pytest.mark.slow
def test_a_tie_or_no_vote_leaves_the_answer_that_was_there(page, other, home):
    beside(page, other)
    page.keyboard.press("t")
    page.wait_for_selector("dialog.compare", state="detached")
    page.wait_for_selector("#log article.assistant .body:has-text('the first answer')")
    with Battles(home / "llms.sqlite3") as store:
        before = len(store.all())
    beside(page, other)
    page.keyboard.press("Escape")
    page.wait_for_selector("#log article.assistant .body:has-text('the first answer')")
    with Battles(home / "llms.sqlite3") as store:
        assert len(store.all()) == before


@pytest.mark.slow
def test_a_suggestion_that_comes_late_gives_way_to_what_is_typed(page):
    page.evaluate(
        "() => { const was = window.fetch; window.fetch = async (...asked) => {"
        " if (String(asked[0]).includes('contenders')) await new Promise((go) => { window.arrive = go; }); return was(...asked); }; }"
    )
    page.click("#log article.assistant [aria-label^=Compare]")
    page.focus("#compare-model")
    page.wait_for_function("() => !!window.arrive")
    page.evaluate("window.arrive()")
    page.wait_for_function("() => document.getElementById('compare-model').value")
    page.keyboard.type("mine")
    assert page.input_value("#compare-model") == "mine"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.compare", state="detached")
    page.reload()


@pytest.mark.slow
def test_a_model_is_not_compared_with_itself(page):
    page.click("#log article.assistant [aria-label^=Compare]")
    page.fill("#compare-model", page.locator("#log article.assistant h2").get_attribute("title"))
    page.press("#compare-model", "Enter")
    page.wait_for_selector("dialog [role=alert]:has-text('compare it with another model')")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.compare", state="detached")
