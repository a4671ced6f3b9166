"""The table of training runs."""

import sqlite3


def training_runs(db: sqlite3.Connection) -> None:
    """Migration. Folders of runs; `evidence` is a JSON object, NULL until it is measured."""
    db.execute(
        """CREATE TABLE training_runs (
            folder TEXT PRIMARY KEY, started TEXT NOT NULL, model TEXT NOT NULL, data TEXT NOT NULL,
            method TEXT NOT NULL, evidence TEXT)"""
    )
