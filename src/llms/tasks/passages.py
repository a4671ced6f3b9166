"""A text that is longer than a window, as passages that fit: cut where sentences end, with their places in the text.

Passages follow one another and leave nothing out. With an overlap each begins with the last sentences of the one before,
so that what stands across a border is seen whole in one of them.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Count = Callable[[str], int]

# a sentence ends with its mark, the quotes and brackets that close behind it and white space; or with an empty line
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*\s+|[。！？]+[」』”’）]*\s*|\n\s*\n\s*|[।؟۔]+\s*")
_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters `start` to `end` (exclusive) of a text, which read `text`."""

    start: int
    end: int
    text: str


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence with the white space behind it; together they are the whole text."""
    ends = [match.end() for match in _END.finditer(text)]
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    return [(start, end) for start, end in zip([0, *ends], ends, strict=False) if end > start]


def passages(text: str, room: int, count: Count, overlap: int = 0) -> list[Passage]:
    """`text` in passages of at most `room` tokens, as `count` counts them, each with up to `overlap` tokens of the one before.

    A sentence that is longer than `room` is cut between words, a word between characters; one character is never cut.
    """
    if count(text) <= room:
        return [Passage(0, len(text), text)] if text else []
    pieces = list(_pieces(text, room, count))
    result: list[Passage] = []
    first = 0
    while first < len(pieces):
        last = _fitting(text, pieces, first, room, count)
        start, end = pieces[first][0], pieces[last - 1][1]
        result.append(Passage(start, end, text[start:end]))
        if last == len(pieces):
            break
        first = _back(text, pieces, first, last, overlap, count)
        while first < last and _fitting(text, pieces, first, room, count) <= last:
            first += 1  # an overlap must leave room for what is new
    return result


def _pieces(text: str, room: int, count: Count) -> Iterator[tuple[int, int]]:
    """Sentences; of one that does not fit its words; of such a word as many characters as fit."""
    for start, end in sentences(text):
        if count(text[start:end]) <= room:
            yield start, end
            continue
        for word in _WORD.finditer(text, start, end):
            if count(word[0]) <= room:
                yield word.span()
            else:
                yield from _letters(text, word.start(), word.end(), room, count)


def _letters(text: str, start: int, end: int, room: int, count: Count) -> Iterator[tuple[int, int]]:
    while start < end:
        lengths = range(2, end - start + 1)
        fits = 1 + bisect_right(lengths, 0, key=lambda size: int(count(text[start : start + size]) > room))
        yield start, start + fits
        start += fits


def _fitting(text: str, pieces: list[tuple[int, int]], first: int, room: int, count: Count) -> int:
    """The end (exclusive) of the longest run of pieces from `first` that fits; of one piece at least.

    Doubled until it is too long, then halved: few counts, each of a text that is not much longer than the room.
    """
    start, step = pieces[first][0], 1

    def fits(last: int) -> bool:
        return count(text[start : pieces[last - 1][1]]) <= room

    low = first + 1
    while low + step <= len(pieces) and fits(low + step):
        low, step = low + step, step * 2
    high = min(low + step, len(pieces) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _back(text: str, pieces: list[tuple[int, int]], first: int, last: int, overlap: int, count: Count) -> int:
    """Where the next run begins: `last`, or earlier, by as many pieces as `overlap` holds."""
    end, begin = pieces[last - 1][1], last
    while overlap and begin - 1 > first and count(text[pieces[begin - 1][0] : end]) <= overlap:
        begin -= 1
    return begin
