"""Numbers of the calculator and what is done with them; every result is bounded before it is computed.

Integers are exact. Written points and divisions that do not come out are decimals of 50 digits. What transcends (sine,
exponential) is in double precision. A `Value` says whether it is exact; an operation that cannot be carried out raises
`Refused`. There is no infinity and no not-a-number. Knows no text.
"""

import math
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Subnormal,
)
from typing import NamedTuple

DIGITS = 50
MOST_DIGITS = 4_000  # of an integer; CPython writes integers of up to 4,300
EXPONENT = 6_000


class Value(NamedTuple):
    number: int | Decimal | float
    exact: bool = True


class CalculatorError(Exception):
    """`kind` is one of calculator.ErrorKind. `column` counts from 1 once it is known."""

    def __init__(self, kind: str, message: str, hint: str = "", column: int | None = None):
        super().__init__(message)
        self.kind, self.message, self.hint, self.column = kind, message, hint, column


def decimal(method: str, *operands: Decimal | int, exact: bool = True) -> Value:
    """`Context.method` of `operands`, rounded to 50 digits; inexact if anything was rounded off."""
    context = Context(
        prec=DIGITS, Emax=EXPONENT, Emin=-EXPONENT, traps=[Overflow, Subnormal, DivisionByZero, InvalidOperation]
    )
    try:
        number = getattr(context, method)(*(Decimal(operand) for operand in operands))
    except Subnormal:
        raise CalculatorError("overflow", f"the result is smaller than 1e-{EXPONENT}") from None
    except Overflow:
        raise CalculatorError("overflow", f"the result is larger than 1e{EXPONENT}") from None
    except DivisionByZero:
        raise CalculatorError("division_by_zero", "division by zero") from None
    except DecimalException:
        raise CalculatorError("domain", f"{method} is not defined here") from None
    return Value(number, exact and not context.flags[Inexact])


def double(function: Callable[..., float], *operands: Value) -> Value:
    """`function` in double precision."""
    try:
        number = function(*(as_double(operand) for operand in operands))
    except ZeroDivisionError:
        raise CalculatorError("division_by_zero", "division by zero") from None
    except OverflowError:
        raise CalculatorError(
            "overflow", "the result is larger than 1.8e308, the largest number of double precision"
        ) from None
    except ValueError:
        arguments = ", ".join(f"{operand.number:.12g}" for operand in operands)
        raise CalculatorError("domain", f"{function.__name__} is not defined for {arguments}") from None
    if not math.isfinite(number):
        raise CalculatorError("overflow", "the result is larger than 1.8e308, the largest number of double precision")
    return Value(number, False)


def as_double(value: Value) -> float:
    try:
        number = float(value.number)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise CalculatorError(
            "overflow", "this function works in double precision; its argument is larger than 1.8e308"
        )
    return number


def as_decimal(value: Value) -> Decimal:
    return value.number if isinstance(value.number, Decimal) else Decimal(value.number)


def digits(number: int) -> int:
    return len(str(abs(number)))


def too_large(count: float, bounded: bool = True) -> CalculatorError:
    """`count` digits are estimated; if not `bounded`, that many at least."""
    text = f"{int(count):,}" if count < 1e15 else f"{count:.2g}"
    return CalculatorError(
        "too_large",
        f"the result would have {'' if bounded else 'more than '}{text} digits; at most {MOST_DIGITS:,} are computed",
        "with a decimal point, as in 2.0^15000, the leading 50 digits are computed" if count < EXPONENT else "",
    )


def integer(number: int, exact: bool = True) -> Value:
    """`number` as a result. What makes it must not have made more than a few digits too many."""
    if (count := digits(number)) > MOST_DIGITS:
        raise too_large(count)
    return Value(number, exact)


def whole(value: Value, what: str) -> int:
    """The integer that `value` is, whichever way it was written. Refuses fractions."""
    number = value.number
    if isinstance(number, Decimal):
        if number != number.to_integral_value():
            raise CalculatorError("domain", f"{what} takes whole numbers, not {number:.12g}")
        return _to_int(number)
    if not isinstance(number, int) and not number.is_integer():
        raise CalculatorError("domain", f"{what} takes whole numbers, not {number:.12g}")
    return int(number)


def _to_int(number: Decimal) -> int:
    if number and number.adjusted() >= MOST_DIGITS:
        raise too_large(number.adjusted() + 1)
    return int(number)


def figures(number: Decimal, most: int = DIGITS, zeros: int = 20) -> str:
    """`most` significant figures, plain if no more stand before the point nor more than `zeros` zeros behind it."""
    short = number.normalize(Context(prec=most))
    return f"{short:f}" if -zeros <= short.adjusted() < most else f"{short:e}"


def negate(a: Value) -> Value:
    return decimal("minus", a.number, exact=a.exact) if isinstance(a.number, Decimal) else Value(-a.number, a.exact)


def absolute(a: Value) -> Value:
    return negate(a) if a.number < 0 else a


def _combine(a: Value, b: Value, method: str, plain: Callable[..., int]) -> Value:
    """A sum, difference or product: `plain` on integers and doubles, `method` of decimals when one is a decimal."""
    exact = a.exact and b.exact
    if isinstance(a.number, float) or isinstance(b.number, float):
        return double(plain, a, b)
    if isinstance(a.number, int) and isinstance(b.number, int):
        return integer(plain(a.number, b.number), exact)
    return decimal(method, a.number, b.number, exact=exact)


def add(a: Value, b: Value) -> Value:
    return _combine(a, b, "add", lambda x, y: x + y)


def subtract(a: Value, b: Value) -> Value:
    return _combine(a, b, "subtract", lambda x, y: x - y)


def multiply(a: Value, b: Value) -> Value:
    if isinstance(a.number, int) and isinstance(b.number, int) and (a.number and b.number):
        count = digits(a.number) + digits(b.number)
        if count > MOST_DIGITS:
            raise too_large(count)
    return _combine(a, b, "multiply", lambda x, y: x * y)


def divide(a: Value, b: Value) -> Value:
    """An integer where two integers divide evenly, else a decimal."""
    if b.number == 0:
        raise CalculatorError("division_by_zero", "division by zero")
    if isinstance(a.number, float) or isinstance(b.number, float):
        return double(lambda x, y: x / y, a, b)
    if isinstance(a.number, int) and isinstance(b.number, int) and a.number % b.number == 0:
        return Value(a.number // b.number, a.exact and b.exact)
    return decimal("divide", a.number, b.number, exact=a.exact and b.exact)


def floor_divide(a: Value, b: Value) -> Value:
    """The quotient rounded down, as the remainder of `modulo` wants it."""
    return _floored(a, b, 0)


def modulo(a: Value, b: Value) -> Value:
    """The remainder that has the sign of `b`."""
    return _floored(a, b, 1)


def _floored(a: Value, b: Value, part: int) -> Value:
    if b.number == 0:
        raise CalculatorError("division_by_zero", "division by zero")
    exact = a.exact and b.exact
    if isinstance(a.number, float) or isinstance(b.number, float):
        return double(lambda x, y: divmod(x, y)[part], a, b)
    if isinstance(a.number, int) and isinstance(b.number, int):
        return integer(divmod(a.number, b.number)[part], exact)
    # both times a power of ten that makes them whole: exact, where decimals would run out of digits
    x, y = as_decimal(a), as_decimal(b)
    if part == 0 and x and x.adjusted() - y.adjusted() >= MOST_DIGITS:
        raise too_large(x.adjusted() - y.adjusted() + 1)
    shift = min(_exponent(x), _exponent(y), 0)
    result = divmod(_shifted(x, shift), _shifted(y, shift))[part]
    if part == 0:
        return integer(result, exact)
    scaled = decimal("plus", result, exact=exact)
    return decimal("scaleb", as_decimal(scaled), shift, exact=scaled.exact)


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def _shifted(number: Decimal, shift: int) -> int:
    """number · 10^-shift, a whole number."""
    sign, figures, exponent = number.as_tuple()
    magnitude = int(Decimal((0, figures, 0))) * 10 ** (int(exponent) - shift)
    return int(-magnitude if sign else magnitude)


def power(a: Value, b: Value) -> Value:
    x, y = a.number, b.number
    exact = a.exact and b.exact
    if y == 0:
        return Value(1, exact)
    if x == 0 and y < 0:
        raise CalculatorError("division_by_zero", "zero to a negative power is a division by zero")
    if x < 0 and y != int(y):
        raise CalculatorError(
            "domain",
            "a negative number to a fractional power is not a real number",
            "for a cube root use cbrt",
        )
    if x in (0, 1) and not isinstance(x, float):
        return Value(int(x), exact)
    if isinstance(x, float) or isinstance(y, float):
        return double(math.pow, a, b)
    if isinstance(x, int) and isinstance(y, int):
        return _integer_power(x, y, exact)
    base, exponent = decimal("plus", x, exact=exact), decimal("plus", y, exact=exact)
    return _decimal_power(as_decimal(base), as_decimal(exponent), base.exact and exponent.exact)


def _integer_power(x: int, y: int, exact: bool) -> Value:
    if x == -1:
        return Value(-1 if y % 2 else 1, exact)
    count = abs(y) * math.log10(abs(x)) if abs(y) < 2**53 else float("inf")
    if count >= MOST_DIGITS:
        if math.isinf(count):
            raise too_large(2**53 * math.log10(abs(x)), bounded=False)
        raise too_large(math.floor(count) + 1)
    result = integer(x ** abs(y), exact)
    return result if y > 0 else divide(Value(1), result)


def _decimal_power(x: Decimal, y: Decimal, exact: bool) -> Value:
    if y == Decimal("0.5"):
        return square_root(Value(x, exact))
    magnitude = float(y) * float(as_decimal(decimal("log10", x.copy_abs())))
    if abs(magnitude) > EXPONENT + 1:
        bound = f"larger than 1e{EXPONENT}" if magnitude > 0 else f"smaller than 1e-{EXPONENT}"
        raise CalculatorError("overflow", f"the result is {bound}")
    return decimal("power", x, y, exact=exact)


def square_root(a: Value) -> Value:
    """Exact where it comes out, else 50 digits; in double precision only of a double."""
    if a.number < 0:
        raise CalculatorError("domain", "the square root of a negative number is not a real number")
    if isinstance(a.number, float):
        return double(math.sqrt, a)
    if isinstance(a.number, int) and (root := math.isqrt(a.number)) ** 2 == a.number:
        return Value(root, a.exact)
    return decimal("sqrt", a.number, exact=a.exact)


def cube_root(a: Value) -> Value:
    root = double(math.cbrt, a)
    if isinstance(a.number, int) and (near := round(root.number)) ** 3 == a.number:
        return Value(near, a.exact)
    return root


def logarithm(a: Value, base: Value | None = None) -> Value:
    """Natural, or to `base`; computed with 50 digits so that log(125, 5) is 3, given as a double."""
    if a.number <= 0:
        raise CalculatorError("domain", "logarithms are defined for numbers above zero")
    if base is None:
        return Value(float(decimal("ln", fifty_digits(a)).number), False)
    if base.number <= 0 or base.number == 1:
        raise CalculatorError("domain", "the base of a logarithm is above zero and not one")
    x, y = decimal("ln", fifty_digits(a)), decimal("ln", fifty_digits(base))
    return Value(float(divide(x, y).number), False)


def fifty_digits(a: Value) -> Decimal:
    """As a decimal, rounded: transcendental functions of 4,000 digits would take seconds."""
    return as_decimal(decimal("plus", as_decimal(a)))


def floor(a: Value) -> Value:
    return _integral(a, ROUND_FLOOR)


def ceiling(a: Value) -> Value:
    return _integral(a, ROUND_CEILING)


def _integral(a: Value, rounding: str) -> Value:
    if isinstance(a.number, int):
        return a
    return Value(_to_int(as_decimal(a).to_integral_value(rounding)), a.exact)


def rounded(a: Value, places: Value | None = None) -> Value:
    """To the nearest, halves away from zero (as in school and in spreadsheets, unlike Python)."""
    if places is None:
        return _integral(a, ROUND_HALF_UP)
    count = whole(places, "the second argument of round")
    number = as_decimal(a)
    if abs(count) > EXPONENT:
        raise CalculatorError("bad_arguments", f"round takes at most {EXPONENT} places, not {count}")
    if count >= -_exponent(number):
        return a
    figures = Context(prec=MOST_DIGITS + EXPONENT, Emax=2 * EXPONENT, Emin=-2 * EXPONENT)
    result = number.quantize(Decimal((0, (1,), -count)), ROUND_HALF_UP, figures)
    if isinstance(a.number, int):
        return integer(int(result), a.exact)
    return Value(float(result), False) if isinstance(a.number, float) else decimal("plus", result, exact=a.exact)
