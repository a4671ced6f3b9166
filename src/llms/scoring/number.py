"""Numbers as people and models write them, by value: signs, separators, fractions, powers of ten, percent.

Where a notation has two readings, one rule decides, and `Number.other` holds what it could have meant:
a comma before three digits sets thousands apart (`1,234`), a single point, or a comma before another count of digits,
is a decimal point (`1.234`, `1,5`).
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise, takewhile

from .canonical import canonical

DIGITS = 60  # of a quotient or a power
TOLERANCE = Decimal("1e-6")

_BODY = r"""
    (?<!\d)(?<!\d[.,])(?:
        [1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?               # 1,234.5
      | [1-9]\d{0,2}(?:\.\d{3})+,\d+                    # 1.234,5
      | [1-9]\d{0,2}(?:\.\d{3}){2,}                     # 1.234.567
      | [1-9]\d{0,2}(?P<gap>[ '_])\d{3}(?:(?P=gap)\d{3})*(?:[.,]\d+)?  # 1 234,5
      | [1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?             # 1,23,456
      | \d+[.,]\d+                                      # 1.5, 1,5
      | (?<![\w.])\.\d+                                 # .5
    )(?!\d|[.,]\d)
  | (?<!\d)\d+(?!\d)"""
_NUMBER = re.compile(
    rf"""
    (?P<sign>(?<![A-Za-z0-9)\]}}%.])[-+])?              # a range or a hyphen is no sign
    (?:[$€£¥₹]\s?(?P<inner>[-+])?)?
    (?P<body>{_BODY})
    (?:[eE](?P<exponent>[-+]?\d{{1,4}})(?!\d|\.\d))?
    (?:\s*(?:[×x*·]|\\times|\\cdot)\s*10\s*\^\s*(?P<brace>\{{)?(?P<ten>[-+]?\d{{1,4}})(?(brace)\}}))?
    (?:\^\{{?(?P<power>[-+]?\d{{1,3}})\}}?(?!\d))?
    (?P<percent>\s?\\?%)?""",
    re.VERBOSE,
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}")
_LATEX_BLANK = re.compile(r"(?<=\d)(?:\\[,;: ]|~)(?=\d)")
_SLASH = re.compile(r"\s?/\s?")


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a text: its value as written, whether a percent sign follows, and what else it could have meant."""

    value: Decimal
    percent: bool = False
    written: str = ""
    other: Decimal | None = None

    @property
    def share(self) -> Decimal:
        """The value with its percent sign counted."""
        return self.value.scaleb(-2) if self.percent else self.value

    def equals(self, expected: "Number") -> bool:
        """Integers exactly, others to one part in a million. `50%` equals both `0.5` and, as other units do not count, `50`."""
        if _close(self.value, expected.value):
            return True
        if self.percent == expected.percent:
            return False
        return _close(self.share, expected.share)


def numbers(text: str) -> list[Number]:
    """The numbers of a text in order; those that hang on a letter (`H2O`) only if there are no others."""
    text = _spelled(text)
    matches = [match for match in _NUMBER.finditer(text) if not _raised(text, match)]
    free = [match for match in matches if not _hangs(text, match)]
    return _fractions(text, free or matches)


def number(text: str) -> Decimal | None:
    """The value of the last number in a text."""
    values = numbers(text)
    return values[-1].value if values else None


def _spelled(text: str) -> str:
    """LaTeX and foreign separators as plain ones."""
    text = "".join(str(unicodedata.decimal(char, char)) for char in text) if not text.isascii() else text
    text = text.replace("—", " — ").replace("{,}", ",").replace("\\!", "").replace("\u066b", ".").replace("\u066c", ",")
    return canonical(_LATEX_BLANK.sub(" ", _LATEX_FRACTION.sub(r"\1/\2", text)))


def _raised(text: str, match: re.Match[str]) -> bool:
    """Whether it is the exponent or index of what stands before: the 2 of `m^2`."""
    before = text[: match.start()].rstrip("{")
    return before.endswith(("^", "_"))


def _hangs(text: str, match: re.Match[str]) -> bool:
    start = match.start("body")
    return start > 0 and text[start - 1].isalpha() and text[start - 1].isascii()


def _fractions(text: str, matches: list[re.Match[str]]) -> list[Number]:
    """`1/2` and `1 1/2` as one number; of `1/2/2026` each part is its own."""
    result: list[Number] = []
    first = 0
    while first < len(matches):
        chain = [matches[first]]
        between = [text[a.end() : b.start()] for a, b in pairwise(matches[first:])]
        chain += [matches[first + 1 + i] for i, _ in enumerate(takewhile(_SLASH.fullmatch, between))]
        parts = [_value(match) for match in chain]
        if len(parts) == 2 and parts[1].value:
            written = f"{parts[0].written}/{parts[1].written}"
            with localcontext(prec=DIGITS):
                fraction = parts[0].value / parts[1].value
                if _mixed(text, matches, first, result) and 0 < fraction < 1:
                    whole = result.pop()
                    fraction, written = whole.value + fraction.copy_sign(whole.value), f"{whole.written} {written}"
            result.append(Number(fraction, parts[1].percent, written))
        else:
            result += parts
        first += len(chain)
    return result


def _mixed(text: str, matches: list[re.Match[str]], first: int, before: list[Number]) -> bool:
    """Whether a whole number stands a blank before the fraction that begins at `first`."""
    return (
        first > 0
        and text[matches[first - 1].end() : matches[first].start()] == " "
        and before[-1].written.lstrip("+-").isdigit()
    )


def _value(match: re.Match[str]) -> Number:
    body, exponent = match["body"], match["exponent"] or match["ten"] or "0"
    plain, other = _decimal(body)
    negative = "-" in (match["sign"], match["inner"])

    def scaled(digits: str) -> Decimal:
        value = Decimal(f"{digits}e{int(exponent)}")
        if match["power"] and value and exponent == "0" and len(digits) <= 20:
            with localcontext(prec=DIGITS):
                value = value ** int(match["power"])
        return value.copy_negate() if negative else value

    return Number(scaled(plain), bool(match["percent"]), match[0].strip(), scaled(other) if other else None)


def _decimal(body: str) -> tuple[str, str | None]:
    """The digits with a decimal point, and the other reading if there is one."""
    body = re.sub(r"[ '_]", "", body)
    points, commas = body.count("."), body.count(",")
    if points and commas:
        thousands, decimal = (",", ".") if body.rindex(".") > body.rindex(",") else (".", ",")
        return body.replace(thousands, "").replace(decimal, "."), None
    if points > 1 or commas > 1:
        return body.replace(".", "").replace(",", ""), None
    grouped = re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", body) is not None
    if commas:
        as_decimal, as_thousands = body.replace(",", "."), body.replace(",", "")
        return (as_thousands, as_decimal) if grouped else (as_decimal, None)
    return body, body.replace(".", "") if points and grouped else None


def _close(got: Decimal, expected: Decimal) -> bool:
    if got == expected:
        return True
    if got == got.to_integral_value() and expected == expected.to_integral_value():
        return False
    with localcontext(prec=DIGITS):
        return abs(got - expected) <= TOLERANCE * abs(expected)
