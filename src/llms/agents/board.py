"""The shared environment: an append-only board on which every entry says who wrote it and what it rests on.

Entries are values; a correction is a new entry that supersedes an old one. A claim becomes a fact only through a tool's
result, a second agent that cites another source, or the user. Readers see the board as of one sequence number.
"""

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..chat.bm25 import scores
from ..errors import UsageError

EntryKind = Literal["fact", "claim", "question", "decision", "critique", "artifact", "result"]
KINDS: tuple[EntryKind, ...] = ("fact", "claim", "question", "decision", "critique", "artifact", "result")
LONGEST = 20_000  # characters of an entry


@dataclass(frozen=True, slots=True)
class Entry:
    """`author` is an agent's role, `tool:NAME` or `user`; `sources` are entry ids, `tool:ID` or `file:NAME#span`.

    `tainted`: it rests on text from outside. `task` is the task it was written for.
    """

    id: str
    sequence: int
    kind: EntryKind
    text: str
    author: str
    sources: tuple[str, ...] = ()
    confidence: float = 1.0
    tainted: bool = False
    supersedes: str | None = None
    task: str | None = None

    @property
    def digest(self) -> str:
        """Equal for entries that say the same."""
        words = " ".join(self.text.lower().split())
        return hashlib.sha256(json.dumps([self.kind, words]).encode()).hexdigest()[:16]


class Board:
    """Entries in order. One writer at a time."""

    def __init__(self, entries: Iterable[Entry] = ()):
        self._entries: list[Entry] = list(entries)
        self._lock = threading.Lock()

    @property
    def sequence(self) -> int:
        return len(self._entries)

    def entries(self, until: int | None = None) -> tuple[Entry, ...]:
        """All entries, or the first `until` of them."""
        with self._lock:
            return tuple(self._entries[:until])

    def untrusted(self) -> tuple[str, ...]:
        """The authors of entries that rest on text from outside: whoever reads the board has read them."""
        return tuple(dict.fromkeys(e.author.removeprefix("tool:") for e in self.entries() if e.tainted))

    def current(self, until: int | None = None) -> tuple[Entry, ...]:
        """The entries that nothing supersedes."""
        entries = self.entries(until)
        replaced = {entry.supersedes for entry in entries}
        return tuple(entry for entry in entries if entry.id not in replaced)

    def write(
        self,
        kind: EntryKind,
        text: str,
        author: str,
        *,
        sources: Sequence[str] = (),
        tainted: bool = False,
        task: str | None = None,
    ) -> tuple[Entry, bool]:
        """(the entry, whether it says something new). A fact that an agent states without a source is written as a
        claim, and a claim that a second agent confirms from another source is superseded by a fact.

        Raises UsageError for an unknown kind, an empty text, or sources that are not there.
        """
        if kind not in KINDS:
            raise UsageError(f"entries are {', '.join(KINDS)}; got {kind!r}")
        if not text.strip():
            raise UsageError("an entry needs text")
        with self._lock:
            known = {entry.id: entry for entry in self._entries}
            for source in sources:
                if ":" not in source and source not in known:
                    raise UsageError(f"there is no entry {source!r} on the board")
            tainted = tainted or any(known[source].tainted for source in sources if source in known)
            if kind == "fact" and not _may_state(author, sources):
                kind = "claim"
            draft = Entry("", 0, kind, text[:LONGEST], author, tuple(sources), tainted=tainted, task=task)
            same = [entry for entry in self._entries if entry.digest == draft.digest and entry.supersedes is None]
            confirmed = next((e for e in same if kind == "claim" and _confirms(draft, e)), None)
            if confirmed is not None:
                draft = replace(
                    draft,
                    kind="fact",
                    supersedes=confirmed.id,
                    sources=(*dict.fromkeys((*confirmed.sources, *sources)),),
                    tainted=tainted or confirmed.tainted,
                )
            elif same:
                return same[0], False
            number = len(self._entries) + 1
            entry = replace(draft, id=f"e{number}", sequence=number)
            self._entries.append(entry)
        return entry, True

    def relevant(self, goal: str, task_ids: Sequence[str], most_characters: int) -> tuple[Entry, ...]:
        """Current entries for one agent: those of the tasks it depends on first, then the best for `goal` by BM25."""
        current = self.current()
        first = [entry for entry in current if entry.task in task_ids]
        rest = [entry for entry in current if entry.task not in task_ids]
        ranked = [
            entry
            for _, entry in sorted(
                zip(scores(goal, [e.text for e in rest]), rest, strict=True), key=lambda pair: -pair[0]
            )
        ]
        chosen, room = [], most_characters
        for entry in (*first, *ranked):
            if len(entry.text) <= room:
                chosen.append(entry)
                room -= len(entry.text)
        return tuple(sorted(chosen, key=lambda entry: entry.sequence))


def _may_state(author: str, sources: Sequence[str]) -> bool:
    """A tool and the user state facts; so does an agent that cites a tool's result."""
    return author == "user" or author.startswith("tool:") or any(source.startswith("tool:") for source in sources)


def _confirms(new: Entry, old: Entry) -> bool:
    """Another agent says the same and has a source that the first had not."""
    return old.kind == "claim" and new.author != old.author and bool(set(new.sources) - set(old.sources))
