"""Word problems from wordings: `{N} has {a} {T} and {b:s} more.` with `a+b` becomes a text with numbers and an expression.

`{a}` to `{d}` are numbers of the expression, `{x}` one beside the point; behind the colon is their kind (`KINDS`). `{N}`, `{M}`,
`{O}` are names, `{T}` and `{U}` things, `{T1}` one thing, `{P}` a city. `[this|that]` is either of the two.
"""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random

from ....errors import DataError
from ....values import JsonObject

FOLDER = Path(__file__).parent
NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jamal", "Kim", "Luis", "Maria", "Noah", "Olga",
    "Paul", "Rosa", "Sam", "Tina", "Uma", "Victor", "Wei", "Yusuf", "Zoe", "Aisha", "Bruno", "Chen", "Dana", "Eric", "Fatima",
    "Mr. Brown", "Mrs. Lee", "Tom", "Sarah", "John", "Lisa", "the farmer", "my sister", "our neighbour", "Peter",
)  # fmt: skip
THINGS = (
    ("apple", "apples"), ("book", "books"), ("pencil", "pencils"), ("marble", "marbles"), ("ticket", "tickets"), ("egg", "eggs"),
    ("stamp", "stamps"), ("flower", "flowers"), ("cookie", "cookies"), ("chair", "chairs"), ("card", "cards"), ("pen", "pens"),
    ("orange", "oranges"), ("balloon", "balloons"), ("candle", "candles"), ("cup", "cups"), ("shell", "shells"), ("toy", "toys"),
    ("bottle", "bottles"), ("lamp", "lamps"), ("coin", "coins"), ("sticker", "stickers"), ("plant", "plants"), ("key", "keys"),
    ("sandwich", "sandwiches"), ("notebook", "notebooks"), ("photo", "photos"), ("button", "buttons"), ("nail", "nails"),
    ("melon", "melons"), ("brush", "brushes"), ("lemon", "lemons"), ("magnet", "magnets"), ("towel", "towels"),
)  # fmt: skip
PLACES = ("Paris", "Oslo", "Lima", "Boston", "Cairo", "Delhi", "Rome", "Kyoto", "Leeds", "Accra")
WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
HOLE = re.compile(r"\{([A-Za-z]1?)(?::(\w+))?\}")
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SENTENCE = re.compile(r"(?<=[a-z][.?!] )[a-z]|^(?:the|my|our) (?:farmer|sister|neighbour)")
LETTER = re.compile(r"\b[abcd]\b")
DRAWS = 60  # of numbers, until they suit
EVEN = 25  # so many of them want an integer
GRAM = 3  # words of those that are compared
DIGITS = 4  # behind the point, of a value that is none

Compute = Callable[[str], JsonObject]  # the calculator: expression in, its result out


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to ask for a value of the shape `shape`."""

    id: str
    shape: str
    template: str
    expression: str


@dataclass(frozen=True, slots=True)
class WordProblem:
    """A wording with numbers: what is asked, and the expression whose value is the answer."""

    wording: str
    shape: str
    text: str
    expression: str


def read_wordings(name: str) -> list[Wording]:
    """The wordings of one of the files beside this one. Raises DataError."""
    path = FOLDER / f"{name}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    try:
        return [Wording(row["id"], row["shape"], row["template"], row["expression"]) for row in rows]
    except KeyError as missing:
        raise DataError(f"{path}: no column {missing}; expected id, shape, template, expression") from missing


def pose(wording: Wording, draw: Random, compute: Compute) -> WordProblem:
    """A problem of this wording with numbers whose value is positive, and mostly an integer. Raises DataError."""
    template = _chosen(wording.template, draw)
    fallback = None
    for attempt in range(DRAWS):
        text, written = _filled(template, draw)
        expression = _with_numbers(wording.expression, written)
        result = compute(expression)
        if "error" in result:
            raise DataError(f"{wording.id}: the calculator refuses {expression!r}: {result['error']}")
        value = Decimal(str(result["value"]))
        if value <= 0 or len(set(written.values())) < len(written):
            continue
        places = max(0, -int(value.as_tuple().exponent))
        fallback = WordProblem(wording.id, wording.shape, text, expression)
        if places == 0 or (attempt >= EVEN and places <= DIGITS):
            break
    if fallback is None:
        raise DataError(f"{wording.id}: no numbers give it a positive value in {DRAWS} draws")
    return fallback


def _with_numbers(expression: str, written: dict[str, str]) -> str:
    return LETTER.sub(lambda hole: written[hole[0]], expression)


def _chosen(template: str, draw: Random) -> str:
    while choice := CHOICE.search(template):
        template = template[: choice.start()] + draw.choice(choice[1].split("|")) + template[choice.end() :]
    return template


def _filled(template: str, draw: Random) -> tuple[str, dict[str, str]]:
    """(text, how each number of the expression is written in it)."""
    names = draw.sample(NAMES, 3)
    things = draw.sample(THINGS, 2)
    words = {
        "N": names[0], "M": names[1], "O": names[2], "P": draw.choice(PLACES),
        "T": things[0][1], "T1": things[0][0], "U": things[1][1],
    }  # fmt: skip
    written: dict[str, str] = {}
    shown: dict[str, str] = {}

    def fill(hole: re.Match[str]) -> str:
        name, kind = hole[1], hole[2] or "i"
        if name in words:
            return words[name]
        if name not in shown:
            shown[name], plain = KINDS[kind](draw)
            if name != "x":
                written[name] = plain
        return shown[name]

    text = HOLE.sub(fill, template)
    return SENTENCE.sub(lambda start: start[0][:1].upper() + start[0][1:], text), written


Written = tuple[str, str]  # in the text, in the expression


def _whole(low: int, high: int) -> Callable[[Random], Written]:
    def number(draw: Random) -> Written:
        value = draw.randint(low, high)
        return (f"{value:,}" if value >= 1000 and draw.random() < 0.6 else str(value)), str(value)

    return number


def _any(draw: Random) -> Written:
    low, high = draw.choices(((2, 20), (10, 99), (100, 999), (1000, 9999)), (25, 45, 22, 8))[0]
    return _whole(low, high)(draw)


def _large(draw: Random) -> Written:
    low, high, step = draw.choice(((10, 99, 100), (1, 99, 1000), (1000, 99999, 1)))
    value = draw.randint(low, high) * step
    return (f"{value:,}" if draw.random() < 0.6 else str(value)), str(value)


def _money(low: int, high: int) -> Callable[[Random], Written]:
    def amount(draw: Random) -> Written:
        cents = draw.choice((0, 25, 50, 75, 90, 95, 99, *(draw.randint(1, 99) for _ in range(5))))
        text = f"{draw.randint(low, high)}.{cents:02d}"
        return text, text

    return amount


def _decimal(draw: Random) -> Written:
    text = f"{draw.randint(1, 60)}.{draw.choice((5, draw.randint(1, 9), draw.randint(1, 9), 25, 75))}"
    return text, text


def _percent(draw: Random) -> Written:
    value = draw.choice((5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, *(draw.randint(2, 95) for _ in range(8))))
    text = "7.5" if draw.random() < 0.03 else str(value)
    return text, text


def _word(draw: Random) -> Written:
    value = draw.randint(2, 12)
    return WORDS[value - 2], str(value)


def _year(low: int, high: int) -> Callable[[Random], Written]:
    def year(draw: Random) -> Written:
        text = str(draw.randint(low, high))
        return text, text

    return year


def _square(draw: Random) -> Written:
    text = str(draw.randint(2, 40) ** 2)
    return text, text


def _note(draw: Random) -> Written:
    text = draw.choice(("10", "20", "50", "100", "200"))
    return text, text


def _rate(draw: Random) -> Written:
    text = f"{draw.randint(80, 140) / 100:.2f}"
    return text, text


KINDS: dict[str, Callable[[Random], Written]] = {
    "i": _any,
    "s": _whole(2, 12),  # small
    "s5": _whole(2, 5),
    "t": _whole(11, 99),  # tens
    "h": _whole(100, 999),
    "k": _large,
    "m": _money(1, 60),
    "m3": _money(60, 900),
    "d": _decimal,
    "p": _percent,
    "w": _word,
    "y": _year(1900, 2005),
    "yy": _year(2006, 2040),
    "q": _square,
    "note": _note,
    "rate": _rate,
}


def near(one: str, others: Sequence[str]) -> float:
    """The largest share of common n-grams of words (Jaccard) of a template with any of `others`; all holes are one word.

    Of a template with choices every reading counts.
    """
    theirs = [grams for text in others for grams in _grams(text)]
    return max((len(own & other) / len(own | other) for own in _grams(one) for other in theirs), default=0.0)


def readings(template: str) -> list[str]:
    """The template with every combination of its choices."""
    choice = CHOICE.search(template)
    if choice is None:
        return [template]
    before, after = template[: choice.start()], template[choice.end() :]
    return [reading for one in choice[1].split("|") for reading in readings(before + one + after)]


@cache
def _grams(template: str) -> tuple[frozenset[tuple[str, ...]], ...]:
    """Of each reading the n-grams of words and signs; of a short one all of it."""
    words = [re.findall(r"[\w%]+|#|[-+*/÷=^]", HOLE.sub(" # ", text).lower()) for text in readings(template)]
    return tuple(
        frozenset(tuple(one[start : start + GRAM]) for start in range(max(1, len(one) - GRAM + 1))) for one in words
    )
