"""A toolset of an MCP server that gives its tools only while they are the ones that were accepted, and none if it fails."""

import logging
from dataclasses import dataclass, replace
from typing import Any, Self

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from .mcp import McpServer, cleaned, objection, offered, shortened
from .tool import NAME

log = logging.getLogger(__name__)


@dataclass
class PinnedToolset(WrapperToolset[Any]):
    """`wrapped` as accepted. `objection` is why it gives nothing, as found at the last look; "" if it does.

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

    async def __aexit__(self, *args: Any) -> bool | None:
        return await self.wrapped.__aexit__(*args) if self.started else None

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        if not self.started:
            return {}
        tools = await self.wrapped.get_tools(ctx)
        given = {
            name: (tool.tool_def.description or "", tool.tool_def.parameters_json_schema)
            for name, tool in tools.items()
        }
        self.objection = objection(self.server, offered(given))
        if self.objection:
            return {}
        return {name: _shown(tool) for name, tool in tools.items() if NAME.fullmatch(f"{self.server.name}_{name}")}

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        if name not in await self.get_tools(ctx):  # the list may have changed since the model saw it
            raise ToolFailed(f"the server {self.server.name} is off: {self.objection or f'it has no tool {name}'}")
        return await self.wrapped.call_tool(name, tool_args, ctx, tool)


def _shown(tool: ToolsetTool[Any]) -> ToolsetTool[Any]:
    definition = tool.tool_def
    shown = replace(
        definition,
        description=shortened(definition.description or ""),
        parameters_json_schema=cleaned(definition.parameters_json_schema),
        return_schema=None,
        metadata=None,
    )
    return replace(tool, tool_def=shown)
