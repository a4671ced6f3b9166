"""The arguments of a call as a model writes them: read, mended once, compared."""

import ast
import json
import re
from collections.abc import Mapping

from ..values import NotFinite, read_json

FENCE = re.compile(r"^\s*```[A-Za-z]*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
LONGEST = 100_000  # characters that are tried as Python


def read(text: str) -> dict[str, object] | None:
    """`text` as an object, mended if it has a code fence, trailing commas or single quotes. None if it is not one.

    Raises NotFinite where it holds a number that JSON does not have.
    """
    fenced = FENCE.match(text)
    bare = fenced[1] if fenced else text
    without_commas = TRAILING_COMMA.sub(lambda match: "" if match[0] == "," else match[0], bare)
    for attempt, parse in ((text, read_json), (bare, read_json), (without_commas, read_json), (bare, _python)):
        try:
            value = parse(attempt)
        except NotFinite:
            raise
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None
    return None


def _python(text: str) -> object:
    if len(text) > LONGEST:
        raise ValueError("too long")
    value: object = ast.literal_eval(text.strip())
    read_json(json.dumps(value))  # 1e999 is Python, and infinite
    return value


def canonical(arguments: str | Mapping[str, object] | None) -> str:
    """One text for all ways to write the same arguments."""
    if isinstance(arguments, str):
        try:
            values = read(arguments) if arguments.strip() else {}
        except NotFinite:
            return arguments
        if values is None:
            return arguments
        arguments = values
    return json.dumps(arguments or {}, sort_keys=True, ensure_ascii=False, default=str)
