"""Which texts a query is about: Okapi BM25 (Robertson & Zaragoza 2009, with k1 = 1.2, b = 0.75)."""

import math
import re
from collections import Counter
from collections.abc import Sequence

K1, B = 1.2, 0.75
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")  # kana, Han, Hangul, Thai


def terms(text: str) -> list[str]:
    """Words in lower case; in scripts without spaces, pairs of characters."""
    result = []
    for word in _WORD.findall(text.casefold()):
        end = 0
        for run in _UNSPACED.finditer(word):
            result += [word[end : run.start()]] if run.start() > end else []
            result += [run[0][at : at + 2] for at in range(max(1, len(run[0]) - 1))]
            end = run.end()
        result += [word[end:]] if end < len(word) else []
    return result


def scores(query: str, texts: Sequence[str]) -> list[float]:
    """One score per text, in order; 0 where no term of the query occurs."""
    counts = [Counter(terms(text)) for text in texts]
    lengths = [count.total() for count in counts]
    mean = sum(lengths) / len(lengths) if any(lengths) else 1.0
    total = [0.0] * len(texts)
    for term in set(terms(query)):
        having = sum(term in count for count in counts)
        weight = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for at, count in enumerate(counts):
            often = count[term]
            total[at] += weight * often * (K1 + 1) / (often + K1 * (1 - B + B * lengths[at] / mean)) if often else 0.0
    return total
