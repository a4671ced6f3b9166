"""The page tasks in a real browser: a task is chosen, a model answers, and each kind of answer is drawn as what it is."""

import json
import re
import threading

import pytest

import encoders
import sighted
import tiny
import tiny_sound
from fake_hub import COMMIT, Hub
from llms.models.name import parse
from llms.models.task_model import TaskInput, TaskOptions, TaskOutput
from llms.tasks.catalogue import find_task
from llms.tasks.special import open_special
from llms.testing import ScriptedEndpoint
from llms.values import Media
from llms.web.service.task_events import TaskEnded, TaskOpening, event_of, to_json
from llms.workbench.task_inputs import TaskRow
from office import png
from serving import TOKEN, pages
from test_browser import CHROMIUM, PATIENCE, QUIET, playwright
from test_task_model import WINDOW, alone, save_classifier
from test_transcription import rough
from tiny_sequences import save_t5

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
    chances = alone(classifier, "a good day")
    assert page.inner_text("article.answer .said") == max(chances, key=chances.get)
    shown = page.locator(".bars > div").all_inner_texts()
    values = {label: float(value.rstrip(" %")) for label, value in (text.split("\n")[::2] if text.count("\n") == 2 else text.split("\n") for text in shown)}  # fmt: skip
    assert values == pytest.approx({label: 100 * value for label, value in chances.items()}, abs=0.06)
    assert re.fullmatch(r"1 answered in \d+\.\d s", page.inner_text("#counts"))
    assert page.inner_text("#answers .notes").startswith("10 tokens read")


def test_a_text_that_was_read_in_parts_says_so_in_words(page, classifier):
    choose(page, "sentiment", f"hf:{classifier}?device=cpu")
    run(page, "x" * (WINDOW + 1))
    page.wait_for_selector(".notes :text('a long text, read in parts')")


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
    chances = alone(classifier, "fine")
    assert lines[0]["output"] == max(chances, key=chances.get)
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
    chances = alone(classifier, "a good day")
    assert page.inner_text("article.answer .said") == max(chances, key=chances.get)


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
    page.wait_for_selector("#alert:has-text('was not made for')")
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


# --- each kind of answer, of tiny models of the right kind


def expected(task: str, folder, asked: TaskInput, **options):
    """The answer as Python gives it."""
    model = open_special(find_task(task), parse(f"hf:{folder}?device=cpu"), TaskOptions(**options))
    ((_, result),) = model.answer([asked])
    assert isinstance(result, TaskOutput), result
    return result


def shows(page, task: str, folder, **fields: str) -> None:
    choose(page, task, f"hf:{folder}?device=cpu")
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    page.click("#run")
    ended(page)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in axe.run(page, "#results").response["violations"]] == []


def test_names_are_marked_where_they_stand_with_their_kind_in_words(page, tmp_path):
    folder = encoders.save_encoder(
        tmp_path, "ForTokenClassification", ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), seed=7
    )
    text = "\U0001f680 Anna <b>Smith</b> met Peter in London."
    spans = expected("entities", folder, TaskInput(text)).spans
    assert {span.label for span in spans} == {"PER", "LOC"}
    shows(page, "entities", folder, text=text)
    assert page.locator(".marked mark").all_inner_texts() == [f"{span.text}{span.label}" for span in spans]
    assert page.locator(".marked b").count() == 0
    words = page.evaluate(
        "() => { const one = document.querySelector('.marked').cloneNode(true); one.querySelectorAll('small').forEach((s) => s.remove()); return one.textContent; }"
    )
    assert words == text
    colours = page.evaluate("[...document.querySelectorAll('.marked mark')].map((m) => m.className)")
    assert len(set(zip(colours, (span.label for span in spans), strict=True))) == len(set(colours)) == 2
    page.focus(".marked mark")
    title = page.evaluate("document.activeElement.title")
    assert title == f"{spans[0].label}, {100 * spans[0].score:.1f} %"


@pytest.mark.slow
def test_an_answer_is_shown_at_its_place(page, tmp_path):
    folder = encoders.save_encoder(tmp_path, "ForQuestionAnswering")
    text, question = "the bridge of london was good, the house in paris was not", "who was good"
    best = expected("question-answering", folder, TaskInput(text, question=question))
    shows(page, "question-answering", folder, text=text, question=question)
    assert page.inner_text(".said") == page.inner_text(".marked mark") == best.text


@pytest.mark.slow
def test_words_numbers_and_vectors(page, tmp_path):
    folder = encoders.save_encoder(tmp_path / "vectors", "Model")
    alike = expected("similarity", folder, TaskInput("a red house", other="the green river"))
    shows(page, "similarity", folder, text="a red house", other="the green river")
    assert page.inner_text(".bars").split() == ["alike", f"{float(alike.text):.3f}"]
    assert page.text_content("#command").startswith("llms task similarity 'a red house' 'the green river' -m 'hf:")
    vector = expected("embeddings", folder, TaskInput("a red house")).vector
    shows(page, "embeddings", folder, text="a red house")
    assert page.inner_text(".answer p:nth-of-type(2)") == f"{len(vector)} dimensions"
    assert page.inner_text(".numbers").split()[:-1] == [f"{value:.4f}" for value in vector[:8]]
    assert page.get_attribute(".answer a[download]", "href").endswith("/answers.jsonl")
    masked = encoders.save_encoder(tmp_path / "masked", "ForMaskedLM")
    words = expected("fill-mask", masked, TaskInput("a red [MASK] in london"), top=3)
    shows(page, "fill-mask", masked, text="a red [MASK] in london", top="3")
    assert page.inner_text(".said") == words.text
    assert page.locator(".bars > div > :first-child").all_inner_texts() == [one.label for one in words.scores]
    t5 = save_t5(tmp_path / "t5", {"translation_en_to_de": {"prefix": "translate English to German: "}})
    languages = {"source": "en", "target": "de"}
    shows(page, "translation", t5, text="a <i>b</i>", **languages)
    assert page.inner_text(".answer .words") == expected("translation", t5, TaskInput("a <i>b</i>"), **languages).text


@pytest.mark.slow
def test_the_rows_of_a_table_are_pairs_of_the_columns_that_are_chosen(page, tmp_path):
    folder = encoders.save_encoder(tmp_path, "Model")
    choose(page, "similarity", f"hf:{folder}?device=cpu")
    rows = b"name,left,right\nx,a red house,the green river\ny,a book,a book\n"
    page.set_input_files("#file", {"name": "pairs.csv", "mimeType": "text/csv", "buffer": rows})
    page.select_option("#files label:has-text('Column') select", "left")
    page.select_option("#files label:has-text('Compared with') select", "right")
    assert "--column left --column other=right" in page.text_content("#command")
    run(page)
    ended(page)
    assert page.locator(".bars > div > :last-child").all_inner_texts()[1] == "1.000"


@pytest.mark.slow
def test_a_transcript_seeks_the_player_and_doubts_are_in_words(page, tmp_path):
    model = tiny_sound.save_whisper(tmp_path, loop="a")
    choose(page, "speech-to-text", f"hf:{model}?device=cpu")
    wav = tiny_sound.file_of(rough(31))
    page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": wav})
    page.wait_for_selector("#files audio")
    run(page)
    ended(page)
    assert "aaaa" in page.inner_text(".words")
    assert "repeats itself" in page.inner_text(".notes .warn")
    late = page.locator(".segments li:last-child button")
    minutes, seconds = late.locator("time").inner_text().split(":")
    late.click()
    page.wait_for_function(
        f"() => document.querySelector('.answer audio').currentTime >= {60 * int(minutes) + float(seconds)}"
    )
    assert float(seconds) > 0


@pytest.mark.slow
def test_tiny_models_hear_see_and_speak(page, tmp_path):
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
    page.wait_for_function("() => document.querySelector('.answer img.given')?.naturalWidth === 192")
    assert page.locator(".bars > div").count() > 1


@pytest.mark.slow
def test_a_picture_that_was_drawn_is_shown(page):
    """The server's words are the test's: a tiny model takes a minute for the 512 x 512 pixels of this page."""
    drawn = event_of(0, TaskRow(TaskInput("a boat"), "a boat"), TaskOutput("", media=Media("image/png", b"x")))
    here = {"name": "m", "state": "here", "megabytes": 0, "licence": "", "languages": "", "command": "", "cached": []}
    events = [to_json(TaskOpening("m", 1)), to_json(drawn), to_json(TaskEnded(1, 0, 1.0))]
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in events) + "event: end\ndata: {}\n\n"
    page.route("**/api/tasks/model", lambda route: route.fulfill(json=here))
    page.route("**/api/tasks", lambda route: route.fulfill(json={"run": "r"}))
    page.route("**/runs/r/events", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.route("**/runs/r/media/0", lambda route: route.fulfill(body=png(8, 6), content_type="image/png"))
    shows(page, "text-to-image", "m", text="a boat")
    page.wait_for_function("() => document.querySelector('.answer img')?.naturalWidth === 8")
    assert page.get_attribute(".answer img", "alt") == "A picture of: a boat"
