"""The turn's part in pydantic-ai's loop: what is sent, which tools are offered, how they run, and what asks first."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from pydantic_ai import RunContext, ToolDefinition
from pydantic_ai.capabilities import AbstractCapability, ValidatedToolArgs, WrapToolExecuteHandler
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolDenied

from ...tools.tool import Deps
from ..window.fit_result import FitResult
from .state import TurnState
from .tool_calls import ToolCalls


@dataclass
class Hooks(AbstractCapability[Deps]):
    """Bound to one turn."""

    state: TurnState
    tool_calls: ToolCalls
    fit: Callable[[Sequence[ToolDefinition]], Awaitable[FitResult]]

    async def prepare_model_request(
        self, ctx: RunContext[Deps], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        parameters = request_context.model_request_parameters
        fit_result = await self.fit(tuple(parameters.function_tools))
        request_context.messages = list(fit_result.payload.messages)
        if (schema := self.state.setup.schema) is not None:
            output = OutputObjectDefinition(json_schema=dict(schema), name="answer")
            request_context.model_request_parameters = replace(parameters, output_mode="native", output_object=output)
        return request_context

    async def prepare_tools(self, ctx: RunContext[Deps], tool_defs: list[ToolDefinition]) -> list[ToolDefinition]:
        return [] if self.state.phase == "finalising" else tool_defs

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Deps],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: ValidatedToolArgs,
        handler: WrapToolExecuteHandler,
    ) -> object:
        return await self.tool_calls.run(call, args, handler)

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Deps], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        if self.state.setup.consent.mode != "never":
            return None
        denied = ToolDenied("denied: this run may not call tools that ask first")
        return requests.build_results(approvals={call.tool_call_id: denied for call in requests.approvals})
