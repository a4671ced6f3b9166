"""An endpoint on loopback that speaks OpenAI's protocol: real sockets, answers by a script, faults on demand."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypedDict

from ..values import JsonObject, ToolCall
from .model import words

Piece = str | ToolCall | JsonObject
Answer = str | tuple[str, int, str, int] | JsonObject | Sequence[Piece]
Scores = tuple[Sequence[str], Sequence[float], Sequence[float]]


class Fault(TypedDict, total=False):
    """A fault that one request meets.

    `status` is answered with `message` and `code`, and asks for `retry_after` seconds; `nothing` closes the connection;
    `short` states so many bytes more than come; `whole_broken` cuts the JSON off. In streams `stall_first` and `stall`
    are seconds of silence before the first and the third token, `early` ends before a token came, `broken` sends a chunk
    that is not JSON, and `close` ends after two tokens ("clean": with the mark of the end of the transfer).
    """

    status: int
    retry_after: float
    message: str
    code: str
    nothing: bool
    short: int
    whole_broken: bool
    stall_first: float
    stall: float
    early: bool
    broken: bool
    close: str


def logprob(token: str) -> float:
    """The log-probability of a token, in nats: shorter words are likelier, and the likeliest has one letter."""
    return -0.5 * len(token.strip())


def word_scores(prompt: str) -> Scores:
    """The tokens of a prompt, the log-probability of each, and the best one at its place."""
    tokens = words(prompt)
    return tokens, [logprob(token) for token in tokens], [-0.5 for _ in tokens]


def last_message(body: JsonObject) -> str:
    """The text of the last message of a chat request, or the prompt of a completion; what a script mostly looks at.

    >>> last_message({"messages": [{"role": "user", "content": "hello"}]})
    'hello'
    """
    messages = body.get("messages")
    if isinstance(messages, Sequence) and messages and isinstance(last := messages[-1], Mapping):
        content = last.get("content")
        return content if isinstance(content, str) else json.dumps(content)
    return str(body.get("prompt", ""))


@dataclass
class ScriptedEndpoint:
    """`with ScriptedEndpoint(answer) as server: llms.load(f"{server.url}#m")`.

    `answer` makes of the body of a request the text of its answer, or a list of tool calls (`llms.testing.call`), or
    (text, tokens, why it ended, prompt tokens), or the fields of a choice as they go out; in a stream a list of pieces of
    text and of such fields. `score` makes the log-probabilities of a prompt that is echoed. `faults` meet the next
    requests, first come, first served.

    `window` is the context window that /models states, `key` the one that is asked for. What the server can do: `raw`
    (text without messages, /completions), `echo` (log-probabilities of the prompt), `streams`, `usage`, `stream_usage`;
    a request with one of the parameters `refuses` is refused. `finish` is why answers end, `seconds` pass before an answer
    and between tokens, `sent_headers` come with every answer.

    Kept: `requests` (path, body; an empty body for GET), their `headers`, `most` that were there at once, `open` that are
    there now, `written` tokens that went out in streams.

    >>> import llms
    >>> with ScriptedEndpoint(lambda body: last_message(body).upper()) as server:
    ...     with llms.load(f"{server.url}#m") as model:
    ...         model.generate([[llms.Message("user", "hello")]])[0].text
    'HELLO'
    >>> [path for path, body in server.posts]
    ['/v1/chat/completions']
    """

    answer: Callable[[JsonObject], Answer] = lambda body: "the answer is 42"
    score: Callable[[str], Scores] = word_scores
    window: int | None = 2048
    models: tuple[str, ...] = ("m",)
    key: str | None = None
    raw: bool = True
    echo: bool = True
    streams: bool = True
    usage: bool = True
    stream_usage: bool = True
    refuses: tuple[str, ...] = ()
    finish: str = "stop"
    seconds: float = 0.0
    sent_headers: dict[str, str] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    requests: list[tuple[str, JsonObject]] = field(default_factory=list, init=False)
    headers: list[dict[str, str]] = field(default_factory=list, init=False)
    most: int = field(default=0, init=False)
    open: int = field(default=0, init=False)
    written: int = field(default=0, init=False)
    lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __enter__(self) -> "ScriptedEndpoint":
        class Handler(_Handler):
            endpoint = self

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no longer; the next connection is refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def posts(self) -> list[tuple[str, JsonObject]]:
        """The requests that had a body."""
        return [(path, body) for path, body in self.requests if body]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # with 5, one of many that come at once waits a second to be let in


@dataclass(frozen=True)
class _Written:
    """An answer as it goes out; pieces that are neither text nor calls are the fields of a choice."""

    pieces: Sequence[Piece]
    finish: str
    prompt_tokens: int
    tokens: int

    @property
    def text(self) -> str:
        return "".join(piece for piece in self.pieces if isinstance(piece, str))

    @property
    def calls(self) -> list[JsonObject]:
        return [_protocol_call(index, piece) for index, piece in enumerate(self.pieces) if isinstance(piece, ToolCall)]

    @property
    def usage(self) -> JsonObject:
        total = self.prompt_tokens + self.tokens
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.tokens, "total_tokens": total}


def _protocol_call(index: int, call: ToolCall) -> JsonObject:
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": index, "id": call.id, "type": "function", "function": function}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    endpoint: ScriptedEndpoint

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        end = self.endpoint
        end.requests.append((self.path, {}))
        if not self._admitted():
            return
        if self.path == "/v1/models":
            extra: JsonObject = {} if end.window is None else {"max_model_len": end.window}
            models = [{"id": name, "object": "model", **extra} for name in end.models]
            self._json(200, {"object": "list", "data": models})
        else:
            self._error(404, "no such path")

    def do_POST(self) -> None:
        end = self.endpoint
        body: JsonObject = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with end.lock:
            end.requests.append((self.path, body))
            end.headers.append(dict(self.headers))
            fault: Fault = end.faults.popleft() if end.faults else {}
            end.open += 1
            end.most = max(end.most, end.open)
        try:
            self._post(body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with end.lock:
                end.open -= 1

    def _post(self, body: JsonObject, fault: Fault) -> None:
        end = self.endpoint
        if not self._admitted():
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
        elif body.get("stream") and end.streams:
            self._stream(body, fault)
        else:
            self._whole(body, fault)

    def _admitted(self) -> bool:
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        if self.endpoint.key is not None and key != self.endpoint.key:
            self._error(401, f"Incorrect API key provided: {key}", "invalid_api_key")
            return False
        return True

    @property
    def _chat(self) -> bool:
        return self.path.endswith("/chat/completions")

    def _write(self, body: JsonObject) -> _Written:
        answer = self.endpoint.answer(body)
        if isinstance(answer, str):
            tokens, limit = words(answer), body.get("max_tokens") or body.get("max_completion_tokens")
            pieces = tokens[:limit] if isinstance(limit, int) else tokens
            finish = "length" if len(tokens) > len(pieces) else self.endpoint.finish
            return _Written(pieces, finish, len(words(json.dumps(body.get("messages") or body["prompt"]))), len(pieces))
        if isinstance(answer, Mapping):
            return _Written([answer], "stop", 1, 1)
        if isinstance(answer, tuple):
            text, count, finish, prompt = answer
            return _Written([text], finish, prompt, count)
        finish = "tool_calls" if any(isinstance(piece, ToolCall) for piece in answer) else "stop"
        return _Written(answer, finish, 1, 1)

    def _whole(self, body: JsonObject, fault: Fault) -> None:
        end = self.endpoint
        time.sleep(fault.get("stall", end.seconds))
        written = self._write(body)
        kind = "chat.completion" if self._chat else "text_completion"
        choices = [self._whole_choice(body, written)]
        answer: JsonObject = {"id": "1", "object": kind, "created": 0, "model": body["model"], "choices": choices}
        if end.usage:
            answer = {**answer, "usage": written.usage}
        content = json.dumps(answer).encode()
        if "whole_broken" in fault:
            content = content[:-20]
        self.send_response(200)
        self._headers({"content-type": "application/json", "content-length": str(len(content) + fault.get("short", 0))})
        self.wfile.write(content)
        self.close_connection = self.close_connection or "short" in fault

    def _whole_choice(self, body: JsonObject, written: _Written) -> JsonObject:
        if not self._chat:
            if body.get("echo") and self.endpoint.echo:
                return self._echoed(str(body["prompt"]), written.text)
            return {"index": 0, "text": written.text, "finish_reason": written.finish, "logprobs": None}
        message: JsonObject = {"role": "assistant", "content": written.text}
        if written.calls:
            message = {**message, "tool_calls": written.calls}
        choice: JsonObject = {"index": 0, "message": message, "finish_reason": written.finish}
        first = written.pieces[0] if written.pieces else ""
        return {**choice, **first} if isinstance(first, Mapping) else choice

    def _echoed(self, prompt: str, text: str) -> JsonObject:
        tokens, values, best = self.endpoint.score(prompt)
        new = words(text)[:1]
        offsets = [len("".join(tokens[:index])) for index in range(len(tokens))] + [len(prompt)] * len(new)
        likeliest = [*({f"best{index}": value} for index, value in enumerate(best)), *({"x": -0.1} for _ in new)]
        scores: JsonObject = {
            "tokens": [*tokens, *new],
            "token_logprobs": [None, *values[1:], *[-0.1 for _ in new]],
            "top_logprobs": [None, *likeliest[1:]],
            "text_offset": offsets,
        }
        return {"index": 0, "text": prompt + "".join(new), "finish_reason": "length", "logprobs": scores}

    def _stream(self, body: JsonObject, fault: Fault) -> None:
        end = self.endpoint
        self.send_response(200)
        self._headers({"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        if self._chat:
            self._choice({"delta": {"role": "assistant", "content": ""}})
        time.sleep(fault.get("stall_first", 0))
        if "early" in fault:
            self.close_connection = True
            return
        written = self._write(body)
        for index, piece in enumerate(written.pieces):
            if index == 2 and not self._survives(fault):
                return
            if isinstance(piece, ToolCall):
                self._choice({"delta": {"tool_calls": [_protocol_call(index, piece)]}})
                continue
            if isinstance(piece, Mapping):
                self._choice(piece)
                continue
            self._choice({"delta": {"content": piece}} if self._chat else {"text": piece})
            with end.lock:
                end.written += 1
            time.sleep(end.seconds)
        self._choice({**({"delta": {}} if self._chat else {"text": ""}), "finish_reason": written.finish})
        options = body.get("stream_options")
        if end.stream_usage and isinstance(options, Mapping) and options.get("include_usage"):
            self._event({"choices": [], "usage": written.usage})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _survives(self, fault: Fault) -> bool:
        """Whether a stream goes on behind its second token."""
        if "stall" in fault:
            time.sleep(fault["stall"])
        if "broken" in fault:
            self._chunk(b'data: {"choices": [{"index": 0, "del\n\n')
        if "close" not in fault:
            return True
        if fault["close"] == "clean":
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True
        return False

    def _choice(self, fields: JsonObject) -> None:
        self._event({"choices": [{"index": 0, **fields}]})

    def _event(self, event: JsonObject) -> None:
        whole = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", **event}
        self._chunk(b"data: " + json.dumps(whole).encode() + b"\n\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _headers(self, headers: Mapping[str, str]) -> None:
        for name, value in {**self.endpoint.sent_headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _error(
        self,
        status: int,
        message: str,
        code: str | None = None,
        extra: Mapping[str, str] | None = None,
        param: str | None = None,
    ) -> None:
        self._json(status, {"error": {"message": message, "type": "x", "code": code, "param": param}}, extra)

    def _json(self, status: int, value: JsonObject, extra: Mapping[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self._headers({"content-type": "application/json", "content-length": str(len(content)), **(extra or {})})
        self.wfile.write(content)
