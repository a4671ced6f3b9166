"""The pages as a person uses them: a real server, a real browser (Debian's Chromium, headless), a tiny model."""

import json
import re
import struct
import zlib
from pathlib import Path

import pytest
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart

from llms import settings
from llms.chat.conversation.messages import user
from llms.chat.conversation.tree import Conversation, new_id
from llms.sandbox import probe
from llms.store.conversations import Conversations
from llms.testing import ScriptedEndpoint
from serving import TOKEN, pages
from test_agent_cli import Research

CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright (extra dev)")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def server(tiny, home, tmp_path_factory):
    folder = str(tmp_path_factory.getbasetemp())
    with pages("-m", f"hf:{tiny}", "--max-tokens", "24", "--folder", folder, home=home) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, server):
    """A new page that notes errors, and requests that would leave the machine."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "request",
        lambda r: None if r.url.startswith((server, "data:", "blob:")) else problems.append(f"request to {r.url}"),
    )
    opened.goto(f"{server}/?token={TOKEN}")
    assert opened.url == f"{server}/"
    yield opened
    context.close()
    assert not problems


def ask(page, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def choose(page, model: str) -> None:
    """Let the model of that name answer from now on."""
    page.click("#model-open")
    page.fill("#model", model)
    page.press("#model", "Enter")
    page.wait_for_selector("#picker", state="hidden")


def let_use(page, tool: str) -> None:
    """Offer the model a tool."""
    page.click("#panel-open")
    page.check(f"#tool-{tool}")
    page.wait_for_selector("#chips .chip:has(use[href$='#tools'])")
    page.keyboard.press("Escape")


def answered(page, count: int = 1) -> None:
    """`count` answers stand there, whole."""
    page.wait_for_function(
        "n => document.querySelectorAll('article.assistant .acts button').length >= n"
        " && document.getElementById('log').getAttribute('aria-busy') !== 'true'",
        arg=count,
    )


def test_a_question_is_answered_and_still_there_after_a_reload(page):
    ask(page, "hello there")
    answered(page)
    before = page.inner_text("article.assistant .body")
    assert page.inner_text("article.user .body") == "hello there"
    assert re.search(r"/c/\w+", page.url)
    page.reload()
    answered(page)
    assert page.inner_text("article.assistant .body") == before
    assert "hello there" in page.inner_text("#conversations")
    assert page.evaluate("document.activeElement.id") == "text"


def test_the_meter_counts_while_typing(page):
    page.fill("#text", "hi")
    page.wait_for_function("() => document.getElementById('meter').textContent.includes('exact')")
    page.fill("#text", "hi " * 200)
    page.wait_for_function(
        "() => Number(document.getElementById('meter').textContent.split('/')[0].replace(/[^0-9]/g, '')) > 400"
    )
    page.click("#meter button")
    said = page.inner_text("#dialog")
    assert "counted by its own tokenizer" in said
    assert not re.search("null|undefined", said)
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.locator("#meter").bounding_box()["height"] <= 32


def test_editing_makes_a_branch_and_both_can_be_seen(page):
    ask(page, "first wording")
    answered(page)
    page.click("article.user .acts [aria-label^='Edit']")
    assert page.input_value("#text") == "first wording"
    ask(page, "second wording")
    page.wait_for_selector("article.user .body:has-text('second wording')")
    answered(page)
    assert "2 / 2" in page.inner_text("article.user .acts")
    page.click("article.user [aria-label='Previous version']")
    page.wait_for_selector("article.user .body:has-text('first wording')")


def test_another_answer_stands_beside_the_first(page):
    ask(page, "again please")
    answered(page)
    page.click("article.assistant .acts [aria-label^='Answer again']")
    page.wait_for_selector("article.assistant .acts:has-text('2 / 2')")


def test_stop_keeps_what_came(page):
    with ScriptedEndpoint(lambda body: "word " * 40, raw=False, window=8192, seconds=0.5) as endpoint:
        choose(page, f"{endpoint.url}#m")
        ask(page, "go on for long")
        page.wait_for_selector("article.assistant .body:has-text('word word')")
        page.keyboard.press("Escape")
        answered(page)
        assert 2 <= page.inner_text("article.assistant .body").count("word") < 40
        endpoint.seconds = 0.0
        ask(page, "and now")
        page.wait_for_selector("article.user .body:has-text('and now')")
        answered(page, 2)


@pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
def test_a_tool_that_acts_waits_for_a_person_who_may_change_what_it_does(page):
    def answer(body):
        if results := [m["content"] for m in body["messages"] if m["role"] == "tool"]:
            return f"It printed {results[-1]}"
        name = body["tools"][0]["function"]["name"]
        arguments = json.dumps({"code": "a = 6\nprint(a * 7)"})
        call = {"index": 0, "id": "c1", "function": {"name": name, "arguments": arguments}}
        return [{"delta": {"tool_calls": [call]}}, {"delta": {}, "finish_reason": "tool_calls"}]

    with ScriptedEndpoint(answer, raw=False, window=8192) as endpoint:
        choose(page, f"{endpoint.url}#m")
        let_use(page, "python")
        ask(page, "run something")
        page.wait_for_selector("[data-approval]")
        assert sum("messages" in body for _, body in endpoint.posts) == 1  # nothing goes on before a person has decided
        assert "runs code" in page.inner_text("[data-approval] h3")
        assert page.inner_text("[data-approval] pre[aria-label=code]") == "a = 6\nprint(a * 7)"  # no JSON of it
        page.fill("[data-approval] textarea", json.dumps({"code": "print(6 * 9)"}))
        page.click("[data-approval] button:has-text('Run once')")
        page.wait_for_selector("article.assistant .body:has-text('It printed')")
        assert "54" in page.inner_text("article.assistant:last-of-type")


def test_what_the_model_saw_is_what_was_sent(page):
    ask(page, "show me the payload")
    answered(page)
    page.click("article.assistant .acts [aria-label^='What the model saw']")
    page.wait_for_selector("#dialog[open]")
    assert "show me the payload" in page.inner_text("#dialog-body")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.title") == "What the model saw"


def test_search_finds_and_marks(page):
    ask(page, "the unusual word quagmire")
    answered(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("quagm")
    page.wait_for_selector("#conversations mark")
    assert page.inner_text("#conversations mark").lower().startswith("quagm")
    page.fill("#search", "no such thing anywhere")
    page.wait_for_selector("#conversations:has-text('nothing found')")


def test_no_script_of_a_message_ever_runs(page):
    page.evaluate("window.hit = 0")
    ask(page, "<img src=x onerror='window.hit=1'><script>window.hit=1</script>")
    answered(page)
    page.evaluate(
        """async () => {
            const { show } = await import('/static/markdown.js');
            const box = document.body.appendChild(document.createElement('div'));
            box.id = 'probe';
            show(box, '<img src=x onerror="window.hit=1"> <svg onload="window.hit=1"> [a](javascript:window.hit=1) '
              + '![x](https://example.com/a.png) [b](https://example.com/?q=1) <a href="data:text/html,x">c</a>');
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") == 0
    assert page.evaluate("document.querySelectorAll('#probe img, #probe svg, #probe script').length") == 0
    links = page.evaluate("[...document.querySelectorAll('#probe a')].map(a => [a.getAttribute('href'), a.rel])")
    assert links == [["https://example.com/?q=1", "noopener noreferrer nofollow"]]
    assert "example.com" in page.inner_text("#probe")


@pytest.mark.slow
def test_a_picture_that_a_tool_made_is_shown_in_its_card(page, server, home, monkeypatch):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head, rows = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0), zlib.compress((b"\0" + b"\x20\x80\xf0" * 3) * 2)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    monkeypatch.setenv("LLMS_HOME", str(home))
    with Conversations(settings.database()) as store:
        files = [
            {"name": name, "media_type": kind, "kept": store.keep(data, kind)}
            for name, kind, data in (
                ("picture.png", "image/png", png),
                ("drawing.svg", "image/svg+xml", b"<svg onload='top.hit=1'/>"),
            )
        ]
        talk = Conversation(new_id()).append(user("draw"), "user")
        talk = talk.append(ModelResponse(parts=[ToolCallPart("generate_image", {"prompt": "blue"}, "c1")]), "m")
        made = ToolReturnPart("generate_image", "drawn", "c1", metadata={"files": files})
        store.save(
            talk.append(ModelRequest(parts=[made]), "tools").append(ModelResponse(parts=[TextPart("there")]), "m")
        )
    page.goto(f"{server}/c/{talk.id}")
    page.wait_for_function("() => document.querySelector('.tool img')?.naturalWidth === 3")
    assert page.inner_text(".tool h3").startswith("generate_image")  # and its result, also after a reload
    assert "drawn" in page.text_content(".tool details")
    assert page.evaluate("document.querySelectorAll('.tool img').length") == 1
    assert page.get_attribute(".tool a", "download") == "drawing.svg"
    answer = page.request.get(server + page.get_attribute(".tool a", "href"))
    assert answer.headers["content-type"] == "application/octet-stream"


def test_files_are_attached_and_wrong_ones_named(page, tmp_path):
    good = tmp_path / "notes.txt"
    good.write_text("some notes")
    bad = tmp_path / "picture.png"
    bad.write_bytes(b"no picture at all")
    page.set_input_files("#file", str(good))
    page.wait_for_selector("#attached:has-text('notes.txt')")
    page.set_input_files("#file", str(bad))
    page.wait_for_selector("#attached li:has-text('not what its name says')")
    ask(page, "read this")
    answered(page)
    assert "notes.txt" in page.inner_text("article.user")


def test_a_reload_in_mid_answer_reattaches(page):
    ask(page, "a long one " * 20)
    page.wait_for_selector("article.user")
    page.reload()
    answered(page)
    assert page.inner_text("article.user .body").startswith("a long one")


@pytest.mark.slow
def test_a_team_is_watched_while_it_works_and_again_afterwards(page, server, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("The first deadline is in May. The second deadline is in June.")
    research = Research()
    with ScriptedEndpoint(research, raw=False, window=16384) as endpoint:
        page.goto(server + "/agents")
        page.fill("#goal", "When are the deadlines?")
        page.select_option("#team", "research")
        page.fill("#model", f"{endpoint.url}#m")
        page.fill("#files", str(notes))
        page.click("#begin button.primary")
        page.wait_for_function("() => document.querySelectorAll('#steps li').length >= 3")
        assert research.waiting.wait(30)  # the second look-up is under way and will not end before it is let go
        assert "the first one is known" in page.inner_text("#board")
        assert "second" in page.inner_text("#plan")
        assert "of 40 model calls" in page.inner_text("#budget")
        assert page.inner_text("#answer") == ""
        research.go.set()
        page.wait_for_function("() => document.getElementById('end').textContent.startsWith('done')")
        assert page.inner_text("#answer") == "first in May, second in June"
    page.reload()  # the endpoint is gone: this is the store
    page.wait_for_function("() => document.getElementById('end').textContent.startsWith('done')")
    assert page.inner_text("#answer") == "first in May, second in June"
    assert "the first one is known" in page.inner_text("#board")


def test_without_the_token_a_page_says_how_to_come_in_and_takes_it(browser, server):
    context = browser.new_context()
    opened = context.new_page()
    assert opened.goto(server + "/leaderboard").status == 401
    assert "llms web" in opened.inner_text("body")
    opened.fill("input", TOKEN)
    opened.press("input", "Enter")
    opened.wait_for_selector("#text")
    context.close()


def test_lessons_work(page, server):
    page.goto(server + "/tokens")
    page.fill("#models", page.evaluate("document.querySelector('#known option')?.value ?? ''") or "smollm2")
    page.goto(server + "/agents")
    assert "plan-and-parallel" in page.inner_text("#team")


def test_the_page_is_light_and_nothing_is_loaded_from_elsewhere(page, server):
    """`page` refuses requests to elsewhere. Counted are the bytes that came over the wire, heads included, and those that
    the browser has to read."""
    page.wait_for_load_state("networkidle")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    loaded: list = []
    page.on("requestfinished", lambda r: loaded.append(r) if r.url.startswith(server) else None)
    page.reload()
    page.wait_for_load_state("networkidle")
    sent = {r.url: r.sizes()["responseBodySize"] + r.sizes()["responseHeadersSize"] for r in loaded}
    read = {r.url: len(r.response().body()) for r in loaded}
    assert sum(sent.values()) <= 150_000, json.dumps(sent, indent=1)
    assert sum(read.values()) <= 300_000, json.dumps(read, indent=1)
