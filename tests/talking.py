"""Scripted models (pydantic-ai's FunctionModel, which is a whole Model) and what a turn over them needs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from pydantic_ai import FunctionToolset, RunContext
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.toolsets import WrapperToolset

from llms.chat.conversation.messages import index, user
from llms.chat.conversation.tree import Conversation, new_id
from llms.chat.turn.setup import Setup
from llms.chat.turn.turn import Turn
from llms.chat.window.sizes import Payload, Window
from llms.store import chat_runs
from llms.store.conversations import Conversations
from llms.tools.consent import Consent

Script = Callable[[list[ModelMessage], AgentInfo], AsyncIterator[Any]]


def words_of(payload: Payload) -> int:
    parts = [part for message in payload.messages for part in index(message)]
    return 4 * len(payload.messages) + sum(len(part.text.split()) + 3 * (part.kind == "tool_call") for part in parts)


def answers(*texts: str, pause: float = 0.0) -> Script:
    """A script that says these pieces."""

    async def script(messages, info):
        for text in texts:
            yield text
            await asyncio.sleep(pause)

    return script


def rounds(*steps: Any) -> Script:
    """A script for a conversation: step n answers the request that holds n earlier answers of this turn. A string is an
    answer, a list of (tool, JSON) is calls."""

    async def script(messages, info):
        done = 0
        for message in reversed(messages):
            if isinstance(message, ModelResponse):
                done += 1
            elif any(part.part_kind == "user-prompt" for part in message.parts):
                break
        step = steps[min(done, len(steps) - 1)]
        if isinstance(step, str):
            yield step
        else:
            for at, (name, args) in enumerate(step):
                yield {at: DeltaToolCall(name, args, tool_call_id=f"{name}-{done}-{at}")}

    return script


class Asking(WrapperToolset[Any]):
    """Tools named here ask first, as the guard of `tools` does."""

    def __init__(self, wrapped, consent: Consent, kinds: dict[str, str]):
        super().__init__(wrapped)
        self.consent, self.kinds = consent, kinds

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: Any) -> Any:
        kind = self.kinds.get(name, "pure")
        if kind not in ("pure", "read") and not ctx.tool_call_approved and not self.consent(name, kind, tool_args):
            raise ApprovalRequired({"kind": kind})
        return await super().call_tool(name, tool_args, ctx, tool)


class Talk:
    """A conversation in a store, answered by scripts."""

    def __init__(self, store: Conversations | None = None, id: str | None = None):
        self.store = store or Conversations.in_memory()
        self.id = id or new_id()
        if id is None:
            self.store.save(Conversation(self.id))

    @property
    def tree(self) -> Conversation:
        return self.store.open(self.id)

    @property
    def texts(self) -> list[str]:
        return [f"{n.role}: {''.join(p.text for p in index(n.message) if p.kind == 'text')}" for n in self.tree.path()]

    def say(self, text: str, attachments: Any = ()) -> Conversation:
        before = self.tree
        after = before.append(user(text, attachments), "user")
        self.store.save(after, before)
        return after

    def setup(self, script: Script, *, tools=(), kinds=None, mode="ask", budget=2000, **more: Any) -> Setup:
        consent = more.pop("consent", None) or chat_runs.consent(self.store, self.id, mode)
        toolset = Asking(FunctionToolset(list(tools)), consent, kinds or {}) if tools else None
        model = script if isinstance(script, FunctionModel) else FunctionModel(stream_function=script)
        window = more.pop("window", None) or Window(budget + 100, 100)
        return Setup(model, "scripted", window, words_of, toolset=toolset, consent=consent, **more)

    def turn(self, setup: Setup, **how: Any) -> Turn:
        talk = self.tree
        journal = how.pop("journal", None) or chat_runs.begin(self.store, self.id, talk.path()[-1].id, "scripted")
        return Turn(talk.path(), setup, journal, self.id, **how)

    async def run(
        self, text: str | None, script: Script, *, turn: dict[str, Any] | None = None, **setup: Any
    ) -> list[Any]:
        if text is not None:
            self.say(text)
        started = self.turn(self.setup(script, **setup), **(turn or {})).start()
        return [event async for event in started.events()]

    def ask(self, text: str | None, script: Script, **how: Any) -> list[Any]:
        return asyncio.run(self.run(text, script, **how))
