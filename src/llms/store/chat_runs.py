"""Runs of the turn loop: their state, events, calls, tool calls and approvals; what a dead process left is repaired.

A run answers one message. It has one state; `waiting` (for a person) survives a restart, `running` does not.
"""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart

from ..chat.conversation.messages import dump, load, visible, with_parts
from ..chat.conversation.tree import Node, State, new_id, now
from ..chat.turn.events import Event, Reason, RunState, from_json, kind_of, to_json
from ..chat.turn.journal import CallRecord, ToolRecord
from ..chat.window.fit_result import Summary, WindowCut
from ..chat.window.served import ObservedAnswer, ServedWindow
from ..chat.window.sizes import Calibration
from ..errors import UnknownName, UsageError
from ..tools.consent import Consent, Decision, Mode, args_hash
from .conversations import Conversations

DEAD_SECONDS = 30  # without a heartbeat, if the process is gone as well


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


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A request as it was sent. Token counts None: not known; `cost` None: the price is not known."""

    id: str
    run: str
    node: str | None
    created: str
    model: str
    endpoint: str
    purpose: str
    messages: tuple[ModelMessage, ...]
    nodes: tuple[str | None, ...]
    tools: tuple[dict[str, Any], ...]
    params: dict[str, Any]
    report: dict[str, Any] | None
    prompt_tokens: int | None
    cached_tokens: int | None
    tokens: int | None
    reasoning_tokens: int | None
    source: str
    grade: str
    counted: int | None
    first_token_seconds: float | None
    seconds: float
    finish: str
    cost: Decimal | None
    error: str | None


class StoredJournal:
    """A run's journal in the database (see chat.journal.Journal)."""

    def __init__(self, store: Conversations, run: str, conversation: str, model: str, seq: int = 0):
        self.store, self.run, self.conversation, self.model, self.seq = store, run, conversation, model, seq

    def add(self, node: Node) -> None:
        self.store.add(self.conversation, node)

    def write(self, node: str, message: ModelMessage) -> None:
        self.store.write(node, message)

    def finish(self, node: str, message: ModelMessage, state: State) -> Node:
        return self.store.finish(node, message, state)

    def events(self, events: Sequence[Event]) -> None:
        with self.store.transaction() as db:
            db.executemany(
                "INSERT INTO chat_events VALUES (?, ?, ?, ?, ?)",
                [(self.run, event.seq, kind_of(event), to_json(event), event.time) for event in events],
            )
        self.seq = events[-1].seq if events else self.seq

    def call(self, record: CallRecord) -> None:
        items = []
        for message, node in zip(record.payload.messages, record.nodes, strict=True):
            items.append({"node": node} if node else {"message": dump(message)[0]})
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters_json_schema}
            for tool in record.payload.tools
        ]
        payload = json.dumps({"messages": items, "tools": tools}, default=str)
        key = record.key or hashlib.sha256(payload.encode()).hexdigest()
        report = json.dumps(asdict(record.report)) if record.report else None
        with self.store.transaction() as db:
            db.execute(
                f"INSERT INTO calls VALUES ({', '.join('?' * 24)})",
                (record.id, self.run, record.node, now(), record.model, record.endpoint, record.purpose, key, payload,
                 json.dumps(record.params, default=str), report, record.answer, record.prompt_tokens,
                 record.cached_tokens, record.tokens, record.reasoning_tokens, record.source, record.grade,
                 record.counted, record.first_token_seconds, record.seconds, record.finish,
                 None if record.cost is None else str(record.cost), record.error),
            )  # fmt: skip

    def tool(self, record: ToolRecord) -> None:
        edited = None if record.args_edited is None else json.dumps(record.args_edited)
        with self.store.transaction() as db:
            db.execute(
                "INSERT INTO tool_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, id) DO UPDATE SET "
                "state = excluded.state, args_edited = COALESCE(excluded.args_edited, args_edited), "
                "approved_by = COALESCE(excluded.approved_by, approved_by), result = excluded.result, "
                "seconds = excluded.seconds",
                (self.run, record.id, record.node, record.name, json.dumps(record.args), edited, record.state,
                 record.approved_by, record.result, record.seconds),
            )  # fmt: skip

    def beat(self) -> None:
        with self.store.transaction() as db:
            db.execute("UPDATE chat_runs SET heartbeat = ? WHERE id = ?", (now(), self.run))

    def end(self, state: RunState, reason: Reason, seen: int | None = None) -> None:
        with self.store.transaction() as db:
            ended = None if state == "waiting" else now()
            db.execute(
                "UPDATE chat_runs SET state = ?, reason = ?, ended = ?, seen = ? WHERE id = ?",
                (state, reason, ended, seen, self.run),
            )

    def cached(self, key: str) -> str | None:
        where = "payload_hash = ? AND answer IS NOT NULL AND error IS NULL"
        return next((answer for (answer,) in self.store.read(f"SELECT answer FROM calls WHERE {where}", (key,))), None)

    def summary(self, summary: Summary, tokens: int) -> None:
        with self.store.transaction() as db:
            db.execute(
                "INSERT INTO summaries (id, conversation, created, covers, digest, text, model, tokens) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (summary.id, self.conversation, now(), json.dumps(summary.covers), summary.digest, summary.text,
                 self.model, tokens),
            )  # fmt: skip

    def learned(self, shown: ObservedAnswer | int) -> None:
        with self.store.transaction() as db:
            known = served(self.store, self.model)  # as it is now: other turns learn, too
            new = known.refused(shown) if isinstance(shown, int) else known.after(shown)
            db.execute(
                "INSERT OR REPLACE INTO windows (model, window, ratio, samples, most_output) VALUES (?, ?, ?, ?, ?)",
                (self.model, new.window, new.calibration.ratio, new.calibration.samples, new.most_output),
            )


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
    found: list[str] = []
    if store.note:  # for reading only
        return found
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
        found.append(run)
    return found


def _with_shown_text(store: Conversations, run: str, node: str, message: ModelMessage) -> ModelMessage:
    """Events are stored more often than the message itself: what they have beyond it was shown, and is kept."""
    kept = "json_extract(json, '$.node') = ? AND type = 'text_delta'"
    rows = store.read(
        f"SELECT json_extract(json, '$.text') FROM chat_events WHERE run = ? AND {kept} ORDER BY seq", (run, node)
    )
    shown, text = "".join(text for (text,) in rows), visible(message)
    overlap = next((size for size in range(min(len(shown), len(text)), 0, -1) if text.endswith(shown[:size])), 0)
    if overlap == len(shown) or not isinstance(message, ModelResponse):
        return message
    others = [part for part in message.parts if not isinstance(part, TextPart)]
    return with_parts(message, [*others, TextPart(text + shown[overlap:])])


def _this_process() -> str:
    return f"{platform.node()}:{os.getpid()}:{_begun(os.getpid())}"


def _begun(pid: int) -> str:
    """When a process began, which tells it from a later one with its number; empty where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def _gone(process: str, heartbeat: str) -> bool:
    """Whether a run's process is dead; that of another machine counts as dead without a heartbeat."""
    host, pid, begun = process.rsplit(":", 2)
    if host != platform.node():
        limit = datetime.now(UTC) - timedelta(seconds=DEAD_SECONDS)
        return heartbeat < limit.isoformat(timespec="milliseconds")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _begun(int(pid)) != begun


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
    return _of(store, run, "state")  # type: ignore[return-value]


def conversation_of(store: Conversations, run: str) -> str:
    """Raises UnknownName."""
    return _of(store, run, "conversation")


def _of(store: Conversations, run: str, column: str) -> str:
    found = next((value for (value,) in store.read(f"SELECT {column} FROM chat_runs WHERE id = ?", (run,))), None)
    if found is None:
        raise UnknownName("run", run, [])
    return found


def runs(store: Conversations, conversation: str) -> list[StoredChatRun]:
    """The latest last."""
    columns = "id, conversation, node, kind, state, reason, started, ended"
    rows = store.read(f"SELECT {columns} FROM chat_runs WHERE conversation = ? ORDER BY id", (conversation,))
    return [StoredChatRun(*row) for row in rows]


def events(store: Conversations, run: str, after: int = 0) -> list[Event]:
    """Those after number `after`."""
    rows = store.read("SELECT json FROM chat_events WHERE run = ? AND seq > ? ORDER BY seq", (run, after))
    return [from_json(text) for (text,) in rows]


def calls(store: Conversations, *, node: str | None = None, run: str | None = None) -> list[StoredCall]:
    """The requests that made a message, or that a run made, in order: what the model saw."""
    hidden = {"messages", "nodes", "tools"}  # these lie in the payload
    columns = ["payload", *(f.name for f in fields(StoredCall) if f.name not in hidden)]
    where, name = ("node", node) if node else ("run", run)
    rows = store.read(f"SELECT {', '.join(columns)} FROM calls WHERE {where} = ? ORDER BY id", (name,))
    return [_call(store, dict(zip(columns, row, strict=True))) for row in rows]


def _call(store: Conversations, row: dict[str, Any]) -> StoredCall:
    payload = json.loads(row.pop("payload"))
    names = tuple(item.get("node") for item in payload["messages"])
    texts = [
        item["message"]
        if "message" in item
        else next(store.read("SELECT message FROM nodes WHERE id = ?", (item["node"],)))[0]
        for item in payload["messages"]
    ]
    row["params"] = json.loads(row["params"])
    row["report"] = json.loads(row["report"]) if row["report"] else None
    row["cost"] = None if row["cost"] is None else Decimal(row["cost"])
    messages = tuple(load(text, store.blob) for text in texts)
    return StoredCall(messages=messages, nodes=names, tools=tuple(payload["tools"]), **row)


def last_cut(store: Conversations, path: Sequence[Node]) -> WindowCut | None:
    """Where the last call on this path cut it."""
    for node in reversed(path):
        if node.role == "assistant":
            rows = store.read(
                "SELECT report FROM calls WHERE node = ? AND report IS NOT NULL ORDER BY id DESC", (node.id,)
            )
            for (report,) in rows:
                cut = json.loads(report)["cut"]
                return WindowCut(tuple(cut["elided"]), cut["first"], cut["limit"]) if cut else None
    return None


def decide(store: Conversations, run: str, tool_call: str, decision: Decision, tainted: bool) -> None:
    """Record what a person said to a tool call that this program asked about. Raises UnknownName for any other."""
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
        frozenset(name for (name,) in store.read(allowed, (conversation,))),
        frozenset((name, hashed) for name, hashed in store.read(always)),
    )


def waiting(store: Conversations, run: str) -> list[ToolRecord]:
    """Tool calls of a run that wait for a person."""
    rows = store.read(
        "SELECT id, node, name, args FROM tool_calls WHERE run = ? AND state = 'waiting' ORDER BY id", (run,)
    )
    return [ToolRecord(id, node, name, json.loads(args), "waiting") for id, node, name, args in rows]


def edits(store: Conversations, conversation: str) -> dict[str, Any]:
    """Arguments that a person put in place of the model's, by tool call."""
    rows = store.read(
        "SELECT tool_calls.id, args_edited FROM tool_calls JOIN chat_runs ON chat_runs.id = run "
        "WHERE conversation = ? AND args_edited IS NOT NULL",
        (conversation,),
    )
    return {id: json.loads(args) for id, args in rows}


def summaries(store: Conversations, conversation: str) -> list[Summary]:
    """The valid ones, the latest first."""
    rows = store.read(
        "SELECT id, covers, digest, text FROM summaries WHERE conversation = ? AND valid ORDER BY id DESC",
        (conversation,),
    )
    return [Summary(id, tuple(json.loads(covers)), digest, text) for id, covers, digest, text in rows]


def served(store: Conversations, model: str) -> ServedWindow:
    """What calls to this model and endpoint have shown: the window, the cap on answers, how its counts differ."""
    rows = store.read("SELECT window, most_output, ratio, samples FROM windows WHERE model = ?", (model,))
    found = ((window, most, Calibration(ratio, samples)) for window, most, ratio, samples in rows)
    return next((ServedWindow(*one) for one in found), ServedWindow())
