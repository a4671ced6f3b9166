"""Conversations and their messages, attached bytes, and the text that search looks through.

A message is kept as the JSON of pydantic-ai's; attached bytes apart, once, under their SHA-256. Large ones lie in
the folder `blobs` beside the file.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic_ai.messages import ModelMessage

from ..chat.conversation.messages import MessagePart, digest, dump, index, load, visible
from ..chat.conversation.tree import FINAL, Conversation, Node, State, may_become, new_id, now, title_of, tree
from ..errors import StoreError, UnknownName, UsageError
from .database import IN_MEMORY, Database, Row
from .removal import remove_conversations

INLINE_BYTES = 256 * 1024  # attachments up to this size lie in the database itself
_NODE = "id, parent, role, digest, message, state, created, author, edited_from, used, imported"


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation as listed. Times are ISO 8601, UTC."""

    id: str
    title: str
    created: str
    updated: str
    model: str
    policy: str
    project: str
    archived: bool
    pinned: bool
    tags: tuple[str, ...]
    messages: int


class Conversations(Database):
    """The conversations of one database file: `Conversations(settings.database())`, a context manager.

    May be used from several threads; `Conversations.in_memory()` keeps nothing.
    """

    one_thread = False

    def __init__(self, path: Path, timeout_seconds: float = 5):
        self._lock = threading.RLock()
        super().__init__(path, timeout_seconds)

    @classmethod
    def in_memory(cls) -> "Conversations":
        return cls(Path(IN_MEMORY))

    def close(self) -> None:
        """Once no other thread is in the middle of something: SQLite crashes where its database goes away under it."""
        with self._lock:
            super().close()

    def read(self, statement: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """The rows of a SELECT, all read while no other thread writes."""
        with self._lock:
            return iter(list(super().read(statement, values)))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, super().transaction() as db:
            yield db

    def open(self, id: str) -> Conversation:
        """The whole tree; messages are parsed when they are looked at. Raises UnknownName."""
        with self._lock:
            heads = self.read("SELECT leaf, origin_conversation, origin_node FROM conversations WHERE id = ?", (id,))
            head = next(heads, None)
            if head is None:
                raise UnknownName("conversation", id, [listed.id for listed in self.all(limit=5)])
            rows = self.read(f"SELECT {_NODE} FROM nodes WHERE conversation = ? ORDER BY number", (id,))
            nodes = [self._node(row) for row in rows]
        leaf, origin_conversation, origin_node = head
        return tree(id, nodes, leaf, (origin_conversation, origin_node) if origin_conversation else None)

    def has(self, id: str) -> bool:
        """Whether there is a conversation of that id."""
        return any(self.read("SELECT 1 FROM conversations WHERE id = ?", (id,)))

    def find(self, name: str) -> str:
        """The id of the conversation that `name`, or a beginning of it that no other shares, stands for; `last` is the
        one used last. Raises UnknownName or UsageError."""
        if name == "last":
            ids = self.texts(
                "SELECT id FROM conversations WHERE battle IS NULL ORDER BY updated DESC, rowid DESC LIMIT 1"
            )
        else:
            where = "WHERE substr(id, 1, length(?1)) = ?1 LIMIT 5"
            ids = self.texts(f"SELECT id FROM conversations {where}", name) if name else []
        if not ids and name == "last":
            raise UsageError("no conversation is stored yet; begin one without -c, --conversation or `last`")
        if not ids:
            raise UnknownName("conversation", name, [*(listed.id for listed in self.all(limit=5)), "last"])
        if len(ids) > 1 and name not in ids:
            raise UsageError(f"several conversations begin with {name!r}: {', '.join(ids)}; give more of it")
        return name if name in ids else ids[0]

    def all(self, limit: int = -1, tag: str | None = None, archived: bool = False) -> list[ConversationSummary]:
        """The pinned first, then the most recently used; sides of battles are not listed."""
        where = "WHERE battle IS NULL AND archived = ?" + (
            " AND id IN (SELECT conversation FROM tags WHERE tag = ?)" if tag else ""
        )
        return self._listed(
            f"{where} ORDER BY pinned DESC, updated DESC, rowid DESC LIMIT ?",
            [archived, *([tag] if tag else []), limit],
        )

    def about(self, id: str) -> ConversationSummary:
        """Raises UnknownName."""
        for summary in self._listed("WHERE id = ?", [id]):
            return summary
        raise UnknownName("conversation", id, [listed.id for listed in self.all(limit=5)])

    def save(self, conversation: Conversation, before: Conversation | None = None, **fields: str) -> None:
        """Store what `conversation` has and `before` (as it was stored) has not: messages, active leaf, branch.

        `fields` are model, policy, project or title, set for the whole. Without a title the first question gives one.
        """
        old = before or Conversation(conversation.id)
        new = [node for id, node in conversation.nodes.items() if id not in old.nodes]
        with self.transaction() as db:
            origin = conversation.origin or (None, None)
            db.execute(
                "INSERT INTO conversations (id, created, updated, origin_conversation, origin_node) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET updated = excluded.updated",
                (conversation.id, now(), now(), *origin),
            )
            for node in new:
                self.insert(conversation.id, node)
            self._activate(conversation, old)
            for name, value in fields.items():
                if name not in ("model", "policy", "project", "title"):
                    raise ValueError(name)
                db.execute(f"UPDATE conversations SET {name} = ? WHERE id = ?", (value, conversation.id))
            if "title" in fields:
                self.index_title(conversation.id)
            else:
                self._name(conversation.id, (node for node in new if node.role == "user"))

    def add(self, conversation: str, node: Node) -> None:
        """Store one message after the active leaf, as the new active leaf."""
        with self.transaction() as db:
            self.insert(conversation, node)
            db.execute("UPDATE nodes SET active = 1 WHERE id = ?", (node.id,))
            db.execute("UPDATE conversations SET leaf = ?, updated = ? WHERE id = ?", (node.id, now(), conversation))

    def write(self, node: str, message: ModelMessage) -> None:
        """Keep what a message that is still being written has so far."""
        with self.transaction() as db:
            text, blobs = dump(message)
            self._keep(blobs, index(message))
            db.execute("UPDATE nodes SET message = ? WHERE id = ?", (text, node))

    def finish(self, node: str, message: ModelMessage, state: State) -> Node:
        """Give a message its final text and state; neither changes any more. Raises UsageError where it has them."""
        with self.transaction() as db:
            row = db.execute("SELECT state, conversation, parent FROM nodes WHERE id = ?", (node,)).fetchone()
            if row is None:
                raise StoreError(f"message {node} was deleted meanwhile; what was answered is lost")
            before, conversation, parent = row
            if not may_become(before, state):
                raise UsageError(f"message {node} is {before}; it cannot become {state}")
            above = db.execute("SELECT digest FROM nodes WHERE id = ?", (parent,)).fetchone()
            text, blobs = dump(message)
            self._keep(blobs, index(message))
            name = digest(message, above[0] if above else "")
            db.execute("UPDATE nodes SET message = ?, state = ?, digest = ? WHERE id = ?", (text, state, name, node))
            row = db.execute(f"SELECT {_NODE} FROM nodes WHERE id = ?", (node,)).fetchone()
            finished = self._node(row)
            self._index(conversation, finished)
        return replace(finished, read=lambda: message)

    def rename(self, id: str, title: str) -> None:
        """An empty title lets the first question give one again."""
        with self.transaction() as db:
            db.execute("UPDATE conversations SET title = ? WHERE id = ?", (" ".join(title.split()), id))
            self.index_title(id)
            self._name(id, (node for node in self.open(id).nodes.values() if node.role == "user"))

    def tag(self, id: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        with self.transaction() as db:
            db.executemany("INSERT INTO tags VALUES (?, ?) ON CONFLICT DO NOTHING", [(id, _tag(tag)) for tag in add])
            db.executemany("DELETE FROM tags WHERE conversation = ? AND tag = ?", [(id, _tag(tag)) for tag in remove])

    def archive(self, id: str, archived: bool = True) -> None:
        with self.transaction() as db:
            db.execute("UPDATE conversations SET archived = ? WHERE id = ?", (archived, id))

    def pin(self, id: str, pinned: bool = True) -> None:
        with self.transaction() as db:
            db.execute("UPDATE conversations SET pinned = ? WHERE id = ?", (pinned, id))

    def hide(self, id: str, battle: str) -> None:
        """Make a conversation one side of `battle`: no list, no search and no `last` knows it from now on."""
        with self.transaction() as db:
            db.execute("UPDATE conversations SET battle = ? WHERE id = ?", (battle, id))
            db.execute("DELETE FROM texts WHERE conversation = ?", (id,))

    def delete(self, *ids: str) -> None:
        """Remove conversations for good: messages, runs, index entries, attachments that nothing else uses, and the
        copies that were made before the file was last converted."""
        remove_conversations(self, *ids)

    def compact(self) -> None:
        with self._lock:
            super().compact()

    def keep(self, content: bytes, media_type: str) -> str:
        """Store bytes that a message will refer to; the name by which `blob` finds them."""
        name = hashlib.sha256(content).hexdigest()
        with self.transaction():
            self._keep({name: content}, [MessagePart("file", "", {"media_type": media_type}, name)])
        return name

    def blob(self, digest: str) -> bytes:
        """Attached bytes. Raises StoreError if they are gone."""
        for (inline,) in self.read("SELECT bytes FROM blobs WHERE digest = ?", (digest,)):
            try:
                return bytes(inline) if inline is not None else self.blob_file(digest).read_bytes()
            except OSError as error:
                raise StoreError(f"the attachment {digest} cannot be read: {error}") from error
        raise StoreError(f"the attachment {digest} is not in {self.path}")

    def media_type(self, digest: str) -> str:
        """Of attached bytes. Raises UnknownName."""
        for media_type in self.texts("SELECT media_type FROM blobs WHERE digest = ?", digest):
            return media_type
        raise UnknownName("attachment", digest, [])

    def _node(self, row: Row) -> Node:
        id, parent, role, digest, message, state, created, author, edited_from, used, imported = row
        return Node(
            id, parent, role, digest, _StoredMessage(message, self.blob), state, created, author, edited_from, used,
            bool(imported),
        )  # fmt: skip

    def insert(self, conversation: str, node: Node) -> None:
        """Within a transaction: one more message, which nothing makes active yet."""
        text, blobs = dump(node.message)
        self._keep(blobs, index(node.message))
        self.connection.execute(
            f"INSERT INTO nodes (conversation, {_NODE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (conversation, node.id, node.parent, node.role, node.digest, text, node.state, node.created, node.author,
             node.edited_from, node.used, node.imported),
        )  # fmt: skip
        if node.state in FINAL:
            self._index(conversation, node)

    def _index(self, conversation: str, node: Node) -> None:
        parts = index(node.message)
        self.connection.executemany(
            "INSERT INTO parts VALUES (?, ?, ?, ?, (SELECT digest FROM blobs WHERE digest = ?))",
            [(node.id, at, part.kind, json.dumps(part.more), part.blob) for at, part in enumerate(parts)],
        )
        body, files = visible(node.message), "\n".join(part.text for part in parts if part.kind == "file")
        if node.role in ("user", "assistant") and (body or files):
            self.connection.execute(
                "INSERT INTO texts (conversation, node, created, body, attachment) "
                "SELECT id, ?, ?, ?, ? FROM conversations WHERE id = ? AND battle IS NULL",
                (node.id, node.created, body, files, conversation),
            )

    def _keep(self, blobs: dict[str, bytes], parts: Sequence[MessagePart]) -> None:
        media_types = {part.blob: part.more.get("media_type", "") for part in parts if part.blob}
        for name, content in blobs.items():
            inline = len(content) <= INLINE_BYTES or str(self.path) == IN_MEMORY
            if not inline and not self.blob_file(name).exists():
                _write(self.blob_file(name), content)
            self.connection.execute(
                "INSERT INTO blobs VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (name, media_types.get(name, ""), len(content), now(), content if inline else None),
            )

    def _activate(self, conversation: Conversation, before: Conversation) -> None:
        """Mark the active path, so that search can tell what is on it."""
        path, old = {node.id for node in conversation.path()}, {node.id for node in before.path()}
        db = self.connection
        db.executemany("UPDATE nodes SET active = 0 WHERE id = ?", [(id,) for id in old - path])
        db.executemany("UPDATE nodes SET active = 1 WHERE id = ?", [(id,) for id in path - old])
        db.execute("UPDATE conversations SET leaf = ? WHERE id = ?", (conversation.leaf, conversation.id))
        if conversation.leaf:
            used = conversation.nodes[conversation.leaf].used
            db.execute("UPDATE nodes SET used = ? WHERE id = ?", (used, conversation.leaf))

    def _name(self, id: str, users: Iterator[Node]) -> None:
        if self.connection.execute("SELECT title FROM conversations WHERE id = ?", (id,)).fetchone()[0]:
            return
        title = next((title for node in users if (title := title_of(node.message))), "")
        if title:
            self.connection.execute("UPDATE conversations SET title = ? WHERE id = ?", (title, id))
            self.index_title(id)

    def index_title(self, id: str) -> None:
        """Within a transaction: let search find the title as it is."""
        self.connection.execute("DELETE FROM texts WHERE conversation = ? AND node IS NULL", (id,))
        self.connection.execute(
            "INSERT INTO texts (conversation, created, title) SELECT id, created, title FROM conversations "
            "WHERE id = ? AND title <> '' AND battle IS NULL",
            (id,),
        )

    def _listed(self, where: str, values: Sequence[object]) -> list[ConversationSummary]:
        rows = self.read(
            "SELECT id, title, created, updated, model, policy, project, archived, pinned, "
            "(SELECT json_group_array(tag) FROM tags WHERE conversation = c.id), "
            f"(SELECT COUNT(*) FROM nodes WHERE conversation = c.id) FROM conversations c {where}",
            values,
        )
        return [
            ConversationSummary(
                id,
                title,
                created,
                updated,
                model,
                policy,
                project,
                bool(archived),
                bool(pinned),
                tuple(json.loads(tags)),
                count,
            )
            for id, title, created, updated, model, policy, project, archived, pinned, tags, count in rows
        ]


@dataclass(frozen=True, slots=True)
class _StoredMessage:
    """Reads a message when it is wanted."""

    text: str
    blob: Callable[[str], bytes]

    def __call__(self) -> ModelMessage:
        return load(self.text, self.blob)


def _tag(tag: str) -> str:
    cleaned = "-".join(tag.casefold().split())
    if not cleaned:
        raise UsageError(f"a tag has letters or digits; got {tag!r}")
    return cleaned


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.with_name(f".{path.name}.{new_id()}")
    try:
        begun.write_bytes(content)
        begun.replace(path)
    finally:
        begun.unlink(missing_ok=True)
