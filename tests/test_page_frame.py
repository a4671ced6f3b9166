"""The frame of the pages: one line of header, a list that is a drawer where it is narrow, addresses that lead nowhere, drafts
and second tabs, in a real browser; and pages without a finding of axe."""

import http.client
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic_ai.messages import BinaryContent, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart

import llms
from llms.chat.conversation.messages import user
from llms.chat.conversation.tree import Conversation
from llms.store.conversations import Conversations
from llms.testing import ScriptedEndpoint
from serving import pages
from test_browser import CHROMIUM, QUIET, TOKEN, ask, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
GATE = threading.Event()  # answers wait until it is open
GATE.set()
PHONE = {"width": 360, "height": 740}
EVERYTHING = """# A heading

## And one below

- [x] done
- [ ] open

| name | size | what it is |
|---|---:|---|
| a | 1 | words that are long enough to make the table wider than the screen of any phone |

```python
def twice(x: int) -> int:
    return 2 * x  # a comment that makes this line longer than the screen of a phone is wide, by far
```

> quoted, with `code`, **bold** and a [link](https://example.com/)

1. first
2. second

<b>raw</b> ![picture](https://example.com/a.png)
"""


def a_picture() -> bytes:
    from test_browser import struct, zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head, rows = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0), zlib.compress((b"\0" + b"\x20\x80\xf0" * 3) * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def says(text: str) -> ModelResponse:
    return ModelResponse(parts=[TextPart(text)])


def fill(store: Conversations) -> None:
    now = datetime.now(UTC)
    for name, days in (("today", 0), ("last week", 5), ("last month", 20), ("long ago", 400)):
        talk = Conversation(name.replace(" ", "")).append(user(f"a question of {name}"), "user")
        store.save(talk.append(says("an answer"), "m"), title=f"Chat of {name}")
        with store.transaction() as db:
            db.execute("UPDATE conversations SET updated = ? WHERE id = ?", ((now - timedelta(days=days)).isoformat(), talk.id))  # fmt: skip
    talk = Conversation("full").append(user("look", [BinaryContent(a_picture(), media_type="image/png")]), "user")
    talk = talk.append(
        ModelResponse(parts=[TextPart(EVERYTHING), ToolCallPart("calculator", {"expression": "6*7"}, "c")]), "m"
    )
    talk = talk.append(ModelRequest(parts=[ToolReturnPart("calculator", "42", "c")]), "tools").append(
        says(EVERYTHING), "m"
    )
    for _ in range(3):
        talk = talk.append(user("and then?"), "user").append(says("x " * 300), "m")
    store.save(talk.append(user("fail"), "user").append(says("not whole"), "m", "failed"), title="Everything at once")


@pytest.fixture(scope="module")
def endpoint():
    def answer(body):
        assert GATE.wait(30)
        return "an answer"

    with ScriptedEndpoint(answer, raw=False, window=2048) as scripted:
        yield scripted


@pytest.fixture(scope="module")
def server(endpoint, tmp_path_factory):
    home = tmp_path_factory.mktemp("frame")
    with Conversations(home / "llms.sqlite3") as store:
        fill(store)
    with pages("-m", f"{endpoint.url}#m", home=home) as address:
        yield address


@pytest.fixture(scope="module")
def context(server):
    """One browser that has come in; what its pages throw fails the test."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(30_000)
        context.new_page().goto(f"{server}/?token={TOKEN}")
        context.pages[0].close()
        yield context
        chromium.close()


@pytest.fixture
def page(context, server):
    problems: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(f"{server}/")
    yield opened
    opened.evaluate("localStorage.clear()")
    opened.close()
    assert not problems


def answered(page, count: int = 1) -> None:
    """`count` answers stand there, whole."""
    page.wait_for_function(
        "n => [...document.querySelectorAll('article.assistant')].filter(a => a.querySelector('.acts button')).length >= n"
        " && document.getElementById('log').getAttribute('aria-busy') !== 'true'",
        arg=count,
    )


def listed(page) -> list[str]:
    return page.locator("#conversations li > a").all_inner_texts()


def row_menu(page, title: str, entry: str) -> None:
    row = page.locator(f"#conversations li:has-text('{title}')")
    row.hover()
    row.locator("button").click()
    page.click(f"[role=menuitem]:has-text('{entry}')")


@pytest.mark.slow
def test_on_a_phone_the_header_is_one_line_and_the_log_has_most_of_the_screen(page, server):
    page.set_viewport_size(PHONE)
    page.goto(f"{server}/c/full")
    page.wait_for_selector("article")
    assert page.evaluate("document.querySelector('.talk > header').offsetHeight") <= 56
    assert page.evaluate("document.getElementById('log').offsetHeight") >= 0.6 * PHONE["height"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    header = page.locator(".talk > header :is(button, input, select):visible")
    for one in header.all():
        box = one.bounding_box()
        assert 0 <= box["x"] <= PHONE["width"] - box["width"], one.get_attribute("id")
    page.goto(f"{server}/tokens")
    assert page.evaluate("document.querySelector('.bar').offsetHeight") <= 48
    page.click(".bar button")
    page.click("#pages a:has-text('Leaderboard')")
    page.wait_for_url("**/leaderboard")


def test_on_a_phone_the_list_is_a_drawer_with_four_ways_out(page, server):
    page.set_viewport_size(PHONE)
    page.goto(f"{server}/c/full")

    def is_open():
        return page.locator("#side").is_visible()

    def opens():
        page.click("#side-toggle")
        page.wait_for_function("() => document.getElementById('side').getBoundingClientRect().x === 0")

    assert not is_open()
    for leave in (
        lambda: page.click("#side-close"),
        lambda: page.keyboard.press("Escape"),
        lambda: page.mouse.click(350, 400),
    ):
        opens()
        assert page.evaluate("document.getElementById('side').contains(document.activeElement)")
        for _ in range(40):  # Tab goes round within it
            page.keyboard.press("Tab")
            assert page.evaluate("document.getElementById('side').contains(document.activeElement)")
        leave()
        page.wait_for_selector("#side", state="hidden")
        assert page.evaluate("document.activeElement.id") == "side-toggle"
    opens()
    page.click("#conversations a:has-text('Chat of today')")
    page.wait_for_url("**/c/today")
    assert not is_open()


def test_the_list_is_grouped_by_date_and_its_rows_have_a_menu(page, server):
    groups = page.locator("#conversations h2").all_inner_texts()
    assert groups[:3] == ["Today", "Previous 7 days", "Previous 30 days"]
    assert re.fullmatch(r"\w+ \d{4}", groups[3])
    row_menu(page, "Chat of long ago", "Pin")
    page.wait_for_selector("#conversations h2:has-text('Pinned')")
    assert listed(page)[0] == "Chat of long ago"
    row_menu(page, "Chat of long ago", "Unpin")
    page.wait_for_selector("#conversations h2:has-text('Pinned')", state="detached")
    row_menu(page, "Chat of last week", "Archive")
    page.wait_for_selector("#conversations :text('Chat of last week')", state="detached")
    page.click(".toast button:has-text('Undo')")
    page.wait_for_selector("#conversations :text('Chat of last week')")
    row_menu(page, "Chat of last week", "Archive")
    page.wait_for_selector("#conversations :text('Chat of last week')", state="detached")
    page.fill("#search", "last week")  # which looks into the archive too
    page.wait_for_selector("#conversations mark")
    assert [row.replace("\n", " ") for row in listed(page)] == ["Chat of last week"]
    page.fill("#search", "")
    page.click("#archived")
    page.wait_for_selector("#conversations :text('Chat of last week')")
    assert listed(page) == ["Chat of last week"]
    row_menu(page, "Chat of last week", "Take out")
    page.wait_for_selector("#conversations :text('Nothing is archived')")
    page.click("#archived")
    page.wait_for_selector("#conversations :text('Chat of last week')")
    row_menu(page, "Chat of last week", "Rename")
    page.keyboard.type("Another name")
    page.keyboard.press("Enter")
    page.wait_for_selector("#conversations :text('Another name')")


def test_a_menu_is_used_by_keys(page):
    page.focus("#conversations li >> nth=0 >> button")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "Rename"
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == "Delete…"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("a")
    assert page.evaluate("document.activeElement.textContent") == "Archive"
    page.keyboard.press("Escape")
    assert page.locator("[role=menu]").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Menu of")


def test_nothing_is_deleted_before_a_person_has_said_so(page, server):
    ask(page, "to be deleted soon")
    answered(page)
    address = page.url
    row_menu(page, "to be deleted soon", "Delete")
    page.click("dialog button:has-text('Cancel')")
    assert "to be deleted soon" in " ".join(listed(page))
    row_menu(page, "to be deleted soon", "Delete")
    page.click("dialog button.danger")
    page.wait_for_url(f"{server}/")
    assert "to be deleted soon" not in " ".join(listed(page))
    answer = page.goto(address)
    assert answer.status == 404
    assert page.inner_text("h1") == "Not found"
    page.click("main a")
    page.wait_for_selector("#text")


def test_the_title_is_changed_where_it_stands(page, server):
    page.goto(f"{server}/c/lastmonth")
    page.click("#title")
    page.keyboard.type("Thrown away")
    page.keyboard.press("Escape")
    assert page.inner_text("#title") == "Chat of last month"
    page.click("#title")
    page.keyboard.type("Given by me")
    page.keyboard.press("Enter")
    page.wait_for_selector("#conversations :text('Given by me')")
    assert page.inner_text("#title") == "Given by me"
    assert page.evaluate("document.activeElement.id") == "title"


def test_an_empty_chat_shows_what_to_do_and_does_it_with_a_click(page, endpoint):
    assert page.locator("#examples li").count() >= 3
    for command in page.locator("#examples code").all_inner_texts():
        assert command.startswith("llms ask ")
    endpoint.posts.clear()
    page.click("#examples button:has-text('use a tool')")
    answered(page)
    sent = [body for _, body in endpoint.posts if "messages" in body]
    assert [tool["function"]["name"] for tool in sent[-1]["tools"]] == ["calculator", "read_artifact"]
    assert not page.locator("#examples").is_visible()


def test_a_draft_and_an_edit_survive_a_reload_until_they_are_sent(page, server):
    page.goto(f"{server}/c/today")
    page.fill("#text", "half a thought")
    page.reload()
    assert page.input_value("#text") == "half a thought"
    page.goto(f"{server}/c/full")
    assert page.input_value("#text") == ""  # each chat has its own
    page.goto(f"{server}/c/today")
    page.evaluate("document.querySelector('article.user').scrollIntoView()")
    page.hover("article.user")
    page.locator("article.user").get_by_role("button", name="Edit").click()
    page.fill("#text", "a question asked better")
    page.reload()
    assert page.input_value("#text") == "a question asked better"
    page.press("#text", "Enter")
    page.wait_for_selector("article.user .body:has-text('a question asked better')")
    answered(page)
    assert page.input_value("#text") == "half a thought"  # what stood there before the edit
    ask(page, "a whole thought")
    answered(page, 2)
    page.reload()
    assert page.input_value("#text") == ""


def test_a_message_that_is_refused_stays_in_the_box_and_nowhere_else(page, server):
    before = listed(page)
    text = "far too long " * 4000
    answer = page.request.post(f"{server}/api/conversations", data={"policy": "strict"})
    id = answer.json()["id"]
    page.goto(f"{server}/c/{id}")
    page.fill("#text", text)
    page.press("#text", "Enter")
    page.wait_for_function("() => document.body.innerText.includes('strict')")
    page.wait_for_function("!document.getElementById('send').disabled")
    assert page.input_value("#text") == text
    assert page.locator("article").count() == 0
    page.reload()
    assert page.input_value("#text") == text
    assert listed(page) == before


def test_a_second_tab_follows_the_first(page, context):
    ask(page, "seen from two tabs")
    answered(page)
    second = context.new_page()
    second.goto(page.url)
    answered(second)
    ask(page, "asked in the first")
    second.wait_for_selector("article.user .body:has-text('asked in the first')")
    answered(second, 2)
    page.click("#title")
    page.keyboard.type("Named in the first")
    page.keyboard.press("Enter")
    second.wait_for_selector("#conversations :text('Named in the first')")
    second.wait_for_selector("#title:has-text('Named in the first')")
    GATE.clear()
    try:
        ask(second, "asked in the second")
        page.wait_for_function("() => document.getElementById('log').getAttribute('aria-busy') === 'true'")
    finally:
        GATE.set()
    answered(page, 3)
    second.close()


def test_an_import_is_in_the_list_at_once(page, server, tmp_path):
    archive = page.request.get(f"{server}/api/conversations/full/export?form=archive").body()
    page.request.delete(f"{server}/api/conversations/full")
    page.reload()
    page.wait_for_selector("#conversations li")
    assert "Everything at once" not in listed(page)
    (tmp_path / "chats.zip").write_bytes(archive)
    page.click("#import")
    page.set_input_files("#dialog input[type=file]", str(tmp_path / "chats.zip"))
    page.click("#dialog button:text-is('Import')")
    page.wait_for_selector("#conversations :text('Everything at once')")


def test_every_icon_that_is_used_is_drawn():
    static = Path(llms.__file__).parent / "web/static"
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (static / "icons.svg").read_text()))
    sources = [*static.glob("*.js"), *(static.parent / "templates").glob("*.html")]
    used = {name for path in sources for name in re.findall(r'icon(?:Button)?(?:\(|: )"([\w-]+)"', path.read_text())}
    assert len(used) > 15
    assert used <= drawn


def request(server: str, method: str, path: str, **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=20)
    connection.request(method, path, headers={"authorization": f"Bearer {TOKEN}", **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get_content_type(), text


@pytest.mark.parametrize("path", ["/nowhere", "/c/deleted", "/c/today?node=deleted", "/c/a%3Cb%3E"])
def test_an_address_that_leads_nowhere_is_answered_in_words(server, path):
    status, kind, text = request(server, "GET", path, accept="text/html,*/*")
    assert (status, kind) == (404, "text/html")
    assert "Not found" in text
    assert 'href="/"' in text
    assert "lastweek" not in text
    assert "<b>" not in text
    status, kind, text = request(server, "GET", path, accept="*/*")
    assert (status, kind) == (404, "application/json")
    assert "lastweek" not in text


def test_programs_get_json_and_no_names_of_other_chats(server):
    for path in ("/api/conversations/deleted", "/api/nowhere", "/api/runs/deleted/events"):
        status, kind, text = request(server, "GET", path, accept="text/html")
        assert (status, kind) == (404, "application/json")
        assert "last" not in json.loads(text)["error"]


@pytest.mark.parametrize("path", ["/", "/c/today", "/agents", "/tokens", "/next", "/stateless", "/leaderboard"])
def test_head_answers_like_get(server, path):
    assert request(server, "HEAD", path) == (200, "text/html", "")


PATHS = ["/", "/c/full", "/c/deleted", "/agents", "/tokens", "/next", "/stateless", "/leaderboard"]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_at_all(page, server, path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width, scheme in ((360, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.goto(server + path)
        if path == "/c/full":
            page.wait_for_selector("article:nth-of-type(8)")
        found = axe.run(page).response["violations"]
        assert not [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:160]}" for v in found], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_nothing_in_what_opens(page, server):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def violations():
        return [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in axe.run(page).response["violations"]]

    page.goto(f"{server}/c/today")
    page.click("#menu-open")
    assert not violations()
    page.click("[role=menuitem]:has-text('Delete')")
    assert not violations()
    page.keyboard.press("Escape")
    page.set_viewport_size(PHONE)
    page.click("#side-toggle")
    assert not violations()
