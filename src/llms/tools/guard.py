"""The rules between a model and its tools, whichever toolset holds them: arguments, repetition, secrets, consent, time, size.

Nothing is remembered here: what was called, failed or denied in this turn is read from its messages, so that a turn that
waits for a person goes on the same after a restart.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry, ToolFailed
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ToolCallPart,
    ToolReturn,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.tools import DeferredToolRequests, ToolApproved, ToolDenied
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool, WrapperToolset
from pydantic_ai.toolsets.abstract import SchemaValidatorProt
from pydantic_core import SchemaValidator

from .. import settings
from ..models.api.endpoints import NAMED
from ..values import NotFinite
from .arguments import canonical, read
from .consent import ApprovalRequest, Decision
from .results import Keep, error, result
from .tool import ASKING, Deps, Kind, ToolError
from .untrusted import secrets_in

RETRIES = {"tools": 100}  # for Agent(retries=…): its default ends a run at the second call of an unknown tool
Partial: TypeAlias = bool | Literal["off", "on", "trailing-strings"]  # pydantic's: whether input may break off
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """Of one call: `seconds` of time, `characters` of its result; and how many run at once."""

    seconds: float = 30.0
    characters: int = 20_000
    parallel: int = 4


@dataclass(frozen=True, slots=True)
class Rule:
    """The kind and limits of one tool. `seconds` overrides the limit of all; a `foreign` tool is not the user's own code."""

    kind: Kind
    seconds: float | None = None
    foreign: bool = False


Allowed = Callable[[str, Kind, Mapping[str, object]], bool]


def nothing(name: str, kind: Kind, arguments: Mapping[str, object]) -> bool:
    """No standing consent."""
    return False


def known_keys() -> dict[str, str]:
    """The keys that are set, by the name of their variable: what no argument may carry out."""
    names = {"LLMS_API_KEY", "HF_TOKEN", *(name for endpoint in NAMED.values() for name in endpoint.keys)}
    return {name: value for name in sorted(names) if (value := settings.get(name))}


@dataclass
class GuardedToolset(WrapperToolset[Deps]):
    """`wrapped` under the rules. `rule` tells what a tool is; `allowed` whether a standing consent covers a call;
    `secrets` are values, by name, that no argument may carry out (None: the keys that are set); `keep` stores what is
    too long or no text."""

    rule: Callable[[str], Rule]
    limits: ToolLimits = field(default_factory=ToolLimits)
    allowed: Allowed = nothing
    secrets: Mapping[str, str] | None = None
    keep: Keep | None = None
    slots: asyncio.Semaphore | None = None  # one set for each run, so that two runs do not wait for one another

    async def for_run(self, ctx: RunContext[Deps]) -> AbstractToolset[Deps]:
        return replace(self, wrapped=await self.wrapped.for_run(ctx), slots=asyncio.Semaphore(self.limits.parallel))

    async def get_tools(self, ctx: RunContext[Deps]) -> dict[str, ToolsetTool[Deps]]:
        turn = CallHistory(ctx.messages)
        return {
            name: replace(tool, args_validator=Arguments(tool.args_validator))
            for name, tool in (await self.wrapped.get_tools(ctx)).items()
            if not turn.withdrawn(name)
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, object], ctx: RunContext[Deps], tool: ToolsetTool[Deps]
    ) -> ToolReturn:
        # The order is the rule: a call that was made twice costs nobody a question; what carries a secret out is refused
        # before anybody could agree to it; a repeated call is asked for even where a standing consent would cover it.
        rule = self.rule(name)
        earlier = CallHistory(ctx.messages).identical(name, ctx.tool_call_id) if not ctx.tool_call_approved else []
        if len(earlier) >= 2:
            return _repeated(earlier)
        if rule.kind in ASKING:
            if leaking := secrets_in(tool_args, known_keys() if self.secrets is None else self.secrets):
                raise ToolFailed(error("secret", f"the arguments contain {', '.join(leaking)}", "leave it out"))
            if not ctx.tool_call_approved and (earlier or not self.allowed(name, rule.kind, tool_args)):
                raise ApprovalRequired({"kind": rule.kind})
        value = await self._run(name, tool_args, ctx, tool, rule)
        whole = value if isinstance(value, ToolReturn) else ToolReturn(value)
        safe = result(whole.return_value, name, rule.kind, self.limits.characters, self.keep)
        return safe if rule.foreign else replace(safe, content=whole.content)

    async def _run(
        self, name: str, tool_args: dict[str, object], ctx: RunContext[Deps], tool: ToolsetTool[Deps], rule: Rule
    ) -> object:
        seconds = rule.seconds or self.limits.seconds
        try:
            async with self.slots or asyncio.Semaphore():
                async with asyncio.timeout(seconds) as scope:
                    return await self.wrapped.call_tool(name, tool_args, ctx, tool)
        except (ApprovalRequired, CallDeferred):
            raise
        except (ModelRetry, ToolFailed) as failure:
            raise ToolFailed(error("failed", failure.message)) from failure
        except ToolError as failure:
            raise ToolFailed(error(failure.kind, str(failure), failure.hint)) from failure
        except Exception as failure:
            if isinstance(failure, TimeoutError) and scope.expired():
                raise ToolFailed(
                    error("timeout", f"{name} took longer than {seconds:g} seconds", "ask for less")
                ) from None
            log.info("the tool %s failed", name, exc_info=True)
            raise ToolFailed(error(type(failure).__name__, str(failure))) from failure


def approval_requests(deferred: DeferredToolRequests, sources: Iterable[str]) -> list[ApprovalRequest]:
    """The calls that a GuardedToolset held back for a person, in the model's order."""
    return [
        ApprovalRequest(
            call.tool_call_id,
            call.tool_name,
            deferred.metadata.get(call.tool_call_id, {}).get("kind", "external"),
            (read(call.args) if isinstance(call.args, str) else call.args) or {},
            tuple(sources),
        )
        for call in deferred.approvals
    ]


def approval_result(decision: Decision) -> ToolApproved | ToolDenied:
    """A decision as pydantic-ai takes it."""
    if decision.allowed:
        return ToolApproved(override_args=None if decision.args is None else dict(decision.args))
    return ToolDenied("denied by the user" + (f": {decision.reason}" if decision.reason else ""))


class CallHistory:
    """The tool calls and results since the person spoke last."""

    def __init__(self, messages: Sequence[ModelMessage]):
        start = 0
        for index, message in enumerate(messages):
            if isinstance(message, ModelRequest) and _spoken(message):
                start = index
        parts = [part for message in messages[start:] for part in message.parts]
        self._calls = [part for part in parts if isinstance(part, ToolCallPart)]
        self._returns = [part for part in parts if isinstance(part, ToolReturnPart)]

    def withdrawn(self, name: str) -> bool:
        """Whether a tool got wrong arguments twice in a row, or was denied twice."""
        own = [part for part in self._returns if part.tool_name == name]
        wrong = [_failure(part) == "bad_arguments" for part in own]
        return any(a and b for a, b in pairwise(wrong)) or (sum(part.outcome == "denied" for part in own) >= 2)

    def identical(self, name: str, call_id: str | None) -> list[ToolReturnPart | None]:
        """The results of the calls before `call_id` that are the same call; None for one that has none yet."""
        calls = [part for part in self._calls if part.tool_name == name]
        own = next((part for part in calls if part.tool_call_id == call_id), None)
        if own is None:
            return []
        key, results = canonical(own.args), {part.tool_call_id: part for part in self._returns}
        before = calls[: calls.index(own)]
        return [results.get(part.tool_call_id) for part in before if canonical(part.args) == key]


def _spoken(message: ModelRequest) -> bool:
    """A prompt beside the result of a tool is that tool's."""
    kinds = {type(part) for part in message.parts}
    return UserPromptPart in kinds and ToolReturnPart not in kinds


def _failure(part: ToolReturnPart) -> str | None:
    if part.outcome != "failed" or not isinstance(part.content, str):
        return None
    try:
        failure = json.loads(part.content)
    except ValueError:
        return None
    return failure.get("type") if isinstance(failure, dict) else None


def _repeated(earlier: list[ToolReturnPart | None]) -> ToolReturn:
    note = (
        f"You made this call {len(earlier)} times already; it was not made again. Use its result or do something else."
    )
    last = next((part for part in reversed(earlier) if part is not None), None)
    if last is None:
        return ToolReturn({"note": note}, metadata={"repeated": True})
    metadata = dict(last.metadata) if isinstance(last.metadata, dict) else {}
    return ToolReturn({"note": note, "result": last.content}, metadata={**metadata, "repeated": True})


class Arguments:
    """A validator that mends what a model wrote once, and says in a few words what is wrong with the rest."""

    def __init__(self, schema: SchemaValidator | SchemaValidatorProt):
        self._schema = schema

    def validate_json(
        self, input: str | bytes | bytearray, *, allow_partial: Partial = False, **options: Any
    ) -> object:
        text = input if isinstance(input, str) else bytes(input).decode("utf-8", "replace")
        try:
            arguments = read(text)
        except NotFinite as wrong:
            raise ToolFailed(error("bad_arguments", str(wrong), "correct the arguments and call again")) from None
        if arguments is None:
            raise ToolFailed(error("bad_arguments", "the arguments are not one JSON object", 'write {"name": value}'))
        return self.validate_python(arguments, allow_partial=allow_partial, **options)

    def validate_python(self, input: object, *, allow_partial: Partial = False, **options: Any) -> object:
        try:
            return self._schema.validate_python(input, allow_partial=allow_partial, **options)
        except ValidationError as wrong:
            each = wrong.errors(include_url=False, include_context=False, include_input=False)
            text = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in each[:5])
            raise ToolFailed(error("bad_arguments", text, "correct the arguments and call again")) from None
