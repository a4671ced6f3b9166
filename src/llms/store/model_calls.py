"""Requests to models as they were sent, and what they left: cuts of a window, summaries, what a server has shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage

from ..chat.conversation.messages import load
from ..chat.conversation.tree import Node
from ..chat.window.fit_result import Disposition, Summary, WindowCut
from ..chat.window.served import ServedWindow
from ..chat.window.sizes import Calibration
from ..values import JsonObject
from .conversations import Conversations
from .database import Row


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A request as it was sent. `nodes` are the stored messages that its messages are, `dispositions` say of each message
    of the path whether it was sent. Token counts None: not known; `cost` None: the price is not known."""

    id: str
    run: str
    node: str | None
    created: str
    model: str
    endpoint: str
    purpose: str
    messages: tuple[ModelMessage, ...]
    nodes: tuple[str | None, ...]
    tools: tuple[JsonObject, ...]
    params: JsonObject
    dispositions: tuple[Disposition, ...]
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


_COLUMNS = (
    "id, run, node, created, model, endpoint, purpose, payload, params, report, prompt_tokens, cached_tokens, tokens, "
    "reasoning_tokens, source, grade, counted, first_token_seconds, seconds, finish, cost, error"
)


def calls(store: Conversations, *, node: str | None = None, run: str | None = None) -> list[StoredCall]:
    """The requests that made a message, or that a run made, in order: what the model saw."""
    where, name = ("node", node) if node else ("run", run)
    return [
        _call(store, row) for row in store.read(f"SELECT {_COLUMNS} FROM calls WHERE {where} = ? ORDER BY id", (name,))
    ]


def _call(store: Conversations, row: Row) -> StoredCall:
    id, run, node, created, model, endpoint, purpose, payload, params, report = row[:10]
    prompt_tokens, cached_tokens, tokens, reasoning_tokens, source, grade, counted, first, seconds = row[10:19]
    finish, cost, error = row[19:]
    content = json.loads(payload)
    items = content["messages"]
    return StoredCall(
        id, run, node, created, model, endpoint, purpose,
        tuple(load(_message_text(store, item), store.blob) for item in items),
        tuple(item.get("node") for item in items),
        tuple(content["tools"]),
        json.loads(params),
        _dispositions().validate_python(json.loads(report)["fates"]) if report else (),
        prompt_tokens, cached_tokens, tokens, reasoning_tokens, source, grade, counted, first, seconds, finish,
        None if cost is None else Decimal(cost),
        error,
    )  # fmt: skip


def _message_text(store: Conversations, item: Mapping[str, str]) -> str:
    """The JSON of a message of a payload: its own, or that of the stored node which it is."""
    return (
        item["message"] if "message" in item else store.texts("SELECT message FROM nodes WHERE id = ?", item["node"])[0]
    )


@cache
def _dispositions() -> TypeAdapter[tuple[Disposition, ...]]:
    return TypeAdapter(tuple[Disposition, ...])


def last_cut(store: Conversations, path: Sequence[Node]) -> WindowCut | None:
    """Where the last call on this path cut it."""
    reports = "SELECT report FROM calls WHERE node = ? AND report IS NOT NULL ORDER BY id DESC LIMIT 1"
    for node in reversed(path):
        if node.role == "assistant":
            for report in store.texts(reports, node.id):
                cut = json.loads(report)["cut"]
                return WindowCut(tuple(cut["elided"]), cut["first"], cut["limit"]) if cut else None
    return None


def summaries(store: Conversations, conversation: str) -> list[Summary]:
    """The valid ones, the latest first."""
    rows = store.read(
        "SELECT id, covers, digest, text FROM summaries WHERE conversation = ? AND valid ORDER BY id DESC",
        (conversation,),
    )
    return [Summary(id, tuple(json.loads(covers)), digest, text) for id, covers, digest, text in rows]


def served(store: Conversations, model: str) -> ServedWindow:
    """The limits that calls to this model and endpoint have shown: window, cap on answers, how its counts differ."""
    rows = store.read("SELECT window, most_output, ratio, samples FROM windows WHERE model = ?", (model,))
    for window, most_output, ratio, samples in rows:
        return ServedWindow(window, most_output, Calibration(ratio, samples))
    return ServedWindow()
