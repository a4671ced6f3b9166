"""Reasoning models think before they answer; what is graded is the answer."""

import re

from ..values import THINKING_TAGS

_CLOSING = {opening.lower(): closing for opening, closing in THINKING_TAGS}
_OPENING = re.compile("|".join(re.escape(opening) for opening, _ in THINKING_TAGS), re.IGNORECASE)
_CLOSED = re.compile("|".join(re.escape(closing) for _, closing in THINKING_TAGS), re.IGNORECASE)
# a block on lines of its own, behind a first remark
_LATER = [
    re.compile(rf"^[ \t]*{re.escape(opening)}.*?{re.escape(closing)}[ \t]*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
    for opening, closing in THINKING_TAGS
]
_QUOTES = frozenset("`\"'“”‘’「」«»")
# gpt-oss: channels, with their special tokens or, once those are left out, only the words between them
_CHANNELS = re.compile(
    r"\A(?:<\|channel\|>)?analysis(?:<\|message\|>)?.*?(?:<\|start\|>)?assistant(?:<\|channel\|>)?final(?:<\|message\|>)?",
    re.DOTALL,
)


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer). Thinking stands first, or later in blocks on lines of their own; the chat template may have begun
    it. Thinking that never ends leaves no answer. Tags that an answer merely mentions are part of it."""
    answer = _after_blocks(_after_opened(_CHANNELS.sub("", text, count=1)))
    for block in _LATER if _CLOSED.search(answer) else ():
        answer = block.sub(lambda match: match[0] if _fenced(match.string[: match.start()]) else "", answer)
    if answer == text:
        return "", text
    answer = answer.lstrip()
    return text.removesuffix(answer), answer


def _after_opened(text: str) -> str:
    """`text` behind a closing tag that no opening one precedes, and which is not quoted."""
    opening = _OPENING.search(text)
    for closing in _CLOSED.finditer(text, 0, opening.start() if opening else len(text)):
        if not (text[: closing.start()][-1:] in _QUOTES and text[closing.end() :][:1] in _QUOTES):
            return text[closing.end() :]
    return text


def _after_blocks(text: str) -> str:
    """`text` behind the blocks that it begins with."""
    while opening := _OPENING.match(bare := text.lstrip()):
        closing = re.compile(re.escape(_CLOSING[opening[0].lower()]), re.IGNORECASE).search(bare, opening.end())
        if not closing:
            return ""
        text = bare[closing.end() :]
    return text


def _fenced(before: str) -> bool:
    """Whether a code fence is open behind `before`."""
    return len(re.findall(r"^[ \t]*```", before, re.MULTILINE)) % 2 == 1
