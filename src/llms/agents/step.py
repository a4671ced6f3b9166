"""One agent doing one thing: a bounded loop of model and tools that ends with an answer or the reason why not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import pydantic_ai
from pydantic_ai import Agent, CancellationToken, DeferredToolRequests, DeferredToolResults, UsageLimits
from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ToolReturnPart
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import AbstractToolset

from ..errors import BudgetExceeded, LlmsError
from ..models.api.errors import EndpointUnusable
from ..tools.consent import Approve, deny
from ..tools.guard import approval_requests, approval_result
from ..tools.tool import Deps
from .budget import Exhausted, Limit, Purpose, StepBudget
from .budgeted import BudgetedModel, BudgetedTools, PriceOf

pydantic_ai.BANNER_ENABLED = False  # an advertisement before the first answer of a process

ROUNDS = 8  # of model and tools within one step
TOOL_CALLS = 16
OUTPUT_TOOL = "final_result"  # pydantic-ai's name for the way in which structured output is given

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call of a step and what came back; `tainted`: it is text from outside. `files` are the paths of those that it
    made."""

    id: str
    name: str
    result: str
    tainted: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepResult(Generic[T]):
    """`value` is None if the step failed; then `problem` says why, `exhausted` which limit of a budget ended it, if one
    did, and `rounds_over` whether its rounds of model and tools were used up. `fatal` is what will meet every further step,
    too: an account or a budget of money that is used up, a key that is refused."""

    value: T | None
    problem: str = ""
    exhausted: Limit | Literal["a model failed"] | None = None
    used: tuple[ToolUse, ...] = ()
    rounds_over: bool = False
    fatal: LlmsError | None = None


@dataclass(frozen=True)
class Worker:
    """A role's means: its model, its tools, whether it runs on this machine, and the cost of a call (without `price`: by the
    table of prices). `read` are the untrusted texts that its prompts hold."""

    model: Model
    toolset: AbstractToolset[Deps] | None = None
    local: bool = False
    settings: ModelSettings | None = None
    approve: Approve = deny
    read: tuple[str, ...] = ()
    price: PriceOf | None = None


async def run_step(
    worker: Worker,
    instructions: str,
    prompt: str,
    budget: StepBudget,
    purpose: Purpose,
    output: type[T],
    cancel: CancellationToken | None = None,
    tools: bool = True,
) -> StepResult[T]:
    """The agent's answer to `prompt`. Never raises for what a model, a tool or a budget does; cancellation passes."""
    toolset = BudgetedTools(worker.toolset, budget) if worker.toolset is not None and tools else None
    agent: Agent[Deps, T | DeferredToolRequests] = Agent(
        BudgetedModel(worker.model, budget, purpose, worker.price),
        output_type=[output, DeferredToolRequests] if toolset else output,
        instructions=instructions,
        toolsets=[toolset] if toolset else [],
        retries={"tools": 100, "output": 1},
        model_settings=worker.settings,
    )
    messages: list[ModelMessage] = []
    try:
        async with asyncio.timeout(budget.seconds_for(purpose)):
            value = await _converse(agent, prompt, worker, messages, cancel)
    except TimeoutError:
        return StepResult(None, "the time is over", "time", _tools(messages))
    except Exhausted as end:
        return StepResult(None, str(end), end.limit, _tools(messages))
    except UsageLimitExceeded as end:
        return StepResult(
            None, f"a step has {ROUNDS} rounds and {TOOL_CALLS} tool calls: {end}", None, _tools(messages), True
        )
    except Exception as error:  # the boundary to models and tools of any make: nothing they raise ends the team
        if (fatal := _fatal(error)) is not None:
            ended: Limit | Literal["a model failed"] = "cost" if isinstance(fatal, BudgetExceeded) else "a model failed"
            return StepResult(None, str(fatal)[:500], ended, _tools(messages), fatal=fatal)
        limit = error.__cause__.limit if isinstance(error.__cause__, Exhausted) else None
        return StepResult(None, f"{type(error).__name__}: {error}"[:500], limit, _tools(messages))
    if isinstance(value, DeferredToolRequests):
        return StepResult(None, f"it still asked for consent after {ROUNDS} rounds", None, _tools(messages), True)
    if isinstance(value, str) and not value.strip():
        return StepResult(None, "the answer was empty", None, _tools(messages))
    return StepResult(value, "", None, _tools(messages))


def _fatal(error: Exception) -> LlmsError | None:
    """Our own error behind `error` if every further request would fail alike; None where this one did alone."""
    own = error if isinstance(error, LlmsError) else error.__cause__
    if isinstance(own, BudgetExceeded | EndpointUnusable):
        return own
    return None


async def _converse(
    agent: Agent[Deps, T | DeferredToolRequests],
    prompt: str,
    worker: Worker,
    messages: list[ModelMessage],
    cancel: CancellationToken | None,
) -> T | DeferredToolRequests | None:
    """The agent's output; what it still asks consent for when the rounds are over; None for a run that was cancelled.

    `messages` holds all that was said, however it ends.
    """
    asked: str | None = prompt
    consent: DeferredToolResults | None = None
    value: T | DeferredToolRequests | None = None
    for _ in range(ROUNDS):
        async with agent.iter(
            asked,
            message_history=list(messages) or None,
            deferred_tool_results=consent,
            usage_limits=UsageLimits(request_limit=ROUNDS, tool_calls_limit=TOOL_CALLS),
            cancellation_token=cancel,
        ) as run:
            try:
                async for _node in run:
                    pass
            finally:
                messages[:] = run.all_messages()
            value = run.result.output if run.result is not None else None
        if not isinstance(value, DeferredToolRequests):
            break
        asked, consent = None, await _decide(value, worker, messages)
    return value


def _tools(messages: Sequence[ModelMessage]) -> tuple[ToolUse, ...]:
    parts = [
        part
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturnPart) and not part.tool_name.startswith(OUTPUT_TOOL)
    ]
    return tuple(
        ToolUse(
            part.tool_call_id,
            part.tool_name,
            part.model_response_str(wrap_if_error=False),
            _outside(part),
            _files(part),
        )
        for part in parts
    )


def _files(part: ToolReturnPart) -> tuple[str, ...]:
    files = part.metadata.get("files") if isinstance(part.metadata, dict) else None
    return tuple(file["kept"] for file in files or () if file["kept"])


def _outside(part: ToolReturnPart) -> bool:
    """Whether the tool said that its result is not to be trusted."""
    return isinstance(part.metadata, dict) and part.metadata.get("label") == "untrusted"


async def _decide(
    deferred: DeferredToolRequests, worker: Worker, messages: Sequence[ModelMessage]
) -> DeferredToolResults:
    """Ask for each call; what nobody can run, and what is refused, is denied."""
    sources = dict.fromkeys([*worker.read, *(use.name for use in _tools(messages) if use.tainted)])
    results = DeferredToolResults()
    for request in approval_requests(deferred, sources):
        results.approvals[request.tool_call] = approval_result(await worker.approve(request))
    for call in deferred.calls:
        results.calls[call.tool_call_id] = "not executed: there is nobody to run it"
    return results
