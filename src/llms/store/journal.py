"""The journal of one run of the turn loop: every message, event, call and tool call, durable when it returns."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from pydantic_ai.messages import ModelMessage

from ..chat.conversation.messages import dump
from ..chat.conversation.tree import Node, State, now
from ..chat.turn.events import Event, Reason, RunState, kind_of, to_json
from ..chat.turn.journal import CallRecord, ToolRecord
from ..chat.window.fit_result import Summary
from ..chat.window.served import ObservedAnswer
from .conversations import Conversations
from .model_calls import served


class StoredJournal:
    """A run's chat.turn.journal.Journal in the database."""

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
        answers = "SELECT answer FROM calls WHERE payload_hash = ? AND answer IS NOT NULL AND error IS NULL LIMIT 1"
        return next(iter(self.store.texts(answers, key)), None)

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
