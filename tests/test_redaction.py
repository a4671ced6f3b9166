"""A key that a server repeats, in whatever shape, reaches no screen, no log, no error and no file."""

import base64
import contextlib
import html
import io
import json
import logging
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms import settings
from llms.cli.main import main
from llms.models.api.redaction import Redactor

KEY = "sk-proj-Zq81+vX/kd93JmWw0Ty6_aLpEr5u"
SHOWN = settings.shown(KEY)


def encoded(text: str) -> set[str]:
    codes = [base64.b64encode(b"x" * n + text.encode()).decode()[8:-8] for n in (3, 4, 5)]
    return {text, text.upper(), text.lower(), urllib.parse.quote(text, safe=""), text.encode().hex(), *codes}


# what no output may hold: the key, and any ten characters of it behind what is shown of every key
SECRETS = encoded(KEY) | {KEY[at : at + 10] for at in range(len(KEY) - 9)}


# ---- the one place


@pytest.mark.parametrize("shape", [*sorted(encoded(KEY)), json.dumps(KEY), html.escape(KEY), KEY.replace("/", "\\/")])
def test_a_key_is_found_in_every_shape_also_in_answers(shape):
    cleaned = Redactor([KEY]).clean({"a": [f"before {shape} behind"]})["a"][0]
    assert not [secret for secret in SECRETS if secret in cleaned]
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" behind")


@pytest.mark.parametrize(
    "masked",
    [KEY[:12] + "*" * 9 + KEY[-4:], KEY[:5] + "..." + KEY[-4:], "***" + KEY[-5:], KEY[:20], KEY[-20:], KEY[6:24],
     f"(…{KEY[-6:]})", f"key ends in {KEY[-4:]}"],
)  # fmt: skip
def test_errors_show_neither_head_nor_tail_beyond_what_we_show_ourselves(masked):
    text = Redactor([KEY]).scrub(f"bad key {masked}, get one at https://example.org/keys")
    assert KEY[-4:] not in text
    assert KEY[: len(SHOWN)] not in text
    assert SHOWN in text
    assert text.endswith(", get one at https://example.org/keys")


@given(st.text(), st.text(), st.lists(st.integers(1, 9), min_size=1))
def test_a_key_is_found_however_a_stream_is_cut_and_nothing_else_is_lost(before, behind, cuts):
    stream, text, out, at = Redactor([KEY]).stream(), before + KEY + behind, "", 0
    while at < len(text):
        size = cuts[at % len(cuts)]
        out, at = out + stream.push(text[at : at + size]), at + size
    out += stream.flush()
    assert not [secret for secret in SECRETS - {KEY[:10]} if secret in out and secret not in before + behind]
    assert out.startswith(before)
    assert out.endswith(behind)


@given(st.text())
def test_text_without_a_key_is_left_as_it_is(text):
    stream = Redactor([KEY]).stream()
    assert "".join([*(stream.push(character) for character in text), stream.flush()]) == text
    assert Redactor([KEY]).clean(text) == text


def test_a_placeholder_is_no_secret():
    assert Redactor(["ollama"]).clean("ollama serves it") == "ollama serves it"


# ---- through the command line


def _error(status, body, kind="application/json"):
    return lambda key: (status, kind, body(key), {})


def _stream(*events):
    def made(key):
        lines = [event(key) if callable(event) else event for event in events]
        text = "".join(f"data: {line if isinstance(line, str) else json.dumps(line)}\n\n" for line in lines)
        return 200, "text/event-stream", text + "data: [DONE]\n\n", {}

    return made


def _says(text):
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


def _whole(text):
    message = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
    return 200, "application/json", json.dumps(message), {}


END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
BASIC = base64.b64encode(("user:" + KEY).encode()).decode()
ECHOES = {
    "openai": _error(
        401, lambda k: json.dumps({"error": {"message": f"Incorrect API key provided: {k}", "code": "x"}})
    ),
    "masked": _error(401, lambda k: json.dumps({"error": {"message": f"bad key {k[:9]}******{k[-4:]}"}})),
    "text": _error(401, lambda k: f"no such key {k}", "text/plain"),
    "error text": _error(400, lambda k: json.dumps({"error": f"key {k} is not allowed"})),
    "detail": _error(422, lambda k: json.dumps({"detail": [{"loc": ["header", k], "msg": k, "type": "x"}]})),
    "page": _error(403, lambda k: f"<html><title>Key {k} unknown</title></html>", "text/html"),
    "name": _error(400, lambda k: json.dumps({"error": {k: "unknown"}})),
    "escaped": _error(400, lambda k: '{"error":{"message":"' + "".join(f"\\u{ord(c):04x}" for c in k) + '"}}'),
    "percent": _error(400, lambda k: json.dumps({"message": "/v1?key=" + urllib.parse.quote(k, safe="")})),
    "base64": _error(400, lambda k: json.dumps({"message": f"Authorization: Basic {BASIC}"})),
    "capitals": _error(400, lambda k: json.dumps({"error": f"AUTHORIZATION: BEARER {k.upper()}"})),
    "small": _error(400, lambda k: json.dumps({"error": f"authorization: bearer {k.lower()}"})),
    "bytes": _error(400, lambda k: json.dumps({"error": k.encode().hex()})),
    "redirect": lambda k: (302, "text/plain", "", {"location": f"https://other.example.org/?api_key={k}"}),
    "paid": _error(402, lambda k: json.dumps({"error": {"message": f"no credit for {k}"}})),
    "server": _error(501, lambda k: json.dumps({"error": f"trace: headers={{'Authorization': 'Bearer {k}'}}"})),
    "not json": lambda k: (200, "application/json", f'{{"key": "{k}', {}),
    "fault in 200": lambda k: (
        200,
        "application/json",
        json.dumps({"error": {"message": f"bad {k}", "code": 400}}),
        {},
    ),
    "answer": lambda k: _whole(f"your key is {k} is it not"),
    "event": _stream(_says("half"), lambda k: {"error": {"message": f"expired: {k}"}}),
    "stream": _stream(lambda k: _says("it is " + k), END),
    "pieces": _stream(*(_says(character) for character in "it is " + KEY), END),
    "broken event": _stream(_says("half"), lambda k: '{"key": "' + k),
    "reasoning": _stream(lambda k: {"choices": [{"index": 0, "delta": {"reasoning_content": k}}]}, _says("x"), END),
}


@pytest.fixture(scope="module")
def echoing():
    """A server that repeats the key it is sent, as the last part of the model's name says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            key = self.headers["authorization"].removeprefix("Bearer ")
            status, kind, text, more = ECHOES[body["model"].replace("_", " ")](key)
            if kind == "text/event-stream" and not body.get("stream"):
                said = "".join(part.removesuffix("\n") for part in text.split("data: "))
                status, kind, text, more = _whole(said)
            self.send_response(status)
            for name, value in {"content-type": kind, "content-length": str(len(text.encode())), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


BY_AGENTS = ("openai", "masked", "base64", "not json", "answer", "fault in 200")  # they ask as evaluation does
WAYS = [(echo, way) for echo in ECHOES for way in ("ask", "eval", "agent") if way != "agent" or echo in BY_AGENTS]


@pytest.mark.parametrize(("echo", "way"), WAYS)
def test_a_repeated_key_is_written_nowhere(echo, way, echoing, monkeypatch, capfd, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", echoing)
    caplog.set_level(logging.DEBUG)
    model = f"openai:{echo.replace(' ', '_')}"
    arguments = {
        "ask": ["ask", "-m", model, "hello"],
        "eval": ["eval", model, "-b", "gsm8k", "--limit", "1"],
        "agent": ["agent", "hello", "-m", model, "--team", "single", "--calls", "2"],
    }[way]
    monkeypatch.setattr(sys, "argv", ["llms", *arguments])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with contextlib.suppress(SystemExit):
        main()
    out, err = capfd.readouterr()
    written = {"out": out, "err": err, "log": caplog.text}
    written |= {str(path): path.read_bytes().decode("latin-1") for path in settings.home().rglob("*") if path.is_file()}
    assert len(written) > 3  # the database is among them
    for place, text in written.items():
        assert not [secret for secret in SECRETS if secret in text], place
        if echo == "masked":
            assert KEY[-4:] not in text, place


# ---- through the pages


class Pages:
    """A process of `llms web` that has the key; `sent` is all that it ever answered, by what was asked."""

    def __init__(self, address: str, token: str, home: Path):
        self.address, self.token, self.home = address, token, home
        self.sent: dict[str, str] = {}

    def ask(self, path: str, body: object = None) -> str:
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers), timeout=60) as got:
                content = got.read()
        except urllib.error.HTTPError as error:
            content = error.read()
        if content.startswith(b"PK"):
            archive = zipfile.ZipFile(io.BytesIO(content))
            content = b"\n".join(archive.read(name) for name in archive.namelist())
        self.sent[f"{path} {len(self.sent)}"] = text = content.decode("latin-1")
        return text


@pytest.fixture(scope="module")
def pages(echoing, tmp_path_factory):
    home, token = tmp_path_factory.mktemp("pages"), "of-the-tests"
    more = {"LLMS_WEB_TOKEN": token, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": echoing, "PYTHONUNBUFFERED": "1"}
    with (
        open(home.with_name("told"), "w+") as told,
        subprocess.Popen(
            [sys.executable, "-m", "llms", "web", "--port", "0", "-m", "openai:answer"],
            stdout=subprocess.PIPE, stderr=told, text=True, env={**os.environ, **more, "LLMS_HOME": str(home / "home")},
        ) as process,
    ):  # fmt: skip
        pages = Pages(process.stdout.readline().partition(" at ")[2].partition("/?")[0], token, home)
        yield pages
        process.terminate()
        pages.sent["standard output"] = process.stdout.read()
        told.seek(0)
        pages.sent["standard error"] = told.read()
    _hold_no_key(pages.sent)


def _hold_no_key(written: dict[str, str]) -> None:
    for place, text in written.items():
        assert not [secret for secret in SECRETS if secret in text], place


@pytest.mark.parametrize(
    "echo", [pytest.param(echo, marks=pytest.mark.slow if place % 4 else ()) for place, echo in enumerate(ECHOES)]
)
def test_a_repeated_key_reaches_no_page_and_no_file_of_it(echo, pages):
    model = f"openai:{echo.replace(' ', '_')}"
    id = json.loads(pages.ask("/api/conversations", {"model": model}))["id"]
    run = json.loads(pages.ask(f"/api/conversations/{id}/send", {"text": "hello", "model": model}))["run"]
    events = pages.ask(f"/api/runs/{run}/events")
    assert "run_finished" in events
    assert echo != "masked" or KEY[-4:] not in events
    talk = json.loads(pages.ask(f"/api/conversations/{id}"))
    assert [node["role"] for node in talk["path"]] == ["user", "assistant"]
    pages.ask(f"/api/conversations/{id}/saw/{talk['path'][-1]['id']}")
    pages.ask("/api/count", {"text": "hello", "model": model})
    for path in ("", "/export?form=markdown", "/export?form=archive"):
        pages.ask(f"/api/conversations/{id}{path}")
    pages.ask(f"/c/{id}")
    pages.ask(f"/api/search?q={urllib.parse.quote(SHOWN)}")
    files = {str(path): path.read_bytes().decode("latin-1") for path in pages.home.rglob("*") if path.is_file()}
    assert any(path.endswith(".sqlite3") for path in files)
    _hold_no_key(pages.sent | files)
