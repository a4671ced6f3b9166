"""Training runs: where their folders lie, and the evidence of what each changed. What happened in them is in the folders."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import UnknownName
from ..values import JsonObject
from .database import Database


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A run that was begun here. `method` is lora, qlora, full, dpo or pretrain; `evidence` what it changed, once measured."""

    folder: Path
    started: str  # ISO 8601, UTC
    model: str
    data: str
    method: str
    evidence: JsonObject | None


class TrainingRuns(Database):
    """The training runs of one database file; a context manager."""

    def add(self, folder: Path, model: str, data: str, method: str) -> None:
        """Store that a run begins in `folder`; one that goes on keeps when it began."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self.transaction() as db:
            db.execute(
                """INSERT INTO training_runs (folder, started, model, data, method) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (folder) DO UPDATE SET model = excluded.model, data = excluded.data, method = excluded.method""",
                (str(folder.resolve()), now, model, data, method),
            )

    def keep_evidence(self, folder: Path, evidence: JsonObject) -> None:
        """Store what was measured before and after the run. Raises UnknownName."""
        with self.transaction() as db:
            text = json.dumps(evidence, allow_nan=False)
            changed = db.execute(
                "UPDATE training_runs SET evidence = ? WHERE folder = ?", (text, str(folder.resolve()))
            ).rowcount
        if not changed:
            raise UnknownName("training run", str(folder), [str(run.folder) for run in self.all()])

    def all(self) -> list[TrainingRun]:
        """The newest first."""
        rows = self.read(
            "SELECT folder, started, model, data, method, evidence FROM training_runs ORDER BY started DESC, rowid DESC"
        )
        return [
            TrainingRun(Path(folder), started, model, data, method, json.loads(evidence) if evidence else None)
            for folder, started, model, data, method, evidence in rows
        ]

    def forget(self, folder: Path) -> None:
        """Take a run off the list; its folder stays."""
        with self.transaction() as db:
            db.execute("DELETE FROM training_runs WHERE folder = ?", (str(folder.resolve()),))
