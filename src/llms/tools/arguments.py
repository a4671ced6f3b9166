"""What a model writes as arguments of a call: read, mended once, compared."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

FENCE = re.compile(r"^\s*```[A-Za-z]*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])')
LONGEST = 100_000  # characters that are tried as Python


def read(text: str) -> dict[str, Any] | None:
    """The object that `text` is; mended if it has a code fence, trailing commas or single quotes. None if it is none."""
    fenced = FENCE.match(text)
    bare = fenced[1] if fenced else text
    without_commas = TRAILING_COMMA.sub(lambda found: "" if found[0] == "," else found[0], bare)
    for attempt, parse in ((text, json.loads), (bare, json.loads), (without_commas, json.loads), (bare, _python)):
        try:
            found = parse(attempt)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else None
    return None


def _python(text: str) -> Any:
    if len(text) > LONGEST:
        raise ValueError("too long")
    return ast.literal_eval(text.strip())


def canonical(arguments: str | Mapping[str, Any] | None) -> str:
    """One text for all ways to write the same arguments."""
    if isinstance(arguments, str):
        found = read(arguments) if arguments.strip() else {}
        if found is None:
            return arguments
        arguments = found
    return json.dumps(arguments or {}, sort_keys=True, ensure_ascii=False, default=str)
