"""A model and tools whose every call pays the budget first: no loop of any library can go around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import ToolsetTool
from pydantic_ai.toolsets.wrapper import WrapperToolset

from ..tools.tool import Deps
from ..values import Usage
from .budget import Purpose, StepBudget

PriceOf = Callable[[Usage], Decimal | None]  # US dollars, None if unknown


class BudgetedModel(WrapperModel):
    """`model`, each of whose requests takes a unit of `budget` before it leaves and settles its tokens after."""

    def __init__(self, model: Model, budget: StepBudget, purpose: Purpose, price: PriceOf | None = None):
        super().__init__(model)
        self._budget, self._purpose, self._price = budget, purpose, price

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        self._budget.take_call(self._purpose)
        response = await super().request(messages, model_settings, model_request_parameters)
        self._settle(response)
        return response

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Deps] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        self._budget.take_call(self._purpose)
        async with super().request_stream(messages, model_settings, model_request_parameters, run_context) as stream:
            try:
                yield stream
            finally:
                self._settle(stream.get())

    def _settle(self, response: ModelResponse) -> None:
        used = response.usage
        usage = Usage(used.input_tokens, used.output_tokens, used.cache_read_tokens)
        self._budget.settle(used.total_tokens, self._price(usage) if self._price else _cost(response))


def _cost(response: ModelResponse) -> Decimal | None:
    """In US dollars by the offline price list; None where the price is unknown, never 0."""
    try:
        return response.cost().total_price
    except (LookupError, AssertionError, ValueError):
        return None


@dataclass
class BudgetedTools(WrapperToolset[Deps]):
    """A toolset, each of whose calls takes a unit of `budget`."""

    budget: StepBudget

    async def call_tool(
        self, name: str, tool_args: dict[str, object], ctx: RunContext[Deps], tool: ToolsetTool[Deps]
    ) -> object:
        self.budget.take_tool()
        return await super().call_tool(name, tool_args, ctx, tool)
