"""Memory that models were measured to take on a machine, in the table of speeds: a row of its own kind."""

import json
from datetime import UTC, datetime

from .database import Database

KIND = "memory"  # in the facts of a row, by which it is told from a measured speed


class MemoryUse(Database):
    """The measurements of one database file; a context manager."""

    def keep(self, system: str, identity: str, machine: str, context: int, batch: int, count: int) -> None:
        """`count` bytes that `system` took above an idle process, with a window of `context` tokens for `batch` requests."""
        facts = json.dumps({"kind": KIND, "context": context, "batch": batch, "bytes": count})
        with self.transaction() as db:
            db.execute(
                "INSERT INTO speeds (system, identity, machine, measured, facts) VALUES (?, ?, ?, ?, ?)",
                (system, identity, machine, datetime.now(UTC).isoformat(timespec="seconds"), facts),
            )

    def latest(self, system: str, machine: str, context: int, batch: int) -> tuple[str, int] | None:
        """(identity, bytes) of the newest measurement of that kind; None if there is none."""
        statement = (
            "SELECT identity, json_extract(facts, '$.bytes') FROM speeds WHERE system = ? AND machine = ? "
            "AND json_extract(facts, '$.kind') = ? AND json_extract(facts, '$.context') = ? "
            "AND json_extract(facts, '$.batch') = ? ORDER BY id DESC LIMIT 1"
        )
        row = next(self.read(statement, (system, machine, KIND, context, batch)), None)
        return None if row is None else (str(row[0]), int(row[1]))
