"""Days as people say them, as dates: counted from the day on which they were said. English and German."""

import re
from datetime import date, timedelta

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january januar", "february februar", "march märz", "april", "may mai", "june juni", "july juli", "august",
         "september", "october oktober", "november", "december dezember"), 1,
    )
    for name in names.split()
}  # fmt: skip
_DAYS = {
    name: number
    for number, names in enumerate(
        ("monday montag", "tuesday dienstag", "wednesday mittwoch", "thursday donnerstag", "friday freitag",
         "saturday samstag sonnabend", "sunday sonntag")
    )
    for name in names.split()
}  # fmt: skip
_NEAR = {"today": 0, "tonight": 0, "heute": 0, "tomorrow": 1, "morgen": 1, "overmorrow": 2, "übermorgen": 2}
_NUMBERS = {
    name: number
    for number, names in enumerate(
        ("a an one ein eine einem einer", "two zwei", "three drei", "four vier", "five fünf", "six sechs", "seven sieben",
         "eight acht", "nine neun", "ten zehn"), 1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(_MONTHS)
_IN = re.compile(rf"\bin (\d{{1,3}}|{'|'.join(_NUMBERS)}) (day|tag|week|woche)\w*")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.(?:\s?(\d{4}))?")
_NAMED = (
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?(?: of)? (?P<month>{_MONTH})(?:,? (?P<year>\d{{4}}))?\b"),
    re.compile(rf"\b(?P<month>{_MONTH}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>\d{{4}}))?\b"),
)


def day_of(words: str, since: date) -> date | None:
    """The day that `words` mean when they are said on the day `since`; None where they name none that is sure ("soon", "next month").

    A weekday is the next one after `since`; with "next week" it is that of the week after. A day without a year is the
    next such day.
    """
    text = " ".join(words.lower().split())
    if iso := _ISO.search(text):
        return _date(int(iso[1]), int(iso[2]), int(iso[3]))
    for pattern in _NAMED:
        if named := pattern.search(text):
            return _coming(since, _MONTHS[named["month"]], int(named["day"]), named["year"])
    if dotted := _DOTTED.search(text):
        return _coming(since, int(dotted[2]), int(dotted[1]), dotted[3])
    if ahead := _IN.search(text):
        count = int(ahead[1]) if ahead[1].isdecimal() else _NUMBERS[ahead[1]]
        return since + timedelta(days=count * (7 if ahead[2] in ("week", "woche") else 1))
    later = re.search(r"\b(next week|nächste(?:r|n)? woche)\b", text)
    for name, number in _DAYS.items():
        if re.search(rf"\b{name}s?\b", text):
            if later:
                return since + timedelta(days=7 - since.weekday() + number)
            return since + timedelta(days=(number - since.weekday() - 1) % 7 + 1)
    return next((since + timedelta(days=days) for name, days in _NEAR.items() if re.search(rf"\b{name}\b", text)), None)


def _coming(since: date, month: int, day: int, year: str | None) -> date | None:
    if year:
        return _date(int(year), month, day)
    coming = _date(since.year, month, day)
    return coming if coming is None or coming >= since else _date(since.year + 1, month, day)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
