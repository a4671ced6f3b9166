"""What belongs to one person on a machine of several: the pages, what they may name, and the files of the home."""

import http.client
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn

from llms import settings
from llms.chat.conversation.tree import Conversation
from llms.cli.web import _browser_at
from llms.errors import UsageError
from llms.models.digest import digest_files
from llms.store.conversations import Conversations
from llms.tools import mcp, mcp_log
from llms.web.app import create_app
from llms.web.secret import Secret
from llms.web.service.reach import Reach
from llms.web.service.service import ChatService

NOBODY = 65534
HTML = {"accept": "text/html"}


class Site:
    """The pages on a real socket. `say` is one request: (status, headers, text)."""

    def __init__(self, app, port: int, address: str):
        self.app, self.port, self.address = app, port, address
        self.cookie = self.say("GET", urlsplit(address).path + "?" + urlsplit(address).query)[1]["set-cookie"]

    def say(self, method: str, path: str, body: object = None, headers: dict | None = None, mine: bool = False):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {**({"cookie": self.cookie.partition(";")[0]} if mine else {}), **(headers or {})}
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {**sent, **({"content-type": "application/json"} if text else {})})
        answer = connection.getresponse()
        try:
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()


@contextmanager
def serving(service: ChatService):
    secret = Secret()
    app = create_app(service, secret)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = listening.getsockname()[1]
        try:
            yield Site(app, port, secret.address(f"http://127.0.0.1:{port}"))
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def notes(tmp_path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("alpha")
    return folder


@pytest.fixture
def open_home(monkeypatch):
    """A home that every account can reach, and a file beside it that every account can read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        Path(folder, "control").write_text("anyone")
        Path(folder, "home").mkdir(mode=0o755)
        monkeypatch.setenv("LLMS_HOME", f"{folder}/home")
        yield


@pytest.fixture
def site(tiny, notes):
    service = ChatService(f"hf:{tiny}", 8, [str(notes)])
    with serving(service) as site:
        yield site
    service.close()


def routes(app) -> list[tuple[str, str]]:
    """Every (method, path) of the application, placeholders filled."""
    found = [("GET", "/static/chat.js"), ("GET", "/nowhere")]
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        waiting += getattr(getattr(route, "original_router", None), "routes", ())
        for method in getattr(route, "methods", None) or ():
            path = route.path
            for name in getattr(route, "param_convertors", {}):
                path = path.replace("{" + name + "}", "x")
            found.append((method, path))
    return found


def test_nothing_is_answered_without_the_token(site):
    every = routes(site.app)
    assert len(every) > 25
    for method, path in every:
        for headers in ({}, HTML, {"cookie": "llms-00000000=guess"}, {"authorization": "Bearer guess"}):
            status, answered, text = site.say(method, path, headers=headers)
            assert status == 401, (method, path)
            assert "set-cookie" not in answered
            assert "token" in text or method == "HEAD"
    assert site.say("GET", "/?token=guess")[0] == 401


def test_the_first_address_becomes_a_cookie_that_scripts_of_a_page_cannot_read(site):
    address = urlsplit(site.address)
    status, headers, _ = site.say("GET", f"/leaderboard?view=v1&{address.query}")
    assert (status, headers["location"]) == (303, "/leaderboard?view=v1")
    assert {"httponly", "samesite=lax", "path=/"} <= {word.strip().lower() for word in headers["set-cookie"].split(";")}
    assert site.say("GET", "/api/conversations", mine=True)[0] == 200
    token = address.query.partition("=")[2]
    assert site.say("GET", "/api/conversations", headers={"authorization": f"Bearer {token}"})[0] == 200


@pytest.mark.parametrize("path", ["/api/runs/nope/events", "/api/agents/nope/events"])
def test_the_events_of_an_unknown_run_are_refused_before_they_begin(site, path):
    status, _, text = site.say("GET", path, mine=True)
    assert status in (400, 404)
    assert "nope" in text


def test_the_way_in_leads_to_no_other_site(site):
    token = urlsplit(site.address).query
    assert site.say("GET", f"//evil.example/?{token}")[1]["location"] == "/evil.example/"


def test_no_request_can_name_a_model_that_runs_its_own_code(site, tiny):
    name = f"hf:{tiny}?allow=remote-code"
    made = json.loads(site.say("POST", "/api/conversations", {"model": name}, mine=True)[2])
    asks = [
        ("/api/count", {"text": "hi", "model": name}),
        ("/api/next", {"text": "hi", "model": name}),
        ("/api/tokens", {"text": "hi", "models": [name]}),
        ("/api/stateless", {"model": name}),
        ("/api/agents", {"goal": "go", "team": "single", "model": name}),
        ("/api/agents", {"goal": "go", "team": "single", "model": f"team:single?model={name.replace('&', '%26')}"}),
    ]
    if "id" in made:  # what was stored under it cannot be asked either
        asks.append((f"/api/conversations/{made['id']}/send", {"text": "hi"}))
    for path, body in asks:
        status, _, text = site.say("POST", path, body, mine=True)
        assert (status, "over HTTP" in text) == (400, True), (path, text)


def test_the_model_of_the_start_is_taken_with_what_it_allows(tiny):
    name = f"hf:{tiny}?allow=pickle"
    assert Reach.of((), name).check_model(name) == name
    with pytest.raises(UsageError, match="allow= is not taken over HTTP"):
        Reach.of((), f"hf:{tiny}").check_model(name)


def test_tools_and_teams_read_in_the_folders_of_the_start_alone(site, notes, tmp_path, tiny):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "b.txt").write_text("beta")
    (notes / "way").symlink_to(secret)
    (tmp_path / "notes-too").mkdir()
    outside = [str(secret), str(notes / ".." / "secret"), str(notes / "way"), str(tmp_path / "notes-too"), "/", "~"]
    for folder in outside:
        asks = [
            ("/api/count", {"text": "hi", "tools": [f"files:{folder}"]}),
            ("/api/count", {"text": "hi", "tools": [f"sql:{folder}/x.db"]}),
            ("/api/count", {"text": "hi", "model": f"hf:{tiny}?system={folder}/b.txt"}),
            ("/api/count", {"text": "hi", "model": f"hf:{tiny}?tools=files:{folder}"}),
            ("/api/agents", {"goal": "go", "files": [f"{folder}/b.txt"]}),
        ]
        for path, body in asks:
            status, _, text = site.say("POST", path, body, mine=True)
            assert (status, "out of reach" in text) == (400, True), (body, text)
    inside = site.say("POST", "/api/count", {"text": "hi", "tools": [f"files:{notes}"]}, mine=True)
    assert inside[0] == 200, inside


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("mcp:nobody", "unknown MCP server"),
        ("mcp:new", "was never accepted"),
        ("image:http://127.0.0.1:9/v1#m?allow=pickle", "allow"),
        ("speak:smollm2", "is not a model of an endpoint"),
    ],
)
def test_a_request_reaches_accepted_servers_and_models_of_endpoints_alone(site, tool, words):
    (settings.home() / "mcp.json").write_text('{"mcpServers": {"new": {"command": "true"}}}', encoding="utf-8")
    for body in ({"tools": [tool]}, {"model": f"{'http://127.0.0.1:9/v1#m'}?tools={tool.partition('?')[0]}"}):
        if "model" in body and ("?" in tool or "speak" in tool):
            continue
        status, _, text = site.say("POST", "/api/count", {"text": "hi", **body}, mine=True)
        assert (status in (400, 404), words in text) == (True, True), text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as another account")
def test_another_account_of_the_machine_gets_nothing(open_home, site):
    ask = (
        "import json, os, sys, urllib.request, urllib.error\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "address, home = sys.argv[1:]\n"
        "def status(path, body=None):\n"
        "    request = urllib.request.Request(address + path, body, {'content-type': 'application/json'})\n"
        "    try: return urllib.request.urlopen(request, timeout=20).status\n"
        "    except urllib.error.HTTPError as error: return error.code\n"
        "def read(name):\n"
        "    try: return open(os.path.join(home, name), 'rb').read(1) and 'read'\n"
        "    except OSError as error: return type(error).__name__\n"
        "files = [os.path.dirname(home) + '/control', 'llms.sqlite3', 'llms.sqlite3-wal', 'llms.sqlite3-shm']\n"
        "print(json.dumps([status('/'), status('/api/conversations'), status('/api/count', b'{\"text\": \"hi\"}'),"
        " *map(read, files)]))\n"
    )
    base = "/usr" if os.access("/usr/bin/python3", os.X_OK) else sys.base_prefix
    python = shutil.which("python3", path=f"{base}/bin")
    got = subprocess.run(
        [python, "-c", ask, f"http://127.0.0.1:{site.port}", str(settings.home())], capture_output=True, text=True
    )
    assert json.loads(got.stdout or "[]") == [401, 401, 401, "read", *["PermissionError"] * 3], got.stderr


def test_the_browser_is_sent_to_the_address_by_a_file_of_ones_own(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with _browser_at("http://127.0.0.1:1/?token=a&b=c"):
        page = Path(opened[0].removeprefix("file://"))
        assert "token=a&amp;b=c" in page.read_text()
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert not page.exists()


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in (folder, *folder.iterdir())}


def test_what_is_written_to_the_home_is_its_owners_alone(tmp_path):
    (tmp_path / "weights").write_bytes(b"w")
    before = os.umask(0)
    try:
        with Conversations(settings.database()) as store:
            store.save(Conversation("c"))
            digest_files(tmp_path, ["weights"])
            mcp.accept(mcp.McpServer("s", "true", (), {}, None, "", {}), mcp.McpOffer({}, {}))
            mcp_log.ServerLog(settings.home() / "mcp-s.log").close()
            found = modes(settings.home())
    finally:
        os.umask(before)
    assert {"llms.sqlite3", "llms.sqlite3-wal", "digests.json", "mcp-accepted.json", "mcp-s.log"} <= found.keys()
    assert found.pop("home") == "0o700"
    assert set(found.values()) == {"0o600"}


def test_a_home_that_others_could_read_is_closed_when_it_is_next_used():
    with Conversations(settings.database()) as store:
        store.save(Conversation("c"))
    home = settings.home()
    home.chmod(0o755)
    for name in ("mcp-accepted.json", "chat_history", "llms.sqlite3.schema4"):
        (home / name).write_text("x")
    for path in home.iterdir():
        path.chmod(0o644)
    Conversations(settings.database()).close()
    found = modes(home)
    assert found.pop("home") == "0o700"
    assert set(found.values()) == {"0o600"}


def test_a_directory_of_others_is_left_as_it_is(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "theirs").write_text("x")
    (shared / "theirs").chmod(0o644)
    database = settings.private(shared / settings.DATABASE)
    assert modes(shared) == {"shared": "0o755", "theirs": "0o644", database.name: "0o600"}


def test_a_link_in_the_home_is_not_followed(tmp_path):
    target = tmp_path / "public"
    target.write_text("x")
    target.chmod(0o644)
    settings.private_directory(settings.home())
    (settings.home() / "chat_history").symlink_to(target)
    settings.private_directory(settings.home())
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
