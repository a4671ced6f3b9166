"""Remembered facts and the runs of teams: tables memory_fact, memory_use, team_run, team_event."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache

from pydantic import TypeAdapter

from ..agents.memory import Fact
from ..errors import UnknownName, UsageError
from ..values import JsonObject
from .database import Database
from .process import alive_since


class Memory(Database):
    """The facts that are remembered."""

    def facts(self, deleted: bool = False) -> list[Fact]:
        """All facts, the newest first; superseded ones included, deleted ones only if asked for."""
        reader = _fact_reader()
        facts = map(reader.validate_json, self.texts("SELECT fact FROM memory_fact ORDER BY rowid DESC"))
        return [fact for fact in facts if deleted or fact.state != "deleted"]

    def write(self, facts: Iterable[Fact]) -> None:
        """Store facts as they now are; one in state deleted is removed, with its uses."""
        now = _now()
        with self.transaction() as db:
            for fact in facts:
                if fact.state == "deleted":
                    db.execute("DELETE FROM memory_fact WHERE id = ?", (fact.id,))
                    continue
                values = (fact.id, fact.scope, fact.state, json.dumps(asdict(fact), ensure_ascii=False), now)
                db.execute(
                    "INSERT INTO memory_fact VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                    "scope = excluded.scope, state = excluded.state, fact = excluded.fact, updated = excluded.updated",
                    values,
                )

    def fact(self, id: str) -> Fact:
        """The fact whose id begins with `id`. Raises UnknownName."""
        facts = self.facts()
        matching = [fact for fact in facts if fact.id.startswith(id)]
        if len(matching) != 1:
            raise UnknownName("memory", id, [fact.id for fact in facts][:10])
        return matching[0]

    def used(self, ids: Iterable[str], used_in: str) -> None:
        """Record that a call was given these facts."""
        with self.transaction() as db:
            db.executemany("INSERT INTO memory_use VALUES (?, ?, ?)", [(id, used_in, _now()) for id in ids])


@cache
def _fact_reader() -> TypeAdapter[Fact]:
    return TypeAdapter(Fact)


@dataclass(frozen=True, slots=True)
class StoredTeamRun:
    """`settings` are the user's choices when it was begun. State: running, finished, interrupted."""

    id: str
    team: str
    goal: str
    state: str
    settings: JsonObject
    started: str
    answer: str
    pid: int
    heartbeat: str

    @property
    def taken(self) -> bool:
        """Whether a process is at work on it."""
        return self.state == "running" and alive_since(self.pid, self.heartbeat)


class TeamRuns(Database):
    """The runs of teams and their events."""

    def begin(self, id: str, team: str, goal: str, settings: JsonObject, pid: int) -> None:
        with self.transaction() as db:
            values = (id, team, goal, "running", json.dumps(settings), _now(), _now(), pid, "")
            db.execute("INSERT INTO team_run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def resume(self, id: str, pid: int) -> None:
        """Take the run. Raises UsageError where a process that still runs has it."""
        with self.transaction() as db:
            if (run := self.run(id)).taken:
                raise UsageError(
                    f"run {id} is being worked on by process {run.pid}; wait for it, or end that one first. "
                    f"llms agent --replay {id} shows what it has done"
                )
            db.execute("UPDATE team_run SET state = 'running', heartbeat = ?, pid = ? WHERE id = ?", (_now(), pid, id))

    def append(self, id: str, seq: int, event: JsonObject) -> None:
        """Store one event; `seq` counts from 1 without a gap."""
        with self.transaction() as db:
            db.execute(
                "INSERT INTO team_event VALUES (?, ?, ?, ?)", (id, seq, _now(), json.dumps(event, ensure_ascii=False))
            )
            db.execute("UPDATE team_run SET heartbeat = ? WHERE id = ?", (_now(), id))

    def beat(self, id: str) -> None:
        """Say that the run is being worked on."""
        with self.transaction() as db:
            db.execute("UPDATE team_run SET heartbeat = ? WHERE id = ?", (_now(), id))

    def end(self, id: str, state: str, answer: str) -> None:
        with self.transaction() as db:
            db.execute("UPDATE team_run SET state = ?, answer = ? WHERE id = ?", (state, answer, id))

    def events(self, id: str, after: int = 0) -> Iterator[tuple[int, JsonObject]]:
        """(seq, event) of a run, those after `after`."""
        rows = self.read("SELECT seq, event FROM team_event WHERE run = ? AND seq > ? ORDER BY seq", (id, after))
        return ((seq, json.loads(event)) for seq, event in rows)

    def all(self) -> list[StoredTeamRun]:
        """The newest first."""
        rows = self.read(
            "SELECT id, team, goal, state, settings, started, answer, pid, heartbeat FROM team_run ORDER BY rowid DESC"
        )
        return [StoredTeamRun(i, t, g, s, json.loads(x), b, a, p, h) for i, t, g, s, x, b, a, p, h in rows]

    def run(self, id: str) -> StoredTeamRun:
        """The run whose id begins with `id`, or the `last` one. Raises UnknownName."""
        runs = self.all()
        matching = runs[:1] if id == "last" else [run for run in runs if run.id.startswith(id)]
        if len(matching) != 1:
            raise UnknownName("team run", id, [run.id for run in runs][:10])
        return matching[0]

    def delete(self, id: str) -> None:
        with self.transaction() as db:
            db.execute("DELETE FROM team_run WHERE id = ?", (id,))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
