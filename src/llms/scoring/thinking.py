"""Reasoning models think before they answer; what is graded is the answer."""

import re

_TAGS = "think|thinking|thought|reasoning|reflection"
_CLOSED = re.compile(rf"<({_TAGS})>.*?</\1>", re.DOTALL)
_OPENED_BEFORE = re.compile(rf"\A.*?</(?:{_TAGS})>", re.DOTALL)  # by the chat template
_NEVER_CLOSED = re.compile(rf"<(?:{_TAGS})>.*\Z", re.DOTALL)
# gpt-oss: channels, with their special tokens or, once those are left out, only the words between them
_CHANNELS = re.compile(
    r"\A(?:<\|channel\|>)?analysis(?:<\|message\|>)?.*?(?:<\|start\|>)?assistant(?:<\|channel\|>)?final(?:<\|message\|>)?",
    re.DOTALL,
)


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer). Thinking that never ends leaves no answer."""
    answer = _CHANNELS.sub("", text, count=1)
    answer = _CLOSED.sub("", answer)
    answer = _OPENED_BEFORE.sub("", answer)
    answer = _NEVER_CLOSED.sub("", answer)
    if answer == text:
        return "", text
    answer = answer.lstrip()
    return text.removesuffix(answer), answer
