"""The functions and constants of the calculator by name, and what each takes."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from .arithmetic import (
    MOST_DIGITS,
    CalculatorError,
    Value,
    absolute,
    add,
    ceiling,
    cube_root,
    divide,
    double,
    fifty_digits,
    floor,
    integer,
    logarithm,
    modulo,
    multiply,
    rounded,
    square_root,
    subtract,
    too_large,
    whole,
)

LARGEST_FACTORIAL = 1_463  # of 3,998 digits
LN10 = math.log(10)
CONSTANTS = {
    "pi": Value(Decimal("3.1415926535897932384626433832795028841971693993751"), False),
    "e": Value(Decimal("2.7182818284590452353602874713526624977572470937000"), False),
    "tau": Value(Decimal("6.2831853071795864769252867665590057683943387987502"), False),
}


class Function(NamedTuple):
    """`compute` takes `least` to `most` numbers; if `lists`, also one list of them."""

    compute: Callable[..., Value]
    least: int
    most: int
    lists: bool = False


def factorial(a: Value) -> Value:
    n = whole(a, "factorial")
    if n < 0:
        raise CalculatorError("domain", "factorial is defined for whole numbers from 0")
    if n > LARGEST_FACTORIAL:
        raise too_large(_log10_factorial(n) + 1) if n < 2**53 else too_large(1e17, bounded=False)
    return Value(math.factorial(n), a.exact)


def _log10_factorial(n: int) -> float:
    return math.lgamma(n + 1) / LN10


def combinations(a: Value, b: Value) -> Value:
    n, k = _chosen(a, b, "comb")
    k = min(k, n - k)
    if k < 0:
        return Value(0, a.exact and b.exact)
    count = _log10_ordered(n, k) - _log10_factorial(k) if k < 2**53 else math.inf
    return _counted(count, lambda: math.comb(n, k), a, b)


def permutations(a: Value, b: Value) -> Value:
    n, k = _chosen(a, b, "perm")
    if k > n:
        return Value(0, a.exact and b.exact)
    return _counted(_log10_ordered(n, k) if k < 2**53 else math.inf, lambda: math.perm(n, k), a, b)


def _chosen(a: Value, b: Value, name: str) -> tuple[int, int]:
    n, k = whole(a, name), whole(b, name)
    if n < 0 or k < 0:
        raise CalculatorError("domain", f"{name} is defined for whole numbers from 0")
    return n, k


def _log10_ordered(n: int, k: int) -> float:
    """log10 of n·(n-1)···(n-k+1): by log-gamma, and for large n, where that cancels, by its bound n^k."""
    return _log10_factorial(n) - _log10_factorial(n - k) if n < 10**9 else k * math.log10(n)


def _counted(count: float, compute: Callable[[], int], a: Value, b: Value) -> Value:
    if count >= MOST_DIGITS:
        raise too_large(math.floor(count) + 1) if math.isfinite(count) else too_large(1e17, bounded=False)
    return integer(compute(), a.exact and b.exact)


def greatest_divisor(*values: Value) -> Value:
    return Value(math.gcd(*(whole(value, "gcd") for value in values)), all(value.exact for value in values))


def least_multiple(*values: Value) -> Value:
    result = Value(1)
    for value in values:
        number = abs(whole(value, "lcm"))
        assert isinstance(result.number, int)
        shared = math.gcd(result.number, number) or 1
        result = multiply(result, Value(number // shared, value.exact))
    return result


def hypotenuse(*values: Value) -> Value:
    return square_root(total(*(multiply(value, value) for value in values)))


def total(*values: Value) -> Value:
    result = Value(0)
    for value in values:
        result = add(result, value)
    return result


def least(*values: Value) -> Value:
    return min(values, key=lambda value: value.number)


def greatest(*values: Value) -> Value:
    return max(values, key=lambda value: value.number)


def mean(*values: Value) -> Value:
    return divide(total(*values), Value(len(values)))


def median(*values: Value) -> Value:
    ordered = sorted(values, key=lambda value: value.number)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else mean(*ordered[middle - 1 : middle + 1])


def deviation(*values: Value) -> Value:
    """The sample's, with n - 1; from exact sums, so that stdev(1, 2, 3) is 1."""
    n = len(values)
    if n < 2:
        raise CalculatorError("domain", "stdev needs at least two numbers")
    plain = [value if isinstance(value.number, int) else Value(fifty_digits(value), value.exact) for value in values]
    summed = total(*plain)
    spread = subtract(multiply(Value(n), total(*(multiply(value, value) for value in plain))), multiply(summed, summed))
    if spread.number < 0:  # rounding may leave less than nothing
        spread = Value(0, False)
    return square_root(divide(spread, Value(n * (n - 1))))


HALF = Decimal("0.5")
SINES: dict[float | Decimal, int | Decimal] = {
    0: 0,
    30: HALF,
    90: 1,
    150: HALF,
    180: 0,
    210: -HALF,
    270: -1,
    330: -HALF,
}
TANGENTS: dict[float | Decimal, int] = {0: 0, 45: 1, 135: -1}


def sine_degrees(a: Value) -> Value:
    angle = modulo(a, Value(360))
    if angle.number in SINES:
        return Value(SINES[angle.number], a.exact)
    return double(lambda degrees: math.sin(math.radians(degrees)), angle)


def cosine_degrees(a: Value) -> Value:
    return sine_degrees(add(a, Value(90)))


def tangent_degrees(a: Value) -> Value:
    angle = modulo(a, Value(180))
    if angle.number == 90:
        raise CalculatorError("domain", "the tangent of 90 degrees is not defined")
    if angle.number in TANGENTS:
        return Value(TANGENTS[angle.number], a.exact)
    return double(lambda degrees: math.tan(math.radians(degrees)), angle)


def to_radians(a: Value) -> Value:
    return divide(multiply(a, CONSTANTS["pi"]), Value(180))


def to_degrees(a: Value) -> Value:
    return divide(multiply(a, Value(180)), CONSTANTS["pi"])


def _doubled(function: Callable[..., float]) -> Callable[..., Value]:
    return lambda *values: double(function, *values)


def _log_to(base: int) -> Callable[[Value], Value]:
    return lambda value: logarithm(value, Value(base))


MANY = 1_000
FUNCTIONS = {
    "abs": Function(absolute, 1, 1),
    "round": Function(rounded, 1, 2),
    "floor": Function(floor, 1, 1),
    "ceil": Function(ceiling, 1, 1),
    "sqrt": Function(square_root, 1, 1),
    "cbrt": Function(cube_root, 1, 1),
    "exp": Function(_doubled(math.exp), 1, 1),
    "ln": Function(logarithm, 1, 1),
    "log": Function(logarithm, 1, 2),
    "log2": Function(_log_to(2), 1, 1),
    "log10": Function(_log_to(10), 1, 1),
    "sin": Function(_doubled(math.sin), 1, 1),
    "cos": Function(_doubled(math.cos), 1, 1),
    "tan": Function(_doubled(math.tan), 1, 1),
    "asin": Function(_doubled(math.asin), 1, 1),
    "acos": Function(_doubled(math.acos), 1, 1),
    "atan": Function(_doubled(math.atan), 1, 1),
    "atan2": Function(_doubled(math.atan2), 2, 2),
    "sinh": Function(_doubled(math.sinh), 1, 1),
    "cosh": Function(_doubled(math.cosh), 1, 1),
    "tanh": Function(_doubled(math.tanh), 1, 1),
    "radians": Function(to_radians, 1, 1),
    "degrees": Function(to_degrees, 1, 1),
    "sind": Function(sine_degrees, 1, 1),
    "cosd": Function(cosine_degrees, 1, 1),
    "tand": Function(tangent_degrees, 1, 1),
    "factorial": Function(factorial, 1, 1),
    "comb": Function(combinations, 2, 2),
    "perm": Function(permutations, 2, 2),
    "gcd": Function(greatest_divisor, 1, MANY),
    "lcm": Function(least_multiple, 1, MANY),
    "hypot": Function(hypotenuse, 1, MANY),
    "min": Function(least, 1, MANY, lists=True),
    "max": Function(greatest, 1, MANY, lists=True),
    "sum": Function(total, 1, MANY, lists=True),
    "mean": Function(mean, 1, MANY, lists=True),
    "median": Function(median, 1, MANY, lists=True),
    "stdev": Function(deviation, 1, MANY, lists=True),
    "mod": Function(modulo, 2, 2),
}
