"""`llms models`: what is at hand, what a model is before a download, pulling, removing; against a hub on loopback."""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fake_hub import COMMIT, Hub

CARD = {
    "cardData": {"license": "mit"},
    "gated": False,
    "safetensors": {"parameters": {"F32": 21600}, "total": 21600},
}
ABOUT = {
    "name", "place", "path", "revision", "bytes", "pickled", "parameters", "dtype", "context_window", "licence", "gated",
    "chat_template", "tokenizer", "architecture",
}  # fmt: skip


def llms(*arguments: str, check: int = 0) -> subprocess.CompletedProcess:
    ran = subprocess.run([sys.executable, "-m", "llms", *arguments], capture_output=True, text=True, input="")
    assert ran.returncode == check, ran.stderr
    return ran


def lines(*arguments: str) -> list[dict]:
    return [json.loads(line) for line in llms(*arguments, "--json").stdout.splitlines()]


@pytest.fixture
def hub(tiny, monkeypatch):
    """A hub that has the tiny model as x/y, with a model card."""
    files = {path.name: path.read_bytes() for path in Path(tiny).iterdir()}
    files["README.md"] = b"---\nlicense: mit\n---\n# Tiny\n"
    server = Hub({}, CARD)
    put(server, files)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.close()


def put(server: Hub, files: dict[str, bytes]) -> None:
    server.files = {
        f"/x/y/resolve/{revision}/{name}": data for revision in (COMMIT, "main") for name, data in files.items()
    }


def named(server: Hub) -> dict[str, bytes]:
    return {path.rsplit("/", 1)[1]: data for path, data in server.files.items()}


def fetched(server: Hub) -> set[str]:
    return {path.split("?")[0].rsplit("/", 1)[1] for path in server.asked if "/resolve/" in path}


def test_the_listing_says_what_is_here_which_keys_are_set_and_never_a_whole_key(monkeypatch):
    key = "sk-proj-0123456789abcdef0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:9/v1")
    rows = lines("models")
    assert all(set(row) == {"name", "kind", "state", "bytes", "detail", "sees"} for row in rows)
    found = {row["name"]: row for row in rows}
    assert found["smollm2"]["kind"] == "local"
    assert (found["openai:"]["state"], found["openai:"]["detail"]) == ("key", "sk-proj-…")
    assert found["groq:"]["state"] == "no key"
    assert "set GROQ_API_KEY; get one at https://" in found["groq:"]["detail"]
    assert found["ollama:"]["state"] == "not running"
    text = llms("models").stdout
    assert "in the hub's cache" in text
    assert key not in text + json.dumps(rows)
    assert key[:16] not in text + json.dumps(rows)


def test_what_a_server_on_this_machine_holds_is_listed(monkeypatch):
    class Ollama(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.answer)

    server = HTTPServer(("127.0.0.1", 0), Ollama)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OLLAMA_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    from llms.workbench.models import listing

    server.answer = b'{"models": [{"name": "llama3.2:1b", "size": 1300000000}]}'
    found = {model.name: model for model in listing()}
    assert found["ollama:"].state == "running"
    assert (found["ollama:llama3.2:1b"].state, found["ollama:llama3.2:1b"].bytes) == ("served", 1300000000)
    for server.answer in (b"<html>", b"[]", b'{"models": [7]}'):
        assert [(m.name, m.state) for m in listing() if m.name.startswith("ollama")] == [("ollama:", "running")]
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://10.0.0.1:11434/v1")  # beyond this machine: not asked
    assert [m.state for m in listing() if m.name == "ollama:"] == ["not running"]
    server.shutdown()
    server.server_close()


def test_a_hub_model_is_described_before_it_is_downloaded(hub):
    (found,) = lines("models", "show", "hf:x/y")
    assert set(found) == ABOUT
    weights = len(hub.files[f"/x/y/resolve/{COMMIT}/model.safetensors"])
    assert found["bytes"] > weights
    assert found | {"bytes": 0, "tokenizer": None} == {
        "name": "hf:x/y", "place": "hub", "path": "hf:x/y", "revision": COMMIT, "bytes": 0, "pickled": 0,
        "parameters": 21600, "dtype": "float32", "context_window": 2048, "licence": "mit", "gated": False,
        "chat_template": True, "tokenizer": None, "architecture": "LlamaForCausalLM",
    }  # fmt: skip
    assert "model.safetensors" not in fetched(hub)
    assert "tokenizer.json" not in fetched(hub)
    assert [row["name"] for row in lines("models") if row["name"].startswith("hf:")] == []


@pytest.mark.slow
def test_a_model_is_pulled_after_a_question_described_offline_and_removed(hub, monkeypatch):
    put(hub, named(hub) | {"extra.bin": b"pickled", "own.py": b"1"})
    refused = llms("models", "pull", "hf:x/y", check=2)
    assert "say --yes where nobody answers" in refused.stderr
    assert "model.safetensors" not in fetched(hub)
    text = llms("models", "pull", "hf:x/y", "--yes").stdout
    assert "licence" in text
    assert "hf:x/y is in " in text
    assert {"model.safetensors", "README.md"} <= fetched(hub)
    assert not fetched(hub) & {"extra.bin", "own.py"}
    hub.asked.clear()
    (row,) = [row for row in lines("models") if row["name"] == "hf:x/y"]
    assert row["state"] == "cached"
    (found,) = lines("models", "show", "hf:x/y")
    assert (found["place"], found["licence"], found["revision"]) == ("here", "mit", COMMIT)
    assert found["parameters"] > 0
    assert hub.asked == []
    assert "freed" in llms("models", "rm", "hf:x/y", "--yes").stdout
    assert not [row for row in lines("models") if row["name"] == "hf:x/y"]
    assert "x/y is not in the cache" in llms("models", "rm", "hf:x/y", "--yes", check=1).stderr


@pytest.mark.slow
def test_a_download_that_is_killed_goes_on_where_it_ended(hub):
    weights, blobs = f"/x/y/resolve/{COMMIT}/model.safetensors", Path(os.environ["HF_HOME"]) / "hub/models--x--y/blobs"
    put(hub, named(hub) | {"model.safetensors": os.urandom(12_000_000)})
    hub.stalls.add(weights)
    command = [sys.executable, "-m", "llms", "models", "pull", "hf:x/y", "--yes"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert hub.stalled.wait(60)
        while sum(path.stat().st_size for path in blobs.glob("*.incomplete")) < 4_000_000:
            time.sleep(0.01)
        process.kill()
    (part,) = blobs.glob("*.incomplete")
    have = part.stat().st_size
    assert [row["state"] for row in lines("models") if row["name"] == "hf:x/y"] == ["partial"]
    hub.go_on.set()
    hub.ranges.clear()
    llms("models", "pull", "hf:x/y", "--yes")
    assert hub.ranges == [(weights, have)]
    assert [row["state"] for row in lines("models") if row["name"] == "hf:x/y"] == ["cached"]
    assert (blobs.parent / "snapshots" / COMMIT / "model.safetensors").read_bytes() == hub.files[weights]
    assert list(blobs.glob("*.incomplete")) == []


def test_a_connection_that_breaks_is_taken_up_and_a_damaged_file_thrown_away(hub, monkeypatch):
    from huggingface_hub import constants

    from llms.errors import HubUnreachable
    from llms.models.hub import download

    monkeypatch.setattr(constants, "HF_HUB_CACHE", os.environ["HF_HOME"])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "LARGE_BYTES", 10)
    content = os.urandom(100_000)
    put(hub, {"model.safetensors": content})
    hub.breaks = 3
    files = [("model.safetensors", len(content)), ("small", 5)]
    download.fetch_large("x/y", COMMIT, files, hub.url, None)
    assert [first for _, first in hub.ranges] == [0, 50_000, 75_000, 87_500]
    (blob,) = (Path(os.environ["HF_HOME"]) / "models--x--y" / "blobs").iterdir()
    assert blob.read_bytes() == content
    blob.rename(blob.with_name(f"{blob.name}.incomplete"))
    with blob.with_name(f"{blob.name}.incomplete").open("r+b") as file:
        file.write(b"damaged")
    with pytest.raises(HubUnreachable, match=r"model\.safetensors came damaged and was thrown away"):
        download.fetch_large("x/y", COMMIT, files, hub.url, None)
    assert list(blob.parent.iterdir()) == []


def test_counting_tokens_fetches_the_tokenizer_and_no_weights(hub):
    (row,) = lines("tokens", "abc", "-m", "hf:x/y")
    assert (row["tokens"], row["grade"]) == (3, "exact")
    assert "tokenizer.json" in fetched(hub)
    assert "model.safetensors" not in fetched(hub)
    hub.asked.clear()
    assert lines("tokens", "abc", "-m", "hf:x/y") == [row]
    assert hub.asked == []
    llms("models", "pull", "hf:x/y", "--yes")  # what is still missing is not taken for complete
    assert "model.safetensors" in fetched(hub)


@pytest.mark.slow
def test_pickled_weights_are_pulled_only_with_consent(hub):
    files = {name: data for name, data in named(hub).items() if not name.endswith(".safetensors")}
    put(hub, files | {"pytorch_model.bin": b"pickled"})
    assert "add the option allow=pickle" in llms("models", "pull", "hf:x/y", "--yes", check=1).stderr
    assert lines("models", "show", "hf:x/y")[0]["pickled"] == 7
    assert "pytorch_model.bin" not in fetched(hub)
    llms("models", "pull", "hf:x/y?allow=pickle", "--yes")
    assert "pytorch_model.bin" in fetched(hub)


@pytest.mark.slow
def test_what_cannot_be_fetched_is_one_line_that_says_why(hub, tiny, monkeypatch):
    put(hub, {"model-q4.gguf": b"GGUF"})
    assert "has no config.json" in (text := llms("models", "show", "hf:x/y", check=1).stderr)
    assert "gguf:./model-q4.gguf" in text
    assert "is not a model on the hub" in llms("models", "pull", f"hf:{tiny}", check=2).stderr
    assert "is not a model on the hub" in llms("models", "rm", "openai:gpt-4o", "--yes", check=2).stderr
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for verb in ("show", "pull"):
        text = llms("models", verb, "hf:x/z", check=1).stderr
        assert "x/z is not in the cache" in text
        assert text.count("\n") == 1


def test_the_converted_model_can_be_removed_and_a_folder_cannot(monkeypatch, tmp_path, tiny):
    from llms import settings
    from llms.errors import ModelError, UsageError
    from llms.workbench.models import removable, remove

    for version in ("smollm2-0.1.2-0", "smollm2-0.1.2-1"):
        (settings.models() / version).mkdir(parents=True)
        (settings.models() / version / "model.safetensors").write_bytes(b"x" * 1000)
    (settings.models() / "mine").mkdir()
    assert [size for _, size in removable("smollm2")] == [1000, 1000]
    assert remove("smollm2") == 2000
    assert [path.name for path in settings.models().iterdir()] == ["mine"]
    with pytest.raises(ModelError, match="nothing of smollm2 is on this disk"):
        removable("smollm2")
    with pytest.raises(UsageError, match="is not a model on the hub"):
        remove(f"hf:{tiny}")
    assert Path(tiny, "config.json").is_file()
