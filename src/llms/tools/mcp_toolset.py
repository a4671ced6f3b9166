"""The toolset of an MCP server: its tools only while they are the ones that were accepted, and none if it fails."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset

from ..errors import ModelError
from .guard import Allowed, GuardedToolset, Rule, ToolLimits, nothing
from .mcp import McpServer, cleaned, connected, objection, offered, running, shortened
from .mcp_log import ServerLog
from .results import Keep
from .tool import NAME, Deps

log = logging.getLogger(__name__)


Say = Callable[[str], None]


def toolset(
    server: McpServer,
    limits: ToolLimits | None = None,
    allowed: Allowed = nothing,
    secrets: Mapping[str, str] | None = None,
    keep: Keep | None = None,
    say: Say | None = None,
) -> AbstractToolset[Deps]:
    """The tools of `server`, named after it, each call asked for. `say` is told, once in a run, why it gives none, and
    the run goes on without them; without `say` that ends the run: a ModelError."""
    pinned = PinnedToolset(connected(server), server, say)
    rule = Rule("external", foreign=True)
    return GuardedToolset(
        pinned.prefixed(server.name), lambda name: rule, limits or ToolLimits(), allowed, secrets, keep
    )


@dataclass
class PinnedToolset(WrapperToolset[Deps]):
    """`wrapped` as accepted. `objection` is why it gives nothing, as of the last look; "" if it does.

    Each run starts a server of its own, which ends with the run.
    """

    server: McpServer
    say: Say | None = None
    objection: str = ""
    log: ServerLog | None = None
    stack: AsyncExitStack | None = None

    async def for_run(self, ctx: RunContext[Deps]) -> "PinnedToolset":
        return replace(self, objection="", log=None, stack=None)

    async def __aenter__(self) -> Self:
        stack = AsyncExitStack()
        try:
            self.wrapped, self.log = await stack.enter_async_context(running(self.server))
            self.stack = stack
        except Exception as failure:
            log.info("the MCP server %s did not start", self.server.name, exc_info=True)
            why = " ".join(str(failure).split())[:200] or type(failure).__name__
            self._object(f"it did not start: {why}; see mcp-{self.server.name}.log in LLMS_HOME")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self.stack is None:
            return None
        await self.stack.aclose()
        if self.log and self.log.stray and self.say:
            self.say(
                f"the MCP server {self.server.name} wrote {self.log.stray:,} lines to its standard output that are no "
                f"messages; they were left out, see mcp-{self.server.name}.log in LLMS_HOME"
            )
        return None

    def _object(self, why: str) -> None:
        """Note why there are no tools, and say it if it is news."""
        if why and why != self.objection:
            text = f"the MCP server {self.server.name} is off: {why}"
            if self.say is None:
                raise ModelError(text)
            self.say(text)
        self.objection = why

    async def get_tools(self, ctx: RunContext[Deps]) -> dict[str, ToolsetTool[Deps]]:
        if self.stack is None:
            return {}
        tools = await self.wrapped.get_tools(ctx)
        offers = {
            name: (tool.tool_def.description or "", tool.tool_def.parameters_json_schema)
            for name, tool in tools.items()
        }
        self._object(objection(self.server, offered(offers)))
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
