"""Text that comes token by token: made readable, cut at stop strings, its thinking told from its answer.

Each class takes what is new and gives what may be shown; `flush` gives what was held back. Nothing is shown that a
later token could still change or take away.
"""

import re
from collections.abc import Callable, Sequence

from ..values import THINKING_TAGS

_LOOK_BACK = 6  # tokens decoded again with each new one, so that spaces between words come out right


class Detokenizer:
    """Token ids to text; a character whose bytes are spread over tokens is held back until it is whole."""

    def __init__(self, decode: Callable[[Sequence[int]], str]):
        self._decode = decode
        self._ids: list[int] = []
        self._start = 0  # where decoding begins
        self._shown = 0  # ids that have been shown

    def push(self, id: int) -> str:
        self._ids.append(id)
        before = self._decode(self._ids[self._start : self._shown])
        after = self._decode(self._ids[self._start :])
        if after.endswith("\ufffd") or len(after) <= len(before):
            return ""
        self._shown = len(self._ids)
        self._start = max(self._start, self._shown - _LOOK_BACK)
        return after[len(before) :]

    def flush(self) -> str:
        before = self._decode(self._ids[self._start : self._shown])
        return self._decode(self._ids[self._start :])[len(before) :]


class StopFilter:
    """Text up to the first of `strings`; what could be the beginning of one is held back. `stopped` once one came."""

    def __init__(self, strings: Sequence[str]):
        self._strings = tuple(filter(None, strings))
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        if self.stopped or not text:
            return ""
        held = self._held + text
        ends = [index for string in self._strings if (index := held.find(string)) >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return held[: min(ends)]
        keep = max((beginning(held, string) for string in self._strings), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held


class Thinking:
    """Splits text into (reasoning, answer). Thinking stands first, in one block of THINKING_TAGS or more; an unclosed tag
    makes all of it that. `closing`: the tag that ends it where the prompt itself began it, as some chat templates do.
    """

    def __init__(self, closing: str = ""):
        self._held = ""
        self._closing = closing
        self._thought = bool(closing)
        self._answer = False

    def push(self, text: str) -> tuple[str, str]:
        if self._answer:
            return "", text
        self._held += text
        reasoning = ""
        while True:
            if self._closing:
                end = re.search(re.escape(self._closing), self._held, re.IGNORECASE | re.ASCII)
                if not end:
                    keep = beginning(self._held[-len(self._closing) :].lower(), self._closing.lower())
                    shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
                    return reasoning + shown, ""
                reasoning += self._held[: end.start()]
                self._held, self._closing = self._held[end.end() :], ""
            bare = self._held.lstrip()
            tag = next((pair for pair in THINKING_TAGS if bare[: len(pair[0])].lower() == pair[0].lower()), None)
            if tag is None:
                if not bare or any(opening.lower().startswith(bare.lower()) for opening, _ in THINKING_TAGS):
                    return reasoning, ""
                return reasoning, self._leave()
            reasoning += "\n\n" if self._thought else ""
            self._thought, self._closing, self._held = True, tag[1], bare[len(tag[0]) :]

    def flush(self) -> tuple[str, str]:
        if self._closing:
            held, self._held = self._held, ""
            return held, ""
        return "", self._leave()

    def _leave(self) -> str:
        self._answer = True
        held, self._held = self._held, ""
        return held.lstrip("\n") if self._thought else held


def opened(prompt: str) -> str:
    """The tag that ends the thinking which the last words of `prompt` begin; "" if they begin none."""
    end = prompt.rstrip().lower()
    return next((closing for opening, closing in THINKING_TAGS if end.endswith(opening.lower())), "")


def beginning(text: str, string: str) -> int:
    """How many of the last characters of `text` are a proper beginning of `string`."""
    for length in range(min(len(string) - 1, len(text)), 0, -1):
        if text.endswith(string[:length]):
            return length
    return 0
