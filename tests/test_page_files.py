"""Files on the chat page, in a real browser: chosen, read, shown, removed, sent, kept when a message is edited."""

import re
from pathlib import Path

import pytest

from llms.testing import ScriptedEndpoint
from office import pdf, png
from serving import pages
from test_browser import CHROMIUM, PATIENCE, QUIET, TOKEN, answered, ask, playwright

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def endpoint():
    with ScriptedEndpoint(lambda body: "an answer", window=9000) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def address(endpoint, tmp_path_factory):
    with pages("-m", f"{endpoint.url}#m", home=tmp_path_factory.mktemp("web")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(f"{address}/?token={TOKEN}")
    yield opened
    context.close()
    assert not problems


def choose(page, folder: Path, **files: bytes) -> None:
    """Choose files by their names, `_` standing for the point, and wait until all are read."""
    paths = []
    for name, content in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content)
        paths.append(str(path))
    page.set_input_files("#file", paths)
    page.wait_for_function(
        "n => document.querySelectorAll('#attached li').length >= n && !document.querySelector('#attached [aria-busy]')",
        arg=len(files),
    )


def chips(page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("#attached li").all_inner_texts()]


def sent(endpoint) -> list[dict]:
    """The parts of the last message that went out."""
    content = endpoint.posts[-1][1]["messages"][-1]["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def test_every_chosen_file_is_shown_and_a_wrong_one_holds_up_no_other(page, endpoint, tmp_path):
    choose(page, tmp_path, notes_txt=b"some notes", doc_pdf=pdf("The report", ""), data_csv="Straße;1\n".encode("cp1252"),
           bad_png=png(300, 300, cut=200))  # fmt: skip
    bad, notes, doc, data = chips(page)
    assert notes.startswith("notes.txt 1 line")
    assert doc.startswith("doc.pdf 2 pages")
    assert "without text, perhaps pictures: page 2" in doc
    assert "1 line, Windows-1252" in data
    assert bad == "bad.png is a broken picture: image file is truncated"
    page.wait_for_function("() => /\\d tokens/.test(document.getElementById('attached').textContent)")
    page.click(".file-open:has-text('doc.pdf')")
    assert "## doc.pdf, page 1\n\nThe report" in page.inner_text("#dialog pre")
    page.keyboard.press("Escape")
    page.focus("[aria-label='Remove notes.txt']")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelectorAll('#attached li').length === 3")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Remove doc.pdf"
    ask(page, "what is it?")
    answered(page)
    text = "\n".join(part["text"] for part in sent(endpoint))
    assert re.findall(r"The file ([\w.]+), which", text) == ["doc.pdf", "data.csv"]
    assert "Straße;1" in text
    assert not chips(page)


def test_an_edited_message_keeps_its_files_and_a_draft_comes_back(page, endpoint, tmp_path):
    choose(page, tmp_path, notes_txt=b"some notes", dot_png=png(), more_txt=b"more words")
    ask(page, "first wording")
    answered(page)
    page.fill("#text", "a draft")
    choose(page, tmp_path, later_txt=b"for later")
    page.hover("article.user")
    page.locator("article.user .acts button").filter(has_text="Edit").or_(
        page.locator("article.user .acts [aria-label='Edit']")
    ).first.click()
    assert page.inner_text("#editing").startswith("Editing your message")
    assert [text.split()[0] for text in chips(page)] == ["notes.txt", "dot.png", "more.txt"]
    page.keyboard.press("Escape")
    assert page.input_value("#text") == "a draft"
    assert [text.split()[0] for text in chips(page)] == ["later.txt"]
    page.fill("#text", "")
    page.press("#text", "ArrowUp")
    page.click("[aria-label='Remove more.txt']")
    ask(page, "second wording")
    page.wait_for_selector("article.user:has-text('second wording')")
    answered(page)
    first, notes, picture = sent(endpoint)
    assert first["text"] == "second wording"
    assert "some notes" in notes["text"]
    assert picture["type"] == "image_url"
    assert [text.split()[0] for text in chips(page)] == ["later.txt"]
    page.click("article.user .file-open:has-text('notes.txt')")
    assert page.inner_text("#dialog pre") == "some notes"


def test_the_key_that_ends_a_composition_sends_nothing(page, endpoint):
    page.fill("#text", "にほんご")
    before = len(endpoint.posts)
    for how in ("isComposing: true", "keyCode: 229"):
        page.evaluate(
            f"document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, {how}}}))"
        )
    page.wait_for_timeout(200)
    assert page.input_value("#text") == "にほんご"
    assert not page.locator("article").count()
    assert not [body for _, body in endpoint.posts[before:] if "messages" in body]


def test_a_refused_message_stays_in_the_box_and_leaves_no_chat(page):
    page.evaluate(
        "() => fetch('/api/conversations', {method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'})"
    )
    listed = "() => fetch('/api/conversations').then((answer) => answer.json()).then((list) => list.length)"
    before = page.evaluate(listed)
    strict(page)
    page.fill("#text", "word " * 20_000)
    page.wait_for_function("() => document.getElementById('meter').textContent.includes('Cannot be sent')")
    page.press("#text", "Enter")
    page.wait_for_selector("text=use the policy truncate or summarise >> nth=1")
    assert page.input_value("#text") == "word " * 20_000
    assert page.url.endswith("/")
    assert page.evaluate(listed) == before
    assert not page.locator("article").count()


def strict(page) -> None:
    page.click("#panel-open")
    page.check("[data-field='policy'] input[value='strict']")
    page.wait_for_selector("#chips:has-text('strict')")
    page.keyboard.press("Escape")


def test_the_gauge_says_what_would_be_read_in_parts(page, endpoint):
    page.fill("#text", "Summarise all of it.\n\n" + "Some words of a sentence. " * 3000)
    page.wait_for_function("() => document.getElementById('meter').textContent.includes('Is read in')")
    match = re.search(r"Is read in (\d+) parts \((\d+) requests\)", page.inner_text("#meter"))
    assert match
    assert int(match[2]) == int(match[1]) + 1
    page.click("#meter button")
    assert f"it is read in {match[1]} parts" in page.inner_text("#dialog")


def test_a_long_text_that_is_pasted_becomes_a_file_that_can_go_back_into_the_box(page):
    page.fill("#text", "before ")
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "words ".repeat(5000));
          document.getElementById("text").dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
    )
    page.wait_for_selector("#attached li:not([aria-busy]):has-text('pasted text.txt')")
    assert page.input_value("#text") == "before "
    page.click("text=Put into the box")
    page.wait_for_function("() => document.getElementById('text').value.length > 20000")
    assert not chips(page)


def test_chosen_files_are_there_after_a_reload(page, tmp_path):
    choose(page, tmp_path, notes_txt=b"some notes")
    page.reload()
    page.wait_for_selector("#attached li:has-text('notes.txt')")
