"""Tokens of requests and answers, read off their bytes: what the server reports, else our own estimate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...tokens.count import BYTES_PER_TOKEN, MESSAGE_TOKENS, estimated
from ...values import Json, JsonObject, Usage

MEDIA_TOKENS = 1500  # an image or a sound
ANSWER_TOKENS = 4096  # reserved for an answer of a request that names no limit
BILLED = ("/completions", "/embeddings", "/responses")
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """How much a request asks for: `most` is an upper bound of what it uses up, None where requests of its kind are free."""

    stream: bool = False
    most: Usage | None = None

    @classmethod
    def read(cls, path: str, content: bytes) -> "RequestEstimate":
        if not path.endswith(BILLED):
            return cls()
        try:
            content_json: Json = json.loads(content)
        except ValueError:
            content_json = {}
        body: JsonObject = content_json if isinstance(content_json, dict) else {}
        prompt = sum(_tokens(body.get(name)) for name in ("prompt", "messages", "input", "tools", "response_format"))
        limit = next((value for name in LIMITS if isinstance(value := body.get(name), int)), ANSWER_TOKENS)
        answers = n if isinstance(n := body.get("n"), int) else 1
        tokens = 0 if path.endswith("/embeddings") else limit * answers
        return cls(bool(body.get("stream")), Usage(prompt, tokens))


def _tokens(part: Json) -> int:
    """Tokens of whatever JSON a prompt is made of."""
    if isinstance(part, str):
        return estimated(part)
    if isinstance(part, Mapping):
        if str(part.get("type")).removeprefix("input_") in ("image_url", "image", "audio", "file"):
            return MEDIA_TOKENS
        return MESSAGE_TOKENS * ("role" in part) + sum(map(_tokens, part.values()))
    if isinstance(part, Sequence):
        return sum(1 if isinstance(item, int) else _tokens(item) for item in part)
    return 1


class Meter:
    """Watches one answer go by, whole or as a stream of events."""

    def __init__(self, estimate: RequestEstimate):
        self.estimate = estimate
        self.begun = False  # a token, or an error instead of one, has been seen
        self.ended = False  # the server said that the answer is complete
        self._failed = False
        self._reported: Usage | None = None
        self._bytes = 0
        self._rest = b""

    @property
    def usage(self) -> Usage:
        """Of what has gone by until now."""
        if self._reported is not None:
            return self._reported
        if self._failed and not self._bytes:
            return Usage()
        most = self.estimate.most or Usage()
        return Usage(most.prompt_tokens, min(most.tokens, -(-self._bytes // BYTES_PER_TOKEN)))

    def whole(self, content: bytes) -> None:
        """An answer in one piece."""
        try:
            self._event(json.loads(content))
        except ValueError:
            self._bytes = len(content)

    def feed(self, chunk: bytes) -> None:
        """The next bytes of a stream of server-sent events."""
        held = b"\r" if chunk.endswith(b"\r") else b""  # the next chunk may begin with its LF
        text = (self._rest + chunk).removesuffix(held)
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + held
        for line in (line.removeprefix(b"\xef\xbb\xbf") for line in lines):
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                self.begun = self.ended = True
                continue
            try:
                self._event(json.loads(data))
            except ValueError:
                self.begun = True  # the reader will say what is wrong with it

    def _event(self, event: Json) -> None:
        if not isinstance(event, Mapping):
            return
        if event.get("error"):
            self.begun = self.ended = self._failed = True
        if isinstance(usage := event.get("usage"), Mapping):
            self._reported = reported(usage)
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, Mapping):
                continue
            if size := _text_bytes(choice.get("delta") or choice.get("message") or choice.get("text")):
                self.begun, self._bytes = True, self._bytes + size
            self.ended = self.ended or bool(choice.get("finish_reason"))


def _text_bytes(part: Json) -> int:
    """Bytes of all that a model wrote: text, reasoning, names and arguments of tool calls."""
    if isinstance(part, str):
        return len(part.encode())
    if isinstance(part, Mapping):
        return sum(_text_bytes(value) for name, value in part.items() if name not in ("role", "type", "id"))
    return sum(map(_text_bytes, part)) if isinstance(part, list) else 0


def reported(fields: JsonObject) -> Usage:
    """A server's `usage`, in the words of chat, completions, embeddings or responses."""

    def number(name: str, inside: Json = fields) -> int:
        value = inside.get(name) if isinstance(inside, Mapping) else None
        return value if isinstance(value, int) and value > 0 else 0

    prompt = number("prompt_tokens") or number("input_tokens")
    tokens = number("completion_tokens") or number("output_tokens")
    of_prompt = fields.get("prompt_tokens_details") or fields.get("input_tokens_details")
    of_answer = fields.get("completion_tokens_details") or fields.get("output_tokens_details")
    cached = number("cached_tokens", of_prompt) or number("prompt_cache_hit_tokens")
    reasoning = number("reasoning_tokens", of_answer)
    return replace(Usage(prompt, tokens, reported=True), cached_tokens=min(cached, prompt), reasoning_tokens=reasoning)
