"""Texts that are nearly alike: the Jaccard index of their character 5-grams, exactly, without comparing each with each.

Two sets with an index of at least t share one of the first |x| - ceil(t |x|) + 1 members of each, in any common order
(prefix filtering: Chaudhuri et al. 2006; Bayardo et al. 2007).
"""

from collections import defaultdict
from math import ceil
from zlib import crc32

GRAM = 5
NEAR = 0.7  # of the 5-grams of both together


def plain_form(text: str) -> str:
    """A text without the differences of case and blanks."""
    return " ".join(text.casefold().split())


def grams(text: str) -> frozenset[str]:
    """The character 5-grams of a text in its plain form; the text itself where it is shorter."""
    text = plain_form(text)
    return frozenset(text[i : i + GRAM] for i in range(max(1, len(text) - GRAM + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared members of two sets, of all of both; 1 for two empty ones."""
    return len(a & b) / len(a | b) if a or b else 1.0


class NearTexts:
    """Texts that were added, to be asked for one that is nearly alike."""

    def __init__(self, least: float = NEAR):
        self._least = least
        self._sets: list[frozenset[str]] = []
        self._texts: list[str] = []
        self._exact: dict[str, int] = {}
        self._index: defaultdict[str, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Remember a text."""
        number, members = len(self._texts), grams(text)
        self._texts.append(text)
        self._sets.append(members)
        self._exact.setdefault(plain_form(text), number)
        for member in self._prefix(members):
            self._index[member].append(number)

    def like(self, text: str) -> tuple[str, bool] | None:
        """(the first text that is nearly alike, whether it is the same but for case and blanks); None where there is none."""
        if (same := self._exact.get(plain_form(text))) is not None:
            return self._texts[same], True
        members = grams(text)
        candidates = sorted({number for member in self._prefix(members) for number in self._index.get(member, ())})
        near = (number for number in candidates if jaccard(members, self._sets[number]) >= self._least)
        return next(((self._texts[number], False) for number in near), None)

    def _prefix(self, members: frozenset[str]) -> list[str]:
        """So many members, in the order of a checksum, that whatever is near shares one of them."""
        count = len(members) - ceil(self._least * len(members) - 1e-9) + 1
        return sorted(members, key=lambda member: (crc32(member.encode("utf-8", "surrogatepass")), member))[:count]
