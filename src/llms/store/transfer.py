"""Conversations out of the store and into it: our own format, lossless, and what other products export.

The own format is a zip archive of `conversations.jsonl` (one object a line, the first one names format and version)
and `blobs/SHA-256`. Importing never fetches and never executes anything, takes each message once, marks what it
takes as not trusted, and reports what it left.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from pydantic_ai.messages import ModelMessage

from ..chat.chat_settings import settings_of
from ..chat.conversation.messages import digest, load, role_of
from ..chat.conversation.tree import FINAL, Node, now
from ..errors import DataError, UsageError
from ..settings import refuse_database
from ..values import Json, JsonObject
from . import chatgpt
from .conversations import Conversations
from .imported import ImportedConversation, ImportedHead, Skipped

FORMAT, VERSION = "llms-conversations", 1
MOST_BYTES = 4 << 30  # unpacked, of one archive
_NAME = re.compile(r"[0-9a-f]{64}$")
_COLUMNS = "id, title, created, updated, leaf, policy, model, project, archived, origin_conversation, origin_node, pinned, settings"
_NODE = "id, parent, role, state, created, author, edited_from, used"


@dataclass(frozen=True, slots=True)
class Taken:
    """The report of an import, made or only tried: messages by conversation title. `present` conversations were there
    already."""

    file: str
    taken: tuple[tuple[str, int], ...]
    present: int
    skipped: tuple[Skipped, ...] = ()
    ids: tuple[str, ...] = ()


def write(store: Conversations, ids: Iterable[str], target: IO[bytes]) -> None:
    """An archive of whole conversations with all their branches."""
    blobs: set[str] = set()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("conversations.jsonl", "w", force_zip64=True) as lines:
            for line in _lines(store, ids, blobs):
                lines.write(json.dumps(line, ensure_ascii=False, sort_keys=True).encode() + b"\n")
        for name in sorted(blobs):
            archive.writestr(f"blobs/{name}", store.blob(name))


def _lines(store: Conversations, ids: Iterable[str], blobs: set[str]) -> Iterator[JsonObject]:
    yield {"format": FORMAT, "version": VERSION}
    for id in ids:
        for row in store.read(f"SELECT {_COLUMNS} FROM conversations WHERE id = ?", (id,)):
            tags = store.texts("SELECT tag FROM tags WHERE conversation = ? ORDER BY tag", id)
            yield {"type": "conversation", "tags": tags, **dict(zip(_COLUMNS.split(", "), row, strict=True))}
        final = "state NOT IN ('draft', 'streaming')"
        nodes = f"SELECT {_NODE}, message FROM nodes WHERE conversation = ? AND {final} ORDER BY number"
        for columns in store.read(nodes, (id,)):
            fields = dict(zip(_NODE.split(", "), columns, strict=False))
            yield {"type": "node", "conversation": id, "message": json.loads(columns[-1])} | fields
        used = "SELECT DISTINCT blob FROM parts WHERE blob IS NOT NULL AND node IN (SELECT id FROM nodes WHERE conversation = ?)"
        blobs |= set(store.texts(used, id))


def read(store: Conversations, path: Path, dry_run: bool = False) -> Taken:
    """Import an archive of ours or an export of ChatGPT (a zip archive, its JSON, or a folder of them).

    With `dry_run` nothing is stored and the report says what would be. Raises DataError if the file cannot be read, or
    if it holds nothing that could be taken.
    """
    try:
        incoming = list(_incoming(path))
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as an export: {error}") from error
    taken: list[tuple[str, int]] = []
    ids: list[str] = []
    skipped: list[Skipped] = []
    present = 0
    for item in incoming:
        if isinstance(item, Skipped):
            skipped.append(item)
            continue
        skipped += item.skipped
        new = _new_nodes(store, item)
        title = item.head.title or item.head.id
        if not item.nodes:
            skipped.append(Skipped(title, "it has no message"))
        elif new is None:
            present += 1
        elif taken_ids := _ids_elsewhere(store, new):
            skipped.append(
                Skipped(title, f"{taken_ids} of its messages have the id of a message in another conversation")
            )
        else:
            taken.append((title, len(new)))
            ids.append(item.head.id)
            if not dry_run:
                _take(store, item, new)
    if not taken and not present:
        reasons = "; ".join(f"{what}: {why}" for what, why in skipped[:5]) or "it is empty"
        raise DataError(f"0 conversations taken from {path}: {reasons}")
    report = Taken(str(path), tuple(taken), present, tuple(skipped), tuple(ids))
    if not dry_run:
        _log(store, path, report)
    return report


def _incoming(path: Path) -> Iterator[ImportedConversation | Skipped]:
    for file in (path, *path.glob("*")) if path.is_dir() else (path,):
        refuse_database(file)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MOST_BYTES:
                raise DataError(f"{path} unpacks to {size >> 20} MB; at most {MOST_BYTES >> 20} are read. Split it")
            if "conversations.jsonl" in archive.namelist():
                yield from _own(archive)
            else:
                names = [name for name in archive.namelist() if re.search(r"(^|/)conversations[^/]*\.json$", name)]
                yield from _foreign([(name, archive.read(name)) for name in sorted(names)], path)
        return
    files = sorted(path.glob("conversations*.json")) if path.is_dir() else [path]
    yield from _foreign([(file.name, file.read_bytes()) for file in files], path)


def _foreign(files: Sequence[tuple[str, bytes]], path: Path) -> Iterator[ImportedConversation | Skipped]:
    if not files:
        raise DataError(f"{path} has neither conversations.jsonl (ours) nor conversations.json (ChatGPT)")
    for name, content in files:
        yield from chatgpt.conversations(name, content)


def _own(archive: zipfile.ZipFile) -> Iterator[ImportedConversation | Skipped]:
    """Conversations of our own format, each line judged by itself."""
    heads: dict[str, JsonObject] = {}
    nodes: dict[str, dict[str, Node]] = {}
    with archive.open("conversations.jsonl") as lines:
        for number, line in enumerate(lines, 1):
            where = f"line {number}"
            try:
                row = json.loads(line)
                if number == 1 and row.get("format") == FORMAT:
                    if row["version"] > VERSION:
                        raise DataError(
                            f"the archive has version {row['version']} of {FORMAT}; this llms reads up to {VERSION}. Upgrade it"
                        )
                elif row["type"] == "conversation":
                    heads[row["id"]] = row
                elif row["type"] == "node":
                    here = nodes.setdefault(row["conversation"], {})
                    node = _checked(row, archive, here)
                    here[node.id] = node
                else:
                    yield Skipped(where, f"unknown type {row['type']!r}")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                yield Skipped(where, f"{type(error).__name__}: {str(error)[:120]}")
    for id, head in heads.items():
        tags = head.get("tags")
        here = nodes.get(id, {})
        yield ImportedConversation(
            _head(head, here), list(here.values()), [str(tag) for tag in tags] if isinstance(tags, list) else []
        )
    for id in nodes.keys() - heads.keys():
        yield Skipped(id, "its conversation is missing")


def _head(row: JsonObject, nodes: Mapping[str, Node]) -> ImportedHead:
    """The columns as the table wants them, whatever the file says."""

    def text(name: str) -> str:
        return _text_or_none(row.get(name)) or ""

    leaf = _text_or_none(row.get("leaf"))
    return ImportedHead(
        text("id"),
        text("title"),
        text("created"),
        text("updated"),
        leaf if leaf in nodes else next(reversed(list(nodes)), None),
        text("policy"),
        text("model"),
        text("project"),
        bool(row.get("archived")),
        _text_or_none(row.get("origin_conversation")),
        _text_or_none(row.get("origin_node")),
        bool(row.get("pinned")),
        _settings(row.get("settings")),
    )


def _settings(value: Json) -> str:
    """A conversation's settings, as JSON; none where they are not such as this version takes. A file gives nobody tools,
    nor the remembered facts: those a person turns on here."""
    try:
        values = json.loads(value) if isinstance(value, str) else None
        taken = settings_of(values if isinstance(values, dict) else {})
        return json.dumps(replace(taken, tools=None, memory=None).to_json())
    except (ValueError, RecursionError, UsageError):
        return "{}"


def _text_or_none(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _checked(row: JsonObject, archive: zipfile.ZipFile, before: Mapping[str, Node]) -> Node:
    """The node of a line. Raises ValueError for a message that cannot be stored as it is."""
    id, parent = str(row["id"]), _text_or_none(row["parent"])
    above = None if parent is None else before.get(parent)
    if row["parent"] is not None and above is None:
        raise ValueError(f"its parent {row['parent']!r} is missing")
    if id in before:
        raise ValueError(f"a second message has the id {id!r}")
    state = next((final for final in FINAL if final == row["state"]), None)
    if state is None:
        raise ValueError(f"its state is {row['state']!r}")

    def blob(name: str) -> bytes:
        if not _NAME.match(name) or f"blobs/{name}" not in archive.NameToInfo:
            raise ValueError(f"the attachment {name} is missing")
        content = archive.read(f"blobs/{name}")
        if hashlib.sha256(content).hexdigest() != name:
            raise ValueError(f"the attachment {name} is damaged")
        return content

    message: ModelMessage = load(json.dumps(row["message"]), blob)
    return Node(
        id, parent, role_of(message), digest(message, above.digest if above else ""), lambda: message, state,
        str(row["created"]), str(row["author"]), _text_or_none(row["edited_from"]), int(str(row["used"])), True,
    )  # fmt: skip


def _new_nodes(store: Conversations, item: ImportedConversation) -> list[Node] | None:
    """The nodes of a conversation that the store has not; None if it has all of them."""
    here: dict[str, str] = dict(store.read("SELECT id, digest FROM nodes WHERE conversation = ?", (item.head.id,)))
    digests = set(here.values())
    new = [node for node in item.nodes if node.id not in here and node.digest not in digests]
    return new or (None if here else [])


def _ids_elsewhere(store: Conversations, nodes: Sequence[Node]) -> int:
    where = "SELECT COUNT(*) FROM nodes WHERE id = ?"
    return sum(next(store.read(where, (node.id,)))[0] for node in nodes)


def _take(store: Conversations, item: ImportedConversation, new: Sequence[Node]) -> None:
    columns = asdict(item.head)
    with store.transaction() as db:
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        db.execute(
            f"INSERT INTO conversations ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", tuple(columns.values())
        )
        for node in new:
            store.insert(item.head.id, node)
        active: set[str] = set()
        id, parents = item.head.leaf, {node.id: node.parent for node in item.nodes}
        while id in parents and id not in active:
            active.add(id)
            id = parents[id]
        db.executemany("UPDATE nodes SET active = 1 WHERE id = ?", [(id,) for id in active])
        store.index_title(item.head.id)
    store.tag(item.head.id, item.tags)


def _log(store: Conversations, path: Path, report: Taken) -> None:
    name = hashlib.sha256(path.read_bytes() if path.is_file() else str(path).encode()).hexdigest()
    with store.transaction() as db:
        db.execute(
            "INSERT INTO imports VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET time = excluded.time, "
            "taken = excluded.taken, skipped = excluded.skipped",
            (name, path.name, now(), len(report.taken), json.dumps(report.skipped)),
        )
