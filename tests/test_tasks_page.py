"""The page tasks in a real browser: a task is chosen, a model answers, and each kind of answer is drawn as what it is."""

import json
import re
import threading

import pytest

import tiny
from fake_hub import COMMIT, Hub
from llms.testing import ScriptedEndpoint
from serving import TOKEN, pages
from test_browser import CHROMIUM, PATIENCE, QUIET, playwright
from test_task_model import WINDOW, alone, save_classifier

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="browser tests need Debian's package chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="module")
def hub(classifier):
    """A hub that has the classifier as x/y."""
    files = {f"/x/y/resolve/{COMMIT}/{path.name}": path.read_bytes() for path in classifier.iterdir()}
    running = Hub(files)
    yield running
    running.close()


@pytest.fixture(scope="module")
def server(home, hub):
    with pages(home=home, HF_HOME=str(home / "hub"), HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0") as address:
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
    opened.on(
        "request",
        lambda r: None if r.url.startswith((server, "data:", "blob:")) else problems.append(f"request to {r.url}"),
    )
    opened.goto(f"{server}/tasks")
    yield opened
    context.close()
    assert not problems


def choose(page, task: str, model: object = "") -> None:
    page.check(f"[name=task][value='{task}']", force=True)
    page.fill("#model", str(model))
    page.press("#model", "Enter")


def run(page, text: str = "") -> None:
    if text:
        page.fill("#text", text)
    page.click("#run")


def answered(page) -> None:
    """Something has come: an answer, or the reason why there is none."""
    page.wait_for_selector("article.answer, .answers-table tbody tr, #alert:not(:empty)")
    assert page.inner_text("#alert") == ""


def ended(page) -> None:
    """All has come."""
    answered(page)
    page.wait_for_selector("#stop", state="hidden")
    page.wait_for_function("() => document.getElementById('results').getAttribute('aria-busy') === 'false'")


def test_a_label_comes_with_the_probability_of_each(page, classifier):
    choose(page, "sentiment", f"hf:{classifier}?device=cpu")
    page.wait_for_selector("#about :text('It is on this machine')")
    run(page, "a good day")
    ended(page)
    expected = alone(classifier, "a good day")
    assert page.inner_text("article.answer .said") == max(expected, key=expected.get)
    shown = page.locator(".bars > div").all_inner_texts()
    values = {label: float(value.rstrip(" %")) for label, value in (text.split("\n")[::2] if text.count("\n") == 2 else text.split("\n") for text in shown)}  # fmt: skip
    assert values == pytest.approx({label: 100 * value for label, value in expected.items()}, abs=0.06)
    assert re.fullmatch(r"1 answered in \d+\.\d s", page.inner_text("#counts"))
    assert page.inner_text("#answers .notes").startswith("10 tokens read")


def test_a_text_that_was_cut_says_so_in_words(page, classifier):
    choose(page, "sentiment", f"hf:{classifier}?device=cpu")
    run(page, "x" * (WINDOW + 1))
    page.wait_for_selector(".notes :text('only its beginning was read')")


def test_a_bad_row_is_named_and_the_others_are_answered_in_their_order(page, classifier):
    choose(page, "sentiment", f"hf:{classifier}?device=cpu")
    rows = "text,stars\nfine,5\n" + '"",1\n' + "".join(f"{'word ' * n},3\n" for n in range(1, 9))
    page.set_input_files("#file", {"name": "reviews.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    page.wait_for_selector("#files select")
    assert page.input_value("#files select") == "text"
    run(page)
    ended(page)
    assert page.inner_text("#counts").startswith("9 answered, 1 failed in ")
    assert page.locator(".answers-table tbody tr td:first-child").all_inner_texts() == [str(n) for n in range(1, 11)]
    assert "line 3: column 'text' is ''; expected a text" in page.inner_text("tr[data-index='1'] .bad")
    with page.expect_download() as download:
        page.click("#jsonl")
    lines = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert len(lines) == 10
    assert lines[0]["input"] == "fine"
    expected = alone(classifier, "fine")
    assert lines[0]["output"] == max(expected, key=expected.get)
    assert "expected a text" in lines[1]["error"]
    with page.expect_download() as download:
        page.click("#csv")
    assert download.value.path().read_text().splitlines()[0].startswith("input,output,truncated,model,seconds,scores")
    page.select_option("#files select", "stars")
    assert "--column stars" in page.text_content("#command")


@pytest.mark.slow
def test_lines_are_texts_of_their_own(page, classifier):
    choose(page, "sentiment", f"hf:{classifier}?device=cpu")
    page.check("#lines")
    run(page, "one\n\ntwo\nthree")
    ended(page)
    assert page.locator("article.answer").count() == 3


@pytest.mark.slow
def test_nothing_is_fetched_before_somebody_says_so(page, hub, classifier):
    choose(page, "sentiment")
    page.wait_for_selector("#about :text('268 MB · Apache-2.0 · English')")
    page.wait_for_selector("#fetch:has-text('Fetch 268 MB')")
    run(page, "a good day")
    page.wait_for_selector("#alert:has-text('is not on this machine; fetch it first')")
    assert page.is_hidden("#results")
    choose(page, "sentiment", "hf:x/y?device=cpu")
    page.wait_for_selector("#fetch")
    assert hub.asked == []
    page.click("#fetch")
    page.wait_for_selector("#about :text('It is on this machine'), #alert:not(:empty)")
    assert page.inner_text("#alert") == ""
    run(page, "a good day")
    answered(page)
    expected = alone(classifier, "a good day")
    assert page.inner_text("article.answer .said") == max(expected, key=expected.get)


GATE = threading.Event()


@pytest.fixture
def endpoint():
    def answer(body):
        assert GATE.wait(30)
        return json.dumps({"label": "good", "summary": "short", "answer": "short"})

    GATE.set()
    with ScriptedEndpoint(answer, raw=False) as running:
        yield running
    GATE.set()


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["stop", "close"])
def test_stop_and_a_closed_page_end_the_work(page, endpoint, leave):
    choose(page, "summarization", f"{endpoint.url}#m")
    page.check("#lines")
    page.fill("#text", "\n".join(f"This is the text number {number}." for number in range(300)))
    page.click("#run")
    page.wait_for_selector(".answers-table tbody tr, #alert:not(:empty)")
    GATE.clear()
    if leave == "close":
        page.goto("about:blank")
    else:
        page.click("#stop")
        page.wait_for_selector("#status:has-text('Stopped')")
        assert page.is_visible("#run")
        assert page.locator(".answers-table tbody tr").count() > 0
    page.wait_for_timeout(1000)
    GATE.set()
    page.wait_for_timeout(2000)
    asked = len(endpoint.posts)
    page.wait_for_timeout(500)
    assert asked == len(endpoint.posts) < 300


def test_what_a_task_needs_is_asked_for_before_anything_is_loaded(page, classifier):
    choose(page, "zero-shot", f"hf:{classifier}")
    run(page, "a good day")
    page.wait_for_selector("#alert:has-text('zero-shot needs labels')")
    choose(page, "sentiment", "openai:x?approve=all")
    page.wait_for_selector("#about .bad:has-text('approve= is not taken over HTTP')")
    choose(page, "translation", "smollm2")
    run(page, "a good day")
    page.wait_for_selector("#alert:has-text('the language to translate to')")


@pytest.mark.slow
def test_a_checkpoint_of_another_kind_is_refused_in_words(page, tmp_path):
    choose(page, "sentiment", f"hf:{tiny.save_embedding(tmp_path)}?device=cpu")
    run(page, "word")
    page.wait_for_selector("#alert:has-text('lacks the tensors')")
    page.wait_for_selector("#run")


@pytest.mark.slow
def test_the_whole_way_goes_by_the_keyboard(page, classifier):
    page.focus("[name=task]:checked")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('[name=task]:checked').value") == "classification"
    page.wait_for_function("() => location.search === '?task=classification'")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "model"
    page.keyboard.type(f"hf:{classifier}?device=cpu")
    page.focus("#text")
    page.keyboard.type("a good day")
    page.keyboard.press("Control+Enter")
    answered(page)


@pytest.mark.slow
def test_the_same_is_shown_as_a_command_and_as_code(page, classifier):
    choose(page, "zero-shot", f"hf:{classifier}")
    page.fill("#label", "it's good, bad")
    page.press("#label", "Enter")
    page.fill("#text", "a day")
    page.click("#same summary")
    assert page.inner_text("#command") == (
        f"llms task zero-shot 'a day' -m hf:{classifier} --labels 'it'\\''s good,bad'"
    )
    assert f'llms.task("zero-shot", model="hf:{classifier}", labels=["it\'s good", "bad"])' in page.inner_text("#code")
    compile(page.inner_text("#code"), "code", "exec")
    page.wait_for_function("() => document.getElementById('script').textContent.includes('transformers')")
    compile(page.inner_text("#script"), "script", "exec")


@pytest.mark.slow
@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_phone_shows_all_of_it_without_scrolling_sideways(page, classifier):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    choose(page, "sentiment", f"hf:{classifier}?device=cpu")
    page.click(".same summary")
    page.check("#lines")
    run(page, "\n".join("averylongword" * 3 for _ in range(8)))
    ended(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, classifier, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def clean() -> None:
        violations = axe.run(page).response["violations"]
        assert [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in violations] == []

    page.emulate_media(color_scheme=scheme)
    page.wait_for_selector("#about code")
    clean()
    choose(page, "sentiment", f"hf:{classifier}?device=cpu")
    page.click(".same summary")
    run(page, "a good day")
    ended(page)
    clean()


# --- each kind of answer, as the server says it


def event(index: int = 0, **values: object) -> dict:
    usual = {
        "other": "",
        "text": "",
        "scores": [],
        "spans": [],
        "segments": [],
        "dimension": 0,
        "first": [],
        "media": "",
        "texts": [],
    }
    more = {"truncated": False, "flags": [], "tokens": 0, "generated": 0, "seconds": 0.0}
    return {"type": "Answered", "index": index, "input": "", **usual, **more, **values}


def says(page, *events: dict) -> None:
    """The server says these events to whatever is asked, and has every model."""
    here = {"name": "m", "state": "here", "megabytes": 0, "licence": "", "languages": "", "command": "", "cached": []}
    opening = {"type": "Opening", "model": "m", "total": len(events)}
    ending = {"type": "Ended", "answered": len(events), "failed": 0, "seconds": 1.0}
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in (opening, *events, ending)) + "event: end\ndata: {}\n\n"
    page.route("**/api/tasks/model", lambda route: route.fulfill(json=here))
    page.route("**/api/tasks", lambda route: route.fulfill(json={"run": "r"}))
    page.route("**/runs/r/events", lambda route: route.fulfill(body=body, content_type="text/event-stream"))


def shows(page, task: str, one: dict, **fields: str) -> None:
    says(page, one)
    choose(page, task, "hf:./m")
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    page.click("#run")
    ended(page)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in axe.run(page, "#results").response["violations"]] == []


def span(text: str, part: str, label: str) -> dict:
    start = text.index(part)
    return {"start": start, "end": start + len(part), "label": label, "score": 0.9, "text": part}


def test_names_are_marked_where_they_stand_with_their_kind_in_words(page):
    text = "\U0001f680 Ada <b>Lovelace</b> met Babbage in London."
    spans = [span(text, "Ada", "PER"), span(text, "London", "LOC"), span(text, "Babbage", "PER")]
    shows(page, "entities", event(input=text, spans=spans), text=text)
    marks = page.locator(".marked mark").all_inner_texts()
    assert marks == ["AdaPER", "BabbagePER", "LondonLOC"]
    assert page.locator(".marked b").count() == 0
    words = page.evaluate(
        "() => { const one = document.querySelector('.marked').cloneNode(true); one.querySelectorAll('small').forEach((s) => s.remove()); return one.textContent; }"
    )
    assert words == text
    colours = page.evaluate("[...document.querySelectorAll('.marked mark')].map((m) => m.className)")
    assert colours[0] == colours[1] != colours[2]
    page.focus(".marked mark")
    assert page.evaluate("document.activeElement.title") == "PER, 90.0 %"


@pytest.mark.slow
def test_an_answer_is_shown_at_its_place(page):
    text = "The bridge was opened in 1932."
    shown = event(input=text, text="1932", spans=[span(text, "1932", "")], scores=[{"label": "1932", "score": 0.8}])
    shows(page, "question-answering", shown, text=text, question="When was it opened?")
    assert page.inner_text(".said") == "1932"
    assert page.inner_text(".marked mark") == "1932"


@pytest.mark.slow
def test_a_transcript_seeks_the_player_and_doubts_are_in_words(page):
    segments = [
        {"start": 0.0, "end": 1.0, "text": "one", "flags": []},
        {"start": 0.5, "end": 1.0, "text": "two", "flags": ["repeats"]},
    ]
    says(page, event(input="tone.wav", text="one two", segments=segments, flags=["repeats"], truncated=True))
    choose(page, "speech-to-text", "hf:./m")
    page.click("#example")
    ended(page)
    assert page.inner_text(".words") == "one two"
    assert page.locator(".notes .warn").all_inner_texts()[1].endswith("repeats itself")
    page.click(".segments li:nth-child(2) button")
    page.wait_for_function("() => document.querySelector('.answer audio').currentTime >= 0.5")


@pytest.mark.slow
def test_words_numbers_and_vectors(page):
    shows(page, "translation", event(input="a", text="<i>zwei</i>"), text="a", target="de")
    assert page.inner_text(".answer .words") == "<i>zwei</i>"
    shows(page, "similarity", event(input="a", other="b", text="0.75"), text="a", other="b")
    assert page.inner_text(".said") == "0.750"
    assert page.evaluate("document.querySelector('.bars .fill').style.width") == "75%"
    shows(page, "embeddings", event(input="a", dimension=384, first=[0.5] * 8), text="a")
    assert page.inner_text(".answer").splitlines()[2] == "384 dimensions"
    assert page.locator(".answer a[download]").get_attribute("href") == "/api/tasks/runs/r/answers.jsonl"


@pytest.mark.slow
def test_sounds_are_played_and_pictures_seen(page):
    from office import png

    page.route("**/runs/r/media/0", lambda route: route.fulfill(body=png(8, 6), content_type="image/png"))
    shows(page, "text-to-image", event(input="a boat", media="image/png"), text="a boat")
    page.wait_for_function("() => document.querySelector('.answer img')?.naturalWidth === 8")
    assert page.get_attribute(".answer img", "alt") == "A picture of: a boat"
    shows(page, "text-to-speech", event(input="a boat", media="audio/wav"), text="a boat")
    assert page.get_attribute(".answer audio", "src") == "/api/tasks/runs/r/media/0"
    says(page, event(input="disc.png", text="a disc", scores=[{"label": "a disc", "score": 0.5}]))
    choose(page, "image-classification", "hf:./m")
    page.click("#example")
    answered(page)
    page.wait_for_function("() => document.querySelector('.answer img.given')?.naturalWidth === 192")


@pytest.mark.slow
def test_tiny_models_hear_see_and_speak(page, tmp_path):
    import sighted
    import tiny_sound

    choose(page, "speech-to-text", f"hf:{tiny_sound.save_ctc(tmp_path / 'ctc')}?device=cpu")
    wav = tiny_sound.file_of(tiny_sound.tone(1.0))
    page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": wav})
    page.wait_for_selector("#files audio")
    run(page)
    ended(page)
    assert page.locator("article.answer audio").count() == 1
    choose(page, "text-to-speech", f"hf:{tiny_sound.save_vits(tmp_path / 'vits')}?device=cpu")
    page.click("#files [aria-label='Remove a.wav']")
    run(page, "words")
    page.wait_for_selector("article.answer a[download]")
    page.wait_for_function("() => document.querySelector('.answer audio')?.duration > 0")
    choose(page, "image-classification", f"hf:{sighted.save_vit(tmp_path / 'vit')}?device=cpu")
    page.click("#example")
    page.wait_for_selector("article.answer img.given")
    assert page.locator(".bars > div").count() > 1
