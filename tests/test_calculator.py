"""The calculator: what it accepts, what it refuses and why, and that nothing makes it raise."""

import json
import math
import random
import string
import subprocess
import sys
from dataclasses import asdict
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.tools import arithmetic
from llms.tools.calculator import Calculation, CalculationError, calculate, calculator
from llms.tools.functions import FUNCTIONS

GOOD = {
    "2^10": "1024", "2**10": "1024", "-2**2": "-4", "-7//2": "-4", "-7%3": "2", "7 % -3": "-2", "0.1+0.2": "0.3",
    "15% of 80": "12", "200 + 10%": "200.1", "100 / 50%": "200", "50% of 10% of 80": "4", "(5+5)%": "0.1", "50%*20": "10",
    "1,234+1": "1235", "1,234,567.5": "1234567.5", "max(1, 234)": "234", "max(1.234,5)": "5", "max(1,23)": "23", "15%of80": "12", "15 % of80": "12",
    "sind(30)": "0.5", "cosd(60)": "0.5", "tand(45)": "1", "cosd(0.5)": "0.9999619230641713", "6/2": "3", "1/4": "0.25",
    "10 ÷ 4 × 2 − 1": "4", "５＋３": "8", "٣+٤": "7", "5²": "25", "2⁻¹": "0.5", "3·4": "12", "π": "3.1415926535897932384626433832795028841971693993751",
    "factorial(5)": "120", "factorial(6/2)": "6", "factorial(3.0)": "6", "comb(5,2)": "10", "comb(2,5)": "0", "perm(5,2)": "20",
    "comb(10^50,2)": str(math.comb(10**50, 2)), "gcd(12,18)": "6", "lcm(4,6,10)": "60", "hypot(3,4)": "5", "sqrt(144)": "12",
    "sqrt(6.25)": "2.5", "4^0.5": "2", "cbrt(27)": "3", "cbrt(-8)": "-2", "log(125,5)": "3", "log2(8)": "3", "log10(1000)": "3",
    "ln(1)": "0", "exp(0)": "1", "round(2.5)": "3", "round(-2.5)": "-3", "round(2.675,2)": "2.68", "round(1234,-2)": "1200",
    "floor(-2.5)": "-3", "ceil(-2.5)": "-2", "abs(-3)": "3", "mod(-7,3)": "2", "-7.5//2": "-4", "-7.5%2": "0.5", "1e100%7": "4",
    "min([3,1,2])": "1", "min(3,1,2)": "1", "sum([1,2,3])": "6", "mean(1,2)": "1.5", "median(3,1,2)": "2", "median([4,1,2,3])": "2.5",
    "stdev([1,2,3])": "1", "2^3^2": "512", "1e3": "1000", "1.5e-3": "0.0015", "0xff": "255", "1_000": "1000", "007": "7", "-0.0": "0",
    "0^0": "1", "0.0^0": "1", "1^99999999999999999999999": "1", "(-1)^(10^30+1)": "-1", "(-2)^3.0": "-8", "2 +\n 3": "5",
}  # fmt: skip

BAD = {
    "": "syntax", "2 +": "syntax", "2pi": "syntax", "2(3)": "syntax", "3 x 4": "syntax", "7 of 3": "syntax", "2+2=4": "syntax",
    "%5": "syntax", "2;3": "syntax", "1__0": "syntax", "\x00": "syntax", "2\u200b": "syntax", "((1)": "syntax", "1 \\ 2": "syntax",
    "().__class__": "not_allowed", "x if y else z": "not_allowed", "1 < 2": "not_allowed", "lambda: 1": "not_allowed",
    "[1,2]": "not_allowed", "(1, 2)": "not_allowed", "max([1,2],3)": "not_allowed", "sum([1,[2]])": "not_allowed",
    "[x for x in y]": "not_allowed", "x = 3": "not_allowed", "(a:=3)": "not_allowed", "import os": "not_allowed",
    "round(2, ndigits=1)": "not_allowed", "max(*[1,2])": "not_allowed", "f'{1}'": "not_allowed", "'a'": "not_allowed",
    "b'a'": "not_allowed", "True": "not_allowed", "1j": "not_allowed", "...": "not_allowed", "{1}": "not_allowed",
    "pi[0]": "not_allowed", "pi.real": "not_allowed", "1 and 2": "not_allowed", "not 1": "not_allowed", "~1": "not_allowed",
    "1 << 2": "not_allowed", "1 @ 2": "not_allowed", "2 # x": "not_allowed", "(lambda: 1)()": "not_allowed", "1if 2 else 3": "not_allowed",
    "5 .percent": "not_allowed", "pi.percent": "not_allowed",
    "sqr(4)": "unknown_name", "x": "unknown_name", "Sqrt(4)": "unknown_name", "é": "unknown_name",
    "__import__(2)": "unknown_name", "sqrt()": "bad_arguments", "log(1,2,3)": "bad_arguments", "sqrt": "bad_arguments",
    "pi(3)": "bad_arguments", "min([])": "bad_arguments", "sum()": "bad_arguments", "round(1, 7000)": "bad_arguments",
    "1" * 501: "too_long", "ﷺ" * 30: "too_long", "(" * 51 + "1" + ")" * 51: "too_deep", "-" * 50 + "1": "too_deep",
    "2^" * 60 + "1": "too_deep", "+".join("1" * 200): "too_many_nodes",
    "9**9**9": "too_large", "2**13288": "too_large", "2**-13288": "too_large", "10^4000": "too_large", "factorial(1464)": "too_large",
    "factorial(10^30)": "too_large", "2^(10^30)": "too_large", "comb(10^30, 10^29)": "too_large", "perm(5000,5000)": "too_large",
    "10^2000*10^2000": "too_large", "1e5000//1": "too_large", "floor(1e5000)": "too_large", "9*10^3999+9*10^3999": "too_large",
    "1/0": "division_by_zero", "0**-1": "division_by_zero", "5 % 0": "division_by_zero", "1//0.0": "division_by_zero",
    "sin(1)/0": "division_by_zero", "mod(1,0)": "division_by_zero", "mean(1)/sum(0)": "division_by_zero",
    "sqrt(-1)": "domain", "log(0)": "domain", "(-8)**(1/3)": "domain", "factorial(2.5)": "domain", "factorial(-1)": "domain",
    "asin(2)": "domain", "log(2,1)": "domain", "tand(90)": "domain", "stdev(1)": "domain", "gcd(1.5,2)": "domain", "comb(-1,2)": "domain",
    "exp(10000)": "overflow", "1e7000": "overflow", "1e-7000": "overflow", "1e99999999999999999999": "overflow",
    "1e6000*10": "overflow", "sin(10^400)": "overflow", "1.5^1000000": "overflow", "0.5^1000000": "overflow",
    "1.234,5": "ambiguous_number", "1,23": "ambiguous_number", "0,123": "ambiguous_number", "1.2.3": "ambiguous_number",
    "max(1,000, 2)": "ambiguous_number", "max(1,234)": "ambiguous_number", "sum([1,000,000, 2])": "ambiguous_number",
    "round((1,234.5), 1)": "ambiguous_number", "max(1.000.000, 2)": "ambiguous_number", "1'000": "ambiguous_number",
    "½": "ambiguous_number", "5₂": "ambiguous_number", "①": "ambiguous_number", "50% + 20": "ambiguous_number",
    "5 km": "units_not_supported", "5 km + 300 m": "units_not_supported", "$5": "units_not_supported", "90°": "units_not_supported",
    "(5+3) kg": "units_not_supported", "5%km": "unknown_name",
}  # fmt: skip


@pytest.mark.parametrize(("expression", "value"), GOOD.items(), ids=repr)
def test_a_value_is_computed(expression, value):
    found = calculate(expression)
    assert isinstance(found, Calculation), found
    assert found.value == value


@pytest.mark.parametrize(("expression", "kind"), BAD.items(), ids=lambda text: repr(text)[:40])
def test_an_error_has_its_kind(expression, kind):
    found = calculate(expression)
    assert isinstance(found, CalculationError), found
    assert found.kind == kind
    assert found.message
    assert 1 <= found.column <= len(expression) + 1


@pytest.mark.parametrize(
    ("expression", "column", "hint"),
    [
        ("1 + sqr(4)", 5, "sqrt"),
        ("5 km + 300 m", 3, "convert"),
        ("1 + 2 km", 7, "convert"),
        ("3 + 1.234,5", 5, "decimal point"),
        ("2 * (1/0)", 6, ""),
        ("½ + 1", 1, "1/2"),
        ("5² + x", 6, ""),
        ("2 +", 4, ""),
        ("2+2=", 4, "="),
        ("(-8)**(1/3)", 1, "cbrt"),
        ("１２ + foo", 6, ""),
        ("max(1,000, 2)", 5, "write 1000, or 1, 000"),
        ("max(1.000,5; 2)", 12, "separate arguments by a comma and a space"),
        ("10 mod 3", 4, "write mod(7, 3) or 7 % 3"),
        ("10 MOD 3", 4, "write mod(7, 3) or 7 % 3"),
        ("sin 30 degrees", 1, "write sind(30) for degrees, sin(30) for radians"),
        ("sin 30°", 1, "write sind(30)"),
        ("sin(30 degrees)", 8, "sind"),
        ("sqrt 2", 1, "write sqrt(2)"),
        ("ln pi", 1, "write ln(pi)"),
        ("5!", 2, "factorial(5)"),
        ("10 rem 3", 4, "mod(7, 3)"),
        ("7 div 2", 3, "write /"),
        ("√2", 1, "sqrt(2)"),
        ("∛8", 1, "cbrt(8)"),
        ("|-5|", 1, "abs(-5)"),
        ("pow(2, 3)", 1, "write 2^3"),
        ("average(1, 2)", 1, "mean"),
        ("avg(1, 2)", 1, "mean"),
        ("arcsin(1)", 1, "asin"),
        ("3 times 4", 3, "write *"),
        ("2x3", 2, "write *"),
        ("2 to the power of 3", 3, "write ^"),
        ("5 squared", 3, "^2"),
        ("5 choose 2", 3, "comb(5, 2)"),
    ],
)
def test_an_error_says_where_and_what_to_do(expression, column, hint):
    found = calculate(expression)
    assert isinstance(found, CalculationError)
    assert found.column == column
    assert hint in found.hint


def test_what_is_too_large_is_estimated():
    assert "369,693,100 digits" in calculate("9**9**9").message
    assert "4,001 digits" in calculate("factorial(1464)").message


def test_the_largest_integers_have_four_thousand_digits():
    assert len(calculate("7**4733").value) == 4000
    assert len(calculate("2**13287").value) == 4000
    assert len(calculate("factorial(1463)").value) == 3998
    assert len(calculate("comb(10000,5000)").value) == 3009
    assert calculate("comb(10000,5000)").value == str(math.comb(10000, 5000))


@pytest.mark.parametrize(
    ("expression", "kind", "exact"),
    [
        ("2+2", "int", True),
        ("6/2", "int", True),
        ("0.1+0.2", "decimal", True),
        ("1/3", "decimal", False),
        ("1/3*3", "decimal", False),
        ("pi", "decimal", False),
        ("sin(1)", "float", False),
        ("sind(30)", "decimal", True),
        ("sqrt(2)", "decimal", False),
        ("sqrt(16)", "int", True),
        ("floor(pi)", "int", False),
        ("10^60 + 0.5", "decimal", False),
    ],
)
def test_kind_and_exactness_are_told(expression, kind, exact):
    found = calculate(expression)
    assert (found.kind, found.exact) == (kind, exact)


def test_the_result_shows_twelve_digits_what_was_understood_and_the_unit_of_angles():
    found = calculate("15% of 1,000/3")
    assert (found.display, found.normalised, found.angle_unit) == ("50", "15 / 100 * 1000 / 3", None)
    assert calculate("2/3").display == "0.666666666667"
    assert calculate("2^64").display == "1.84467440737e+19"
    assert calculate("sin(pi)").display == "1.22464679915e-16"
    assert calculate("asin(1)").angle_unit == "radian"
    assert calculate("sind(30)").angle_unit == "degree"


def test_constants_have_fifty_digits():
    assert Decimal(calculate("e").value) == Context(prec=50).exp(Decimal(1))
    assert calculate("tau").value == calculate("2*pi").value
    assert calculate("pi").value[:17] == repr(math.pi)


def test_the_tool_gives_plain_data():
    assert calculator("2+2") == {"value": "4", "kind": "int", "exact": True, "display": "4", "normalised": "2 + 2"}
    error = calculator("1/0")["error"]
    assert error == {"kind": "division_by_zero", "message": "division by zero", "column": 1}


@settings(max_examples=300)
@given(st.integers(-(10**40), 10**40), st.integers(-(10**20), 10**20), st.sampled_from(["+", "-", "*", "//", "%", "/"]))
def test_integers_agree_with_python(a, b, operator):
    found = calculate(f"({a}) {operator} ({b})")
    if operator in ("//", "%", "/") and b == 0:
        assert found.kind == "division_by_zero"
        return
    true = {"+": a + b, "-": a - b, "*": a * b, "//": b and a // b, "%": b and a % b, "/": b and Fraction(a, b)}[
        operator
    ]
    if found.exact:
        assert Fraction(found.value) == true
    else:
        assert abs(Fraction(found.value) - true) <= abs(true) * Fraction(1, 10**49)


@settings(max_examples=300)
@given(st.decimals(-1000, 1000, places=6), st.decimals(-1000, 1000, places=3).filter(bool))
def test_decimals_divide_with_a_remainder_of_the_divisors_sign(a, b):
    quotient, remainder = calculate(f"({a:f}) // ({b:f})"), calculate(f"({a:f}) % ({b:f})")
    assert Fraction(quotient.value) == Fraction(a) // Fraction(b)
    assert Fraction(remainder.value) == Fraction(a) % Fraction(b)


PIECES = [
    *FUNCTIONS, *"0123456789", "pi", "e", "(", ")", "[", "]", ",", "+", "-", "*", "/", "//", "%", "**", "^", " of ", ".", " ", "=",
    "1,234", "2.5", "1e6000", "1e-6000", "7**4733", "km", "½", "²", "×", "if", "lambda", "'", "__", "\n", "\x00", "٣", "ﷺ", "🙂",
    "\ud800", "9**9**9", ":", "1e99", "10^3999",
]  # fmt: skip


def well_formed(expression):
    found = calculate(expression)
    if isinstance(found, CalculationError):
        assert found.message
        assert 1 <= found.column <= len(expression) + 1
        return found
    assert "n" not in found.value.lower().replace("e", "")  # neither inf nor nan
    assert len(found.value) <= arithmetic.MOST_DIGITS + 1
    assert Decimal(found.value).is_finite()
    return found


@settings(max_examples=500)
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_whatever_is_written_gives_a_value_or_an_error(expression):
    found = well_formed(expression)
    if isinstance(found, Calculation) and len(found.normalised) <= 500:
        again = calculate(found.normalised)
        assert (again.value, again.kind) == (found.value, found.kind)


def grown(chance: random.Random, depth: int) -> str:
    """A random expression that is mostly well formed, so that most of it is computed."""
    kind = chance.random()
    if depth == 0 or kind < 0.2:
        return chance.choice(
            ["0", "1", "2", "7", "-3", "0.5", "2.75", "1e6000", "1e-6000", "1e300", "10^3999", "40", "pi", "90%"]
        )
    if kind < 0.6:
        operator = chance.choice(["+", "-", "*", "/", "//", " % ", "^", "**"])
        return f"({grown(chance, depth - 1)}){operator}({grown(chance, depth - 1)})"
    name = chance.choice(list(FUNCTIONS))
    count = min(FUNCTIONS[name].most, chance.choice([1, 2, 3]))
    return f"{name}({','.join(grown(chance, depth - 1) for _ in range(count))})"


def test_ten_thousand_random_strings_never_raise():
    chance, computed = random.Random(7), 0
    alphabet = string.printable + "×÷−²½πﷺ\u202e"
    for number in range(10_000):
        if number % 2:
            expression = grown(chance, 3)
        else:
            pieces = PIECES if number % 4 else alphabet
            expression = "".join(chance.choice(pieces) for _ in range(chance.randint(0, 30)))
        computed += isinstance(well_formed(expression), Calculation)
    assert computed > 1000


def calc(*arguments):
    return subprocess.run([sys.executable, "-m", "llms", "calc", *arguments], capture_output=True, text=True)


def test_the_command_prints_the_value_or_one_line():
    assert (calc("15% of 80").stdout, calc("-2^2").stdout) == ("12\n", "-4\n")
    assert json.loads(calc("1/8", "--json").stdout) == asdict(calculate("1/8"))
    failed = calc("5 km")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        "llms: the calculator knows no units (km) (column 3); leave the unit out, or convert with the tool `convert`\n"
    )
    failed = calc("1/0", "--json")
    assert (failed.returncode, json.loads(failed.stdout)["error"]["kind"]) == (1, "division_by_zero")
