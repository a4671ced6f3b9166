"""Whatever is sent to the pages, and however slowly: the answer is a reason, the server lives, and others are served."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import pytest

from llms.listening.connection import ConnectionLimits
from llms.testing import ScriptedEndpoint, call
from llms.web import app as web_app
from llms.web.server import LIMITS, Pages

TOKEN = "of-the-tests"
MINE = {"authorization": f"Bearer {TOKEN}"}
JSON = {"content-type": "application/json"}


def eventually(true, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class Site:
    """The pages as `llms web` serves them. `say` is one request: (status, text)."""

    def __init__(self, server, port: int, model: str):
        self.server, self.port, self.app, self.model = server, port, server.config.app, model

    def say(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {**MINE, **(JSON if body is not None else {}), **(headers or {})})
            answer = connection.getresponse()
            if answer.getheader("content-type", "").startswith("text/event-stream"):
                return answer.status, ""  # it may have no end
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def events(self, run: str) -> Iterator[dict]:
        """The events of a run, as they come; the reader leaves when it has what it wants."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            lines = [
                f"GET /api/runs/{run}/events HTTP/1.1",
                "host: localhost",
                f"authorization: Bearer {TOKEN}",
                "",
                "",
            ]
            client.sendall("\r\n".join(lines).encode())
            for line in client.makefile("rb"):
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def make(self, path: str, body: object) -> dict:
        status, text = self.say("POST", path, json.dumps(body).encode())
        assert status == 200, text
        return json.loads(text)


def answer(body: dict) -> object:
    """Calls a tool that a person must allow where it is asked to run something."""
    last = str(body["messages"][-1].get("content"))
    return [call("python", code="print(1)")] if "run" in last and body.get("tools") else "Good day."


@contextmanager
def pages(limits: ConnectionLimits = LIMITS, folders: tuple[str, ...] = ()) -> Iterator[Site]:
    with ScriptedEndpoint(answer, raw=False) as endpoint:
        opened = Pages(f"{endpoint.url}#m", 8, folders, TOKEN)
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
            server = opened.server(limits)
            thread = threading.Thread(target=server.run, args=([listening],))
            thread.start()
            eventually(lambda: server.started)
            try:
                yield Site(server, listening.getsockname()[1], f"{endpoint.url}#m")
            finally:
                server.should_exit = True
                thread.join()
                opened.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(tmp_path_factory.mktemp("home")))
        folder = tmp_path_factory.mktemp("notes")
        (folder / "picture.png").write_bytes(b"\x89PNG\xff")
        with pages(folders=(str(folder),)) as running:
            running.folder = folder
            yield running


def routes(app) -> list:
    """Every route of the application that is not a folder of files."""
    waiting, ends = list(app.routes), []
    while waiting:
        route = waiting.pop()
        waiting += getattr(getattr(route, "original_router", None), "routes", ())
        ends += [route] if getattr(route, "methods", None) else []
    return sorted(ends, key=lambda route: route.path)


DEEP, LONG = 10_000, "x" * 5_000
NO_JSON = (
    b"", b"{", b"\xff\xfe", b"NaN", b'{"text": NaN}', b'{"text": -Infinity}', b"[" * DEEP, b'{"a":' * DEEP, b"9" * 5_000, b"{'a': 1}",
    b"[" * DEEP + b"]" * DEEP, b'{"text": ' + b"[" * DEEP + b"]" * DEEP + b"}",
)  # fmt: skip
NESTED = tuple(b"{%s: %s1%s}" % (name, b"[" * depth, b"]" * depth) for name in (b'"text"', b'"settings"', b'"tools"')
               for depth in (200, 300, 900, 960, 990))  # fmt: skip
OTHER_SHAPES = (b"null", b"[]", b"1", b"true", b'"text"', b"[[]]", b'{"": 1}', b'{"\\ud800": 1}', b'{"nope": 1}')
VALUES = (
    None, True, -1, 10**30, 1e308, "", "nope", LONG, "\x00", "\ud800", "a/../../b", [], [None], ["nope"], ["\ud800"], [[]], [{}], {},
    {"a": {"b": [1]}}, [1] * 100, "[" * DEEP, ["files:" + LONG], ["sql:\x00"], ["files:~nobody-of-that-name/x"], ["~nobody-of-that-name"],
    "hf:/nowhere", "gguf:/nowhere.gguf", "hf:/nowhere?dtype=nope&x=1", "FOLDER/picture.png", "FOLDER", ["FOLDER/picture.png"],
    "hf:x?system=FOLDER/none", "MODEL?system=FOLDER/picture.png", "MODEL?system=FOLDER", "MODEL?tools=nope", ["MODEL?tools=nope"], "hf:/nowhere?system=/etc/passwd", "team:nope", "files:/etc", "?", "hf:", "http://[::1", "sql:\x00",
)  # fmt: skip
IDS = ("nope", LONG, "%00", "%ff", "%F0%9F%98%80", "..%2f..", "-1", "%0d%0a", "1e9", "%ed%a0%80")


def fields(route) -> dict:
    """The fields of a route's JSON body; none where it takes another, or none."""
    models = [parameter.field_info.annotation for parameter in route.dependant.body_params]
    return dict(models[0].model_fields) if models and hasattr(models[0], "model_fields") else {}


def plain(field) -> object:
    """A value of a field's kind, for which nothing is stored."""
    if not field.is_required() and field.get_default(call_default_factory=True) not in ("smollm2", ["smollm2"]):
        return field.get_default(call_default_factory=True)
    kind = str(field.annotation)
    return (
        0 if "int" in kind else False if "bool" in kind else [] if "list" in kind else {} if "dict" in kind else "nope"
    )


def paths(path: str, real: dict[str, str]) -> list[str]:
    """A path with ids that are there, then with ids that are not."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if not names:
        return [path]
    filled = []
    for value in (None, *IDS):
        one = path
        for name in names:
            one = one.replace("{" + name + "}", value or real.get(name, "nope"))
        filled.append(one)
    return filled


@pytest.fixture(scope="module")
def real(site) -> dict[str, str]:
    """Ids of things that are there."""
    id = site.make("/api/conversations", {})["id"]
    run = site.make(f"/api/conversations/{id}/send", {"text": "hello"})["run"]
    eventually(lambda: json.loads(site.say("GET", f"/api/conversations/{id}")[1])["path"][1:])
    node = json.loads(site.say("GET", f"/api/conversations/{id}")[1])["path"][-1]["id"]
    return {"id": id, "run": run, "node": node, "model": site.model, "team": "nope"}


def check(site: Site, method: str, path: str, body: bytes | None = None, headers: dict | None = None) -> int:
    status, text = site.say(method, path, body, headers)
    assert status < 500, (method, path[:100], body and body[:100], status, text[:300])
    if status >= 400 and "/api/" in path:
        assert json.loads(text)["error"].strip(), (method, path[:100], text[:300])
    return status


@pytest.mark.slow
def test_what_is_no_json_is_refused_everywhere(site, real):
    taking = [route for route in routes(site.app) if fields(route)]
    assert len(taking) > 12
    for route in taking:
        (method,) = route.methods
        path = paths(route.path, real)[0]
        for body in (*NO_JSON, *NESTED, *OTHER_SHAPES):
            assert 400 <= check(site, method, path, body) < 500, (path, body[:80])
        assert 400 <= check(site, method, path, b"{}", {"content-type": "text/plain"}) < 500


@pytest.mark.slow
def test_no_value_of_a_field_makes_the_server_fail(site, real):
    for route in routes(site.app):
        if "DELETE" in route.methods:
            continue
        (method,) = route.methods - {"HEAD"}
        names = fields(route)
        body = {name: real.get(name, plain(field)) for name, field in names.items()}
        body |= {"models": ["nope"]} if "models" in names else {}  # an endpoint would be asked for each count
        for name in names:
            for value in VALUES:
                text = (
                    json.dumps({**body, name: value}).replace("MODEL", site.model).replace("FOLDER", str(site.folder))
                )
                check(site, method, paths(route.path, real)[0], text.encode())


def test_a_decision_is_taken_in_its_shape_alone_and_the_run_waits_on(site):
    id = site.make("/api/conversations", {})["id"]
    run = site.make(f"/api/conversations/{id}/send", {"text": "run it", "tools": ["python"], "model": site.model})[
        "run"
    ]
    asked = next(event for event in site.events(run) if event["type"] == "approval_needed")

    def decide(arguments: str, call: str = asked["tool_call"], where: str = run, approved: bool = True) -> int:
        body = {"id": call, "approved": approved, "arguments": arguments}
        return check(site, "POST", f"/api/runs/{where}/approve", json.dumps(body).encode())

    wrong = (
        "[1,2]",
        "1",
        "null",
        '"text"',
        "",
        "{",
        "NaN",
        '{"code": NaN}',
        "[" * DEEP,
        '{"code":' * DEEP,
        "9" * 5_000,
        "\x00",
    )
    assert [decide(arguments) for arguments in wrong] == [400] * len(wrong)
    assert (decide("{}", call="nope"), decide("{}", where="nope")) == (404, 404)
    assert decide("{}", approved=False) == 200
    assert next(event["state"] for event in site.events(run) if event["type"] == "run_finished") == "finished"


def test_no_id_makes_the_server_fail(site, real):
    for route in routes(site.app):
        (method,) = route.methods - {"HEAD"}
        body = {name: plain(field) for name, field in fields(route).items()}
        for path in paths(route.path, real)[1:]:
            check(site, method, path, json.dumps(body).encode() if body else None)


def test_no_query_makes_the_server_fail(site, real):
    for route in routes(site.app):
        (method,) = route.methods - {"HEAD"}
        for parameter in route.dependant.query_params:
            for value in (
                "nope",
                LONG,
                "\x00",
                "-1",
                "1e400",
                "9" * 5_000,
                "NaN",
                "'\"*:^(",
                real["node"],
                "?system=/etc/passwd",
            ):
                path = f"{paths(route.path, real)[0]}?{parameter.alias}={quote(value)}"
                check(site, method, path, headers={"last-event-id": "²"} if "events" in path else None)


def send(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What comes back for these bytes, until the server closes or has answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass  # it has heard enough
        try:
            return client.recv(65536)
        except ConnectionError:
            return b""


HEAD = f"POST /api/count HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n".encode()


def test_a_body_is_counted_as_it_arrives(site, monkeypatch):
    """In pieces, whose sum no header states, until it is too large: then it is refused, and no more of it is read."""
    piece, sent = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n", 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        yield HEAD + b"transfer-encoding: chunked\r\n\r\n"
        while sent < 400:
            sent += 1
            yield piece

    answer = send(site.port, *[HEAD + b"content-length: 27262977\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 413"), answer
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as client:
        answered = b""
        client.setblocking(True)
        for data in pieces():
            try:
                client.sendall(data)
            except OSError:
                break
            client.setblocking(False)
            with suppress(OSError):
                answered += client.recv(65536)
            client.setblocking(True)
            if answered:
                break
    assert sent < 60
    assert not answered or answered.startswith(b"HTTP/1.1 413"), answered


def test_bodies_are_bounded_together(site):
    """Large ones that do not arrive leave no room for more of them; a small request is answered all the same."""
    held = []
    try:
        for _ in range(web_app.ALL_BODIES // web_app.LARGEST_BODY + 1):
            client = socket.create_connection(("127.0.0.1", site.port), timeout=30)
            held.append(client)
            client.sendall(HEAD + b"content-length: 27262976\r\n\r\n" + b"x" * (1 << 20))
    finally:
        assert site.say("GET", "/api/conversations")[0] == 200
        for client in held:
            client.close()


def test_stalled_connections_keep_nobody_out(site):
    """More than are kept at once: half say nothing, half begin a request and do not end it."""
    held = []
    try:
        for number in range(600):
            client = socket.create_connection(("127.0.0.1", site.port))
            if number % 2:
                client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ")
            held.append(client)
        for _ in range(5):
            started = time.monotonic()
            assert site.say("GET", "/api/conversations")[0] == 200
            assert time.monotonic() - started < 2
        assert len(site.server.server_state.connections) <= LIMITS.connections + 1
    finally:
        for client in held:
            client.close()


def test_a_request_has_a_moment_to_arrive():
    """However steadily its bytes come: head or body, each is given up when the time is over."""
    with pages(ConnectionLimits(request_seconds=0.7)) as site:
        for pieces in ([b"G"], [HEAD[:20], *[b"x"] * 100], [HEAD + b"content-length: 1000\r\n\r\n", *[b"x"] * 100]):
            started = time.monotonic()
            assert send(site.port, *pieces, pause=0.05) == b""
            assert time.monotonic() - started < 4
        assert site.say("GET", "/api/conversations")[0] == 200
