"""Runs of the turn loop: their state, events and approvals; what a dead process left is repaired.

A run answers one message. It has one state; `waiting` (for a person) survives a restart, `running` does not.
"""

import json
import os
import platform
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import get_args

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart

from ..chat.conversation.messages import load, visible
from ..chat.conversation.tree import new_id, now
from ..chat.turn.events import Event, RunState, from_json
from ..chat.turn.journal import ToolRecord
from ..errors import UnknownName, UsageError
from ..tools.consent import Consent, Decision, Mode, args_hash
from ..values import JsonObject
from .conversations import Conversations
from .journal import StoredJournal
from .process import DEAD_SECONDS, alive, begun


@dataclass(frozen=True, slots=True)
class StoredChatRun:
    """Times are ISO 8601, UTC."""

    id: str
    conversation: str
    node: str
    kind: str
    state: RunState
    reason: str
    started: str
    ended: str | None


def begin(store: Conversations, conversation: str, node: str, model: str = "", kind: str = "chat") -> StoredJournal:
    """A new run. Raises UsageError while another one answers in this conversation."""
    run = new_id()
    with store.transaction() as db:
        refuse_busy(store, conversation)
        db.execute(
            "INSERT INTO chat_runs (id, conversation, node, kind, state, started, heartbeat, process) "
            "VALUES (?, ?, ?, ?, 'running', ?, ?, ?)",
            (run, conversation, node, kind, now(), now(), _this_process()),
        )
    return StoredJournal(store, run, conversation, model)


def refuse_busy(store: Conversations, conversation: str) -> None:
    """Raises UsageError while a run answers in this conversation, or waits for a person."""
    where = "conversation = ? AND state IN ('running', 'waiting')"
    for run, state in store.read(f"SELECT id, state FROM chat_runs WHERE {where}", (conversation,)):
        doing = "is being answered" if state == "running" else "waits for an approval"
        raise UsageError(f"a message of this conversation {doing} (run {run}); wait for it or stop it first")


def resume(store: Conversations, run: str, model: str = "") -> StoredJournal:
    """The journal of a run that waited, now running again. Raises UsageError if it does not wait."""
    with store.transaction() as db:
        row = db.execute("SELECT conversation, state FROM chat_runs WHERE id = ?", (run,)).fetchone()
        if row is None or row[1] != "waiting":
            raise UsageError(f"run {run} does not wait for an approval; it is {row[1] if row else 'not known'}")
        db.execute(
            "UPDATE chat_runs SET state = 'running', reason = '', heartbeat = ?, process = ? WHERE id = ?",
            (now(), _this_process(), run),
        )
        last = db.execute("SELECT COALESCE(MAX(seq), 0) FROM chat_events WHERE run = ?", (run,)).fetchone()[0]
    return StoredJournal(store, run, row[0], model, last)


def recover(store: Conversations) -> list[str]:
    """Mark what dead processes left: their runs are interrupted, and so is what they were writing. Returns those runs."""
    interrupted: list[str] = []
    if store.note:  # for reading only
        return interrupted
    under_way = "state IN ('running', 'waiting') AND state = 'running'"  # the first finds the small index
    rows = store.read(f"SELECT id, conversation, process, heartbeat FROM chat_runs WHERE {under_way}")
    for run, conversation, process, heartbeat in rows:
        if not _gone(process, heartbeat):
            continue
        writing = "SELECT id, message FROM nodes WHERE conversation = ? AND state = 'streaming'"
        for node, text in store.read(writing, (conversation,)):
            with suppress(UsageError):  # another process was first
                store.finish(node, _with_shown_text(store, run, node, load(text, store.blob)), "interrupted")
        with store.transaction() as db:
            db.execute(
                "UPDATE chat_runs SET state = 'interrupted', reason = 'interrupted', ended = ? WHERE id = ? AND ended IS NULL",
                (now(), run),
            )
        interrupted.append(run)
    return interrupted


def _with_shown_text(store: Conversations, run: str, node: str, message: ModelMessage) -> ModelMessage:
    """Events are stored more often than the message itself: what they have beyond it was shown, and is kept."""
    deltas = (
        "SELECT json_extract(json, '$.text') FROM chat_events "
        "WHERE run = ? AND json_extract(json, '$.node') = ? AND type = 'text_delta' ORDER BY seq"
    )
    shown, text = "".join(store.texts(deltas, run, node)), visible(message)
    overlap = next((size for size in range(min(len(shown), len(text)), 0, -1) if text.endswith(shown[:size])), 0)
    if overlap == len(shown) or not isinstance(message, ModelResponse):
        return message
    others = [part for part in message.parts if not isinstance(part, TextPart)]
    return replace(message, parts=[*others, TextPart(text + shown[overlap:])])


def _this_process() -> str:
    return f"{platform.node()}:{os.getpid()}:{begun(os.getpid())}"


def _gone(process: str, heartbeat: str) -> bool:
    """Whether a run's process is dead; that of another machine counts as dead without a heartbeat."""
    host, pid, began = process.rsplit(":", 2)
    if host != platform.node():
        limit = datetime.now(UTC) - timedelta(seconds=DEAD_SECONDS)
        return heartbeat < limit.isoformat(timespec="milliseconds")
    return not alive(int(pid)) or begun(int(pid)) != began


def abandon(store: Conversations, conversation: str) -> None:
    """Give up what waits for an approval in a conversation; its tool calls are never made."""
    with store.transaction() as db:
        db.execute(
            "UPDATE chat_runs SET state = 'stopped', reason = 'stopped', ended = ? "
            "WHERE conversation = ? AND state = 'waiting'",
            (now(), conversation),
        )


def state_of(store: Conversations, run: str) -> RunState:
    """Raises UnknownName."""
    state = _of(store, run, "state")
    return next(known for known in get_args(RunState) if known == state)


def conversation_of(store: Conversations, run: str) -> str:
    """Raises UnknownName."""
    return _of(store, run, "conversation")


def _of(store: Conversations, run: str, column: str) -> str:
    for value in store.texts(f"SELECT {column} FROM chat_runs WHERE id = ?", run):
        return value
    raise UnknownName("run", run, [])


def runs(store: Conversations, conversation: str) -> list[StoredChatRun]:
    """The latest last."""
    columns = "id, conversation, node, kind, state, reason, started, ended"
    rows = store.read(f"SELECT {columns} FROM chat_runs WHERE conversation = ? ORDER BY id", (conversation,))
    return [StoredChatRun(*row) for row in rows]


def events(store: Conversations, run: str, after: int = 0) -> list[Event]:
    """Those after number `after`."""
    rows = store.texts("SELECT json FROM chat_events WHERE run = ? AND seq > ? ORDER BY seq", run, after)
    return [from_json(text) for text in rows]


def decide(store: Conversations, run: str, tool_call: str, decision: Decision, tainted: bool) -> None:
    """Record a person's decision on a tool call that this program asked about. Raises UnknownName for any other."""
    with store.transaction() as db:
        row = db.execute(
            "SELECT name, args, conversation FROM tool_calls JOIN chat_runs ON chat_runs.id = run "
            "WHERE run = ? AND tool_calls.id = ? AND tool_calls.state = 'waiting'",
            (run, tool_call),
        ).fetchone()
        if row is None:
            waiting = db.execute("SELECT id FROM tool_calls WHERE run = ? AND state = 'waiting'", (run,)).fetchall()
            raise UnknownName("tool call that waits", tool_call, [id for (id,) in waiting])
        name, args, conversation = row
        hashed = args_hash(json.loads(args) if decision.args is None else dict(decision.args))
        db.execute(
            "INSERT INTO approvals (conversation, run, tool_call, name, args_hash, scope, decision, tainted, reason, time) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (conversation, run, tool_call, name, hashed, decision.scope,
             "allowed" if decision.allowed else "denied", tainted, decision.reason, now()),
        )  # fmt: skip


def consent(store: Conversations, conversation: str, mode: Mode = "ask") -> Consent:
    """With what was allowed for longer than once."""
    allowed = (
        "SELECT DISTINCT name FROM approvals WHERE decision = 'allowed' AND scope = 'conversation' AND conversation = ?"
    )
    always = (
        "SELECT DISTINCT name, args_hash FROM approvals WHERE decision = 'allowed' AND scope = 'always' AND tainted = 0"
    )
    return Consent(
        mode,
        frozenset(store.texts(allowed, conversation)),
        frozenset((name, hashed) for name, hashed in store.read(always)),
    )


def waiting(store: Conversations, run: str) -> list[ToolRecord]:
    """Tool calls of a run that wait for a person."""
    rows = store.read(
        "SELECT id, node, name, args FROM tool_calls WHERE run = ? AND state = 'waiting' ORDER BY id", (run,)
    )
    return [ToolRecord(id, node, name, json.loads(args), "waiting") for id, node, name, args in rows]


def edits(store: Conversations, conversation: str) -> dict[str, JsonObject]:
    """Arguments that a person put in place of the model's, by tool call."""
    rows = store.read(
        "SELECT tool_calls.id, args_edited FROM tool_calls JOIN chat_runs ON chat_runs.id = run "
        "WHERE conversation = ? AND args_edited IS NOT NULL",
        (conversation,),
    )
    return {id: json.loads(args) for id, args in rows}
