"""Words and signs by which people write mathematics and the calculator does not: each with the form that it takes."""

import re

from .functions import CONSTANTS, FUNCTIONS

UNITS_HINT = "leave the unit out, or convert with the tool `convert`"
ANGLES = "for degrees use sind, cosd, tand, as in sind(30)"
SIGNS = {
    "!": "write factorial(5) for 5!",
    "√": "write sqrt(2)",
    "∛": "write cbrt(8)",
    "|": "write abs(-5)",
    ";": "separate arguments by a comma and a space, and write a decimal point, as in max(1000.5, 2)",
    "≤": "comparisons are not computed",
    "≥": "comparisons are not computed",
}
NAMES = {
    "pow": "write 2^3", "power": "write 2^3", "square": "write 3^2", "squared": "write 3^2", "cube": "write 3^3",
    "average": "mean", "avg": "mean", "std": "stdev", "sd": "stdev", "stddev": "stdev", "root": "sqrt", "modulo": "mod",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "lg": "log10", "int": "floor", "trunc": "floor",
    "fact": "factorial", "ncr": "comb", "choose": "comb", "binomial": "comb", "npr": "perm", "maximum": "max",
    "minimum": "min", "total": "sum", "add": "sum", "ceiling": "ceil", "nthroot": "write 27^(1/3)",
    "variance": "write stdev(1, 2)^2", "var": "write stdev(1, 2)^2", "half": "write 10/2", "double": "write 2 * 5",
}  # fmt: skip
OPERATORS = {
    "times": "write * to multiply", "multiplied": "write * to multiply", "plus": "write + to add",
    "minus": "write - to subtract", "divided": "write / to divide", "over": "write / to divide",
    "to": "write ^ for a power", "squared": "write ^2", "cubed": "write ^3", "choose": "write comb(5, 2)",
    "rem": "write mod(7, 3) or 7 % 3", "remainder": "write mod(7, 3) or 7 % 3", "div": "write / to divide, // for whole numbers",
    "mod": "write mod(7, 3) or 7 % 3", "modulo": "write mod(7, 3) or 7 % 3", "percent": "write 15%",
    "x": "write * to multiply", "of": "write 15% of 80, or *", "factorial": "write factorial(5)",
}  # fmt: skip
DEGREES = ("degree", "degrees", "deg")
BARE = re.compile(r"\s+(-?[\d.]+|[A-Za-z]\w*)(?:\s*(°|degrees?\b|deg\b))?")


def instead(name: str) -> str:
    """The known way to write what `name` says; "" if there is none."""
    return NAMES.get(name.lower(), "")


def needs_brackets(function: str, rest: str) -> str:
    """A hint where `rest`, behind the name of a function, goes on with its argument and no bracket; else ""."""
    bare = BARE.match(rest)
    if bare is None or bare[1] in ("of", "if", "and", "or"):
        return ""
    if bare[2] and f"{function}d" in FUNCTIONS:
        return f"write {function}d({bare[1]}) for degrees, {function}({bare[1]}) for radians"
    return f"write {function}({bare[1]})"


def behind_operand(name: str) -> tuple[str, str, str]:
    """(kind of error, message, hint) for a word that stands directly behind an operand."""
    lower = name.lower()
    if lower in DEGREES:
        return "units_not_supported", f"the calculator knows no units ({name})", ANGLES
    if lower in OPERATORS:
        return "syntax", f"{name} is not an operator", OPERATORS[lower]
    if re.fullmatch(r"x\d+", lower):
        return "syntax", "x is not an operator", OPERATORS["x"]
    if name in FUNCTIONS or name in CONSTANTS:
        return "syntax", f"an operator is missing before {name}", f"write * before {name}"
    return "units_not_supported", f"the calculator knows no units ({name})", UNITS_HINT
