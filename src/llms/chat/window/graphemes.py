"""Places between grapheme clusters: what a person takes for one character is never cut (UAX #29, by `regex`)."""

import regex

_CLUSTER = regex.compile(r"\X")
_BACK = 256  # characters before a place from which clusters are counted; only a longer cluster would be misread


def cut_before(text: str, place: int) -> int:
    """The last boundary at or before `place`."""
    if place <= 0 or place >= len(text):
        return max(0, min(place, len(text)))
    start = max(0, place - _BACK)
    while start and "\U0001f1e6" <= text[start] <= "\U0001f1ff":  # flags are pairs, counted from the first
        start -= 1
    return next(found.start() for found in _CLUSTER.finditer(text, start) if found.end() > place)


def cut_after(text: str, place: int) -> int:
    """The first boundary at or after `place`."""
    before = cut_before(text, place)
    return before if before >= min(place, len(text)) else _CLUSTER.match(text, before).end()


def whole(text: str) -> int:
    """Length of `text` without its last cluster, which more text might still change."""
    return cut_before(text, len(text) - 1)
