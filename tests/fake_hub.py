"""As much of the hub's protocol as its client uses, on loopback: single files, snapshots, descriptions, broken downloads."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

COMMIT = "1" * 40


class Hub(ThreadingHTTPServer):
    """`files` are paths with their content. What is asked is noted in `asked`, the ranges of it in `ranges`.

    A path in `stalls` is answered up to half, and then no more until `go_on` is set; the next `breaks` files end there. `card` is what the hub says beside
    a model's files. `listed` are the entries of the hub's lists, by `models` and `datasets`; of their filters the server
    knows tags, words and the task, gives `page` entries at once and says where the next ones are.
    """

    def __init__(self, files: dict[str, bytes], card: dict | None = None):
        self.files, self.card, self.asked, self.ranges = files, card or {}, [], []
        self.stalls: set[str] = set()
        self.breaks = 0
        self.listed: dict[str, list[dict]] = {}
        self.page = 1000
        self.posted: list[tuple[str, bytes]] = []
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
        if path not in self.server.files:
            path = path.replace("/resolve/main/", f"/resolve/{COMMIT}/")
        if path.startswith("/api/"):
            described, status, more = self.described(path)
            content, headers = json.dumps(described).encode(), {"Content-Type": "application/json", **more}
        elif path in self.server.files:
            content, status = self.server.files[path], 200
            headers = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": path.split("/resolve/")[1].split("/")[0],
            }
        else:
            headers = {"X-Error-Code": "EntryNotFound"}
        if body and (stated := self.headers.get("Range")):
            start, _, end = stated.removeprefix("bytes=").partition("-")
            first = int(start) if start else max(0, len(content) - int(end))
            last = min(int(end), len(content) - 1) if start and end else len(content) - 1
            self.server.ranges.append((path, first))
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            content, status = content[first : last + 1], 206
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            with contextlib.suppress(ConnectionError):  # the client went away
                self.write(path, content)

    def described(self, path: str) -> tuple[object, int, dict[str, str]]:
        """The answer to a question of the API, its status and its headers."""
        query = parse_qs(urlsplit(self.path).query)
        if (kind := path.removeprefix("/api/")) in self.server.listed:
            return self.list_of(kind, query)
        if "@missing" in path:
            return {"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"}
        sizes = {name.split("/resolve/")[1].split("/", 1)[1]: len(data) for name, data in self.server.files.items()}
        if "/tree/" not in path:
            siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
            return {"id": "x/y", "sha": COMMIT, "siblings": siblings, **self.server.card}, 200, {}
        folder = "".join(f"{part}/" for part in path.split("/tree/")[1].split("/")[1:])
        inside = {name: size for name, size in sizes.items() if name.startswith(folder)}
        if not inside:
            return {"error": "no such folder"}, 404, {"X-Error-Code": "EntryNotFound"}
        rows = [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in inside.items()]
        if query.get("recursive") == ["false"]:
            deeper = {name[: name.index("/", len(folder))] for name in inside if "/" in name[len(folder) :]}
            rows = [row for row in rows if "/" not in row["path"][len(folder) :]]
            rows += [{"type": "directory", "path": name, "oid": "0" * 40} for name in sorted(deeper)]
        return rows, 200, {}

    def list_of(self, kind: str, query: dict[str, list[str]]) -> tuple[object, int, dict[str, str]]:
        """Those of a list that pass the filters, the highest of what they are sorted by first, page by page."""
        wanted, words = set(query.get("filter", [])), " ".join(query.get("search", [])).casefold()
        entries = [
            entry
            for entry in self.server.listed[kind]
            if wanted <= set(entry.get("tags", [])) | {entry.get("pipeline_tag")} and words in entry["id"].casefold()
            and query.get("pipeline_tag", [entry.get("pipeline_tag")]) == [entry.get("pipeline_tag")]
        ]  # fmt: skip
        order = query.get("sort", ["downloads"])[0]
        entries.sort(key=lambda entry: entry.get(order) or 0, reverse=True)
        first = int(query.get("cursor", ["0"])[0])
        size = min(self.server.page, int(query.get("limit", ["1000"])[0]))
        headers = {}
        if first + size < len(entries):
            without = "&".join(part for part in urlsplit(self.path).query.split("&") if not part.startswith("cursor="))
            headers["Link"] = f'<{self.server.url}/api/{kind}?{without}&cursor={first + size}>; rel="next"'
        return entries[first : first + size], 200, headers

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(self.path)
        self.server.posted.append((self.path, content))
        path = self.path.split("?")[0]
        sizes = {name.split("/resolve/")[1].split("/", 1)[1]: len(data) for name, data in self.server.files.items()}
        if "/paths-info/" in path:
            asked = json.loads(content)["paths"] if content.startswith(b"{") else parse_qs(content.decode())["paths"]
            answer = [{"type": "file", "path": p, "size": sizes[p], "oid": "0" * 40} for p in asked if p in sizes]
        elif path == "/api/repos/create":
            repo = json.loads(content)
            answer = {"url": f"{self.server.url}/datasets/{repo.get('organization', 'me')}/{repo['name']}"}
        elif "/preupload/" in path:
            answer = {
                "files": [
                    {**file, "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(content)["files"]
                ]
            }
        elif "/commit/" in path:
            answer = {
                "commitUrl": f"{self.server.url}{path.removeprefix('/api').rpartition('/')[0]}/{COMMIT}",
                "commitOid": COMMIT,
                "success": True,
            }
        else:
            answer = {}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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
