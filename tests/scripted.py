"""A model that does what its script says: a list of calls a step, or the text that ends the run."""

import json
from collections.abc import Sequence

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.tools import DeferredToolRequests

from llms import bridge
from llms.tools.guard import RETRIES

Call = tuple[str, str | dict]


class Script:
    """`steps` are replayed from where the message history stands; `offered` collects the tools of each step."""

    def __init__(self, *steps: Sequence[Call] | str):
        self.steps = steps
        self.offered: list[list[str]] = []

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.offered.append([tool.name for tool in info.function_tools])
        step = sum(isinstance(message, ModelResponse) for message in messages)
        act = self.steps[step] if step < len(self.steps) else "done"
        if isinstance(act, str):
            return ModelResponse([TextPart(act)])
        calls = [
            ToolCallPart(name, given, tool_call_id=f"call-{step}-{index}") for index, (name, given) in enumerate(act)
        ]
        return ModelResponse(calls)


def run(script: Script, *toolsets, **more):
    """The result of a run, and what its tools returned, in order."""
    agent = Agent(FunctionModel(script), toolsets=toolsets, retries=RETRIES, output_type=[str, DeferredToolRequests])
    prompt = () if "message_history" in more else ("go",)
    result = bridge.run(agent.run(*prompt, **more))
    parts = [part for message in result.all_messages() for part in message.parts if isinstance(part, ToolReturnPart)]
    return result, parts


def failure(part: ToolReturnPart) -> dict:
    assert part.outcome == "failed", part
    return json.loads(part.content)
