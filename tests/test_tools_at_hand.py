"""Tools that need no network: units, dates, files of a folder, questions to a database."""

import os
import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.errors import UsageError
from llms.tools import clock as clocks
from llms.tools.catalogue import find
from llms.tools.clock import clock, date_add, date_between
from llms.tools.tool import ToolError
from llms.tools.units import TABLE, convert
from llms.tools.units import find as unit

CONVERSIONS = [
    ("1", "mi", "km", "1.609344"), ("5", "feet", "inches", "60"), ("1", "acre", "m2", "4046.8564224"), ("1", "sq ft", "m²", "0.09290304"),
    ("1", "cubic feet", "L", "28.316846592"), ("1", "m/s", "km/h", "3.6"), ("60", "miles per hour", "mph", "60"), ("1", "GiB", "MB", "1073.741824"),
    ("1", "MB", "Mb", "8"), ("1", "kWh", "J", "3600000"), ("1", "kcal", "kJ", "4.184"), ("-40", "°F", "°C", "-40"), ("0", "C", "K", "273.15"),
    ("212", "degF", "celsius", "100"), ("1", "lb", "kg", "0.45359237"), ("1", "stone", "lbs", "14"), ("1", "atm", "Pa", "101325"),
    ("760", "torr", "atm", "1"), ("180", "degrees", "turns", "0.5"), ("1", "imperial pint", "mL", "568.26125"), ("0.1", "m", "cm", "10"),
    ("2^10", "B", "KiB", "1"), ("1", "nautical miles", "m", "1852"), ("1", "week", "hours", "168"), ("1", "um", "nm", "1000"),
    ("1", "light years", "km", "9460730472580.8"), ("1", "bar", "kPa", "100"), ("1e30", "nm", "km", "1000000000000000000"),
]  # fmt: skip


@pytest.mark.parametrize(("amount", "source", "target", "value"), CONVERSIONS)
def test_units_convert_exactly(amount, source, target, value):
    found = convert(amount, source, target)
    assert (found["value"], found["exact"]) == (value, True)


def test_inexact_conversions_say_so_and_names_that_mean_several_units_carry_a_note():
    assert convert(5, "km", "miles") == {"value": "3.10685596119", "unit": "mi", "exact": False}
    assert convert(180, "deg", "rad") == {"value": "3.14159265359", "unit": "rad", "exact": False}
    assert "imperial_gallon" in convert(1, "gallon", "L")["note"]
    assert "365.2425" in convert(1, "year", "days")["note"]


@pytest.mark.parametrize(
    ("amount", "source", "target", "kind"),
    [
        (1, "km", "kg", "incompatible_units"),
        (1, "kilometrs", "m", "unknown_unit"),
        (1, "", "m", "unknown_unit"),
        (1, "kg3", "m", "unknown_unit"),
        (1, "m/kg", "m", "unknown_unit"),
        (1, "ton", "kg", "ambiguous_unit"),
        (-1, "K", "°C", "below_absolute_zero"),
        ("five", "m", "cm", "bad_amount"),
        ("1/0", "m", "cm", "bad_amount"),
        (float("nan"), "m", "cm", "bad_amount"),
        ("1e6000", "ly", "nm", "overflow"),
    ],
)
def test_what_cannot_be_converted_has_its_word(amount, source, target, kind):
    with pytest.raises(ToolError) as caught:
        convert(amount, source, target)
    assert caught.value.kind == kind


@given(st.decimals(-(10**9), 10**9, places=4), st.data())
def test_there_and_back_is_the_same(amount, data):
    symbol, _, first = data.draw(st.sampled_from(TABLE))
    other, _, _ = data.draw(st.sampled_from([row for row in TABLE if row[2].dimension == first.dimension]))
    if first.dimension == "temperature":
        amount = abs(amount)
    there = Fraction(amount) * unit(symbol).factor / unit(other).factor
    back = there * unit(other).factor / unit(symbol).factor
    assert back == Fraction(amount)
    if first.offset == 0 and unit(other).offset == 0:
        found = Decimal(convert(str(amount), symbol, other)["value"])
        assert abs(Fraction(found) - there) <= abs(there) * Fraction(1, 10**11)


def test_the_clock_tells_time_in_a_zone(monkeypatch):
    monkeypatch.setattr(clocks, "_now", lambda: datetime(2026, 7, 1, 12, 30, tzinfo=UTC))
    told = {
        "date": "2026-07-01",
        "weekday": "Wednesday",
        "time": "21:30:00",
        "utc_offset": "+09:00",
        "time_zone": "Asia/Tokyo",
    }
    assert clock("Asia/Tokyo") == told
    assert date_between("today", "2026-07-03")["days"] == 2
    for name in ("berlin", "../../etc/passwd", "\0", "x" * 500):
        with pytest.raises(ToolError) as caught:
            clock(name)
        assert caught.value.kind == "unknown_time_zone"
    with pytest.raises(ToolError) as caught:
        clock("berlin")
    assert "Europe/Berlin" in caught.value.hint


def test_days_are_counted_in_the_calendar_and_hours_in_elapsed_time():
    before_the_clocks_change = "2026-03-28T12:00"
    assert date_add(before_the_clocks_change, days=1, time_zone="Europe/Berlin")["time"] == "12:00:00"
    assert date_add(before_the_clocks_change, hours=24, time_zone="Europe/Berlin")["time"] == "13:00:00"
    assert date_between(before_the_clocks_change, "2026-03-29T12:00", "Europe/Berlin")["seconds"] == 23 * 3600


def test_months_have_their_last_days():
    assert date_add("2024-01-31", months=1) == {
        "date": "2024-02-29",
        "weekday": "Thursday",
        "note": "the month has 29 days",
    }
    assert date_add("2024-02-29", years=1)["date"] == "2025-02-28"
    assert date_add("2024-03-15", months=-15)["date"] == "2022-12-15"
    with pytest.raises(ToolError, match="year 1 to 9999"):
        date_add("2024-01-01", years=9000)
    with pytest.raises(ToolError, match="year 1 to 9999"):
        date_add("2024-01-01", days=10**12)
    with pytest.raises(ToolError, match="not a date"):
        date_add("tomorrowish")


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-20_000, 20_000))
def test_dates_add_up(start, days):
    end = start + timedelta(days=days)
    told = date_between(start.isoformat(), end.isoformat())
    assert told["days"] == days
    assert date_add(start.isoformat(), days=days)["date"] == end.isoformat()
    low, high = min(start, end), max(start, end)
    if abs(days) < 60:
        each = [low + timedelta(days=step) for step in range((high - low).days)]
        assert abs(told["working_days"]) == sum(day.weekday() < 5 for day in each)
    years, months, rest = (int(word) for word in told["calendar"].strip("-").replace(",", "").split() if word.isdigit())
    moved = date_add(low.isoformat(), years=years, months=months)["date"]
    assert (date.fromisoformat(moved) + timedelta(days=rest)).isoformat() == high.isoformat()


@pytest.fixture
def folder(tmp_path):
    """A folder of notes, with things in it that lead out of it, and a private file beside it."""
    root = tmp_path / "notes"
    (root / "deep").mkdir(parents=True)
    (root / "a.md").write_text("alpha\nBeta gamma\n" * 3, encoding="utf-8")
    (root / "deep" / "b.txt").write_text("\ufeffbeta", encoding="utf-8")
    (root / "binary.bin").write_bytes(b"beta\0\xff")
    (root / "latin.txt").write_bytes("béta".encode("latin-1"))
    (root / ".env").write_text("KEY=secret", encoding="utf-8")
    (tmp_path / "private.txt").write_text("beta secret", encoding="utf-8")
    (root / "link.txt").symlink_to(tmp_path / "private.txt")
    (root / "out").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    return root


def test_files_are_listed_read_and_searched(folder):
    list_files, read_file, search_files = find(f"files:{folder}")
    assert {tool.kind for tool in (list_files, read_file, search_files)} == {"read"}
    assert list_files() == {"files": {"a.md": 51, "binary.bin": 6, "latin.txt": 4, "deep/b.txt": 7}}
    assert list_files("*.md") == {"files": {"a.md": 51}}
    assert read_file("a.md", 2, 2) == "Beta gamma\nalpha\n"
    assert read_file("./deep/b.txt") == "beta"
    found = search_files("BETA")
    assert found == {
        "hits": [f"a.md:{n}: Beta gamma" for n in (2, 4, 6)] + ["deep/b.txt:1: beta"],
        "files_searched": 4,
        "more": False,
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../private.txt", "outside"), ("deep/../../private.txt", "outside"), ("/etc/passwd", "outside"), ("~/x", "outside"),
        ("", "outside"), ("a\0b", "outside"), ("link.txt", "no_file"), ("out/private.txt", "no_file"), ("pipe", "no_file"),
        ("deep", "no_file"), ("missing", "no_file"), (".env", "hidden"), ("deep/.x", "hidden"), ("binary.bin", "binary"),
        ("latin.txt", "binary"),
    ],
)  # fmt: skip
def test_nothing_outside_hidden_or_binary_is_read(folder, name, kind):
    _, read_file, _ = find(f"files:{folder}")
    with pytest.raises(ToolError) as caught:
        read_file(name)
    assert caught.value.kind == kind


def test_no_descriptor_is_left_open(folder):
    _, read_file, _ = find(f"files:{folder}")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("a.md", "link.txt", "deep", "out/private.txt"):
        try:
            read_file(name)
        except ToolError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before


def test_large_files_and_long_lists_are_bounded(folder):
    list_files, read_file, search_files = find(f"files:{folder}")
    (folder / "large.txt").write_bytes(b"beta\n" * 1_100_000)
    with pytest.raises(ToolError, match="larger than 5,000,000 bytes"):
        read_file("large.txt")
    for number in range(600):
        (folder / f"{number:03}.txt").write_text("beta\n", encoding="utf-8")
    assert len(list_files()["files"]) == 500
    assert list_files()["left_out"] == 105
    assert len(search_files("beta")["hits"]) == 100
    with pytest.raises(UsageError, match="not a directory"):
        find("files:./nowhere")


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (name TEXT, price REAL, picture BLOB)")
        connection.executemany(
            "INSERT INTO item VALUES (?, ?, ?)", [(f"item {n}", n / 2, b"\0" * n) for n in range(300)]
        )
    connection.close()
    return path


def test_a_database_answers_questions(shop):
    tables, query = find(f"sql:{shop}")
    assert tables() == ["CREATE TABLE item (name TEXT, price REAL, picture BLOB)"]
    assert query("SELECT name, price, picture FROM item WHERE price = 1") == {
        "columns": ["name", "price", "picture"],
        "rows": [["item 2", 1.0, "2 bytes"]],
    }
    assert query("WITH big AS (SELECT * FROM item WHERE price > 100) SELECT count(*) FROM big")["rows"] == [[99]]
    everything = query("SELECT * FROM item")
    assert (len(everything["rows"]), everything["more"]) == (200, True)


def test_long_queries_end(shop):
    _, query = find(f"sql:{shop}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llms.tools.sql.SECONDS", 0.1)
        with pytest.raises(ToolError) as caught:
            query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    assert caught.value.kind == "timeout"


def test_a_query_cannot_take_all_memory(shop):
    _, query = find(f"sql:{shop}")
    with pytest.raises(ToolError) as caught:
        query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) "
            "SELECT printf('%.*c', 900000, 'x') || i AS long FROM n ORDER BY long"
        )
    assert caught.value.kind == "timeout"


def test_only_a_database_is_one(tmp_path):
    (tmp_path / "x.db").write_text("no")
    with pytest.raises(UsageError, match="not a SQLite database"):
        find(f"sql:{tmp_path}/x.db")
    with pytest.raises(UsageError, match="cannot be read"):
        find(f"sql:{tmp_path}/missing.db")
    with pytest.raises(UsageError, match="write sql:FILE"):
        find("sql")
