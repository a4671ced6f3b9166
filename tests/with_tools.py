"""`llms` with two tools of a user's own among those that the pages offer: `python with_tools.py web …`."""

import sys
from types import ModuleType

from llms.cli.main import main
from llms.tools import catalogue
from llms.tools.tool import tool


@tool(kind="write")
def note(what: str) -> str:
    """Write a note."""
    return f"noted {what}"


@tool(kind="external")
def order(what: str) -> str:
    """Order something."""
    return f"ordered {what}"


if __name__ == "__main__":
    own = ModuleType("llms.tools.own")
    own.note, own.order = note, order
    sys.modules[own.__name__] = own
    catalogue.MODULES |= {"note": "own", "order": "own"}
    main()
