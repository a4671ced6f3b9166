"""How many tokens a prompt is, and how far the number may be off. Pure functions; nothing is stored here.

exact       the model's own tokenizer and chat template
calibrated  the right tokenizer, or an estimate corrected by what the server reported for earlier calls
estimated   neither: a third of the UTF-8 bytes
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..values import Message

Grade = Literal["exact", "calibrated", "estimated"]
# The true number lies within this part of the count, above or below. Of estimates that holds for prose and code: with
# the embedded model's vocabulary those take 0.7 to 1.2 times the estimate, numbers and scripts it has no words of up to 3.
ERROR: dict[Grade, float] = {"exact": 0.0, "calibrated": 0.05, "estimated": 0.5}
BYTES_PER_TOKEN = 3  # errs high for English, is close for most other scripts
BYTES_AT_MOST = 7  # of a token, on average over a prompt, in any vocabulary
MESSAGE_TOKENS = 4  # the template's marks around one message
LEAST_WINDOW = 512  # tokens that servers are set up with at least
WEIGHT = 0.2  # of the newest call in the running ratio of reported to own counts
LEAST, MOST = 0.8, 1.5  # a ratio beyond these says that something else is wrong


_RUN = re.compile(r"(\W)\1+")


@dataclass(frozen=True, slots=True)
class TokenCount:
    """`tokens`, give or take tokens · `error`."""

    tokens: int
    grade: Grade
    error: float


def exact(tokens: int) -> TokenCount:
    return TokenCount(tokens, "exact", ERROR["exact"])


def estimate(prompt: str | Sequence[Message]) -> TokenCount:
    """A third of the bytes, and the marks around each message: high for English, low for numbers and foreign scripts."""
    if isinstance(prompt, str):
        tokens = estimated(prompt)
    else:
        tokens = sum(estimated(message.content) + MESSAGE_TOKENS for message in prompt)
    return TokenCount(tokens, "estimated", ERROR["estimated"])


def estimated(text: str) -> int:
    """ceil(UTF-8 bytes / 3)."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def fewest(texts: Iterable[str]) -> int:
    """The tokens that `texts` take at least, whatever the vocabulary: runs of blanks or of one sign count as one."""
    return sum(len(_RUN.sub(r"\1", " ".join(text.split())).encode()) for text in texts) // BYTES_AT_MOST


def impossible(reported: int, texts: Iterable[str]) -> bool:
    """Whether a server that read `reported` tokens cannot have read all of `texts`. Tells nothing of fewer than
    LEAST_WINDOW / 2 tokens: no server cuts prompts to so little, and some report what was not cached."""
    return LEAST_WINDOW // 2 <= reported < fewest(texts)


def calibrated(own: int, ratio: float = 1.0) -> TokenCount:
    """Our own count times the `ratio` that `learn` keeps."""
    return TokenCount(math.ceil(own * ratio), "calibrated", ERROR["calibrated"])


def learn(ratio: float | None, own: int, reported: int) -> float:
    """The new ratio of reported to own prompt tokens after one more call, kept per model and endpoint; None before the first."""
    newest = min(MOST, max(LEAST, reported / max(1, own)))
    return newest if ratio is None else ratio + WEIGHT * (newest - ratio)
