"""Hub access against a server on loopback: pinned revisions, nothing asked for what is cached, unreachable found out fast."""

import io
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fake_hub import Hub
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


@pytest.fixture
def hub(monkeypatch):
    path = f"/datasets/{GSM8K.dataset.hub}/resolve/{COMMIT}"
    server = Hub({f"{path}/{FILE}": parquet(7), f"{path}/{TRAIN}": parquet(6)})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.close()


def evaluate(*more: str) -> subprocess.CompletedProcess:
    arguments = [sys.executable, "-m", "llms", "eval", *more, "-b", "gsm8k", "--data", "hub", "--dry-run", "--json"]
    return subprocess.run(arguments, capture_output=True, text=True)


@pytest.mark.slow
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


@pytest.mark.slow
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
