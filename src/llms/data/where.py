"""A condition on rows, written like one of Python's: `label == "positive" and len(text) < 200`. Nothing of it is ever run as code.

Allowed are names of columns, numbers, texts, True, False, None and lists of them; == != < <= > >= in, not in, is None;
and, or, not; and the FUNCTIONS. Whatever else Python would understand is refused by its name.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ..errors import UsageError
from ..values import several
from .dataset import Row

Evaluate: TypeAlias = "Callable[[Row], object]"
LONGEST = 10_000  # characters of a condition
FORM = 'expected a condition such as label == "positive" and len(text) < 200'


class Incomparable(ValueError):
    """A row whose values do not suit the condition, such as a text that is compared with a number."""


def _number(value: object) -> float | int:
    if isinstance(value, (int, float)):
        return value
    try:
        text = _text(value).strip()
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        raise Incomparable(f"{value!r:.40} is no number") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Incomparable(f"{value!r:.40} is no text")
    return value


def _length(value: object) -> int:
    if not isinstance(value, (str, list, tuple, dict, bytes)):
        raise Incomparable(f"{value!r:.40} has no length")
    return len(value)


def _holds(value: object, part: object) -> bool:
    if isinstance(value, str):
        return _text(part) in value
    if isinstance(value, (list, tuple, dict)):
        return part in value
    raise Incomparable(f"{value!r:.40} holds nothing")


FUNCTIONS: Mapping[str, tuple[int, Callable[..., object]]] = {
    "len": (1, _length),
    "lower": (1, lambda text: _text(text).lower()),
    "upper": (1, lambda text: _text(text).upper()),
    "strip": (1, lambda text: _text(text).strip()),
    "contains": (2, _holds),
    "startswith": (2, lambda text, part: _text(text).startswith(_text(part))),
    "endswith": (2, lambda text, part: _text(text).endswith(_text(part))),
    "number": (1, _number),
}
_ORDERS: Mapping[type[ast.cmpop], Callable[..., object]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_EQUALS = (ast.Eq, ast.NotEq)
_MEMBERS = (ast.In, ast.NotIn)
_SAME = (ast.Is, ast.IsNot)


class Condition:
    """The condition `text` makes. `columns` are those it names. `loose`: cells are texts, as in CSV, and one that is compared
    with a number or a truth is read as such. Raises UsageError naming what is not allowed in it."""

    def __init__(self, text: str, loose: bool = False):
        self.text, self._loose = text, loose
        self.columns: set[str] = set()
        if len(text) > LONGEST:
            raise UsageError(f"the condition has {len(text):,} characters; expected at most {LONGEST:,}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python's, on escapes
                tree = ast.parse(text.strip(), mode="eval")
            self._evaluate = self._compile(tree.body)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise UsageError(f"cannot read the condition {text!r:.80}: {error}; {FORM}") from error

    def holds(self, row: Row) -> bool:
        """Whether the condition holds for `row`. Raises Incomparable."""
        try:
            return bool(self._evaluate(row))
        except RecursionError:
            raise Incomparable("it is nested too deep") from None

    def _compile(self, node: ast.expr) -> Evaluate:
        match node:
            case ast.Constant(value=str() | bool() | int() | float() | None as value):
                return lambda row: value
            case ast.Name(id=name):
                return self._column(name)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                compiled = [self._compile(part) for part in parts]
                return lambda row: [part(row) for part in compiled]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._compile(operand)
                return lambda row: not inner(row)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=bool() | int() | float() as number)):
                return lambda row: -number
            case ast.BoolOp(op=op, values=values):
                return _joined([self._compile(value) for value in values], isinstance(op, ast.And))
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self._comparison([left, *comparators], ops)
            case ast.Call():
                return self._call(node)
        raise UsageError(f"{ast.unparse(node):.60} is not allowed in a condition; {FORM}")

    def _column(self, name: str) -> Evaluate:
        self.columns.add(name)
        return lambda row: row.get(name)

    def _call(self, node: ast.Call) -> Evaluate:
        shown = f"{ast.unparse(node):.60}"
        if not isinstance(node.func, ast.Name):
            hint = (
                f"; write {node.func.attr}(…)"
                if isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS
                else ""
            )
            raise UsageError(f"{shown} is not allowed in a condition{hint}; its functions are {', '.join(FUNCTIONS)}")
        name = node.func.id
        if name == "column" and len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and not node.keywords:
            return self._column(str(node.args[0].value))
        if name not in FUNCTIONS:
            raise UsageError(f'{shown}: no function {name}; there are {", ".join(FUNCTIONS)}, and column("a name")')
        count, function = FUNCTIONS[name]
        if node.keywords or len(node.args) != count or any(isinstance(each, ast.Starred) for each in node.args):
            raise UsageError(f"{shown}: {name} takes {several(count, 'value')}, in its brackets")
        arguments = [self._compile(each) for each in node.args]
        return lambda row: function(*(each(row) for each in arguments))

    def _comparison(self, operands: list[ast.expr], ops: list[ast.cmpop]) -> Evaluate:
        for op, right in zip(ops, operands[1:], strict=True):
            if isinstance(op, _SAME) and not (isinstance(right, ast.Constant) and right.value is None):
                raise UsageError(f"{ast.unparse(right):.60}: only None can stand after is; write ==")
        compiled = [self._compile(each) for each in operands]

        def evaluate(row: Row) -> object:
            left = compiled[0](row)
            for op, operand in zip(ops, compiled[1:], strict=True):
                right = operand(row)
                if not self._compare(op, left, right):
                    return False
                left = right
            return True

        return evaluate

    def _compare(self, op: ast.cmpop, left: object, right: object) -> object:
        if isinstance(op, _SAME):
            return (left is None) == isinstance(op, ast.Is)
        if isinstance(op, _MEMBERS):
            return self._is_in(left, right) == isinstance(op, ast.In)
        if self._loose:
            left, right = _alike(left, right), _alike(right, left)
        if isinstance(op, _EQUALS):
            return (left == right) == isinstance(op, ast.Eq)
        try:
            return _ORDERS[type(op)](left, right)
        except TypeError:
            raise Incomparable(f"{left!r:.40} and {right!r:.40} cannot be compared") from None

    def _is_in(self, part: object, whole: object) -> bool:
        if self._loose and isinstance(whole, list):
            return any(_alike(part, each) == _alike(each, part) for each in whole)
        return _holds(whole, part)


def _joined(parts: list[Evaluate], every: bool) -> Evaluate:
    """`and` and `or`, as Python has them: the value that settles it."""

    def evaluate(row: Row) -> object:
        value: object = every
        for part in parts:
            value = part(row)
            if bool(value) != every:
                return value
        return value

    return evaluate


def _alike(value: object, other: object) -> object:
    """A cell's text as a number or a truth, where `other` is one and the text reads as one."""
    if not isinstance(value, str) or not isinstance(other, (int, float)):
        return value
    if isinstance(other, bool):
        return {"true": True, "false": False}.get(value.strip().casefold(), value)
    try:
        number = _number(value)
    except Incomparable:
        return value
    return value if math.isnan(number) else number
