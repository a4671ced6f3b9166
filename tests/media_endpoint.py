"""A real server on loopback that speaks OpenAI's shapes of pictures and speech; its model's name decides how well."""

import base64
import json
import struct
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"".join(b"\0" + b"\xc8\x20\x20" * 8 for _ in range(8))))
    + _chunk(b"IEND", b"")
)
SILENCE = bytes(3200)
WAV = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(SILENCE), b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16,
                  b"data", len(SILENCE)) + SILENCE  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, self.headers.get("authorization")))
        status, kind, answer = 200, "application/json", b"{}"
        if body["model"] == "refusing":
            status, answer = 401, b'{"error": {"message": "the key sk-secret-key-of-a-test is wrong"}}'
        elif self.path.endswith("images/generations"):
            if body["model"] == "strict" and "response_format" in body:
                status, answer = 400, b'{"error": {"message": "Unknown parameter: response_format"}}'
            elif body["model"] == "address":
                answer = b'{"created": 0, "data": [{"url": "http://127.0.0.1/x.png"}]}'
            else:
                data = b"<html>" if body["model"] == "wrong" else PNG
                answer = json.dumps({"created": 0, "data": [{"b64_json": base64.b64encode(data).decode()}]}).encode()
        elif self.path.endswith("audio/speech"):
            kind = "audio/wav"
            answer = {"silent": b"", "wrong": b"no sound at all"}.get(body["model"], WAV)
            if body["model"] == "words":
                kind, answer = "application/json", b'{"status": "queued"}'
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


@contextmanager
def media_endpoint():
    """The server, with what it was `asked` as (path, body, authorization) and its `url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.url = [], f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
