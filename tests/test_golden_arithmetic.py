"""The calculator against exact fractions and sixty digits of mpmath (golden/make.py)."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from llms.tools.calculator import Calculation, calculate

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
    assert not value(expression).exact


@pytest.mark.parametrize(("expression", "expected"), GOLDEN["double"].items())
def test_functions_have_the_digits_of_double_precision(expression, expected):
    assert float(value(expression).value) == pytest.approx(float(expected), rel=1e-14)
    assert not value(expression).exact


@pytest.mark.parametrize(("expression", "expected"), GOLDEN["exact"].items())
def test_what_comes_out_comes_out_exactly(expression, expected):
    assert Fraction(value(expression).value) == Fraction(expected)
    assert value(expression).exact
