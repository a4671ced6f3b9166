"""Conversion of units, exact wherever the units are: factors are fractions, the result a decimal of up to 50 digits.

Factors are those of NIST Special Publication 811 (2008), appendix B, and the SI brochure (9th edition) for the astronomical
unit, the electronvolt and prefixes; what follows from a definition (foot 0.3048 m, pound 0.45359237 kg) is derived from it.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from typing import Any

from .arithmetic import CalculatorError, as_decimal, decimal, figures
from .calculator import Calculation, calculate
from .functions import CONSTANTS
from .tool import ToolError, tool

SHOWN_DIGITS = 12
PI = Fraction(as_decimal(CONSTANTS["pi"]))
NO_OFFSET = Fraction(0)


@dataclass(frozen=True, slots=True)
class Unit:
    """value in base units = value · factor + offset. `note` says which of several units of a name this is."""

    dimension: str
    symbol: str
    factor: Fraction
    offset: Fraction = NO_OFFSET
    exact: bool = True
    note: str = ""


def _of(
    dimension: str, *rows: tuple[str, str, str | int] | tuple[str, str, str | int, str]
) -> list[tuple[str, str, Unit]]:
    """Rows of symbol, names, factor (a number or a quotient) and note."""
    units = []
    for symbol, names, factor, *note in rows:
        number, _, divisor = str(factor).partition("/")
        units.append(
            (symbol, names, Unit(dimension, symbol, Fraction(number) / Fraction(divisor or 1), note=(note or [""])[0]))
        )
    return units


GALLON = "0.003785411784"
IMPERIAL = "0.00454609"
US = "of the US; the imperial one is imperial_"
SI = {"m", "g", "s", "K", "L", "l", "b", "B", "J", "eV", "cal", "Wh", "Pa", "bar", "t", "pc"}  # that take prefixes
TABLE = [
    *_of(
        "length", ("m", "metre meter", 1), ("in", "inch inches", "0.0254"), ("ft", "foot feet", "0.3048"),
        ("yd", "yard", "0.9144"), ("mi", "mile statute_mile", "1609.344"), ("nmi", "nautical_mile", 1852),
        ("fathom", "", "1.8288"), ("furlong", "", "201.168"), ("mil", "thou", "0.0000254"), ("Å", "angstrom ångström", "1e-10"),
        ("micron", "", "1e-6"), ("au", "astronomical_unit", 149597870700), ("ly", "light_year lightyear", 9460730472580800),
    ),
    *_of(
        "mass", ("g", "gram gramme", "0.001"), ("t", "tonne", 1000), ("lb", "pound lbs", "0.45359237"),
        ("oz", "ounce", "0.028349523125"), ("st", "stone", "6.35029318"), ("gr", "grain", "0.00006479891"),
        ("ct", "carat", "0.0002"), ("oz_t", "troy_ounce", "0.0311034768"), ("short_ton", "us_ton", "907.18474"),
        ("long_ton", "imperial_ton", "1016.0469088"), ("metric_ton", "", 1000),
    ),
    *_of(
        "time", ("s", "second sec", 1), ("min", "minute", 60), ("h", "hour hr", 3600), ("d", "day", 86400),
        ("week", "wk", 604800), ("fortnight", "", 1209600), ("month", "", 2629746, "a twelfth of a mean Gregorian year"),
        ("year", "yr", 31556952, "the mean Gregorian year of 365.2425 days"), ("decade", "", 315569520, "of mean Gregorian years"),
        ("century", "centuries", 3155695200, "of mean Gregorian years"), ("julian_year", "", 31557600),
    ),
    *_of(
        "area", ("ha", "hectare", 10000), ("a", "are", 100), ("acre", "", "4046.8564224"), ("b_n", "barn", "1e-28"),
    ),
    *_of(
        "volume", ("L", "litre liter", "0.001"), ("l", "", "0.001"), ("gal", "gallon us_gallon", GALLON, US + "gallon"),
        ("qt", "quart us_quart", f"{GALLON}/4", US + "quart"), ("pt", "pint us_pint", f"{GALLON}/8", US + "pint"),
        ("cup", "us_cup", f"{GALLON}/16", "of the US; the metric one is metric_cup"), ("metric_cup", "", "0.00025"),
        ("fl_oz", "fluid_ounce us_fluid_ounce floz", f"{GALLON}/128", US + "fluid_ounce"),
        ("tbsp", "tablespoon", f"{GALLON}/256", "of the US"), ("tsp", "teaspoon", f"{GALLON}/768", "of the US"),
        ("imperial_gallon", "uk_gallon", IMPERIAL), ("imperial_quart", "uk_quart", f"{IMPERIAL}/4"),
        ("imperial_pint", "uk_pint", f"{IMPERIAL}/8"), ("imperial_fluid_ounce", "uk_fluid_ounce", f"{IMPERIAL}/160"),
        ("bbl", "barrel oil_barrel", "0.158987294928", "of petroleum, 42 US gallons"), ("cc", "", "1e-6"),
    ),
    *_of(
        "speed", ("kn", "knot kt", "1852/3600"), ("mph", "", "0.44704"), ("kph", "kmh", "1/3.6"), ("fps", "", "0.3048"),
        ("c", "speed_of_light", 299792458),
    ),
    *_of("data", ("b", "bit", 1), ("B", "byte", 8)),
    *_of(
        "energy", ("J", "joule", 1), ("Wh", "watt_hour watthour", 3600), ("cal", "calorie", "4.184", "the thermochemical calorie"),
        ("Cal", "food_calorie", 4184, "the kilocalorie of nutrition labels"), ("Btu", "btu british_thermal_unit", "1055.05585262",
        "of the International Table"), ("eV", "electronvolt", "1.602176634e-19"), ("erg", "", "1e-7"),
        ("ft_lbf", "foot_pound", "1.3558179483314004"), ("therm", "", "105505585.262"), ("tTNT", "ton_of_tnt", "4.184e9"),
    ),
    *_of(
        "pressure", ("Pa", "pascal", 1), ("bar", "", 100000), ("atm", "atmosphere", 101325), ("Torr", "torr", "101325/760"),
        ("mmHg", "millimetre_of_mercury", "133.322387415"), ("inHg", "inch_of_mercury", "3386.388640341"),
        ("psi", "pound_per_square_inch", "4.4482216152605/0.00064516"), ("at", "technical_atmosphere", "98066.5"),
    ),
    *_of(
        "angle", ("deg", "degree", 1), ("°", "", 1), ("turn", "revolution rev", 360), ("gon", "grad gradian", "0.9"),
        ("arcmin", "arcminute", "1/60"), ("arcsec", "arcsecond", "1/3600"),
    ),
    ("rad", "radian", Unit("angle", "rad", 180 / PI, exact=False)),
    ("pc", "parsec", Unit("length", "pc", 149597870700 * 648000 / PI, exact=False)),
    ("K", "kelvin", Unit("temperature", "K", Fraction(1))),
    ("°C", "celsius degree_celsius C degC", Unit("temperature", "°C", Fraction(1), Fraction("273.15"))),
    ("°F", "fahrenheit degree_fahrenheit F degF", Unit("temperature", "°F", Fraction(5, 9), Fraction("459.67") * 5 / 9)),
    ("°R", "rankine degree_rankine", Unit("temperature", "°R", Fraction(5, 9))),
]  # fmt: skip
PREFIXES = {
    "Q": ("quetta", 30), "R": ("ronna", 27), "Y": ("yotta", 24), "Z": ("zetta", 21), "E": ("exa", 18), "P": ("peta", 15),
    "T": ("tera", 12), "G": ("giga", 9), "M": ("mega", 6), "k": ("kilo", 3), "h": ("hecto", 2), "da": ("deca", 1),
    "d": ("deci", -1), "c": ("centi", -2), "m": ("milli", -3), "µ": ("micro", -6), "u": ("micro", -6), "n": ("nano", -9),
    "p": ("pico", -12), "f": ("femto", -15), "a": ("atto", -18), "z": ("zepto", -21), "y": ("yocto", -24),
}  # fmt: skip
BINARY = {"Ki": "kibi", "Mi": "mebi", "Gi": "gibi", "Ti": "tebi", "Pi": "pebi", "Ei": "exbi"}
AMBIGUOUS = {"ton": "tonne, short_ton (US) or long_ton (UK)", "tons": "tonne, short_ton (US) or long_ton (UK)"}
POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
OF_POWER = {1: "length", 2: "area", 3: "volume"}


@cache
def _units() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """By symbol, where upper and lower case differ, and by name in lower case."""
    symbols: dict[str, Unit] = {}
    names: dict[str, Unit] = {}
    for symbol, words, unit in TABLE:
        symbols[symbol] = unit
        short = [(mark, Fraction(10) ** power) for mark, (_, power) in PREFIXES.items()] if symbol in SI else []
        long = [(mark, Fraction(10) ** power) for mark, power in PREFIXES.values()] if symbol in SI else []
        if unit.dimension == "data":
            short += [(mark, Fraction(1024) ** power) for power, mark in enumerate(BINARY, 1)]
            long += [(mark, Fraction(1024) ** power) for power, mark in enumerate(BINARY.values(), 1)]
        for mark, factor in short:
            symbols.setdefault(mark + symbol, _scaled(unit, mark + symbol, factor))
        marks = {mark: symbol for (mark, _), (symbol, _) in zip(long, short, strict=True)}
        for name in words.split():
            (names if name.islower() else symbols).setdefault(name, unit)
            for mark, factor in long:
                names.setdefault(mark + name, _scaled(unit, marks[mark] + symbol, factor))
        if len(symbol) > 1:
            names.setdefault(symbol.lower(), unit)
    for size, power in (("KB", 3), ("Kb", 3)):
        note = "a thousand; 1024 are written Ki"
        symbols[size] = replace(_scaled(symbols[size[1]], size, Fraction(10) ** power), note=note)
    return symbols, names


def _scaled(unit: Unit, symbol: str, factor: Fraction) -> Unit:
    return replace(unit, symbol=symbol, factor=unit.factor * factor, note="")


def find(text: str) -> Unit:
    """The unit that `text` names: a symbol (km, MB), a name (miles, cubic feet), a power (m2) or a speed (km/h)."""
    written = unicodedata.normalize("NFC", text.strip()).replace("μ", "µ").replace("²", "2").replace("³", "3")
    if written.lower() in AMBIGUOUS:
        raise ToolError("ambiguous_unit", f"{text} can be several units", f"write {AMBIGUOUS[written.lower()]}")
    unit = _named(written) or _power(written) or _speed(written)
    if unit is None:
        symbols, names = _units()
        near = get_close_matches(written, [*symbols, *names], n=3, cutoff=0.6)
        raise ToolError(
            "unknown_unit", f"{text!r:.60} is not a known unit", f"near it: {', '.join(near)}" if near else ""
        )
    return unit


def _named(text: str) -> Unit | None:
    symbols, names = _units()
    if text in symbols:
        return symbols[text]
    name = re.sub(r"[\s_-]+", "_", text.lower())
    for form in (name, name.removesuffix("s"), name.removesuffix("es"), name.replace("degrees_", "degree_")):
        for spelled in (form, form.replace("feet_", "foot_"), re.sub(r"s_(per|of)_", r"_\1_", form)):
            if spelled in names:
                return names[spelled]
    return None


def _power(text: str) -> Unit | None:
    """A length to the second or third power."""
    if written := re.fullmatch(r"(.+?)(?:\^|\*\*)?([23])", text):
        base, power = _named(written[1]), int(written[2])
    else:
        word, _, rest = text.partition(" ")
        base, power = _named(rest), POWERS.get(word.lower().rstrip("."), 0)
    if base is None or not power or base.dimension != "length":
        return None
    return Unit(OF_POWER[power], text, base.factor**power, exact=base.exact)


def _speed(text: str) -> Unit | None:
    over, separator, under = text.partition("/") if "/" in text else text.partition(" per ")
    length, time = _named(over.strip()), _named(under.strip())
    if not separator or length is None or time is None or (length.dimension, time.dimension) != ("length", "time"):
        return None
    return Unit("speed", text, length.factor / time.factor, exact=length.exact, note=time.note)


@tool(kind="pure")
def convert(amount: int | float | str, from_unit: str, to_unit: str) -> dict[str, Any]:
    """Convert an amount from one unit to another, exactly.

    Knows length, mass, time, temperature, area, volume, speed, data, energy, pressure and angle.

    Args:
        amount: The number to convert; as text it may be an expression.
        from_unit: Its unit, for example "km", "pounds", "degF", "sq ft", "km/h", "GiB".
        to_unit: The unit wanted.
    """
    number, exact = _amount(amount)
    source, target = find(from_unit), find(to_unit)
    if source.dimension != target.dimension:
        raise ToolError(
            "incompatible_units",
            f"{from_unit} measures {source.dimension}, {to_unit} measures {target.dimension}",
            "convert between units of one kind",
        )
    base = number * source.factor + source.offset
    if source.dimension == "temperature" and base < 0:
        raise ToolError("below_absolute_zero", f"{amount} {from_unit} is below absolute zero")
    quotient = (base - target.offset) / target.factor
    same = source.factor == target.factor
    try:
        result = decimal(
            "divide",
            quotient.numerator,
            quotient.denominator,
            exact=exact and (same or (source.exact and target.exact)),
        )
    except CalculatorError as refused:
        raise ToolError(refused.kind, refused.message) from None
    value = figures(as_decimal(result)) if result.exact else figures(as_decimal(result), SHOWN_DIGITS)
    notes = [f"{unit.symbol}: {unit.note}" for unit in dict.fromkeys((source, target)) if unit.note]
    fields = {"value": value, "unit": target.symbol, "exact": result.exact, "note": "; ".join(notes)}
    return {key: each for key, each in fields.items() if each != ""}


def _amount(amount: int | float | str) -> tuple[Fraction, bool]:
    result = calculate(str(amount))
    if not isinstance(result, Calculation):
        raise ToolError("bad_amount", f"{result.message} (column {result.column})", result.hint)
    return Fraction(result.value), result.exact
