"""Context and continuation as token ids: encoded together, then split, as the reference harness does.

Source: lm-evaluation-harness 0.4.13, `lm_eval/api/model.py` (TemplateLM) and `models/huggingface.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ContextOverflow
from .tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Pair:
    """`ids` end with `scored` tokens of the continuation; `cut` tokens were dropped on the left."""

    ids: tuple[int, ...]
    scored: int
    cut: int = 0


def encode_pairs(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], window: int) -> list[Pair | ContextOverflow]:
    """Token ids of (context, continuation) pairs, in order, each at most window + 1 long.

    Trailing white space of the context moves to the continuation. An empty context becomes the start token.
    A pair that is too long loses tokens on the left; one whose continuation alone is too long, or has no
    token of its own, comes back as the error it is.
    """
    moved = [move_spaces(context, continuation) for context, continuation in pairs]
    texts = sorted({text for context, continuation in moved if context for text in (context, context + continuation)})
    ids = dict(zip(texts, encode_texts(tokenizer, texts), strict=True))
    bare = sorted({continuation for context, continuation in moved if not context})
    bare_ids = dict(zip(bare, tokenizer.encode(bare, special=False), strict=True))
    result: list[Pair | ContextOverflow] = []
    for context, continuation in moved:
        if context:
            whole, length = ids[context + continuation], len(ids[context])
        else:
            alone = bare_ids[continuation]
            whole, length = (alone if alone[:1] == [tokenizer.start] else [tokenizer.start, *alone]), 1
        result.append(_fit(whole, len(whole) - length, window, continuation))
    return result


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of raw prompts; a text that begins with the start token's own text gets no second one."""
    starts = [has_start(tokenizer, text) for text in texts]
    plain = iter(tokenizer.encode([text for text, start in zip(texts, starts, strict=True) if start], special=False))
    special = iter(tokenizer.encode([text for text, start in zip(texts, starts, strict=True) if not start]))
    return [next(plain) if start else next(special) for start in starts]


def has_start(tokenizer: Tokenizer, text: str) -> bool:
    """Whether `text` brings the start token itself."""
    return bool(tokenizer.start_text) and text.startswith(tokenizer.start_text)


def move_spaces(context: str, continuation: str) -> tuple[str, str]:
    """The pair with white space at the end of the context moved to the continuation."""
    stripped = context.rstrip()
    return (stripped, context[len(stripped) :] + continuation) if context else (context, continuation)


def _fit(ids: Sequence[int], scored: int, window: int, continuation: str) -> Pair | ContextOverflow:
    if scored < 1:
        return ContextOverflow(
            f"the continuation {continuation[:60]!r} has no token of its own behind its context; "
            "begin it where a token begins, usually with a space"
        )
    if scored > window:
        return ContextOverflow(
            f"the continuation {continuation[:60]!r}… is {scored} tokens; the context window is {window}. Shorten it"
        )
    cut = max(0, len(ids) - window - 1)
    return Pair(tuple(ids[cut:]), scored, cut)
