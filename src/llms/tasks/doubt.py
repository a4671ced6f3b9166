"""Signs that a recognizer invented words: loops, texts that compress too well, more words than anybody can say."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from ..models.task_model import Segment

MOST_COMPRESSED = 2.4  # of text by zlib; above it Whisper's authors try again (Radford et al. 2022, section 4.5)
LONGEST_LOOP = 12  # words, of what is repeated
LEAST_ROUNDS, LEAST_REPEATED = 4, 8  # times, and words in all
EQUAL_SEGMENTS = 3  # in a row
MOST_CHARACTERS = 30.0  # in a second; auctioneers come to about 25
LEAST_CHARACTERS = 15  # of a segment whose speed says something
WIDE = 3  # characters of a Latin script that one of an East Asian script stands for


def compression_ratio(text: str) -> float:
    """Bytes of `text` over those that zlib makes of it; about 1 to 2 for speech."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def repeats(text: str) -> bool:
    """Whether `text` goes round in circles."""
    text = text.strip()
    words = text.lower().split()
    if len(words) == 1 and len(text) > LEAST_REPEATED:
        words = list(text)  # a script without spaces
    return compression_ratio(text) > MOST_COMPRESSED or _has_loop(words)


def _has_loop(words: Sequence[str]) -> bool:
    """Whether up to LONGEST_LOOP words follow each other again and again."""
    for size in range(1, LONGEST_LOOP + 1):
        run = 0  # words that are those `size` before
        for index in range(size, len(words)):
            run = run + 1 if words[index] == words[index - size] else 0
            if run >= (LEAST_ROUNDS - 1) * size and run + size >= LEAST_REPEATED:
                return True
    return False


def too_fast(segment: Segment) -> bool:
    """Whether nobody can say so much in so short a time."""
    size = sum(WIDE if ord(letter) > 0x2E80 else 1 for letter in segment.text.strip())
    return size >= LEAST_CHARACTERS and size > MOST_CHARACTERS * (segment.end - segment.start)


def flagged(segments: Sequence[Segment], looping: bool) -> list[Segment]:
    """The segments of one part with the flags `repeats` and `too fast`; `looping`: its text as a whole repeats."""
    loops = [repeats(segment.text) for segment in segments]
    if looping and not any(loops):
        loops = [True] * len(segments)
    return [
        _with(segment, ["repeats"] * loop + ["too fast"] * too_fast(segment))
        for segment, loop in zip(segments, loops, strict=True)
    ]


def flag_equal_runs(segments: Sequence[Segment]) -> list[Segment]:
    """The flag `repeats` also on segments in a row whose words are the same."""
    result: list[Segment] = []
    for _, group in groupby(segments, key=lambda segment: segment.text.strip().lower()):
        run = list(group)
        result += [_with(segment, ["repeats"]) for segment in run] if len(run) >= EQUAL_SEGMENTS else run
    return result


def _with(segment: Segment, flags: Iterable[str]) -> Segment:
    return replace(segment, flags=tuple(dict.fromkeys([*segment.flags, *flags])))
