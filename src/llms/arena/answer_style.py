"""The form of an answer in Markdown, as style control counts it: headers, list items, bold spans."""

import re

from .battle import Style

_CODE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_HEADER = re.compile(r"^ {0,3}#{1,6}[ \t]+\S", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*+]|\d+[.)])[ \t]+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*(?=\S)[^*\n]+(?<=\S)\*\*|(?<!\w)__(?=\S)[^_\n]+(?<=\S)__(?!\w)")


def style_of(text: str, length: int) -> Style:
    """The Style of a text whose `length` was counted elsewhere; blocks of code have no style."""
    prose = _CODE.sub("", text)
    return Style(length, *(len(form.findall(prose)) for form in (_HEADER, _ITEM, _BOLD)))
