"""Decisions of people about tool calls that wait for them."""

import asyncio
import json

from ...chat.chat_settings import ChatSettings
from ...errors import UnknownName, UsageError
from ...store import chat_runs
from ...store.conversations import Conversations
from ...tools.catalogue import TOOLS
from ...tools.consent import Decision, Scope
from .turns import TurnService


class Approvals:
    """Decisions are collected until all calls of a run have one; then it goes on."""

    def __init__(self, store: Conversations, turns: TurnService):
        self._store, self._turns = store, turns
        self._decided: dict[str, dict[str, Decision]] = {}  # by run, then by call

    async def decide(self, run: str, call: str, approved: bool, arguments: str, scope: Scope) -> None:
        """Record the decision about a call with these `arguments`, a JSON object that the person may have edited."""
        try:
            args = json.loads(arguments)
        except ValueError as error:
            raise UsageError(f"the arguments are not JSON: {error}") from error
        waiting = {record.id: record for record in await asyncio.to_thread(chat_runs.waiting, self._store, run)}
        if call not in waiting:
            raise UnknownName("tool call that waits", call, list(waiting))
        if not isinstance(args, dict):
            raise UsageError(f"the arguments are one JSON object; got {arguments[:100]}")
        original = waiting[call].args
        original = json.loads(original) if isinstance(original, str) else original
        if approved and waiting[call].name not in TOOLS:
            raise UsageError(f"{waiting[call].name} is not among the tools of these pages; deny it here")
        decided = self._decided.setdefault(run, {})
        decided[call] = Decision(approved, scope if approved else "once", None if args == original else args)
        if set(decided) < set(waiting):
            return
        del self._decided[run]
        conversation = await asyncio.to_thread(chat_runs.conversation_of, self._store, run)
        own = (record.name for record in waiting.values() if record.name in TOOLS)  # it may have begun elsewhere
        tools = [*dict.fromkeys([*await asyncio.to_thread(self._turns.tools_of, conversation), *own])]
        chat = await self._turns.open(conversation, ChatSettings(tools=tuple(tools)))
        await self._turns.start(conversation, lambda: chat.begin_decided(decided))
