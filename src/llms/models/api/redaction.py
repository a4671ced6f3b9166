"""Keys hidden in all that is read from an endpoint: the one place that knows what a repeated key may look like.

`clean` is for what a model answers: a key there is found whole or in long pieces, in capitals, percent-encoded, in
base64 or hexadecimal. `scrub` is for errors and logs, where servers also show a key's masked head and tail.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import string
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, overload
from urllib.parse import quote

from ... import settings

if TYPE_CHECKING:
    from ...values import Json

PLACEHOLDER = 12  # characters; shorter keys ("EMPTY", "ollama") are words that a server wants to see, and no secrets
PIECE = 10  # characters of a key in a row that are taken for it
HELD = 4  # characters at the end of a piece of a stream that may begin a key, and so wait for the next
MASK = r"(?:[*•·.…xX#_-]{2,}|…|\[\.*\])"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # keeps the length, as str.lower does not


class Redactor:
    """Hides `keys`; what stands in their place is as much of them as `settings.shown` shows."""

    def __init__(self, keys: Sequence[str]):
        self._keys = [key for key in keys if key]
        self._forms = [(form, key) for key in self._keys if len(key) >= PLACEHOLDER for form in _forms(key)]
        masked = [(re.compile(_masked(key)), key) for key in self._keys if len(key) >= PLACEHOLDER]
        words = [
            (re.compile(rf"(?<!\w){re.escape(key)}(?!\w)"), key) for key in self._keys if 3 < len(key) < PLACEHOLDER
        ]
        self._patterns = masked + words

    @overload
    def clean(self, value: str) -> str: ...

    @overload
    def clean(self, value: Json) -> Json: ...

    def clean(self, value: Json) -> Json:
        """`value`, a string or JSON, without the keys."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self._hidden(value)
        if isinstance(value, Mapping):
            return {self.clean(name): self.clean(part) for name, part in value.items()}
        return [self.clean(part) for part in value] if isinstance(value, list) else value

    def parse(self, content: bytes | str) -> Json:
        """The JSON of `content` without the keys. Raises ValueError, or RecursionError where it is nested too deeply."""
        value: Json = json.loads(content)
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
        # what is spelled in full is found in the text as well, and in most there is nothing
        return self.clean(value) if "\\u" in text or self._hidden(text) is not text else value

    def scrub(self, text: str) -> str:
        """`text` of an error or a log without the keys, their masked forms, and their heads and tails."""
        text = self._hidden(text)
        for pattern, key in self._patterns:
            text = pattern.sub(settings.shown(key).replace("\\", r"\\"), text)
        return text

    def stream(self) -> RedactedStream:
        return RedactedStream(self)

    def held(self, text: str) -> int:
        """How many characters at the end of `text` may go on as a key."""
        low, most = text.translate(_LOWER), 0
        for form, _ in self._forms:
            length = HELD
            while length <= len(low) and low[len(low) - length :] in form:
                most, length = max(most, length), length + 1
        return most

    def _hidden(self, text: str) -> str:
        low = text.translate(_LOWER)
        spans = [span for form, key in self._forms for span in _spans(low, form, key)]
        if not spans:
            return text
        parts, end = [], 0
        for start, stop, key in sorted(spans, key=lambda span: (span[0], -span[1])):
            if start >= end:
                parts += [text[end:start], settings.shown(key)]
            end = max(end, stop)
        return "".join([*parts, text[end:]])


class RedactedStream:
    """Text that comes in pieces; what may be the beginning of a key waits until it is known."""

    def __init__(self, redactor: Redactor):
        self._redactor = redactor
        self._tail, self._held = "", ""  # the last characters that were let go, and those that were not

    def push(self, text: str) -> str:
        self._held += text
        before = self._tail
        held = min(self._redactor.held(before + self._held), len(self._held))
        ready, self._held = self._held[: len(self._held) - held], self._held[len(self._held) - held :]
        return self._let_go(ready)

    def flush(self) -> str:
        ready, self._held = self._held, ""
        return self._let_go(ready)

    def _let_go(self, text: str) -> str:
        self._tail = (self._tail + text)[-(HELD - 1) :]
        return self._redactor.clean(text)


def redactor(keys: Sequence[str]) -> Redactor:
    """The one for these keys; what the HTTP client writes into logs is scrubbed of them as well."""
    return _redactor(tuple(keys))


@lru_cache(maxsize=64)
def _redactor(keys: tuple[str, ...]) -> Redactor:
    redactor = Redactor(keys)
    for name in ("httpx2", *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy"))):
        logging.getLogger(name).addFilter(_Scrubbing(redactor))
    return redactor


class _Scrubbing(logging.Filter):
    def __init__(self, redactor: Redactor):
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redactor.scrub(record.getMessage()), None
        return True


def _forms(key: str) -> list[str]:
    """The forms that a server may give `key`, in small letters: comparing base64 like that finds it as well."""
    content = key.encode()
    forms = {key, quote(key, safe=""), json.dumps(key)[1:-1], key.replace("/", "\\/"), html.escape(key), content.hex()}
    for before in range(3):  # base64 depends on how many bytes stand before; characters at the edges on which
        code = base64.b64encode(b"\0" * before + content).decode().rstrip("=")
        inner = code[(0, 2, 3)[before] : len(code) - (1 if (before + len(content)) % 3 else 0)]
        forms |= {inner, inner.translate(str.maketrans("+/", "-_")), quote(inner, safe="")}
    return sorted({form.translate(_LOWER) for form in forms}, key=len, reverse=True)


def _spans(low: str, form: str, key: str) -> list[tuple[int, int, str]]:
    """Where pieces of `form` stand in `low`: (start, stop, key)."""
    size = min(len(form), max(PIECE, len(form) // 4))
    step = max(1, size // 2)  # a run of `size` holds one of these parts whole
    spans: list[tuple[int, int, str]] = []
    if len(low) < size:
        return spans
    for at in range(0, len(form) - step + 1, step):
        match = low.find(form[at : at + step])
        while match >= 0:
            start, stop, first, last = match, match + step, at, at + step
            while start and first and low[start - 1] == form[first - 1]:
                start, first = start - 1, first - 1
            while stop < len(low) and last < len(form) and low[stop] == form[last]:
                stop, last = stop + 1, last + 1
            if stop - start >= size:
                spans.append((start, stop, key))
            match = low.find(form[at : at + step], match + 1)
    return spans


def _masked(key: str) -> str:
    """A pattern of what servers show of a key: head and tail around a mask, either with a mask, either as a word."""
    lengths = range(min(PIECE, len(key)), 1, -1)
    heads, tails = [re.escape(key[:n]) for n in lengths], [re.escape(key[-n:]) for n in lengths]
    shown = len(settings.shown(key)) - 1
    long_heads = "|".join(head for n, head in zip(lengths, heads, strict=True) if n > shown) or "(?!)"
    long_tails = "|".join(tail for n, tail in zip(lengths, tails, strict=True) if n >= HELD)
    head, tail = "|".join(heads), "|".join(tails)
    return (
        rf"(?:{head}){MASK}(?:(?:{tail})(?!\w))?|(?<!\w){MASK}(?:{long_tails})(?!\w)"
        rf"|(?<!\w)(?:{long_heads}|{long_tails})(?!\w)"
    )
