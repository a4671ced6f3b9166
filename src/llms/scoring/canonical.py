"""One spelling for texts that say the same: what Unicode, keyboards and typography write in several ways.

Signs that carry meaning stay: minus, decimal point, operators, superscripts, accents.
"""

import re
import unicodedata

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»″〝〞「」『』｢｣", '"') | dict.fromkeys("‘’‚‛‹›′ʼ＇", "'") | {"＂": '"'})
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹣－", "-"))
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")  # NFKC would make 10² the number 102
_FRACTION = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")  # and 1½ the fraction 11/2
_APART = re.compile(r"(?<!\w)'|'(?!\w)")  # a quotation mark, not an apostrophe
_PAIRS = (("**", "**"), ("`", "`"), ('"', '"'), ("'", "'"))


def canonical(text: str) -> str:
    """NFKC with one sort of blank, quotation mark and dash; outer blanks go, line breaks become blanks.

    Superscripts become `^2`, `½` becomes `1/2`. Case stays.
    """
    text = _RAISED.sub(lambda run: "^" + unicodedata.normalize("NFKC", run[0]), _UNSEEN.sub("", text))
    text = _FRACTION.sub(" ", text).translate(_QUOTES)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/").translate(_DASHES)
    return " ".join(text.split())


def folded(text: str) -> str:
    """Canonical without case: `STRASSE` equals `straße`."""
    return unicodedata.normalize("NFKC", canonical(text).casefold())


def bare(text: str) -> str:
    """Without what only encloses a whole text: quotation marks, `**`, backticks, and a final full stop."""
    while True:
        inner = _unwrapped(text).strip()
        if inner.endswith((".", "。")) and not inner.endswith("..") and len(inner) > 1:
            inner = inner[:-1].rstrip()
        if inner == text:
            return text
        text = inner


def _unwrapped(text: str) -> str:
    for opening, closing in _PAIRS:
        inner = text[len(opening) : -len(closing)]
        if inner.strip() and text.startswith(opening) and text.endswith(closing):
            closed_before = _APART.search(inner) if opening == "'" else opening in inner
            if not closed_before:
                return inner
    return text
