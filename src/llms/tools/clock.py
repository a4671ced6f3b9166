"""The time in any zone, and arithmetic of dates.

Days, weeks, months and years are counted in the calendar, hours and minutes in elapsed time: a day after 12:00 is 12:00 also
when the clocks change in between, 24 hours later it may not be.
"""

import calendar
import operator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from .tool import ToolError, tool

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _now() -> datetime:
    return datetime.now(UTC)


@tool(kind="pure")
def clock(time_zone: str = "") -> dict[str, object]:
    """Tell the current date, time and weekday.

    Args:
        time_zone: Name of the zone, for example "Europe/Berlin" or "UTC"; the user's own if left out.
    """
    return _fields(_now().astimezone(_zone(time_zone)).replace(microsecond=0))


@tool(kind="pure")
def date_add(
    start: str, years: int = 0, months: int = 0, weeks: int = 0, days: int = 0, hours: int = 0, minutes: int = 0,
    time_zone: str = "",
) -> dict[str, object]:  # fmt: skip
    """Add calendar units to a date or time, or take them away if they are negative.

    Args:
        start: The date or time, for example "2026-03-01", "2026-03-01T18:30" or "today".
        years: How many years to add; 29 February becomes 28 February where there is none.
        months: How many months to add; a day that a month does not have becomes its last.
        weeks: How many weeks to add.
        days: How many days to add.
        hours: How many hours of elapsed time to add.
        minutes: How many minutes of elapsed time to add.
        time_zone: The zone of a time that names none.
    """
    moment = _read(start, time_zone)
    try:
        total = moment.year * 12 + moment.month - 1 + years * 12 + months
        year, month = divmod(total, 12)
        last = calendar.monthrange(year, month + 1)[1]
        moved = moment.replace(year=year, month=month + 1, day=min(moment.day, last)) + timedelta(
            weeks=weeks, days=days
        )
        if hours or minutes:
            moved = _as_time(moved, time_zone)
            moved = (moved.astimezone(UTC) + timedelta(hours=hours, minutes=minutes)).astimezone(moved.tzinfo)
    except (OverflowError, ValueError) as error:
        raise ToolError("out_of_range", "dates go from year 1 to 9999") from error
    answer = _fields(moved)
    if moment.day > last and (years or months):
        answer["note"] = f"the month has {last} days"
    return answer


@tool(kind="pure")
def date_between(start: str, end: str, time_zone: str = "") -> dict[str, object]:
    """Tell how long it is from one date or time to another: days, weeks, months and years, working days.

    Args:
        start: The first date or time, for example "2026-03-01" or "today".
        end: The second one; it may be earlier, then the numbers are negative.
        time_zone: The zone of a time that names none.
    """
    first, second = _read(start, time_zone), _read(end, time_zone)
    answer: dict[str, object] = {}
    if isinstance(first, datetime) or isinstance(second, datetime):
        ends = (_as_time(moment, time_zone).astimezone(UTC) for moment in (second, first))
        answer["seconds"] = int(operator.sub(*ends).total_seconds())
    one, two = _as_date(first), _as_date(second)
    days = (two - one).days
    early, late = min(one, two), max(one, two)
    years, months, rest = _calendar_difference(early, late)
    sign = "-" if days < 0 else ""
    answer |= {
        "days": days,
        "weeks": f"{sign}{abs(days) // 7} weeks and {abs(days) % 7} days",
        "calendar": f"{sign}{years} years, {months} months and {rest} days",
        "working_days": (1 if days >= 0 else -1) * _working_days(early, late),
    }
    return answer


def _zone(name: str) -> tzinfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        wanted = name.strip().replace(" ", "_").lower()
        near = sorted(zone for zone in available_timezones() if wanted and wanted in zone.lower())[:5]
        hint = f"near it: {', '.join(near)}" if near else 'write a zone as in "Europe/Berlin"'
        raise ToolError("unknown_time_zone", f"{name!r:.60} is not a time zone", hint) from None


def _read(text: str, time_zone: str) -> date:
    """A date, or a time with its zone."""
    words = text.strip().lower()
    if words in ("now", "today"):
        now = _now().astimezone(_zone(time_zone))
        return now.replace(microsecond=0) if words == "now" else now.date()
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        pass
    try:
        return _as_time(datetime.fromisoformat(text.strip()), time_zone)
    except (ValueError, OverflowError):
        hint = 'write it as 2026-03-01 or 2026-03-01T18:30, or "today"'
        raise ToolError("unreadable_date", f"{text!r:.60} is not a date that can be read", hint) from None


def _as_time(moment: date, time_zone: str) -> datetime:
    time = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
    if time.tzinfo is not None:
        return time
    zone = _zone(time_zone)
    return time.replace(tzinfo=zone) if zone else time.astimezone()


def _as_date(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _calendar_difference(early: date, late: date) -> tuple[int, int, int]:
    months = (late.year - early.year) * 12 + late.month - early.month - (late.day < early.day)
    year, month = divmod(early.year * 12 + early.month - 1 + months, 12)
    reached = date(year, month + 1, min(early.day, calendar.monthrange(year, month + 1)[1]))
    return months // 12, months % 12, (late - reached).days


def _working_days(early: date, late: date) -> int:
    """Mondays to Fridays from `early`, included, to `late`, excluded."""
    weeks, rest = divmod((late - early).days, 7)
    return weeks * 5 + sum((early.weekday() + day) % 7 < 5 for day in range(rest))


def _fields(moment: date) -> dict[str, object]:
    fields: dict[str, object] = {"date": _as_date(moment).isoformat(), "weekday": WEEKDAYS[moment.weekday()]}
    if isinstance(moment, datetime):
        fields |= {"time": f"{moment:%H:%M:%S}", "utc_offset": moment.isoformat()[-6:], "time_zone": str(moment.tzinfo)}
    return fields
