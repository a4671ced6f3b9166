"""The arguments of a call as a model writes them: read, mended once, compared."""

import ast
import json
import re
from collections.abc import Mapping

FENCE = re.compile(r"^\s*```[A-Za-z]*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
LONGEST = 100_000  # characters that are tried as Python


def read(text: str) -> dict[str, object] | None:
    """`text` as an object, mended if it has a code fence, trailing commas or single quotes. None if it is not one."""
    fenced = FENCE.match(text)
    bare = fenced[1] if fenced else text
    without_commas = TRAILING_COMMA.sub(lambda match: "" if match[0] == "," else match[0], bare)
    for attempt, parse in ((text, json.loads), (bare, json.loads), (without_commas, json.loads), (bare, _python)):
        try:
            value = parse(attempt)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None
    return None


def _python(text: str) -> object:
    if len(text) > LONGEST:
        raise ValueError("too long")
    return ast.literal_eval(text.strip())


def canonical(arguments: str | Mapping[str, object] | None) -> str:
    """One text for all ways to write the same arguments."""
    if isinstance(arguments, str):
        values = read(arguments) if arguments.strip() else {}
        if values is None:
            return arguments
        arguments = values
    return json.dumps(arguments or {}, sort_keys=True, ensure_ascii=False, default=str)
