"""Formulas of an answer on a terminal: as they were written, since Markdown would eat their backslashes and stars."""

import re

_CODE = r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)|(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)"
_FORMULA = (
    r"\\\((?:(?!\n\n).){1,1000}?\\\)|\\\[(?:(?!\n\n).){1,1000}?\\\]|(?<!\$)\$\$(?!\$)(?:(?!\n\n)[^$]){1,1000}?\$\$(?!\$)"
    r"|(?<![\w$\\])\$(?![\s$])(?:(?!\n\n)[^$`]){1,1000}?(?<![\s:/(,;])\$(?![\d$])"
)
_EITHER = re.compile(rf"{_CODE}|(?P<formula>{_FORMULA})", re.DOTALL | re.MULTILINE)
_SIGNS = re.compile(r"[\\*_`\[\]<>~#|+\-=&]")


def whole(text: str) -> str:
    """`text`, Markdown, in which formulas outside code come out as they are written."""
    return _EITHER.sub(lambda match: _SIGNS.sub(r"\\\g<0>", match[0]) if match["formula"] else match[0], text)
