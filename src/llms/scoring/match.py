"""Extracting an answer from generated text, and comparing it, as lm-evaluation-harness 0.4.13 does."""

import re
import string
from collections.abc import Sequence


def extract(text: str, pattern: str, select: int = 0) -> str | None:
    """Hit number `select` (0 first, -1 last) of `pattern`, stripped; of several groups the first that is not empty."""
    hits = re.findall(pattern, text)
    if not hits:
        return None
    hit: str | tuple[str, ...] = hits[select]
    if isinstance(hit, tuple):
        hit = next((group for group in hit if group), "")
    return hit.strip()


def exact_match(
    prediction: str,
    reference: str,
    *,
    ignore: Sequence[str] = (),
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
) -> bool:
    """Equality after deleting every match of `ignore`, then case, then ASCII punctuation, on both sides."""

    def normalize(text: str) -> str:
        for pattern in ignore:
            text = re.sub(pattern, "", text)
        text = text.lower() if ignore_case else text
        return text.translate(str.maketrans("", "", string.punctuation)) if ignore_punctuation else text

    return normalize(prediction) == normalize(reference)
