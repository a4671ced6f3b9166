"""Tools as a toolset of pydantic-ai."""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pydantic.errors import PydanticUserError
from pydantic_ai import Tool as AgentTool
from pydantic_ai.exceptions import UserError
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, CombinedToolset, FunctionToolset, WrapperToolset

from .. import bridge
from ..errors import UsageError
from .guard import Allowed, GuardedToolset, Rule, ToolLimits, nothing
from .mcp import McpServer
from .mcp_toolset import Say
from .mcp_toolset import toolset as of_server
from .results import Keep
from .tool import Deps, Tool


def build(
    tools: Sequence[Tool],
    servers: Sequence[McpServer] = (),
    limits: ToolLimits | None = None,
    allowed: Allowed | None = None,
    secrets: Mapping[str, str] | None = None,
    keep: Keep | None = None,
    say: Say | None = None,
) -> AbstractToolset[Deps]:
    """`tools`, and those of `servers`, under the rules of guard.py. Raises UsageError for two of one name and for hints
    that give no schema."""
    by_name: dict[str, Tool] = {}
    for tool in tools:
        if tool.name in by_name:
            raise UsageError(
                f"two tools are called {tool.name}; take one of them, or name your own otherwise: tool(name=…)"
            )
        by_name[tool.name] = tool
    functions: FunctionToolset[Deps] = FunctionToolset([_agent_tool(tool) for tool in tools])
    rules = {tool.name: Rule(tool.kind, tool.seconds) for tool in tools}
    limits, allowed = limits or ToolLimits(), allowed or nothing
    own = GuardedToolset(functions, rules.__getitem__, limits, allowed, secrets, keep)
    if not servers:
        return own
    return CombinedToolset([own, *(of_server(server, limits, allowed, secrets, keep, say) for server in servers)])


def definitions(toolset: AbstractToolset[Deps] | None) -> list[ToolDefinition]:
    """The tools of a toolset that are sent with every payload, where they are known without asking a server."""
    while isinstance(toolset, WrapperToolset):
        toolset = toolset.wrapped
    if isinstance(toolset, CombinedToolset):
        return [definition for each in toolset.toolsets for definition in definitions(each)]
    return [tool.tool_def for tool in toolset.tools.values()] if isinstance(toolset, FunctionToolset) else []


def _agent_tool(tool: Tool) -> AgentTool[Deps]:
    function = tool.function if tool.cancellable else _in_thread(tool.function)
    try:
        return AgentTool(function, name=tool.name, takes_ctx=False, docstring_format="google")
    except (UserError, PydanticUserError, NameError, TypeError) as error:
        raise UsageError(f"the hints of the tool {tool.name} give no schema: {error}") from error


def _in_thread(function: Callable[..., object]) -> Callable[..., Awaitable[object]]:
    """`function` as a coroutine function. When the wait for it ends, the thread is left behind; it does not keep the
    program alive."""

    @functools.wraps(function)
    async def called(*args: object, **kwargs: object) -> object:
        return await bridge.in_daemon(functools.partial(function, *args, **kwargs))

    return called
