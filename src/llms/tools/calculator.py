"""A calculator for people and models: text in, a value or an error out; nothing is executed and nothing is unbounded.

    calculate("15% of 80")   Calculation(value="12", …)
    calculate("1/0")         CalculationError(kind="division_by_zero", …)

Percent is division by 100 and binds to the number before it; a % that something follows is the remainder. Halves round away
from zero. Angles are radians except in sind, cosd, tand.
"""

import ast
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Literal

from . import arithmetic
from .arithmetic import CalculatorError, Value
from .expression import parse
from .functions import CONSTANTS, FUNCTIONS
from .tool import tool

ErrorKind = Literal[
    "syntax", "not_allowed", "unknown_name", "bad_arguments", "too_long", "too_deep", "too_many_nodes", "too_large",
    "division_by_zero", "domain", "overflow", "ambiguous_number", "units_not_supported",
]  # fmt: skip
SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Calculation:
    """`value` is the whole number as text, `display` its first 12 digits; `exact` that nothing was rounded.

    `normalised` is the expression as it was understood; `angle_unit` the unit of its angles, where it has any.
    """

    value: str
    kind: Literal["int", "decimal", "float"]
    exact: bool
    display: str
    normalised: str
    angle_unit: Literal["radian", "degree"] | None = None


@dataclass(frozen=True, slots=True)
class CalculationError:
    """Why there is no value. `column` counts from 1; `hint` may be empty."""

    kind: ErrorKind
    message: str
    column: int
    hint: str = ""


def calculate(expression: str) -> Calculation | CalculationError:
    """The value of `expression`; never raises. Takes milliseconds whatever is asked."""
    try:
        tree = parse(expression)
        value = _evaluate(tree)
    except CalculatorError as refused:
        return CalculationError(refused.kind, refused.message, refused.column or 1, refused.hint)  # type: ignore[arg-type]  # raised with these kinds only
    number = value.number if value.number != 0 else type(value.number)(0)  # no negative zero
    kind: Literal["int", "decimal", "float"] = (
        "int" if isinstance(number, int) else "float" if isinstance(number, float) else "decimal"
    )
    display = arithmetic.figures(Decimal(number), SHOWN_DIGITS, 6)
    return Calculation(_text(number), kind, value.exact, display, ast.unparse(tree), _angle_unit(tree))


@tool(kind="pure")
def calculator(expression: str) -> dict[str, object]:
    """Evaluate an arithmetic expression exactly.

    Knows + - * / // % ^, parentheses, percent ("15% of 80"), pi, e, sqrt, exp, ln, log(x, base), sin (radians), sind
    (degrees), factorial, comb, round, min, max, sum, mean, median, stdev. Knows no units and no variables.

    Args:
        expression: What to compute, for example "(3 + 4)^2 / 7".
    """
    outcome = calculate(expression)
    fields = {key: value for key, value in asdict(outcome).items() if value not in ("", None)}
    return {"error": fields} if isinstance(outcome, CalculationError) else fields


def _evaluate(node: ast.expr) -> Value:
    try:
        match node:
            case ast.Constant():
                return _constant(node.value)  # type: ignore[arg-type]  # `parse` lets only these constants through
            case ast.Name():
                return CONSTANTS[node.id]
            case ast.UnaryOp():
                operand = _evaluate(node.operand)
                return arithmetic.negate(operand) if isinstance(node.op, ast.USub) else operand
            case ast.BinOp():
                return OPERATIONS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
            case ast.Call(func=ast.Name(id=name)):
                return FUNCTIONS[name].compute(*(_evaluate(argument) for argument in node.args))
    except CalculatorError as refused:
        if refused.column is None:
            refused.column = getattr(node, "col_offset", None)
        raise
    raise AssertionError(f"{type(node).__name__} passed the check")


def _constant(number: int | Decimal) -> Value:
    return Value(number) if isinstance(number, int) else arithmetic.decimal("plus", number)


def _text(number: int | Decimal | float) -> str:
    if isinstance(number, int):
        return str(number)
    if isinstance(number, float):
        return repr(number).removesuffix(".0")
    return arithmetic.figures(number)


def _angle_unit(tree: ast.expr) -> Literal["radian", "degree"] | None:
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    if called & {"sin", "cos", "tan", "asin", "acos", "atan", "atan2"}:
        return "radian"
    return "degree" if called & {"sind", "cosd", "tand"} else None


OPERATIONS: dict[type, Callable[[Value, Value], Value]] = {
    ast.Add: arithmetic.add,
    ast.Sub: arithmetic.subtract,
    ast.Mult: arithmetic.multiply,
    ast.Div: arithmetic.divide,
    ast.FloorDiv: arithmetic.floor_divide,
    ast.Mod: arithmetic.modulo,
    ast.Pow: arithmetic.power,
}
