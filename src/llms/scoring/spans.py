"""DROP's exact match and F1 (Dua et al. 2019, arXiv 1903.00161), for a prediction of one span.

Source: lm-evaluation-harness 0.4.13, tasks/drop/utils.py.
"""

import re
import string
from collections.abc import Sequence


def drop_scores(prediction: str, golds: Sequence[Sequence[str]]) -> tuple[float, float]:
    """(exact match, F1), each the best over the gold answers; a gold answer is one or several spans."""
    predicted = normalize(prediction)
    exact = f1 = 0.0
    for gold in golds:
        if gold and gold[0].strip():
            spans = [normalize(span) for span in gold]
            exact = max(exact, float(spans == [predicted]))
            # one predicted span can meet one gold span only; the others count as missed
            best = max(_overlap(set(predicted.split()), set(span.split())) for span in spans)
            f1 = max(f1, round(best / len(spans), 2))
    return exact, f1


def normalize(text: str) -> str:
    """Lower case; split at spaces and hyphens; numbers as floats; no punctuation elsewhere, no articles."""
    tokens = []
    for token in re.split(" |-", text):
        word = token.lower()
        word = word if _number(word) is not None else "".join(c for c in word if c not in string.punctuation)
        value = _number(word)
        word = word if value is None else str(value)
        word = " ".join(re.sub(r"\b(a|an|the)\b", " ", word).split())
        if word:
            tokens.append(word)
    return " ".join(tokens).strip()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _overlap(predicted: set[str], gold: set[str]) -> float:
    """F1 of two sets of tokens; 0 if the gold one holds numbers of which the other has none."""
    numbers = {token for token in gold if _number(token) is not None}
    if numbers and not numbers & predicted:
        return 0.0
    both = len(predicted & gold)
    precision = both / len(predicted) if predicted else 1.0
    recall = both / len(gold) if gold else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
