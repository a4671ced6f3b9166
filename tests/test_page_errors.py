"""What goes wrong with an answer is seen on the page, in words, where it happened, with the way out: a real server and browser."""

import re
import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from llms.testing import ScriptedEndpoint
from test_browser import answered, ask, browser, choose, home, page, pytestmark, server  # noqa: F401 - fixtures


@pytest.fixture(scope="module")
def endpoint():
    with ScriptedEndpoint(lambda body: "one two three four", raw=False, window=8192) as scripted:
        yield scripted


def known(page, endpoint):  # noqa: F811
    """Let the page's server get to know the endpoint: whatever follows meets the faults of an answer."""
    choose(page, f"{endpoint.url}#m")
    ask(page, "hello")
    answered(page)
    endpoint.faults.clear()


def failed(page) -> str:  # noqa: F811
    page.wait_for_selector("article.assistant:last-of-type .error")
    assert page.inner_text("article.assistant:last-of-type .state") == "failed"
    said = page.inner_text("article.assistant:last-of-type .error")
    assert not re.search(r"status_code|Traceback|^Error: error|body:", said)
    return said


BUSY = [{"status": 500, "message": "out of memory"}] * 3
FAULTS = {
    "400": ([{"status": 400, "message": "temperature is too high"}], "answered 400: temperature is too high", "change"),
    "a key": ([{"status": 401, "message": "no such key sk-1234567890abcdefghij"}], "wants a key", "LLMS_API_KEY"),
    "402": ([{"status": 402, "message": "no credit left"}], "answered 402: no credit left", "add credit"),
    "too many": ([{"status": 429, "message": "slow down", "retry_after": 900}], "answered 429: slow down", "wait"),
    "500": (BUSY, "answered 500: out of memory", "the server's"),
    "502": ([{"status": 502, "message": "bad gateway"}] * 3, "answered 502: bad gateway", "Try again"),
    "dropped": ([{"close": "clean"}], "was lost", "Try again"),
    "not JSON": ([{"broken": True}], "cannot be read", "Try again"),
    "no token": ([{"early": True}] * 3, "was lost", "Try again"),
    "closed": ([{"nothing": True}] * 3, "was lost", "Try again"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_is_in_the_message_and_above_the_page_until_it_is_put_away(page, endpoint, fault):  # noqa: F811
    known(page, endpoint)
    faults, what, advice = FAULTS[fault]
    endpoint.faults.extend(faults)
    ask(page, "and now?")
    said = failed(page)
    assert what in said
    assert advice in said
    assert page.inner_text(".toast[role=alert] p") == said
    assert page.locator(".toasts").bounding_box()["height"] > 30
    kept = page.inner_text("article.assistant:last-of-type .body").strip()
    assert page.locator("article.assistant:last-of-type .row button:has-text('Continue')").count() == bool(kept)
    page.reload()
    assert failed(page) == said
    page.click("article.assistant:last-of-type .row button:has-text('Retry')")
    page.wait_for_selector("article.assistant:last-of-type .body:has-text('one two three four')")
    page.wait_for_selector("article.assistant:last-of-type .acts:has-text('2 / 2')")


def test_a_dropped_answer_keeps_its_text_and_goes_on(page, endpoint):  # noqa: F811
    known(page, endpoint)
    endpoint.faults.append({"close": "clean"})
    ask(page, "and now?")
    failed(page)
    assert page.inner_text("article.assistant:last-of-type .body").strip() == "one two"
    page.click(".toast [aria-label=Dismiss]")
    assert page.locator(".toast").count() == 0
    page.click("article.assistant:last-of-type .row button:has-text('Continue')")
    page.wait_for_selector("article.assistant:last-of-type .body:has-text('one twoone two three four')")


def test_what_is_to_know_of_an_answer_stands_there_after_a_reload(page, endpoint):  # noqa: F811
    known(page, endpoint)
    before, endpoint.answer = (
        endpoint.answer,
        lambda body: [{"delta": {"refusal": "I cannot help with that."}}, "**no**"],
    )
    ask(page, "do something bad")
    page.wait_for_selector("article.assistant:last-of-type .notice[data-code=refused]")
    page.reload()
    page.wait_for_selector("article.assistant:last-of-type .notice:has-text('refused by the model')")
    assert page.inner_text("article.assistant:last-of-type .text").startswith("I cannot help")
    endpoint.answer = before
    page.click("article.assistant:last-of-type .row button:has-text('Retry')")
    page.wait_for_selector("article.assistant:last-of-type .acts:has-text('2 / 2')")
    answered(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("article.assistant:last-of-type [aria-label=Copy]")
    page.wait_for_selector("article.assistant:last-of-type .acts button:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == "one two three four"


def test_an_answer_that_is_edited_leaves_the_page_ready(page, endpoint):  # noqa: F811
    known(page, endpoint)
    page.click("article.assistant [aria-label=Edit]")
    ask(page, "one two five")
    page.wait_for_selector("article.assistant .text:has-text('one two five')")
    page.fill("#text", "and then?")
    assert page.is_enabled("#send")
    page.press("#text", "Enter")
    answered(page, 2)


@pytest.mark.slow
def test_a_reload_in_mid_answer_shows_each_word_once_and_one_caret(page, endpoint):  # noqa: F811
    known(page, endpoint)
    before, endpoint.answer, endpoint.seconds = (
        endpoint.answer,
        lambda body: "a b c d e f g h i j k l m n o p q r s t",
        0.1,
    )
    ask(page, "the alphabet")
    page.wait_for_selector("article.assistant:last-of-type .text:has-text('a b c')")
    page.reload()
    page.wait_for_selector("article[aria-busy=true] .text:has-text('e f g')")
    assert page.locator("article[aria-busy=true]").count() == 1
    assert page.inner_text("article.assistant:last-of-type").count("a b c") == 1
    assert "http" not in page.inner_text("article.assistant:last-of-type header")
    answered(page, 2)
    endpoint.answer, endpoint.seconds = before, 0.0
    assert page.inner_text("article.assistant:last-of-type .text") == "a b c d e f g h i j k l m n o p q r s t"


@contextmanager
def html():
    """A server that answers everything with a page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Router login</title>")

        do_POST = do_GET

        def log_message(self, *_):
            pass

    bound = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=bound.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{bound.server_address[1]}/v1#m"
    bound.shutdown()
    bound.server_close()


@contextmanager
def unanswered(close: bool):
    """A server that takes connections, and never answers, or closes them at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = []

        def accept():
            with suppress(OSError):
                while True:
                    one = listening.accept()[0]
                    one.close() if close else taken.append(one)

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1#m"
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
        for one in taken:
            one.close()


@contextmanager
def name(text: str):
    yield text


def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1#m"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "what"),
    [
        (lambda: name(nobody()), "does not answer"),
        (lambda: unanswered(close=True), "does not answer"),
        (html, "web page"),
        (lambda: name("openai:gpt-5"), "needs a key: set OPENAI_API_KEY"),
        (lambda: name("hf:/no/such/folder"), "/no/such/folder"),
    ],
    ids=["refused", "closed", "a web page", "no key", "no file"],
)
def test_a_question_is_kept_when_its_model_cannot_even_be_reached(page, model, what):  # noqa: F811
    with model() as named:
        choose(page, named)
        ask(page, "a question worth keeping")
        assert what in failed(page)
    page.reload()
    assert what in failed(page)
    assert page.inner_text("article.user .body") == "a question worth keeping"
    assert page.input_value("#text") == ""
    page.wait_for_selector("article.assistant .row button:has-text('Retry')")


def test_a_server_that_hangs_can_be_stopped_and_says_what_is_waited_for(page):  # noqa: F811
    with unanswered(close=False) as named:
        choose(page, named)
        ask(page, "are you there?")
        page.wait_for_selector("article.assistant .progress:has-text('waiting for')")
        page.keyboard.press("Escape")
        page.wait_for_selector("article.assistant .state:has-text('stopped')")
        page.wait_for_selector("article.assistant .row button:has-text('Retry')")
        assert page.is_enabled("#send")


def test_a_server_that_is_gone_is_said_to_be_gone_also_when_it_answered_before(page):  # noqa: F811
    with ScriptedEndpoint(lambda body: "one two") as endpoint:
        known(page, endpoint)
    ask(page, "are you there?")
    assert f"{endpoint.url} does not answer" in failed(page)


def test_why_an_answer_is_not_whole_is_said_once(page, endpoint):  # noqa: F811
    page.add_init_script("""
      window.EventSource = class extends EventSource {
        set onmessage(hear) {
          let turn = Promise.resolve();
          super.onmessage = (message) => (turn = turn.then(async () => {
            if (JSON.parse(message.data).type === "notice") await (await import("/static/log.js")).reload();
            hear(message);
          }));
        }
      };""")  # what the store holds may be drawn before its event is heard: another tab, a change of the list
    page.reload()
    known(page, endpoint)
    endpoint.finish = "length"
    ask(page, "and now?")
    page.wait_for_selector("article.assistant:last-of-type .row button:has-text('Continue')")
    page.wait_for_selector("#send:visible")
    endpoint.finish = "stop"
    assert page.locator("article.assistant:last-of-type .notice").count() == 1
    assert "/more" not in page.inner_text("article.assistant:last-of-type .notice")


def test_stop_stands_where_send_was_while_an_answer_is_written(page, endpoint):  # noqa: F811
    known(page, endpoint)
    place = page.locator("#send").bounding_box()
    endpoint.faults.append({"stall": 20})
    ask(page, "and now?")
    page.wait_for_selector("#stop:visible")
    assert page.locator("#send").is_hidden()
    assert page.locator("#stop").bounding_box() == place
    page.click("#stop")
    page.wait_for_selector("#send:visible")
    assert page.evaluate("document.activeElement.id") == "send"
