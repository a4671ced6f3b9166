"""Tables of remembered facts and of the runs of teams."""

import sqlite3


def memory_and_teams(db: sqlite3.Connection) -> None:
    """Migration. Facts by id; which call used which; the runs of teams and everything they told, in order."""
    for statement in (
        """CREATE TABLE memory_fact (
            id TEXT PRIMARY KEY, scope TEXT NOT NULL, state TEXT NOT NULL, fact TEXT NOT NULL, updated TEXT NOT NULL)""",
        "CREATE INDEX memory_by_scope ON memory_fact (scope, state)",
        "CREATE TABLE memory_use (fact TEXT NOT NULL REFERENCES memory_fact ON DELETE CASCADE, used_in TEXT NOT NULL, time TEXT NOT NULL)",
        """CREATE TABLE team_run (
            id TEXT PRIMARY KEY, team TEXT NOT NULL, goal TEXT NOT NULL, state TEXT NOT NULL, settings TEXT NOT NULL,
            started TEXT NOT NULL, heartbeat TEXT NOT NULL, pid INTEGER NOT NULL, answer TEXT NOT NULL DEFAULT '')""",
        """CREATE TABLE team_event (
            run TEXT NOT NULL REFERENCES team_run ON DELETE CASCADE, seq INTEGER NOT NULL, time TEXT NOT NULL,
            event TEXT NOT NULL, PRIMARY KEY (run, seq))""",
    ):
        db.execute(statement)
