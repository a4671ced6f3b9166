"""As much of the hub's protocol as its client uses, on loopback: single files, snapshots, descriptions, broken downloads."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "1" * 40


class Hub(ThreadingHTTPServer):
    """`files` are paths with their content. What is asked is noted in `asked`, the ranges of it in `ranges`.

    A path in `stalls` is answered up to half, and then no more until `go_on` is set; the next `breaks` files end there. `card` is what the hub says beside
    a model's files.
    """

    def __init__(self, files: dict[str, bytes], card: dict | None = None):
        self.files, self.card, self.asked, self.ranges = files, card or {}, [], []
        self.stalls: set[str] = set()
        self.breaks = 0
        self.stalled, self.go_on = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()


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
            sizes = {name.split("/resolve/")[1].split("/", 1)[1]: len(data) for name, data in self.server.files.items()}
            siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
            told = {"id": "x/y", "sha": COMMIT, "siblings": siblings, **self.server.card}
            if "/tree/" in path:
                told = [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in sizes.items()]
            content, status, headers = json.dumps(told).encode(), 200, {"Content-Type": "application/json"}
        elif path in self.server.files:
            content, status = self.server.files[path], 200
            headers = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": path.split("/resolve/")[1].split("/")[0],
            }
        else:
            headers = {"X-Error-Code": "EntryNotFound"}
        if body and (stated := self.headers.get("Range")):
            first = int(stated.removeprefix("bytes=").split("-")[0])
            self.server.ranges.append((path, first))
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            with contextlib.suppress(ConnectionError):  # the client went away
                self.write(path, content)

    def write(self, path: str, content: bytes):
        if self.server.breaks and "/resolve/" in path:
            self.server.breaks -= 1
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        if path in self.server.stalls and not self.server.go_on.is_set():
            half = len(content) // 2
            self.wfile.write(content[:half])
            self.wfile.flush()
            self.server.stalled.set()
            self.server.go_on.wait(60)
            content = content[half:]
        self.wfile.write(content)
