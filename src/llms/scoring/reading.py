"""Answers to questions about a text, as SQuAD scores them (Rajpurkar et al. 2016, 2018)."""

import re
import string
from collections import Counter
from collections.abc import Sequence

PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized_answer(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, words one blank apart."""
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(PUNCTUATION)).split())


def squad_scores(answer: str, accepted: Sequence[str]) -> tuple[float, float]:
    """(exact match, F1 of words), the best over the accepted answers. None accepted: right is to give none."""
    answer = normalized_answer(answer)
    pairs = [(answer, normalized_answer(each)) for each in accepted or ("",)]
    return max(float(a == b) for a, b in pairs), max(_word_f1(a, b) for a, b in pairs)


def _word_f1(answer: str, accepted: str) -> float:
    ours, theirs = answer.split(), accepted.split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))
