"""Boundaries of grapheme clusters: what a person takes for one character is never cut (UAX #29, by `regex`)."""

import regex

_CLUSTER = regex.compile(r"\X")
_BACK = 256  # characters before an index from which clusters are counted; only a longer cluster would be misread


def cut_before(text: str, index: int) -> int:
    """The last boundary at or before `index`."""
    if index <= 0 or index >= len(text):
        return max(0, min(index, len(text)))
    start = max(0, index - _BACK)
    while start and "\U0001f1e6" <= text[start] <= "\U0001f1ff":  # flags are pairs, counted from the first
        start -= 1
    return next(int(cluster.start()) for cluster in _CLUSTER.finditer(text, start) if cluster.end() > index)


def cut_after(text: str, index: int) -> int:
    """The first boundary at or after `index`."""
    before = cut_before(text, index)
    return before if before >= min(index, len(text)) else int(_CLUSTER.match(text, before).end())


def whole(text: str) -> int:
    """Length of `text` without its last cluster, which more text might still change."""
    return cut_before(text, len(text) - 1)
