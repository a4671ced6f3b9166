"""Blind battles in a real browser: two scripted endpoints answer side by side, and nothing names them before the vote."""

import json
from pathlib import Path

import pytest

from llms.arena.battle import Battle
from llms.errors import UsageError
from llms.store.battles import Battles
from llms.store.conversations import Conversations
from llms.store.search import search
from llms.testing import ScriptedEndpoint, call
from office import png
from serving import TOKEN, pages
from test_browser import CHROMIUM, QUIET, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
NAMES = ("quartz", "basalt")
LONELY = ("smollm2", "gguf:smollm2")
PHONE = {"width": 360, "height": 740}


def answering(name: str):
    def answer(body):
        last = body["messages"][-1]
        if last["role"] == "tool":
            return f"the tool said {last['content']}"
        if body.get("tools") and "product" in json.dumps(last["content"]):
            return [call("calculator", expression="6*7")]
        number = sum(message["role"] == "user" for message in body["messages"])
        return f"{'Hard' if name == 'quartz' else 'Dark'} answer number {number}"

    return answer


@pytest.fixture(scope="module")
def ends():
    with (
        ScriptedEndpoint(answering("quartz"), raw=False, models=("quartz",)) as one,
        ScriptedEndpoint(answering("basalt"), raw=False, models=("basalt",)) as other,
    ):
        yield {"quartz": one, "basalt": other}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("arena")


@pytest.fixture(scope="module")
def server(ends, home):
    with pages("-m", f"{ends['quartz'].url}#quartz", home=home) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium, server):
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    context.new_page().goto(f"{server}/?token={TOKEN}")
    context.pages[0].close()
    return context


@pytest.fixture
def page(context, server, ends):
    """The arena with two models ticked; what the page throws fails the test."""
    problems: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    chosen = {"off": LONELY, "added": [f"{end.url}#{name}" for name, end in ends.items()], "tools": []}
    opened.add_init_script(f"localStorage['llms.arena'] ||= {json.dumps(json.dumps(chosen))}")
    opened.goto(f"{server}/arena")
    opened.wait_for_selector(".contenders")
    yield opened
    opened.evaluate("localStorage.clear()")
    opened.close()
    assert not problems


def ask(page, text: str = "Which stone is it?") -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def answered(page, count: int = 1) -> None:
    page.wait_for_selector(f".turn:nth-child({count})")
    page.wait_for_selector("#vote [data-winner=a]:enabled")


def voted(page) -> str:
    page.wait_for_selector("#next")
    return page.inner_text("#result h2")


def names_shown(page) -> list[str]:
    return page.locator(".sides .model").all_inner_texts()


def test_a_battle_is_fought_by_keys_and_names_come_with_the_vote(page):
    page.keyboard.type("Which stone is it?")  # the box has the focus
    page.keyboard.press("Enter")
    answered(page)
    sides = page.locator(".sides .body").all_inner_texts()
    assert sorted(sides) == ["Dark answer number 1", "Hard answer number 1"]
    page.keyboard.press("?")
    assert "both are bad" in page.inner_text("#dialog")
    page.keyboard.press("1")  # nothing is voted on while the list of keys is open
    page.keyboard.press("Escape")
    page.wait_for_selector("#dialog", state="hidden")
    page.keyboard.press("1")
    winner = voted(page)
    shown = names_shown(page)
    assert sorted(shown) == sorted(NAMES)
    assert shown[0] == ("quartz" if sides[0].startswith("Hard") else "basalt")
    assert winner == f"{shown[0]} won"
    assert page.locator("article.chosen").get_attribute("data-side") == "a"
    page.keyboard.press("Enter")  # on to the next one
    page.wait_for_url("**/arena")
    page.wait_for_selector(".contenders")


def test_nothing_that_comes_before_the_vote_names_a_model(page, server, ends):
    secrets = [*NAMES, *(end.url.split("/")[2] for end in ends.values())]
    responses, seen = [], []
    page.on("response", lambda response: responses.append(response))

    def read():
        """What has come since; events are read below."""
        for one in responses:
            kind = one.headers.get("content-type", "")
            unread = kind.startswith(("text/event-stream", "font/", "image/")) or "/static/" in one.url
            seen.append(f"{one.url}\n{json.dumps(one.headers)}\n{'' if unread else one.text()}")
        responses.clear()

    ask(page)
    answered(page)
    page.keyboard.press("/")
    page.keyboard.type("And now?")
    page.keyboard.press("Enter")
    answered(page, 2)
    read()
    page.reload()
    answered(page, 2)
    read()
    battle = page.url.rsplit("/", 1)[-1]
    for path in (f"/api/arena/battles/{battle}", f"/api/arena/battles/{battle}/events", f"/arena/battles/{battle}"):
        answer = page.request.get(server + path)
        seen.append(f"{json.dumps(answer.headers)}\n{answer.text()}")
    whole = "\n".join(seen)
    assert "answer number 2" in whole
    assert [secret for secret in secrets if secret in whole] == []
    with_ids = page.request.get(f"{server}/api/conversations/{battle}")
    assert with_ids.status == 404
    page.keyboard.press("t")
    assert voted(page) == "A tie"
    assert set(names_shown(page)) == set(NAMES)


@pytest.mark.slow
def test_follow_up_questions_go_to_both(page, ends):
    before = {name: len(end.posts) for name, end in ends.items()}
    ask(page)
    answered(page)
    ask(page, "And why?")
    answered(page, 2)
    assert sorted(page.locator(".turn:nth-child(2) .body").all_inner_texts()) == ["Dark answer number 2", "Hard answer number 2"]  # fmt: skip
    for name, end in ends.items():
        sent = [body for _, body in end.posts[before[name] :] if "messages" in body]
        assert [message["content"] for message in sent[-1]["messages"] if message["role"] == "user"] == ["Which stone is it?", "And why?"]  # fmt: skip
    page.keyboard.press("b")
    assert voted(page) == "Both were bad"


def test_a_vote_that_is_taken_back_counts_as_not_blind_the_next_time(page):
    ask(page)
    answered(page)
    page.keyboard.press("2")
    voted(page)
    page.keyboard.press("u")
    answered(page)
    page.click("#vote [data-winner=tie]")
    assert voted(page) == "A tie"
    assert "not blind" in page.inner_text("#result")
    page.reload()
    assert voted(page) == "A tie"


@pytest.mark.slow
def test_sides_of_battles_are_in_no_list_and_a_skipped_battle_leaves_nothing(page, home, server):
    ask(page, "a very peculiar pebble")
    answered(page)
    battle = page.url.rsplit("/", 1)[-1]
    assert page.request.get(f"{server}/api/conversations").json() == []
    assert page.request.get(f"{server}/api/search?q=peculiar").json() == []
    sides = "SELECT id FROM conversations WHERE battle = ?"
    with Conversations(home / "llms.sqlite3") as store:
        assert len(store.texts(sides, battle)) == 2
        assert store.all() == store.all(archived=True) == search(store, "peculiar") == []
        with pytest.raises(UsageError, match="no conversation is stored yet"):
            store.find("last")
    page.keyboard.press("s")
    page.wait_for_url("**/arena")
    with Conversations(home / "llms.sqlite3") as store:
        assert not store.texts(sides, battle)
        assert not store.texts("SELECT id FROM battles WHERE id = ?", battle)


@pytest.mark.slow
def test_a_picture_goes_to_both(page, ends):
    before = {name: len(end.posts) for name, end in ends.items()}
    page.set_input_files("#file", [{"name": "stone.png", "mimeType": "image/png", "buffer": png(32, 32)}])
    page.wait_for_selector("#attached li:not([aria-busy])")
    ask(page, "what is this?")
    answered(page)
    assert page.locator(".asked img").count() == 1
    for name, end in ends.items():
        sent = json.dumps(end.posts[before[name] :])
        assert "data:image/png;base64" in sent, name


@pytest.mark.slow
def test_both_may_use_a_tool(page):
    page.click(".contenders summary")
    page.check("input[value=calculator]")
    ask(page, "the product of 6 and 7, please")
    answered(page)
    assert page.locator(".sides .tool h3").all_inner_texts() == ["calculator"] * 2
    assert all("42" in text for text in page.locator(".sides .text").all_inner_texts())
    ids = page.locator(".sides .tool").evaluate_all("cards => cards.map((card) => card.dataset.call)")
    assert ids == ["1", "1"]  # whose form would tell providers apart


@pytest.mark.slow
def test_a_failed_side_is_said_and_tried_again(page, ends):
    ends["basalt"].faults.append({"status": 400, "message": "basalt is out of order"})
    ask(page)
    answered(page)
    failed = page.locator("article.side:has(.error)")
    assert failed.count() == 1
    assert "This answer failed" in failed.inner_text()
    assert "basalt" not in page.inner_text("main")
    page.keyboard.press("1")
    voted(page)
    assert "does not count: an answer was an error" in page.inner_text("#result")
    page.keyboard.press("u")
    answered(page)
    failed.get_by_role("button", name="Retry").click()
    page.wait_for_selector("article.side .error", state="detached")
    answered(page)
    assert sorted(page.locator(".sides .body").all_inner_texts()) == ["Dark answer number 1", "Hard answer number 1"]


@pytest.mark.slow
def test_who_has_one_model_learns_how_to_get_a_second(page):
    page.click(".contenders summary")
    for box in page.locator(".contenders fieldset >> nth=0 >> input").all():
        box.uncheck()
    for box in page.locator(".contenders input[value^=http]").all():
        box.uncheck()
    assert page.is_disabled("#send")
    page.reload()
    page.wait_for_selector(".empty")
    page.click(".empty button")
    page.wait_for_selector("input[value^='smollm2?']:checked")
    assert page.is_disabled("#send")


IMPORTED = [
    Battle(a, b, winner, judge=f"judge{number % 3}", prompt=f"p{number}", created="2026-03-01T10:00:00+00:00")
    for number, (a, b, winner) in enumerate([("opal", "flint", "a"), ("flint", "opal", "a"), ("opal", "flint", "a"), ("flint", "opal", "tie"), ("opal", "chalk", "a"), ("flint", "chalk", "a")])
]  # fmt: skip


@pytest.mark.slow
def test_the_ratings_lead_from_the_matrix_to_the_battles(page, server, home):
    with Battles(home / "llms.sqlite3") as store:
        store.take("votes.csv", "imported", IMPORTED)
    page.goto(f"{server}/arena/ratings?votes=imported")
    rows = page.locator("table.ratings tbody tr").all_inner_texts()
    assert [row.split("\t")[1] for row in rows] == ["opal", "flint", "chalk"]
    assert "unbounded below" in rows[2]
    assert page.locator(".history polyline").count() == 3
    cell = page.locator("table.matrix tbody tr:has(th:text-is('opal')) a").first
    assert cell.inner_text().split("\n") == ["62 %", "4"]  # two wins and a tie of four
    cell.click()
    page.wait_for_url("**/arena/battles?a=opal&b=flint")
    assert page.locator("article.battle").count() == 4
    assert page.locator("article.battle strong").all_inner_texts().count("opal won") == 2


@pytest.mark.slow
def test_kinds_of_votes_are_switched_by_address(page, server):
    page.goto(f"{server}/arena/ratings?votes=chat")
    page.wait_for_selector(".empty")
    page.click(".kinds a:has-text('imported')")
    page.wait_for_url("**/arena/ratings?votes=chat%2Cimported")
    assert page.locator("table.ratings tbody tr").count() == 3
    assert page.request.get(f"{server}/arena/ratings?votes=nonsense").status == 400


@pytest.mark.slow
def test_axe_finds_nothing_in_a_battle_and_nothing_is_wider_than_a_phone(page, server):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def look():
        for size, scheme in ((PHONE, "dark"), ({"width": 1280, "height": 800}, "light")):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(300)  # colours change in a moment, and axe would see them half way
            violations = axe.run(page).response["violations"]
            assert not [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in violations]
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]

    page.click(".contenders summary")
    look()
    ask(page)
    answered(page)
    look()
    page.keyboard.press("1")
    voted(page)
    look()
    for path in ("/arena/ratings?votes=imported", "/arena/battles"):
        page.goto(server + path)
        look()


@pytest.mark.slow
def test_two_forms_of_the_embedded_model_fight_from_prompt_to_rating(chromium, tmp_path, embedded_home):
    """With nothing set up: the models at hand, a question, a vote, a rating."""
    for folder in Path(embedded_home).iterdir():
        if folder.is_dir():
            (tmp_path / folder.name).symlink_to(folder)  # the converted model
    with pages("--max-tokens", "12", home=tmp_path) as address:
        page = chromium.new_page()
        page.set_default_timeout(240_000)
        page.goto(f"{address}/?token={TOKEN}")
        page.goto(f"{address}/arena")
        page.wait_for_selector(".contenders")
        for name in LONELY:
            assert page.locator(f"input[value='{name}']").is_checked()
        ask(page, "Name a colour.")
        answered(page)
        assert all(page.locator(".sides .body").all_inner_texts())
        page.keyboard.press("1")
        page.wait_for_selector("#next")
        assert sorted(names_shown(page)) == ["gguf:smollm2", "smollm2"]
        page.goto(f"{address}/arena/ratings")
        assert page.locator(".kinds a").first.inner_text().endswith("1")
        page.close()
