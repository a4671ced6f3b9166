"""Text that comes token by token: made readable, cut at stop strings, its thinking told from its answer.

Each class takes what is new and gives what may be shown; `flush` gives what was held back. Nothing is shown that a
later token could still change or take away.
"""

from collections.abc import Callable, Sequence

_LOOK_BACK = 6  # tokens decoded again with each new one, so that spaces between words come out right
THINKING = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"))


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
    """Splits text into (reasoning, answer). Thinking stands first, between tags; an unclosed tag makes all of it that.

    `opened`: the prompt itself opened the tag, as some chat templates do.
    """

    def __init__(self, opened: bool = False):
        self._held = ""
        self._close: str | None = "</think>" if opened else None
        self._begun = opened
        self._answer = False
        self._blank = False  # the lines between thinking and answer have not ended

    def push(self, text: str) -> tuple[str, str]:
        if self._answer:
            text = text.lstrip("\n") if self._blank else text
            self._blank = self._blank and not text
            return "", text
        self._held += text
        if not self._begun:
            bare = self._held.lstrip()
            tag = next((pair for pair in THINKING if bare.startswith(pair[0])), None)
            if tag is None:
                if not bare or any(opening.startswith(bare) for opening, _ in THINKING):
                    return "", ""
                return "", self._leave()
            self._begun, self._close, self._held = True, tag[1], bare[len(tag[0]) :]
        assert self._close is not None
        end = self._held.find(self._close)
        if end >= 0:
            reasoning, self._held = self._held[:end], self._held[end + len(self._close) :].lstrip("\n")
            self._blank = not self._held
            return reasoning, self._leave()
        keep = beginning(self._held, self._close)
        reasoning, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return reasoning, ""

    def flush(self) -> tuple[str, str]:
        held, self._held = self._held, ""
        return (held, "") if self._begun and not self._answer else ("", held)

    def _leave(self) -> str:
        self._answer = True
        held, self._held = self._held, ""
        return held


def beginning(text: str, string: str) -> int:
    """How many of the last characters of `text` are a proper beginning of `string`."""
    for length in range(min(len(string) - 1, len(text)), 0, -1):
        if text.endswith(string[:length]):
            return length
    return 0
