"""From what people and models write to a checked syntax tree: `15% of 80`, `1,234.5`, `2^10`, `3 × 4`.

The text is rewritten into Python's syntax, parsed (never evaluated) and held against the list of what is allowed. Columns
count from 1 in the text as it was given. A percent sign that ends its operand becomes an attribute while Python parses,
since nothing but an attribute binds as tightly, and a division by 100 afterwards.
"""

import ast
import keyword
import re
import unicodedata
from decimal import Decimal
from difflib import get_close_matches

from .arithmetic import EXPONENT as TEN_TO
from .arithmetic import CalculatorError
from .functions import CONSTANTS, FUNCTIONS
from .spoken import ANGLES, SIGNS, UNITS_HINT, behind_operand, instead, needs_brackets

LONGEST, DEEPEST, MOST_NODES = 500, 50, 300
MAPPED = {"×": "*", "⋅": "*", "·": "*", "÷": "/", "−": "-", "π": "pi", "τ": "tau"}
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|\.?\d[\d_.,]*")
EXPONENT = re.compile(r"[eE][+-]?\d+")
WORD = re.compile(r"[^\W\d]\w*")
GROUPED = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
OF = re.compile(r"\s*of(?![^\W\d])", re.IGNORECASE)
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.UAdd, ast.USub)


class WrittenNumber(Decimal):
    """A number as it was written; as a constant of a syntax tree it prints itself."""

    def __repr__(self) -> str:
        return str(self)


def parse(text: str) -> ast.expr:
    """The checked tree of `text`; column offsets are those of `text`. Raises Refused.

    Depth counts brackets and nesting; a chain of operators of one rank is one level.
    """
    if len(text) > LONGEST:
        raise CalculatorError(
            "too_long", f"the expression has {len(text)} characters; at most {LONGEST} are read", "", LONGEST + 1
        )
    source, columns, percents = _Rewriter(text).rewrite()
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise _syntax(source, columns, error) from None
    except (RecursionError, MemoryError):
        raise CalculatorError("too_deep", f"the expression is nested more than {DEEPEST} levels deep", "", 1) from None
    if sum(isinstance(node, ast.expr) for node in ast.walk(tree)) > MOST_NODES:
        raise CalculatorError(
            "too_many_nodes", f"the expression has more than {MOST_NODES} parts", "work it out in steps", 1
        )
    try:
        return _Checker(source, columns, percents).check(tree)
    except RecursionError:
        raise CalculatorError("too_deep", f"the expression is nested more than {DEEPEST} levels deep", "", 1) from None


def _syntax(source: str, columns: list[int], error: Exception) -> CalculatorError:
    """The error of Python's parser as a CalculatorError; a statement is named by its kind."""
    offset = getattr(error, "offset", None) or len(columns)  # 0: at the end
    column = columns[min(offset, len(columns)) - 1]
    try:
        statement = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        statement = []
    if statement and not isinstance(statement[0], ast.Expr):
        return CalculatorError(
            "not_allowed", f"{type(statement[0]).__name__} is not allowed", "write one expression", columns[0]
        )
    if not source.strip():
        return CalculatorError("syntax", "the expression is empty", "write something like 2 + 3", 1)
    hint = "leave out the = sign" if "=" in source else "write something like 2 * (3 + 4)"
    return CalculatorError("syntax", f"not an expression: {str(error).split(' (<')[0]}", hint, column)


class _Rewriter:
    """One pass over the text, from left to right, that writes Python."""

    def __init__(self, text: str):
        self.text, self.origin = _normalised(text)
        self.out: list[str] = []
        self.columns: list[int] = []
        self.percents: set[int] = set()
        self.position = 0
        self.length = 0
        self.calls: list[bool] = []  # of each open bracket: whether commas in it separate arguments
        self.after_operand = self.after_name = False

    def rewrite(self) -> tuple[str, list[int], set[int]]:
        """Python source, the column of each of its characters and one more, and where percent signs ended."""
        while self.position < len(self.text):
            self._step()
        return "".join(self.out), [*self.columns, self.origin[-1]], self.percents

    def _emit(self, written: str, taken: int) -> None:
        self.out.append(written)
        self.columns += [self.origin[self.position]] * len(written)
        self.length += len(written)
        self.position += taken

    def _refuse(self, kind: str, message: str, hint: str = "", ahead: int = 0) -> CalculatorError:
        return CalculatorError(kind, message, hint, self.origin[self.position + ahead])

    def _step(self) -> None:
        character = self.text[self.position]
        if character.isspace():
            self._emit(" ", 1)
        elif number := NUMBER.match(self.text, self.position):
            self._number(number[0])
        elif word := WORD.match(self.text, self.position):
            self._word(word[0])
        elif character == "%":
            self._percent()
        else:
            self._sign(character)

    def _number(self, run: str) -> None:
        run = run.rstrip(",") if run.rstrip(",") else run
        if self._between_arguments():
            if grouped := GROUPED.match(run):
                raise self._refuse(
                    "ambiguous_number",
                    f"{grouped[0]} between brackets can be one number or several",
                    f"write {grouped[0].replace(',', '')}, or {grouped[0].replace(',', ', ')}",
                )
            run = run.partition(",")[0]
        if run[:2].lower() not in ("0x", "0o", "0b"):
            plain = self._ungrouped(run)
            exponent = EXPONENT.match(self.text, self.position + len(run))
            taken = len(run) + (len(exponent[0]) if exponent else 0)
            if exponent and abs(int(exponent[0][1:])) > 2 * TEN_TO:
                raise self._refuse("overflow", f"exponents go from -{TEN_TO} to {TEN_TO}")
            plain += exponent[0] if exponent else ""
        else:
            plain, taken = run, len(run)
        following = self.text[self.position + taken : self.position + taken + 2]
        if following[:1] in ("j", "J") and not following[1:].isalnum():
            raise self._refuse("not_allowed", "complex numbers are not allowed", "")
        self._emit(plain, taken)
        self.after_operand, self.after_name = True, False
        self._no_unit()

    def _ungrouped(self, run: str) -> str:
        if run.count(".") > 1 or ("," in run and not GROUPED.fullmatch(run)):
            raise self._refuse(
                "ambiguous_number",
                f"{run} can be read in more than one way",
                "write a decimal point and no other separator, as in 1234.5",
            )
        plain = run.replace(",", "")
        return plain.lstrip("0") if plain.isdigit() and plain.strip("0") else plain

    def _between_arguments(self) -> bool:
        return bool(self.calls) and self.calls[-1]

    def _no_unit(self) -> None:
        """Refuse what stands directly behind an operand and cannot belong to an expression."""
        behind = re.compile(r"\s*").match(self.text, self.position)
        ahead = behind.end() - self.position if behind else 0
        word = WORD.match(self.text, self.position + ahead)
        if word is None:
            return
        name = word[0]
        if keyword.iskeyword(name):
            self._emit(" ", 0)  # 1if is deprecated Python
            return
        kind, message, hint = behind_operand(name)
        raise self._refuse(kind, message, hint, ahead)

    def _word(self, name: str) -> None:
        if not name.isascii():
            raise self._refuse("unknown_name", f"{name} is not known", "")
        if name in FUNCTIONS and (hint := needs_brackets(name, self.text[self.position + len(name) :])):
            raise self._refuse("syntax", f"{name} needs brackets", hint)
        self._emit(name, len(name))
        self.after_operand = not keyword.iskeyword(name)
        self.after_name = self.after_operand

    def _percent(self) -> None:
        """Percent if nothing follows that a remainder could be taken by; else the remainder."""
        rest = self.text[self.position + 1 :]
        following = rest.lstrip()[:1]
        if not self.after_operand:
            raise self._refuse("syntax", "% follows a number", "write 15% of 80 or 7 % 3")
        of = OF.match(rest)
        if of is None and following in ("+", "-") and not self.text[self.position - 1].isspace():
            raise self._refuse(
                "ambiguous_number",
                f"% before {following} can be percent or remainder",
                f"write (50%) {following} 20, or mod(50, {following.strip('+')}20)",
            )
        if of is None and following and following not in ")],*/^%":
            self._emit("%", 1)
            self.after_operand = self.after_name = False
            return
        self._emit(" .percent", 1 if of is None else 0)
        self.percents.add(self.length)
        self.after_name = False
        if of is not None:
            self._emit("*", 1 + of.end())
            self.after_operand = False
        else:
            self._no_unit()

    def _sign(self, character: str) -> None:
        if character == "'" and self.after_operand and self.text[self.position + 1 : self.position + 2].isdigit():
            raise self._refuse(
                "ambiguous_number", "digits are not grouped by '", "write the number without it, as in 1234.5"
            )
        if character in SIGNS:
            raise self._refuse("syntax", f"{character} has no meaning here", SIGNS[character])
        if character in "'\"`":
            raise self._refuse("not_allowed", "text in quotes is not allowed", "")
        if character in "#@$€£¥°" or unicodedata.category(character) == "Sc":
            if character in "#@":
                raise self._refuse("not_allowed", f"{character} is not allowed", "")
            hint = ANGLES if character == "°" else UNITS_HINT
            raise self._refuse("units_not_supported", f"the calculator knows no units ({character})", hint)
        if not character.isascii() or not character.isprintable():
            raise self._refuse("syntax", f"the character U+{ord(character):04X} has no meaning here", "")
        if character in "([":
            self._open(character)
        elif character in ")]" and self.calls:
            self.calls.pop()
        self._emit("**" if character == "^" else character, 1)
        self.after_operand = character in ")]"
        self.after_name = False
        if self.after_operand:
            self._no_unit()

    def _open(self, character: str) -> None:
        self.calls.append(character == "[" or self.after_name or self._between_arguments())
        if len(self.calls) > DEEPEST:
            raise self._refuse(
                "too_deep", f"brackets are nested more than {DEEPEST} levels deep", "work it out in steps"
            )


def _normalised(text: str) -> tuple[str, list[int]]:
    """NFKC, character by character, with the column in `text` of each character and one more.

    Raised figures become a power; figures in circles, fractions and below the line would change their meaning.
    """
    out: list[str] = []
    columns: list[int] = []
    for column, character in enumerate(text, 1):
        kind = unicodedata.decomposition(character).partition(">")[0]
        plain = unicodedata.normalize("NFKC", character)
        if kind == "<super":
            inside = column > 1 and unicodedata.decomposition(text[column - 2]).startswith("<super")
            plain = plain if inside else f"^{plain}"
        elif kind in ("<sub", "<fraction", "<circle", "<compat") and any(figure.isdigit() for figure in plain):
            raise CalculatorError(
                "ambiguous_number", f"{character} can be read in more than one way", "write 1/2, not ½", column
            )
        plain = "".join(MAPPED.get(figure) or str(unicodedata.decimal(figure, figure)) for figure in plain)
        out.append(plain)
        columns += [column] * len(plain)
    joined = "".join(out)
    if len(joined) > LONGEST:
        raise CalculatorError("too_long", f"the expression has {len(joined)} characters; at most {LONGEST} are read")
    return joined, [*columns, len(text) + 1]


class _Checker:
    """Goes through a tree from the outside in; leaves numbers as they were written and columns as they were given."""

    def __init__(self, source: str, columns: list[int], percents: set[int]):
        self.source, self.columns, self.percents = source, columns, percents

    def check(self, node: ast.expr, depth: int = 1) -> ast.expr:
        if depth > DEEPEST:
            raise self._refuse(node, "too_deep", f"nested more than {DEEPEST} levels deep", "work it out in steps")
        match node:
            case ast.Constant():
                checked: ast.expr = self._constant(node)
            case ast.UnaryOp():
                checked = self._unary(node, depth)
            case ast.BinOp():
                checked = self._binary(node, depth)
            case ast.Call():
                checked = self._call(node, depth)
            case ast.Name():
                checked = self._name(node)
            case ast.Attribute() if node.end_col_offset in self.percents:
                checked = ast.BinOp(self.check(node.value, depth + 1), ast.Div(), ast.Constant(100))
            case _:
                raise self._not_allowed(node)
        checked.col_offset = self.columns[node.col_offset]
        return checked

    def _refuse(self, node: ast.AST, kind: str, message: str, hint: str = "") -> CalculatorError:
        return CalculatorError(kind, message, hint, self.columns[getattr(node, "col_offset", 0)])

    def _not_allowed(self, node: ast.AST, name: str = "") -> CalculatorError:
        hint = "lists go into min, max, sum, mean, median and stdev" if isinstance(node, ast.List) else ""
        return self._refuse(node, "not_allowed", f"{name or type(node).__name__} is not allowed", hint)

    def _constant(self, node: ast.Constant) -> ast.expr:
        if type(node.value) not in (int, float):
            raise self._not_allowed(node, f"Constant ({type(node.value).__name__})")
        if isinstance(node.value, int):
            return ast.Constant(node.value)
        return ast.Constant(WrittenNumber(self.source[node.col_offset : node.end_col_offset]))  # type: ignore[arg-type]  # its stubs know only Python's own constants

    def _unary(self, node: ast.UnaryOp, depth: int) -> ast.expr:
        if not isinstance(node.op, OPERATORS):
            raise self._not_allowed(node, type(node.op).__name__)
        return ast.UnaryOp(node.op, self.check(node.operand, depth + 1))

    def _binary(self, node: ast.BinOp, depth: int) -> ast.expr:
        if not isinstance(node.op, OPERATORS):
            raise self._not_allowed(node, type(node.op).__name__)
        return ast.BinOp(self.check(node.left, depth), node.op, self.check(node.right, depth + 1))

    def _name(self, node: ast.Name) -> ast.expr:
        if node.id in FUNCTIONS:
            raise self._refuse(node, "bad_arguments", f"{node.id} needs arguments", f"write {node.id}(…)")
        if node.id not in CONSTANTS:
            raise self._unknown(node)
        return ast.Name(node.id)

    def _unknown(self, node: ast.Name) -> CalculatorError:
        known = [*FUNCTIONS, *CONSTANTS]
        near = get_close_matches(node.id.lower(), known, n=1, cutoff=0.6)
        hint = instead(node.id) or (near[0] if near else "")
        return self._refuse(node, "unknown_name", f"{node.id} is not known", hint)

    def _call(self, node: ast.Call, depth: int) -> ast.expr:
        if isinstance(node.func, ast.Constant):
            raise self._refuse(node, "syntax", "an operator is missing before the bracket", "write * before it")
        if not isinstance(node.func, ast.Name):
            raise self._not_allowed(node)
        if node.keywords:
            raise self._not_allowed(node.keywords[0])
        name = node.func.id
        if name in CONSTANTS:
            raise self._refuse(node, "bad_arguments", f"{name} is a number, not a function", f"write {name} * (…)")
        if name not in FUNCTIONS:
            raise self._unknown(node.func)
        return ast.Call(ast.Name(name), self._arguments(node, name, depth), [])

    def _arguments(self, node: ast.Call, name: str, depth: int) -> list[ast.expr]:
        function = FUNCTIONS[name]
        arguments = node.args
        if function.lists and len(arguments) == 1 and isinstance(arguments[0], ast.List):
            arguments = arguments[0].elts
        if not function.least <= len(arguments) <= function.most:
            wanted = f"{function.least}" if function.least == function.most else f"{function.least} to {function.most}"
            if function.lists:
                wanted = f"at least {function.least}"
            noun = "argument" if wanted.endswith(" 1") or wanted == "1" else "arguments"
            raise self._refuse(node, "bad_arguments", f"{name} takes {wanted} {noun}, not {len(arguments)}")
        return [self.check(argument, depth + 1) for argument in arguments]
