"""The toolset of an MCP server: its tools only while they are the ones that were accepted, and none if it fails."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset

from ..errors import UsageError
from .guard import Allowed, GuardedToolset, Rule, ToolLimits, nothing
from .mcp import McpServer, cleaned, connected, objection, offered, shortened
from .results import Keep
from .tool import NAME, Deps

log = logging.getLogger(__name__)


def toolset(
    server: McpServer,
    limits: ToolLimits | None = None,
    allowed: Allowed = nothing,
    secrets: Mapping[str, str] | None = None,
    keep: Keep | None = None,
) -> AbstractToolset[Deps]:
    """The tools of `server`, named after it, each call asked for. Raises UsageError if it was not accepted as it is."""
    if why := objection(server):
        raise UsageError(
            f"the MCP server {server.name} is off: {why}. See what it starts and offers: llms mcp accept {server.name}"
        )
    pinned = PinnedToolset(connected(server), server)
    rule = Rule("external", foreign=True)
    return GuardedToolset(
        pinned.prefixed(server.name), lambda name: rule, limits or ToolLimits(), allowed, secrets, keep
    )


@dataclass
class PinnedToolset(WrapperToolset[Deps]):
    """`wrapped` as accepted. `objection` is why it gives nothing, as of the last look; "" if it does.

    Made for one run: a server that does not start leaves the run without its tools instead of ending it.
    """

    server: McpServer
    objection: str = ""
    started: bool = False

    async def __aenter__(self) -> Self:
        try:
            await self.wrapped.__aenter__()
            self.started = True
        except Exception as failure:
            log.info("the MCP server %s did not start", self.server.name, exc_info=True)
            self.objection = f"it did not start: {' '.join(str(failure).split())[:200] or type(failure).__name__}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self.wrapped.__aexit__(kind, error, trace) if self.started else None

    async def get_tools(self, ctx: RunContext[Deps]) -> dict[str, ToolsetTool[Deps]]:
        if not self.started:
            return {}
        tools = await self.wrapped.get_tools(ctx)
        running = {
            name: (tool.tool_def.description or "", tool.tool_def.parameters_json_schema)
            for name, tool in tools.items()
        }
        self.objection = objection(self.server, offered(running))
        if self.objection:
            return {}
        return {name: _shown(tool) for name, tool in tools.items() if NAME.fullmatch(f"{self.server.name}_{name}")}

    async def call_tool(
        self, name: str, tool_args: dict[str, object], ctx: RunContext[Deps], tool: ToolsetTool[Deps]
    ) -> object:
        if name not in await self.get_tools(ctx):  # the list may have changed since the model saw it
            raise ToolFailed(f"the server {self.server.name} is off: {self.objection or f'it has no tool {name}'}")
        return await self.wrapped.call_tool(name, tool_args, ctx, tool)


def _shown(tool: ToolsetTool[Deps]) -> ToolsetTool[Deps]:
    definition = tool.tool_def
    shown = replace(
        definition,
        description=shortened(definition.description or ""),
        parameters_json_schema=cleaned(definition.parameters_json_schema),
        return_schema=None,
        metadata=None,
    )
    return replace(tool, tool_def=shown)
