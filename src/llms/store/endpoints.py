"""Probes of endpoints: the facts of each, by the name of the system, with its date."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .database import Database


@dataclass(frozen=True, slots=True)
class Probed:
    """`facts` are (value, detail) by the name of the check; `probed` is ISO 8601, UTC."""

    name: str
    probed: str
    facts: Mapping[str, tuple[str, str]]


class Endpoints(Database):
    """The probes of one database file; a context manager."""

    def save(self, name: str, facts: Mapping[str, tuple[str, str]]) -> Probed:
        """Keep a probe in the place of an earlier one."""
        probe = Probed(name, datetime.now(UTC).isoformat(timespec="seconds"), dict(facts))
        with self.transaction() as db:
            db.execute(
                "INSERT INTO endpoints VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET probed = excluded.probed, facts = excluded.facts",
                (name, probe.probed, json.dumps(probe.facts)),
            )
        return probe

    def find(self, name: str) -> Probed | None:
        """The stored probe of that name."""
        for probed, facts in self.read("SELECT probed, facts FROM endpoints WHERE name = ?", (name,)):
            return Probed(
                name, probed, {check: (value, detail) for check, (value, detail) in json.loads(facts).items()}
            )
        return None
