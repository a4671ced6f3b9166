"""The tools that come with llms, by name. Importing this imports none of them.

    toolset(["calculator", "files:./notes", "image:openai:gpt-image-1", "mcp:notes", own_function])

`files:FOLDER` and `sql:FILE` name what they may look at, `image:MODEL` and `speak:MODEL` the model of an endpoint that
draws or speaks, `mcp:NAME` a server that the user configured and accepted.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import UnknownName, UsageError
from .mcp import McpServer, accepted, server_named
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
OVER = {"files": "files", "sql": "sql", "image": "images", "speak": "speech"}  # and of each family over what is named
OF_FILES, OF_MODELS, SERVERS = ("files", "sql"), ("image", "speak"), "mcp"
OPTION = re.compile(r"[a-z]+=")
FORMS = ("files:FOLDER", "sql:FILE", "image:MODEL", "speak:MODEL", "mcp:NAME")


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
    if family in OVER or family == SERVERS:
        form = next(form for form in FORMS if form.startswith(f"{family}:"))
        raise UsageError(f"{name} alone says too little: write {form}")
    if name not in TOOLS:
        raise UnknownName("tool", name, [*TOOLS, *FORMS])
    return (TOOLS[name],)


def tools_of(name: str) -> Sequence[str]:
    """The tools of a name, each as a model calls it. Raises as `find`, and for a server that is off."""
    family, _, server = name.partition(":")
    if family != SERVERS:
        return [one.name for one in find(name)]
    server_named(server)
    return [f"{server}_{tool}" for tool in accepted()[server]["tools"]]


def split(names: str) -> list[str]:
    """The names of tools in a list with commas; an option such as voice=alloy goes with the name before it."""
    result: list[str] = []
    for part in filter(None, names.split(",")):
        if result and OPTION.match(part):
            result[-1] += f",{part}"
        else:
            result.append(part)
    return result


def toolset(
    tools: Iterable[str | Tool | Callable[..., object]],
    limits: "ToolLimits | None" = None,
    allowed: "Allowed | None" = None,
    secrets: Mapping[str, str] | None = None,
    keep: "Keep | None" = None,
    say: Callable[[str], None] | None = None,
) -> "AbstractToolset[Deps]":
    """A toolset for a pydantic-ai agent, of tools, names of tools and typed functions; see guard.GuardedToolset for the rest.

    `say` is told what a person should know of an MCP server; without it one that gives no tools is an error of the run.
    The agent must be made with retries=guard.RETRIES and be able to end with DeferredToolRequests.
    """
    from .toolset import build  # pydantic-ai, half a second that a list of names does not need

    every: list[Tool] = []
    servers: list[McpServer] = []
    for one in tools:
        if isinstance(one, str) and one.startswith(f"{SERVERS}:"):
            servers.append(server_named(one.partition(":")[2]))
        else:
            every += find(one) if isinstance(one, str) else (one if isinstance(one, Tool) else tool(one),)
    return build(every, servers, limits, allowed, secrets, keep, say)
