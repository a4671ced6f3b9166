"""Measured speeds, all that were ever measured; the newest of a system and a way of measuring counts."""

import json
from dataclasses import asdict

from ..arena.board_speed import SystemSpeed, speed_from_json
from ..values import Identity
from .database import Database


class Speeds(Database):
    """The speeds of one database file; a context manager."""

    def save(self, speed: SystemSpeed) -> None:
        facts = json.dumps(speed.to_json(), allow_nan=False)
        identity = json.dumps(asdict(speed.system))
        with self.transaction() as db:
            db.execute(
                "INSERT INTO speeds (system, identity, machine, measured, facts) VALUES (?, ?, ?, ?, ?)",
                (speed.system.name, identity, speed.setup.machine, speed.measured, facts),
            )

    def all(self) -> list[SystemSpeed]:
        """The newest first."""
        rows = self.read("SELECT identity, facts FROM speeds ORDER BY measured DESC, id DESC")
        return [speed_from_json(Identity(**json.loads(identity)), json.loads(facts)) for identity, facts in rows]
