"""Pictures and speech through the official client, against a real server on loopback that speaks OpenAI's shapes."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openai import AsyncOpenAI

from llms import bridge
from llms.tools import images, speech
from llms.tools.catalogue import toolset
from llms.tools.tool import File, ToolError
from scripted import Script, failure, run

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, body))
        status, kind, answer = 200, "application/json", b"{}"
        if self.path.endswith("images/generations"):
            asked = json.loads(body)
            if asked["model"] == "strict" and "response_format" in asked:
                status, answer = 400, b'{"error": {"message": "Unknown parameter: response_format"}}'
            elif asked["model"] == "address":
                answer = b'{"created": 0, "data": [{"url": "http://127.0.0.1/x.png"}]}'
            else:
                data = b"<html>" if asked["model"] == "wrong" else PNG
                answer = json.dumps({"created": 0, "data": [{"b64_json": base64.b64encode(data).decode()}]}).encode()
        elif self.path.endswith("audio/speech"):
            kind, answer = "audio/mpeg", b"" if json.loads(body)["model"] == "silent" else b"ID3sound"
        elif self.path.endswith("audio/transcriptions"):
            answer = b'{"text": "hello there"}' if b"RIFFdata" in body else b'{"text": ""}'
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    made.asked = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def client(server):
    made = AsyncOpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0)
    yield made
    bridge.run(made.close())


def test_a_picture_is_drawn_and_kept(client, server):
    kept = []
    tools = toolset([images.generate_image(images.endpoint(client, "painter"))], allowed=lambda *call: True,
                    keep=lambda file: kept.append(file) or "picture-1")  # fmt: skip
    _, (part,) = run(Script([("generate_image", {"prompt": "a fox", "size": "512x512"})]), tools)
    assert part.outcome == "success"
    assert part.metadata["files"] == [
        {"name": "picture.png", "media_type": "image/png", "bytes": 28, "kept": "picture-1"}
    ]
    assert kept == [File("picture.png", "image/png", PNG)]
    assert json.loads(server.asked[0][1]) == {
        "model": "painter", "prompt": "a fox", "n": 1, "size": "512x512", "response_format": "b64_json",
    }  # fmt: skip


def test_a_model_that_refuses_the_format_is_asked_without(client, server):
    made = bridge.run(images.endpoint(client, "strict")("a fox", ""))
    assert made.data == PNG
    assert len(server.asked) == 2


@pytest.mark.parametrize("model", ["address", "wrong"])
def test_what_is_no_picture_is_not_taken_for_one(client, model):
    with pytest.raises(ToolError) as caught:
        bridge.run(images.endpoint(client, model)("a fox", ""))
    assert caught.value.kind == "no_picture"


def test_speech_comes_as_a_file_and_a_recording_as_text(client, server):
    tools = toolset([speech.speak(speech.endpoint(client, "voice"))], allowed=lambda *call: True)
    _, parts = run(Script([("speak", {"text": "hello"}), ("speak", {"text": " "})]), tools)
    assert parts[0].metadata["files"][0]["media_type"] == "audio/mpeg"
    assert failure(parts[1])["type"] == "bad_arguments"
    assert json.loads(server.asked[0][1])["input"] == "hello"
    listen = speech.listener(client, "ears", "en")
    assert bridge.run(listen(File("said.wav", "audio/wav", b"RIFFdata"))) == "hello there"
    assert b'name="language"' in server.asked[-1][1]


@pytest.mark.parametrize(
    ("recording", "kind"),
    [(File("x.txt", "text/plain", b"x"), "no_sound"), (File("x.wav", "audio/wav", b""), "too_large")],
)
def test_what_is_no_recording_is_refused_before_it_is_sent(client, server, recording, kind):
    with pytest.raises(ToolError) as caught:
        bridge.run(speech.listener(client, "ears")(recording))
    assert caught.value.kind == kind
    assert server.asked == []


def test_silence_is_no_speech(client):
    with pytest.raises(ToolError, match="without sound"):
        bridge.run(speech.endpoint(client, "silent")("x"))


def test_both_wait_for_a_person():
    assert images.generate_image(images.endpoint(None, "x")).kind == "network"
    assert speech.speak(speech.endpoint(None, "x")).kind == "network"
