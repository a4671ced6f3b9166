"""`llms serve` for tests: in a thread, where its engine can be looked at, or in a process of its own; and `llms web`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

KEY = "a-key-of-the-tests"
TOKEN = "of-the-tests"


@contextmanager
def in_thread(models, embeddings=(), key=None, **limits):
    """Yields url, port, shelf and server."""
    from llms.serve.served import ServerLimits, Shelf
    from llms.serve.server import ApiServer, address, bind, build
    from llms.workbench.serve import open_models

    bound, bounds, ready = bind("127.0.0.1", 0, key), ServerLimits(**limits), threading.Event()
    shelf = Shelf(*open_models(models, embeddings), bounds.waiting)
    server = ApiServer(build(shelf, bounds, key), bound, bounds, ready.set)
    thread = threading.Thread(target=server.serve_until_interrupted)
    thread.start()
    try:
        assert ready.wait(30)
        yield SimpleNamespace(url=address(bound), port=bound.getsockname()[1], shelf=shelf, server=server)
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
        shelf.close()


@contextmanager
def in_process(*arguments: str, home: Path):
    """Yields url and process."""
    source = str(Path(__file__).parents[1] / "src")
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "LLMS_HOME": str(home), "LLMS_SERVE_KEY": KEY, "PYTHONPATH": path}
    command = [sys.executable, "-m", "llms", "serve", *arguments, "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.match(r"ready: (http://127\.0\.0\.1:\d+/v1) ", line)
        if not found:
            process.kill()
            raise AssertionError(f"{line}{process.stderr.read()}")
        yield SimpleNamespace(url=found[1], process=process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@contextmanager
def pages(*arguments, home: Path, program=("-m", "llms"), cwd: Path | None = None, **variables: str):
    """Yields the address of `llms web`, which TOKEN enters."""
    environment = {**os.environ, "LLMS_HOME": str(home), "PYTHONUNBUFFERED": "1", "LLMS_WEB_TOKEN": TOKEN, **variables}
    command = [sys.executable, *program, "web", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=cwd
    ) as process:
        line = process.stdout.readline()
        found = re.search(rf"(http://\S+)/\?token={TOKEN} ", line)
        assert found, line + process.stdout.read()
        try:
            yield found[1]
        finally:
            process.terminate()


def exchange(port: int, request: bytes, timeout: float = 20) -> bytes:
    """What a server answers to raw bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        client.sendall(request)
        answer = b""
        try:
            while part := client.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def post(path: str, body, close: bool = True) -> bytes:
    """The bytes of a request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    last = "connection: close\r\n" if close else ""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{last}"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def answered(raw: bytes) -> tuple[int, dict]:
    """(status, JSON) of an answer that was not chunked."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)
