"""Hub access against a server on loopback: pinned revisions, nothing asked for what is cached, unreachable found out fast."""

import io
import json
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llms import settings
from llms.benchmarks.gsm8k import GSM8K

pytest.importorskip("pyarrow")
COMMIT = GSM8K.dataset.revision
FILE = "main/test-00000-of-00001.parquet"
TRAIN = "main/train-00000-of-00001.parquet"


def parquet(count: int) -> bytes:
    import pyarrow
    from pyarrow import parquet as files

    rows = [
        {"question": f"What is {i} + 1?", "answer": f"{i} + 1 = <<{i}+1={i + 1}>>{i + 1}\n#### {i + 1}"}
        for i in range(count)
    ]
    buffer = io.BytesIO()
    files.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


class Hub(ThreadingHTTPServer):
    """As much of the hub's protocol as its client uses for single files and snapshots."""

    def __init__(self, files: dict[str, bytes]):
        self.files, self.asked = files, []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool):
        self.server.asked.append(self.path)
        path, content, headers, status = self.path.split("?")[0], b"", {}, 404
        if path.startswith("/api/"):
            names = [name.split("/resolve/")[1].split("/", 1)[1] for name in self.server.files]
            commit = "1" * 40
            content = json.dumps({"id": "x/y", "sha": commit, "siblings": [{"rfilename": n} for n in names]}).encode()
            if "/tree/" in path:
                content = json.dumps([{"type": "file", "path": n, "size": 1, "oid": "0" * 40} for n in names]).encode()
            status, headers = 200, {"Content-Type": "application/json"}
        elif path in self.server.files:
            content, status = self.server.files[path], 200
            headers = {"ETag": f'"{hash(content)}"', "X-Repo-Commit": path.split("/resolve/")[1].split("/")[0]}
        else:
            headers = {"X-Error-Code": "EntryNotFound"}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch):
    path = f"/datasets/{GSM8K.dataset.hub}/resolve/{COMMIT}"
    server = Hub({f"{path}/{FILE}": parquet(7), f"{path}/{TRAIN}": parquet(6)})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.shutdown()
    server.server_close()


def evaluate(*more: str) -> subprocess.CompletedProcess:
    arguments = [sys.executable, "-m", "llms", "eval", *more, "-b", "gsm8k", "--data", "hub", "--dry-run", "--json"]
    return subprocess.run(arguments, capture_output=True, text=True)


def test_rows_come_from_the_pinned_revision_and_once(hub, tiny):
    result = evaluate(f"hf:{tiny}")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["items"] == 7
    fetched = [path for path in hub.asked if "/resolve/" in path]
    assert fetched
    assert all(COMMIT in path for path in fetched)
    hub.asked.clear()
    again = evaluate(f"hf:{tiny}")
    assert json.loads(again.stdout)["items"] == 7
    assert hub.asked == []


def test_a_hub_that_is_not_there_is_found_out_at_once(tiny, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    started = time.monotonic()
    assert not settings.hub_answers()
    assert time.monotonic() - started < 2
    result = evaluate(f"hf:{tiny}")
    assert result.returncode == 1
    assert "does not answer; connect, give the rows as --data DIR, or use --data sample" in result.stderr
    result = evaluate("hf:someone/some-model")
    assert result.returncode == 1
    assert "someone/some-model is not in the cache" in result.stderr


def test_a_model_is_fetched_from_the_hub_and_then_cached(hub, tiny, monkeypatch):
    commit = "1" * 40
    hub.files.clear()
    for file in Path(tiny).iterdir():
        hub.files[f"/x/y/resolve/{commit}/{file.name}"] = file.read_bytes()
        hub.files[f"/x/y/resolve/main/{file.name}"] = file.read_bytes()
    code = f"import llms; m = llms.load('hf:x/y@{commit}'); print(m.loglikelihood([('a', 'b')])[0].tokens)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "1", result.stderr
    hub.asked.clear()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "1", result.stderr
    assert hub.asked == []
