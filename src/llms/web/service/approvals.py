"""Decisions of people about tool calls that wait for them."""

import asyncio
import json
from collections.abc import Iterable

from ...chat.chat_settings import ChatSettings
from ...errors import UnknownName, UsageError
from ...listening.json_body import parse
from ...store import chat_runs
from ...store.conversations import Conversations
from ...tools import mcp
from ...tools.catalogue import SERVERS, TOOLS, tools_of
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
            args = parse(arguments)
        except ValueError as error:
            raise UsageError(f"the arguments are not JSON: {error}") from error
        waiting = {record.id: record for record in await asyncio.to_thread(chat_runs.waiting, self._store, run)}
        if call not in waiting:
            raise UnknownName("tool call that waits", call, list(waiting))
        if not isinstance(args, dict):
            raise UsageError(f"the arguments are one JSON object; got {arguments[:100]}")
        original = waiting[call].args
        original = json.loads(original) if isinstance(original, str) else original
        conversation = await asyncio.to_thread(chat_runs.conversation_of, self._store, run)
        asked = await asyncio.to_thread(self._turns.tools_of, conversation)
        tools = {one.name: _giving(one.name, asked) for one in waiting.values()}
        if approved and not tools[waiting[call].name]:
            raise UsageError(
                f"{waiting[call].name} is not among the tools of these pages; deny it here, or switch it on and ask again"
            )
        decided = self._decided.setdefault(run, {})
        decided[call] = Decision(approved, scope if approved else "once", None if args == original else args)
        if set(decided) < set(waiting):
            return
        del self._decided[run]
        names = tuple(dict.fromkeys([*asked, *filter(None, tools.values())]))
        chat = await self._turns.open(conversation, ChatSettings(tools=names))
        await self._turns.start(conversation, lambda: chat.begin_decided(decided))


def _giving(tool: str, names: Iterable[str]) -> str:
    """The name under which `tool` is switched on: one of `names`, or its own where it began in another program; "" if it
    is not known here."""
    for name in names:
        if tool in tools_of(name):
            return name
    if tool in TOOLS:
        return tool
    servers = (server.name for server in mcp.configured().values() if not mcp.objection(server))
    return next((f"{SERVERS}:{name}" for name in servers if tool.startswith(f"{name}_")), "")
