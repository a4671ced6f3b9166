"""Transcripts against what was said: edits of words and of characters (Levenshtein 1966)."""

import unicodedata
from collections.abc import Hashable, Sequence


def edits(reference: Sequence[Hashable], answer: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and substitutions that make one of the other.

    Bit-parallel (Myers 1999, in the form of Hyyrö 2003): a column of the table is one whole number.
    """
    if not reference or not answer:
        return len(reference) + len(answer)
    bits = (1 << len(reference)) - 1
    last = 1 << (len(reference) - 1)
    positions: dict[Hashable, int] = {}
    for index, symbol in enumerate(reference):
        positions[symbol] = positions.get(symbol, 0) | 1 << index
    up, down, distance = bits, 0, len(reference)
    for symbol in answer:
        equal = positions.get(symbol, 0)
        vertical = equal | down
        equal |= (((equal & up) + up) ^ up) & bits
        horizontal_up = down | ~(equal | up) & bits
        horizontal_down = up & equal
        distance += bool(horizontal_up & last) - bool(horizontal_down & last)
        horizontal_up = (horizontal_up << 1 | 1) & bits
        horizontal_down = horizontal_down << 1 & bits
        up = horizontal_down | ~(vertical | horizontal_up) & bits
        down = horizontal_up & vertical
    return distance


def word_counts(reference: str, answer: str) -> tuple[float, float]:
    """Edits of words, which stand between blanks, and words of the reference."""
    words = reference.split()
    return float(edits(words, answer.split())), float(len(words))


def character_counts(reference: str, answer: str) -> tuple[float, float]:
    """Edits of characters and characters of the reference; outer blanks aside, and several as one."""
    expected, answer = " ".join(reference.split()), " ".join(answer.split())
    return float(edits(expected, answer)), float(len(expected))


def normalized(text: str) -> str:
    """Without case and punctuation, hyphens as blanks: differences that no one hears."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = (" " if unicodedata.category(c) == "Pd" else c for c in folded)
    return " ".join("".join(c for c in letters if not unicodedata.category(c).startswith("P")).split())
