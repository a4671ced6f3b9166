"""Ollama serves a window of its own making and cuts what is longer: it is asked, and found out."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import llms
from llms.models.system import Generate
from llms.values import Failure, Message


class Ollama:
    """What Ollama answers on loopback; `window` is what it cuts prompts down to."""

    def __init__(self):
        self.version, self.loaded, self.parameters = "0.9.1", {}, ""
        self.info = {"general.architecture": "llama", "llama.context_length": 131072}
        self.window, self.listed = 4096, True

    def get(self, path):
        if path == "/api/ps":
            return {"models": [{"name": name, "model": name, "context_length": n} for name, n in self.loaded.items()]}
        if path == "/v1/models":
            return {"object": "list", "data": [{"id": "llama3.2:latest"}]}
        return {"version": self.version} if path == "/api/version" and self.version else None

    def post(self, path, body):
        if path == "/api/show":
            return {"parameters": self.parameters, "model_info": self.info}
        if path != "/v1/chat/completions":
            return None
        prompt = min(len(json.dumps(body["messages"])) // 4, self.window)
        usage = {"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1}
        return {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": usage}


@pytest.fixture
def ollama(monkeypatch):
    state = Ollama()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(state.get(self.path))

        def do_POST(self):
            self.answer(state.post(self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))

        def answer(self, found):
            content = json.dumps(found if found is not None else {"error": "not found"}).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    monkeypatch.setenv("OLLAMA_BASE_URL", state.url)
    yield state
    server.shutdown()
    server.server_close()


def window(name="ollama:llama3.2") -> int:
    with llms.load(name) as model:
        return model.context_window


def test_the_window_is_the_one_of_the_loaded_model(ollama):
    ollama.loaded = {"other:latest": 999, "llama3.2:latest": 16384}
    ollama.parameters = "num_ctx 8192"
    assert window() == 16384
    assert window(f"{ollama.url}#llama3.2") == 16384  # the same server, named by its address


@pytest.mark.parametrize(
    ("version", "parameters", "most", "tokens"),
    [("0.9.1", 'stop "<|eot|>"\nnum_ctx    8192', 131072, 8192), ("0.9.1", "", 131072, 4096), ("0.5.4", "", 131072, 2048),
     ("0.9.1", "", 1024, 1024), ("0.9.1", "num_ctx 9000", 2048, 2048), ("", "num_ctx 9000", 131072, 4096)],
)  # fmt: skip
def test_a_model_that_is_not_loaded_has_its_setting_or_the_default(ollama, version, parameters, most, tokens):
    ollama.version, ollama.parameters, ollama.info["llama.context_length"] = version, parameters, most
    assert window() == tokens


def test_a_server_that_is_not_there_leaves_the_default(monkeypatch):
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://127.0.0.1:9/v1")
    assert window() == 4096


def test_a_prompt_that_was_cut_without_a_word_is_a_failure_and_no_answer(ollama):
    ollama.window = 512
    with llms.load("ollama:llama3.2") as model:
        short, long = (Generate((Message("user", "word " * count),)) for count in (300, 3000))
        results = dict(model.complete([short, long]))
    assert results[0].text == "yes"
    assert isinstance(results[1], Failure)
    assert "read 512 tokens of a prompt that has 2142 or more" in results[1].reason
