"""The verb `memory`: facts that outlive a conversation: kept with their source, recalled where they matter, undone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from .. import settings
from ..agents.memory import Recalled, Statement, confirm, recall, remember
from ..errors import UsageError
from ..store.memory import Memory


def open_memory() -> Memory:
    return Memory(settings.database())


def add(store: Memory, text: str, scope: str = "global", kind: str = "preference", key: str = "") -> str:
    """Keep a sentence at the user's word; a notice of the change. Raises UsageError for what must not be kept."""
    statement = Statement(text, scope, kind, key, source="the command line", explicit=True)
    change = remember(statement, store.facts())
    store.write(change.write)
    return change.notice


def accept(store: Memory, id: str) -> str:
    """Make a proposal active."""
    fact = store.fact(id)
    if fact.state != "proposed":
        raise UsageError(f"memory {fact.id} is {fact.state}, not proposed")
    change = confirm(fact, store.facts())
    store.write(change.write)
    return change.notice


def undo(store: Memory) -> str:
    """Take back the fact that came last; what it had superseded is active again."""
    facts = store.facts()
    if not facts:
        raise UsageError("nothing is remembered, so there is nothing to undo")
    newest = facts[0]
    old = [replace(other, state="active") for other in facts if other.id == newest.supersedes]
    store.write([replace(newest, state="deleted"), *old])
    return f"forgotten: {newest.text}"


def forget(store: Memory, ids: Sequence[str]) -> list[str]:
    """Delete facts for good; the notices."""
    facts = {fact.id: fact for fact in map(store.fact, ids)}
    store.write(replace(fact, state="deleted") for fact in facts.values())
    return [f"forgotten: {fact.text}" for fact in facts.values()]


def recalled(store: Memory, query: str, scopes: Sequence[str] = (), budget_tokens: int = 3000) -> list[Recalled]:
    """The active facts that a model would be sent with `query`, the best first."""
    return recall(query, store.facts(), scopes, budget_tokens)


def used(store: Memory, hits: Sequence[Recalled], used_in: str) -> None:
    """Record that the call `used_in` was sent these facts."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store.write(replace(hit.fact, uses=hit.fact.uses + 1, last_used=now) for hit in hits)
    store.used([hit.fact.id for hit in hits], used_in)
