"""Runs scripts, given as JSON on standard input, one after another in a process that has no llms; prints what each printed.

Each is [code, [argument…]]; each becomes a list of lines, or a text, the traceback.
"""

import contextlib
import io
import json
import sys
import traceback

sys.modules["llms"] = None  # an import of it fails


def run(code: str, arguments: list[str]) -> list[str] | str:
    sys.argv = ["script.py", *arguments]
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, "script.py", "exec"), {"__name__": "__main__"})
    except (Exception, SystemExit):
        return traceback.format_exc()
    return out.getvalue().splitlines()


print(json.dumps([run(code, arguments) for code, arguments in json.load(sys.stdin)]))
