"""An endpoint on loopback that speaks OpenAI's protocol: real sockets, answers by a script, faults on demand."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def words(text: str) -> list[str]:
    """The server's tokens: words with the space before them; they make up the text."""
    found, start = [], 0
    for place in range(1, len(text) + 1):
        if place == len(text) or (text[place] == " " and text[place - 1] != " "):
            found.append(text[start:place])
            start = place
    return found


def logprob(token: str) -> float:
    """Shorter words are likelier; the most likely one has one letter."""
    return -0.5 * len(token.strip())


class Endpoint:
    """`with Endpoint() as server: server.url`. Every request is kept in `asked`; `faults` meet the next POSTs.

    A fault is a dict: status (with retry_after, message, code), nothing (the connection is closed), short (a content
    length that is too long), whole_broken (cut JSON); in streams stall_first and stall (seconds), early (no token
    comes), broken (a chunk that is no JSON), close (after two tokens; "clean" or not). `answer` makes the text of a
    body, or (text, tokens, finish, prompt tokens), or the fields of a choice (of a list of
    them in a stream); `score` makes (tokens, logprobs, best logprobs) of a prompt.
    `seconds` pass before an answer and between tokens; `most` is how many requests were there at once.
    """

    def __init__(self, answer: Callable[[dict], Any] = lambda body: "the answer is 42", **how: Any):
        self.answer = answer
        self.score: Callable[[str], tuple[list[str], list[float], list[float]]] = self._score
        self.asked: list[tuple[str, dict]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: deque[dict[str, Any]] = deque()
        self.sent_headers: dict[str, str] = {}
        self.echo = self.usage = self.stream_usage = self.raw = self.streams = True
        self.window: int | None = 2048
        self.finish = "stop"
        self.seconds = 0.0
        self.key: str | None = None
        self.refuses: tuple[str, ...] = ()
        self.models = ("m",)
        self.now = self.most = self.written = 0
        self.lock = threading.Lock()
        for name, value in how.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    def __enter__(self):
        endpoint = self

        class Handler(_Handler):
            server_side = endpoint

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def posts(self) -> list[tuple[str, dict]]:
        return [(path, body) for path, body in self.asked if body]

    def _score(self, prompt: str):
        tokens = words(prompt)
        return tokens, [logprob(token) for token in tokens], [-0.5 for _ in tokens]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # with 5, one of many that come at once waits a second to be let in


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_side: Endpoint

    def log_message(self, *_):
        pass

    def do_GET(self):
        end = self.server_side
        end.asked.append((self.path, {}))
        if not self._known():
            return
        if self.path == "/v1/models":
            entry = {} if end.window is None else {"max_model_len": end.window}
            self._json(
                200, {"object": "list", "data": [{"id": name, "object": "model", **entry} for name in end.models]}
            )
        else:
            self._error(404, "no such path")

    def do_POST(self):
        end = self.server_side
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with end.lock:
            end.asked.append((self.path, body))
            end.headers.append(dict(self.headers))
            fault = end.faults.popleft() if end.faults else {}
            end.now += 1
            end.most = max(end.most, end.now)
        try:
            self._post(body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with end.lock:
                end.now -= 1

    def _post(self, body: dict, fault: dict[str, Any]) -> None:
        end = self.server_side
        if not self._known():
            return
        if "nothing" in fault:
            self.close_connection = True
        elif "status" in fault:
            extra = {"retry-after": str(fault["retry_after"])} if "retry_after" in fault else {}
            self._error(fault["status"], fault.get("message", "no luck"), fault.get("code"), extra)
        elif body["model"] not in end.models:
            self._error(404, f"The model `{body['model']}` does not exist", "model_not_found")
        elif refused := [name for name in end.refuses if name in body]:
            self._error(400, f"Unsupported parameter: '{refused[0]}'", "unsupported_parameter", param=refused[0])
        elif self.path == "/v1/completions" and not end.raw:
            self._error(404, "no such path")
        elif body.get("stream") and self.server_side.streams:
            self._stream(body, fault)
        else:
            self._whole(body, fault)

    def _known(self) -> bool:
        end = self.server_side
        given = self.headers.get("authorization", "").removeprefix("Bearer ")
        if end.key is not None and given != end.key:
            self._error(401, f"Incorrect API key provided: {given}", "invalid_api_key")
            return False
        return True

    def _answer(self, body: dict) -> tuple[list[Any], str, dict[str, int]]:
        """(pieces, finish, usage)."""
        made = self.server_side.answer(body)
        if isinstance(made, dict | list):
            return (
                [made] if isinstance(made, dict) else made,
                "stop",
                {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            )
        most = body.get("max_tokens") or body.get("max_completion_tokens") or 10**6
        if isinstance(made, str):
            pieces = words(made)[:most]
            finish = "length" if len(words(made)) > most else self.server_side.finish
            tokens, prompt = len(pieces), len(words(json.dumps(body.get("messages") or body["prompt"])))
        else:
            text, tokens, finish, prompt = made
            pieces = [text]
        return pieces, finish, {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}

    def _whole(self, body: dict, fault: dict[str, Any]) -> None:
        end = self.server_side
        time.sleep(fault.get("stall", end.seconds))
        pieces, finish, usage = self._answer(body)
        made = pieces[0] if pieces and isinstance(pieces[0], dict) else {}
        kept = "" if made else "".join(pieces)
        if self.path.endswith("/chat/completions"):
            choice: dict[str, Any] = {
                "index": 0,
                "message": {"role": "assistant", "content": kept},
                "finish_reason": finish,
                **made,
            }
        elif body.get("echo") and end.echo:
            choice = self._echoed(body["prompt"], kept)
        else:
            choice = {"index": 0, "text": kept, "finish_reason": finish, "logprobs": None}
        kind = "chat.completion" if self.path.endswith("/chat/completions") else "text_completion"
        answer = {"id": "1", "object": kind, "created": 0, "model": body["model"], "choices": [choice]}
        if end.usage:
            answer["usage"] = usage
        content = json.dumps(answer).encode()
        if "whole_broken" in fault:
            content = content[:-20]
        self.send_response(200)
        self._headers({"content-type": "application/json", "content-length": str(len(content) + fault.get("short", 0))})
        self.wfile.write(content)
        self.close_connection = self.close_connection or "short" in fault

    def _echoed(self, prompt: str, text: str) -> dict[str, Any]:
        tokens, values, best = self.server_side.score(prompt)
        new = words(text)[:1]
        offsets = [len("".join(tokens[:place])) for place in range(len(tokens))] + [len(prompt)] * len(new)
        tops = [{f"best{i}": value} for i, value in enumerate(best)] + [{"x": -0.1}] * len(new)
        scores = {
            "tokens": tokens + new,
            "token_logprobs": [None, *values[1:], *[-0.1 for _ in new]],
            "top_logprobs": [None, *tops[1:]],
            "text_offset": offsets,
        }
        return {"index": 0, "text": prompt + "".join(new), "finish_reason": "length", "logprobs": scores}

    def _stream(self, body: dict, fault: dict[str, Any]) -> None:
        end, chat = self.server_side, self.path.endswith("/chat/completions")
        self.send_response(200)
        self._headers({"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        if chat:
            self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        time.sleep(fault.get("stall_first", 0))
        if "early" in fault:
            self.close_connection = True
            return
        tokens, finish, usage = self._answer(body)
        for place, token in enumerate(tokens):
            if place == 2 and "stall" in fault:
                time.sleep(fault["stall"])
            if place == 2 and "broken" in fault:
                self._chunk(b'data: {"choices": [{"index": 0, "del\n\n')
            if place == 2 and "close" in fault:
                if fault["close"] == "clean":
                    self.wfile.write(b"0\r\n\r\n")
                self.close_connection = True
                return
            if isinstance(token, dict):
                self._event({"choices": [{"index": 0, **token}]})
                continue
            self._event({"choices": [{"index": 0, **({"delta": {"content": token}} if chat else {"text": token})}]})
            with end.lock:
                end.written += 1
            time.sleep(end.seconds)
        self._event({"choices": [{"index": 0, **({"delta": {}} if chat else {"text": ""}), "finish_reason": finish}]})
        if end.stream_usage and (body.get("stream_options") or {}).get("include_usage"):
            self._event({"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: dict) -> None:
        self._chunk(
            b"data: "
            + json.dumps({"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", **event}).encode()
            + b"\n\n"
        )

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _headers(self, headers: dict[str, str]) -> None:
        for name, value in {**self.server_side.sent_headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _error(self, status: int, message: str, code: str | None = None, extra: dict | None = None, param=None) -> None:
        self._json(status, {"error": {"message": message, "type": "x", "code": code, "param": param}}, extra)

    def _json(self, status: int, value: Any, extra: dict | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self._headers({"content-type": "application/json", "content-length": str(len(content)), **(extra or {})})
        self.wfile.write(content)
