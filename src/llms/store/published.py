"""Results that others published: the table `published`."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from ..arena.published.result import PublishedResult
from ..errors import UnknownName
from .database import Database


class Published(Database):
    """The published results of one database file: `Published(settings.database())`, a context manager."""

    def add(self, results: Iterable[PublishedResult]) -> int:
        """Store what is not there yet, by content; how many were new."""
        now, new = datetime.now(UTC).isoformat(timespec="seconds"), 0
        with self.transaction() as db:
            for result in results:
                record = json.dumps(result.to_dict(), ensure_ascii=True, allow_nan=False)
                new += db.execute(
                    "INSERT INTO published VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (result.id, result.source, now, record),
                ).rowcount
        return new

    def all(self) -> list[PublishedResult]:
        """Every result, those taken in last first."""
        rows = self.read("SELECT record FROM published ORDER BY rowid DESC")
        return [PublishedResult.from_dict(json.loads(record)) for (record,) in rows]

    def remove(self, source: str) -> int:
        """Remove all results of a source, or of all sources in a folder of that name; how many. Raises UnknownName."""
        sources = {name for (name,) in self.read("SELECT DISTINCT source FROM published")}
        chosen = [name for name in sources if name == source or name.startswith(source.rstrip("/") + "/")]
        if not chosen:
            raise UnknownName("source of published results", source, sources)
        with self.transaction() as db:
            return sum(db.execute("DELETE FROM published WHERE source = ?", (name,)).rowcount for name in chosen)
