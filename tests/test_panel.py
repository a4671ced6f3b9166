"""What a chat is asked with, as a person sets it on the page: a real server and browser, endpoints that note what they are sent."""

import json
import os
import subprocess
import sys

import pytest

from llms import settings
from llms.chat.chat_settings import ChatSettings
from llms.errors import UsageError
from llms.models.default import choose, for_chats, for_serving, shipped
from llms.testing import ScriptedEndpoint
from llms.web.service.view_models import short_name
from llms.workbench import presets
from serving import pages
from test_browser import TOKEN, answered, ask, browser, page, pytestmark  # noqa: F401 fixtures
from test_browser import choose as choose_model

KEY = "sk-of-the-tests-0123456789"


@pytest.fixture(scope="module")
def endpoint():
    with ScriptedEndpoint(
        lambda body: "as you say", raw=False, window=8192, models=("m", "n", "text-embedding")
    ) as one:
        yield one


@pytest.fixture(scope="module")
def hosted():
    """In the place of a hosted endpoint: it wants a key."""
    with ScriptedEndpoint(
        lambda body: "hosted", raw=False, models=("gpt-4o", "gpt-5-mini", "whisper-1"), key=KEY
    ) as one:
        yield one


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("panel")


@pytest.fixture(scope="module")
def server(endpoint, hosted, home):
    variables = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": hosted.url.replace("127.0.0.1", "0.0.0.0"),  # not of this machine, as far as llms can tell
        "OLLAMA_BASE_URL": "http://127.0.0.1:9/v1",
        "GROQ_API_KEY": "",
    }
    with pages("-m", f"{endpoint.url}#m", home=home, **variables) as address:
        yield address


def last(endpoint) -> dict:
    return [body for _, body in endpoint.posts if "messages" in body][-1]


def say(page, endpoint, text: str) -> dict:  # noqa: F811
    """The request that saying `text` makes, once it is answered."""
    count = page.locator("article.assistant").count()
    ask(page, text)
    page.wait_for_function(
        "n => document.querySelectorAll('article.assistant .acts').length > n"
        " && document.getElementById('log').getAttribute('aria-busy') === 'false'",
        arg=count,
    )
    return last(endpoint)


def put(page, field: str, text: str) -> None:  # noqa: F811
    """Type into a field of the panel and leave it; returns when it is saved, or refused."""
    page.fill(f"#{field}", text)
    with page.expect_response(
        lambda answer: answer.request.method in ("POST", "PATCH") and "/api/count" not in answer.url
    ):
        page.press(f"#{field}", "Tab")


def opened(page) -> None:  # noqa: F811
    page.click("#panel-open")
    page.wait_for_selector("#tool-calculator")


def test_what_is_set_before_the_first_message_is_sent_and_outlives_a_reload(page, endpoint):  # noqa: F811
    opened(page)
    put(page, "system", "Answer as a pirate.")
    put(page, "temperature", "0,4")
    put(page, "max_tokens", "64")
    put(page, "seed", "7")
    page.check("#tool-calculator")
    page.check("[data-field=policy] [value=strict]")
    page.wait_for_selector("#chips .chip:has-text('strict')")
    page.reload()  # nothing is stored yet, and nothing is lost
    chips = page.inner_text("#chips")
    for words in ("system prompt", "calculator", "temperature 0.4", "at most 64 tokens", "seed 7", "strict"):
        assert words in chips
    assert page.url.endswith("/")
    body = say(page, endpoint, "hello")
    assert body["messages"][0] == {"role": "system", "content": "Answer as a pirate."}
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.4, 7, 64)
    assert body["tools"][0]["function"]["name"] == "calculator"
    page.reload()
    answered(page)
    again = say(page, endpoint, "and again")
    assert {name: again[name] for name in ("temperature", "seed", "max_tokens", "tools")} == {
        name: body[name] for name in ("temperature", "seed", "max_tokens", "tools")
    }
    page.locator("article.assistant").last.hover()
    with page.expect_response(lambda answer: answer.url.endswith("/again")):
        page.locator("article.assistant [aria-label='Answer again']").last.click()
    page.wait_for_function("() => document.getElementById('log').getAttribute('aria-busy') === 'false'")
    assert last(endpoint)["temperature"] == 0.4
    opened(page)
    page.click("text=Reset all but the model")
    page.wait_for_function("() => !document.querySelector('#chips .chip')")
    page.keyboard.press("Escape")
    plain = say(page, endpoint, "and plainly")
    assert not {"temperature", "seed", "tools"} & plain.keys()
    assert plain["messages"][0]["role"] == "user"


@pytest.mark.parametrize(
    ("field", "value"), [("seed", "7"), ("max_tokens", "64"), ("temperature", "0.4"), ("system", "Brief.")]
)
def test_an_answer_to_one_field_does_not_take_back_what_is_typed_in_the_next(page, field, value):  # noqa: F811
    opened(page)
    first = "max_tokens" if field == "seed" else "seed"
    held = []
    page.route("**/api/settings", lambda route: held.append(route))
    page.fill(f"#{first}", "5")
    page.press(f"#{first}", "Tab")
    page.fill(f"#{field}", value)
    page.wait_for_timeout(50)
    with page.expect_response("**/api/settings"):
        held[0].continue_()
    page.unroute("**/api/settings")
    page.wait_for_selector("#chips .chip")
    assert page.input_value(f"#{field}") == value
    page.press(f"#{field}", "Tab")
    page.wait_for_function(
        "([name, value]) => `${JSON.parse(sessionStorage['llms.settings'] ?? '{}')[name]}` === value",
        arg=[field, value],
    )


def test_an_older_answer_of_the_server_takes_back_no_setting_that_was_changed_since(page, endpoint):  # noqa: F811
    opened(page)
    put(page, "seed", "7")
    page.keyboard.press("Escape")
    first, held = ["the first"], []

    def hold(route):
        if route.request.method == "GET" and first:
            first.clear()
            held.append((route, route.fetch()))
        else:
            route.continue_()

    say(page, endpoint, "hello")
    page.route("**/api/conversations/*", hold)
    page.locator("article.assistant").last.hover()
    page.locator("article.assistant [aria-label='Answer again']").last.click()  # which looks at the chat anew
    page.wait_for_function("() => document.getElementById('log').getAttribute('aria-busy') === 'false'")
    opened(page)
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(50)
    put(page, "seed", "8")
    page.wait_for_selector("#chips .chip:has-text('seed 8')")
    page.evaluate(
        "() => { const chips = document.getElementById('chips'); window.shown = [];"
        " new MutationObserver(() => window.shown.push(chips.innerText))"
        ".observe(chips, {childList: true, subtree: true, characterData: true}); }"
    )
    ((route, answer),) = held
    with page.expect_response("**/api/conversations/*"):
        route.fulfill(response=answer)
    page.wait_for_timeout(200)
    assert not [text for text in page.evaluate("window.shown") if "seed 8" not in text]


def test_a_chat_that_began_without_a_system_prompt_is_given_one_and_keeps_its_messages(page, endpoint):  # noqa: F811
    assert say(page, endpoint, "first")["messages"] == [{"role": "user", "content": "first"}]
    opened(page)
    put(page, "system", "Be brief.")
    page.keyboard.press("Escape")
    roles = [(one["role"], one["content"]) for one in say(page, endpoint, "second")["messages"]]
    assert roles == [("system", "Be brief."), ("user", "first"), ("assistant", "as you say"), ("user", "second")]
    opened(page)
    put(page, "system", "Be long.")
    page.keyboard.press("Escape")
    assert say(page, endpoint, "third")["messages"][0]["content"] == "Be long."
    assert page.locator("article").count() == 6


def test_a_wrong_value_is_refused_beside_its_field_and_stays_there(page):  # noqa: F811
    opened(page)
    for field, value, words in (
        ("temperature", "5", "expected a number from 0"),
        ("max_tokens", "0", "at least 1"),
        ("seed", "seven", "a whole number"),
    ):
        put(page, field, value)
        page.wait_for_selector(f"[data-field={field}] .field-error:has-text('{words}')")
        assert page.input_value(f"#{field}") == value
    assert page.inner_text("#chips") == ""
    put(page, "temperature", "1")
    assert page.inner_text("[data-field=temperature] .field-error") == ""


def test_a_preset_is_saved_here_and_taken_up_from_the_terminal(page, endpoint, home, monkeypatch):  # noqa: F811
    monkeypatch.setenv("LLMS_HOME", str(home))
    presets.save("kind", ChatSettings(system="Be kind.", temperature=0.5, tools=("calculator",)))
    presets.save("elsewhere", ChatSettings(tools=("files:/etc",)))
    opened(page)
    assert page.is_disabled("#preset option[value=elsewhere]")  # out of reach of this program
    page.select_option("#preset", "kind")
    page.wait_for_selector("#chips .chip:has-text('kind')")
    assert page.input_value("#system") == "Be kind."
    assert page.is_checked("#tool-calculator")
    put(page, "seed", "3")
    page.wait_for_selector("#chips .chip :text-is('kind')", state="detached")  # it is not that preset any more
    page.click("text=Save as preset…")
    page.fill("[aria-label='Name of the preset']", "kinder")
    page.press("[aria-label='Name of the preset']", "Enter")
    page.wait_for_selector("#chips .chip:has-text('kinder')")
    kept = presets.preset("kinder").settings
    assert (kept.system, kept.seed, kept.tools, kept.model) == ("Be kind.", 3, ("calculator",), f"{endpoint.url}#m")
    page.keyboard.press("Escape")
    assert say(page, endpoint, "hi")["seed"] == 3


def test_memory_is_shown_before_it_is_told(page, endpoint, home):  # noqa: F811
    environment = {**os.environ, "LLMS_HOME": str(home)}
    fact = "I measure lengths in cubits"
    subprocess.run(
        [sys.executable, "-m", "llms", "memory", "add", fact], env=environment, check=True, capture_output=True
    )
    page.fill("#text", "Which unit for lengths?")
    opened(page)
    page.check("#memory")
    page.wait_for_selector(f"#chips :text('{fact}')")
    page.keyboard.press("Escape")
    assert fact in json.dumps(say(page, endpoint, "Which unit for lengths?")["messages"])


def test_the_picker_lists_what_runs_here_and_asks_others_on_a_click_only(page, endpoint, hosted):  # noqa: F811
    hosted.requests.clear()
    page.click("#model-open")
    page.wait_for_selector("[data-group='groq:']")
    here = page.inner_text(f"[data-group='{endpoint.url}']")
    assert "ready" in here
    assert "8k window" in here
    assert "default" in page.inner_text(f"[role=option][title='{endpoint.url}#m']")
    assert "text-embedding" not in here
    assert "GROQ_API_KEY" in page.inner_text("[data-group='groq:']")
    assert "not running" in page.inner_text("[data-group='ollama:']")
    assert page.locator("[data-group='openai:'] [role=option]").count() == 0
    assert not hosted.requests
    page.click("[data-group='openai:'] button")
    page.wait_for_selector("[data-group='openai:'] [role=option]")
    assert [path for path, _ in hosted.requests] == ["/v1/models"]
    listed = page.inner_text("[data-group='openai:']")
    assert "gpt-4o" in listed
    assert "$2.50 in, $10.00 out" in listed
    assert "whisper" not in listed
    page.fill("#model", "5-mini")
    assert page.get_attribute("#model", "aria-activedescendant")
    page.press("#model", "Enter")
    page.wait_for_selector("#picker", state="hidden")
    assert page.inner_text("#model-open") == "gpt-5-mini"
    assert page.evaluate("document.activeElement.id") == "model-open"
    say(page, hosted, "hello")
    assert last(hosted)["model"] == "gpt-5-mini"


def test_the_picker_is_used_with_keys_and_says_what_is_wrong_with_a_name(page, endpoint):  # noqa: F811
    page.click("#model-open")
    page.wait_for_selector(f"[data-group='{endpoint.url}']")
    active = "document.querySelector('.picker .active').title"
    first = page.evaluate(active)
    page.press("#model", "ArrowDown")
    assert page.evaluate(active) != first
    page.press("#model", "ArrowUp")
    assert page.evaluate(active) == first
    page.fill("#model", "opnai:gpt-5")
    page.press("#model", "Enter")
    page.wait_for_selector("#model-error:has-text('openai')")
    assert page.input_value("#model") == "opnai:gpt-5"
    page.press("#model", "Escape")
    page.wait_for_selector("#picker", state="hidden")
    assert page.inner_text("#model-open") == "m"


def test_the_default_can_be_chosen_in_the_picker(page, endpoint, home, server, monkeypatch):  # noqa: F811
    monkeypatch.setenv("LLMS_HOME", str(home))
    choose_model(page, f"{endpoint.url}#n")
    page.click("#model-open")
    page.click("text=Make n the default")
    page.wait_for_selector("#model-foot:has-text('New chats: n')")
    assert for_chats() == f"{endpoint.url}#n"
    page.evaluate("sessionStorage.clear()")
    page.goto(server)
    page.wait_for_function("() => document.getElementById('model-open').textContent.includes('n')")
    page.context.request.put(f"{server}/api/models/default", data={"name": f"{endpoint.url}#m"})
    refused = page.context.request.put(f"{server}/api/models/default", data={"name": "hf:./x?allow=remote-code"})
    assert refused.status == 400
    assert "not taken over HTTP" in refused.json()["error"]


def test_a_list_that_comes_late_takes_back_no_default_that_was_chosen_meanwhile(page, endpoint, server):  # noqa: F811
    choose_model(page, f"{endpoint.url}#n")
    first, held = ["the first"], []

    def hold(route):
        if first:
            first.clear()
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.wait_for_selector("#picker", state="hidden")
    page.route("**/api/models", hold)
    page.click("#model-open")
    page.click("text=Make n the default")
    page.wait_for_selector("#model-foot:has-text('New chats: n')")
    ((route, answer),) = held
    with page.expect_response("**/api/models"):
        route.fulfill(response=answer)
    page.wait_for_timeout(300)
    assert "New chats: n" in page.inner_text("#model-foot")
    page.context.request.put(f"{server}/api/models/default", data={"name": f"{endpoint.url}#m"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": -1}, "expected a number from 0"),
        ({"tools": ["nothing"]}, "unknown tool 'nothing'"),
        ({"tools": ["files:/etc"]}, "out of reach"),
        ({"model": "hf:./x?allow=remote-code"}, "not taken over HTTP"),
        ({"model": "nonsense"}, "unknown model"),
        ({"preset": "nobody"}, "nobody"),
    ],
)
def test_settings_that_are_wrong_or_out_of_reach_are_refused_in_words(page, server, change, words):  # noqa: F811
    id = page.context.request.post(f"{server}/api/conversations", data={}).json()["id"]
    for method, path, body in (
        ("patch", f"/api/conversations/{id}", {"settings": change}),
        ("post", "/api/settings", {"change": change}),
        ("post", "/api/conversations", {"settings": change}),
    ):
        answer = getattr(page.context.request, method)(server + path, data=body)
        assert answer.status == 400
        assert words in answer.json()["error"]
    page.context.request.delete(f"{server}/api/conversations/{id}")


def test_the_panel_covers_a_phone_and_has_its_own_close(page):  # noqa: F811
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page)
    box = page.locator("#panel").bounding_box()
    assert (box["width"], box["height"]) == (360, 740)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.get_attribute("#panel", "aria-modal") == "true"
    page.click("#panel [aria-label='Close the settings']")
    assert page.evaluate("document.activeElement.id") == "panel-open"
    page.click("#model-open")
    assert page.locator("#picker").bounding_box()["width"] == 360


@pytest.mark.parametrize("width", [360, 1280])
def test_panel_and_picker_are_accessible(page, width):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.set_viewport_size({"width": width, "height": 800})
    opened(page)
    assert [one["id"] for one in axe.Axe().run(page).response["violations"]] == []
    page.keyboard.press("Escape")
    page.click("#model-open")
    page.wait_for_selector("[data-group='groq:']")
    assert [one["id"] for one in axe.Axe().run(page).response["violations"]] == []


def test_the_default_model_is_kept_and_the_environment_goes_before_it(tmp_path, monkeypatch):
    assert for_chats() == shipped()
    assert choose("openai:gpt-5-mini") == "openai:gpt-5-mini"
    assert for_serving() == "smollm2"  # its weights are not here
    assert settings.home().joinpath("settings.json").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("LLMS_MODEL", "smollm2")
    assert for_chats() == "smollm2"
    monkeypatch.setenv("LLMS_MODEL", "smolm2")
    with pytest.raises(UsageError, match=r"did you mean smollm2.*set by LLMS_MODEL"):
        for_chats()
    monkeypatch.delenv("LLMS_MODEL")
    for wrong in ("team:research", "smollm2?tools=calculator", "openai:"):
        with pytest.raises(UsageError):
            choose(wrong)
    assert for_chats() == "openai:gpt-5-mini"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert choose("hf:./model") == f"hf:{tmp_path / 'model'}"
    assert choose(None) == shipped()


NAMES = [
    "smollm2", "gguf:smollm2", "openai:gpt-5-mini", "ollama:llama3:8b", "openrouter:owner/model", "hf:owner/name@main",
    "hf:./folder/", "smollm2?quantize=nf4", "http://127.0.0.1:8000/v1#name", "http://127.0.0.1:8000/v1#owner/name",
    "http://127.0.0.1:8000/v1", "team:research", "",
]  # fmt: skip


def test_header_and_messages_shorten_a_name_alike(page):  # noqa: F811
    script = "names => import('/static/settings.js').then(({ short }) => names.map(short))"
    assert page.evaluate(script, NAMES) == [short_name(name) for name in NAMES]
    assert short_name("ollama:llama3:8b") == "llama3:8b"
