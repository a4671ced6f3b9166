"""Tables of the arena and of what a leaderboard shows besides runs: battles and votes, speeds, results of others."""

import sqlite3


def battles_and_boards(db: sqlite3.Connection) -> None:
    """Battles with their votes, measured speeds, results that others published, scores of runs as compact vectors.

    `battles.prompt` is the digest of what was asked, which clusters votes; `identity_a` and `identity_b` are Identity as
    JSON, or empty where the answers came from elsewhere; `facts` are JSON. `conversations.battle` names the battle of
    which a conversation is one side: such a conversation is in no list. `score_vectors.updated` is that of the run when
    its scores were taken.
    """
    for statement in (
        """CREATE TABLE battles (
            id TEXT PRIMARY KEY, created TEXT NOT NULL, source TEXT NOT NULL, prompt TEXT NOT NULL,
            question TEXT NOT NULL, model_a TEXT NOT NULL, model_b TEXT NOT NULL, identity_a TEXT NOT NULL,
            identity_b TEXT NOT NULL, anonymous INTEGER NOT NULL, conversation_a TEXT, conversation_b TEXT,
            facts TEXT NOT NULL)""",
        "CREATE INDEX battles_by_source ON battles (source)",
        """CREATE TABLE votes (
            id INTEGER PRIMARY KEY, battle TEXT NOT NULL REFERENCES battles ON DELETE CASCADE, judge TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('human', 'model')),
            winner TEXT NOT NULL CHECK (winner IN ('a', 'b', 'tie', 'both_bad')), created TEXT NOT NULL,
            facts TEXT NOT NULL, UNIQUE (battle, judge))""",
        """CREATE TABLE speeds (
            id INTEGER PRIMARY KEY, system TEXT NOT NULL, identity TEXT NOT NULL, machine TEXT NOT NULL,
            measured TEXT NOT NULL, facts TEXT NOT NULL)""",
        "CREATE INDEX speeds_by_system ON speeds (system)",
        """CREATE TABLE published (
            id TEXT PRIMARY KEY, source TEXT NOT NULL, imported TEXT NOT NULL, record TEXT NOT NULL)""",
        """CREATE TABLE score_vectors (
            run TEXT PRIMARY KEY REFERENCES runs ON DELETE CASCADE, updated TEXT NOT NULL, metric TEXT NOT NULL,
            items BLOB NOT NULL, clusters BLOB NOT NULL, scores BLOB NOT NULL)""",
        "ALTER TABLE conversations ADD COLUMN battle TEXT",
    ):
        db.execute(statement)
