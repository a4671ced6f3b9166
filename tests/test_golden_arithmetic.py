"""The calculator against exact fractions and sixty digits of mpmath (golden/make.py)."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from llms.tools.calculator import Calculation, CalculationError, calculate
from llms.tools.functions import FUNCTIONS

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("arithmetic.json").read_text())


def value(expression: str) -> Calculation:
    found = calculate(expression)
    assert isinstance(found, Calculation), found
    return found


@pytest.mark.parametrize(("x", "y", "quotient", "rest"), GOLDEN["modulo"])
def test_decimals_are_divided_with_exact_remainders(x, y, quotient, rest):
    assert Fraction(value(f"({x}) // ({y})").value) == Fraction(quotient)
    assert Fraction(value(f"({x}) % ({y})").value) == Fraction(rest)
    assert value(f"({x}) % ({y})").exact


@pytest.mark.parametrize(("x", "places", "expected"), GOLDEN["round"])
def test_halves_are_rounded_away_from_zero_at_any_place(x, places, expected):
    assert Fraction(value(f"round({x}, {places})").value) == Fraction(expected)
    if places == 0:
        assert Fraction(value(f"round({x})").value) == Fraction(expected)


@pytest.mark.parametrize(("expression", "expected"), GOLDEN["fifty"].items())
def test_decimals_have_fifty_right_digits(expression, expected):
    found = Decimal(value(expression).value)
    assert abs(found - Decimal(expected)) <= abs(Decimal(expected)) * Decimal("1e-46")
    assert value(expression).exact is False


@pytest.mark.parametrize(("expression", "expected"), GOLDEN["double"].items())
def test_functions_have_the_digits_of_double_precision(expression, expected):
    assert float(value(expression).value) == pytest.approx(float(expected), rel=1e-14)
    assert value(expression).exact is False


@pytest.mark.parametrize(("expression", "expected"), GOLDEN["exact"].items())
def test_what_comes_out_comes_out_exactly(expression, expected):
    assert Fraction(value(expression).value) == Fraction(expected)
    assert value(expression).exact is True


# numbers that each function takes, and whether one list stands for them; 1,000 is more than an expression may hold
TAKES = {
    "round": (1, 2), "log": (1, 2), "atan2": (2, 2), "comb": (2, 2), "perm": (2, 2), "mod": (2, 2),
    "gcd": (1, 1000), "lcm": (1, 1000), "hypot": (1, 1000),
}  # fmt: skip
LISTS = {"min", "max", "sum", "mean", "median", "stdev"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_as_many_numbers_as_it_says(name):
    least, most = (1, 1000) if name in LISTS else TAKES.get(name, (1, 1))
    for count in range(5):
        result = calculate(f"{name}({', '.join('1' for _ in range(count))})")
        refused = isinstance(result, CalculationError) and result.kind == "bad_arguments"
        assert refused == (not least <= count <= most)
    listed = calculate(f"{name}([1, 1])")
    assert (isinstance(listed, CalculationError) and listed.kind in ("not_allowed", "bad_arguments")) == (
        name not in LISTS
    )


def test_there_are_39_functions():
    assert len(FUNCTIONS) == 39
