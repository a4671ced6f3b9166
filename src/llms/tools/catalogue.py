"""The tools that come with llms, by name. Importing this imports none of them.

    toolset(["calculator", "files:./notes", own_function])

`files:FOLDER` and `sql:FILE` name what they may look at. Pictures, speech and MCP servers need more than a name: see
images.py, speech.py, mcp.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import UnknownName, UsageError
from .tool import Deps, Tool, tool

if TYPE_CHECKING:
    from pydantic_ai.toolsets import AbstractToolset

    from .guard import Allowed, ToolLimits
    from .results import Keep

MODULES = {
    "calculator": "calculator",
    "convert": "units",
    "clock": "clock",
    "date_add": "clock",
    "date_between": "clock",
    "python": "python",
    "web_page": "web",
}  # the module of each tool
OVER = {"files": "files", "sql": "sql"}  # and of each family of tools over something that is named


class _Catalogue(Mapping[str, Tool]):
    """Imports a tool when it is looked up."""

    def __getitem__(self, name: str) -> Tool:
        entry: Tool = getattr(import_module(f".{MODULES[name]}", __package__), name)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


TOOLS: Mapping[str, Tool] = _Catalogue()


def find(name: str) -> Sequence[Tool]:
    """The tools of a name: one, or those over what follows its colon. Raises UnknownName or UsageError."""
    family, colon, over = name.partition(":")
    if colon and family in OVER:
        tools: list[Tool] = import_module(f".{OVER[family]}", __package__).over(over)
        return tools
    if family in OVER:
        raise UsageError(f"{name} works on something: name it as in {name}:./name")
    if name not in TOOLS:
        raise UnknownName("tool", name, [*TOOLS, *(f"{family}:…" for family in OVER)])
    return (TOOLS[name],)


def toolset(
    tools: Iterable[str | Tool | Callable[..., object]],
    limits: "ToolLimits | None" = None,
    allowed: "Allowed | None" = None,
    secrets: Mapping[str, str] | None = None,
    keep: "Keep | None" = None,
) -> "AbstractToolset[Deps]":
    """A toolset for a pydantic-ai agent, of tools, names of tools and typed functions; see guard.GuardedToolset for the rest.

    The agent must be made with retries=guard.RETRIES and be able to end with DeferredToolRequests.
    """
    from .guard import (  # here: they load pydantic-ai, half a second that a list of names does not need
        ToolLimits,
        nothing,
    )
    from .toolset import build

    every: list[Tool] = []
    for one in tools:
        every += find(one) if isinstance(one, str) else (one if isinstance(one, Tool) else tool(one),)
    return build(every, limits or ToolLimits(), allowed or nothing, secrets, keep)
