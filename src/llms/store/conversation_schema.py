"""Tables of conversations. What must always hold is held here: a final message never changes, events have no gaps,
approvals are only added, a conversation has one run at a time, and whatever is searched follows what is stored."""

import sqlite3

_FINAL = "('complete', 'stopped', 'failed', 'interrupted')"
_TABLES = f"""
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, title TEXT NOT NULL DEFAULT '', created TEXT NOT NULL, updated TEXT NOT NULL, leaf TEXT,
    policy TEXT NOT NULL DEFAULT 'truncate', model TEXT NOT NULL DEFAULT '', project TEXT NOT NULL DEFAULT '',
    archived INTEGER NOT NULL DEFAULT 0, origin_conversation TEXT, origin_node TEXT);
CREATE INDEX conversations_by_time ON conversations (updated);
CREATE TABLE tags (
    conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE, tag TEXT NOT NULL,
    PRIMARY KEY (conversation, tag)) WITHOUT ROWID;
CREATE TABLE nodes (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE, parent TEXT, role TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'streaming', 'complete', 'stopped', 'failed', 'interrupted')),
    created TEXT NOT NULL, author TEXT NOT NULL, digest TEXT NOT NULL, edited_from TEXT, used INTEGER NOT NULL,
    imported INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL,
    UNIQUE (conversation, id), FOREIGN KEY (conversation, parent) REFERENCES nodes (conversation, id));
CREATE INDEX nodes_by_parent ON nodes (conversation, parent);
CREATE INDEX nodes_by_digest ON nodes (digest);
CREATE TRIGGER nodes_are_final BEFORE UPDATE OF id, conversation, parent, role, state, message, digest ON nodes
    WHEN OLD.state IN {_FINAL} BEGIN SELECT RAISE(ABORT, 'the message is final'); END;
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, created TEXT NOT NULL, bytes BLOB);
CREATE TABLE parts (
    node TEXT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE, position INTEGER NOT NULL, kind TEXT NOT NULL,
    more TEXT NOT NULL, blob TEXT REFERENCES blobs, PRIMARY KEY (node, position)) WITHOUT ROWID;
CREATE INDEX parts_by_blob ON parts (blob) WHERE blob IS NOT NULL;
CREATE TABLE texts (
    id INTEGER PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    node TEXT UNIQUE REFERENCES nodes (id) ON DELETE CASCADE, created TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '', body TEXT NOT NULL DEFAULT '', attachment TEXT NOT NULL DEFAULT '');
CREATE INDEX texts_by_conversation ON texts (conversation);
CREATE TABLE chat_runs (
    id TEXT PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE, node TEXT NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL
        CHECK (state IN ('running', 'waiting', 'finished', 'stopped', 'failed', 'interrupted')),
    reason TEXT NOT NULL DEFAULT '', started TEXT NOT NULL, heartbeat TEXT NOT NULL, ended TEXT, process TEXT NOT NULL,
    budget TEXT NOT NULL DEFAULT '{{}}', seen INTEGER);
CREATE UNIQUE INDEX one_run_at_a_time ON chat_runs (conversation) WHERE state IN ('running', 'waiting');
CREATE INDEX chat_runs_by_conversation ON chat_runs (conversation);
CREATE TRIGGER chat_runs_end_once BEFORE UPDATE OF state ON chat_runs WHEN OLD.ended IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'the run has ended'); END;
CREATE TABLE chat_events (
    run TEXT NOT NULL REFERENCES chat_runs ON DELETE CASCADE, seq INTEGER NOT NULL, type TEXT NOT NULL,
    json TEXT NOT NULL, time TEXT NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;
CREATE TRIGGER chat_events_have_no_gaps BEFORE INSERT ON chat_events
    WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM chat_events WHERE run = NEW.run)
    BEGIN SELECT RAISE(ABORT, 'an event is missing'); END;
CREATE TABLE calls (
    id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES chat_runs ON DELETE CASCADE, node TEXT, created TEXT NOT NULL,
    model TEXT NOT NULL, endpoint TEXT NOT NULL, purpose TEXT NOT NULL, payload_hash TEXT NOT NULL, payload TEXT NOT NULL,
    params TEXT NOT NULL, report TEXT, answer TEXT, prompt_tokens INTEGER, cached_tokens INTEGER, tokens INTEGER,
    reasoning_tokens INTEGER, source TEXT NOT NULL, grade TEXT NOT NULL, counted INTEGER, first_token_seconds REAL,
    seconds REAL NOT NULL, finish TEXT NOT NULL, cost TEXT, error TEXT);
CREATE INDEX calls_by_run ON calls (run);
CREATE INDEX calls_by_node ON calls (node);
CREATE INDEX calls_by_payload ON calls (payload_hash);
CREATE TABLE tool_calls (
    run TEXT NOT NULL REFERENCES chat_runs ON DELETE CASCADE, id TEXT NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL,
    args TEXT NOT NULL, args_edited TEXT, state TEXT NOT NULL, approved_by TEXT, result TEXT, seconds REAL,
    PRIMARY KEY (run, id)) WITHOUT ROWID;
CREATE TABLE approvals (
    number INTEGER PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    run TEXT NOT NULL REFERENCES chat_runs ON DELETE CASCADE, tool_call TEXT NOT NULL, name TEXT NOT NULL,
    args_hash TEXT NOT NULL, scope TEXT NOT NULL CHECK (scope IN ('once', 'conversation', 'always')),
    decision TEXT NOT NULL CHECK (decision IN ('allowed', 'denied')), tainted INTEGER NOT NULL, reason TEXT NOT NULL,
    time TEXT NOT NULL);
CREATE INDEX approvals_by_name ON approvals (name, args_hash);
CREATE TRIGGER approvals_are_only_added BEFORE UPDATE ON approvals
    BEGIN SELECT RAISE(ABORT, 'approvals are only added'); END;
CREATE TABLE summaries (
    id TEXT PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE, created TEXT NOT NULL,
    covers TEXT NOT NULL, digest TEXT NOT NULL, text TEXT NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL,
    call TEXT, valid INTEGER NOT NULL DEFAULT 1);
CREATE INDEX summaries_by_conversation ON summaries (conversation);
CREATE TABLE windows (
    model TEXT PRIMARY KEY, window INTEGER, ratio REAL NOT NULL, samples INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE imports (
    digest TEXT PRIMARY KEY, file TEXT NOT NULL, time TEXT NOT NULL, taken INTEGER NOT NULL, skipped TEXT NOT NULL);
CREATE VIRTUAL TABLE search USING fts5 (title, body, attachment, content = 'texts', content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3');
CREATE VIRTUAL TABLE search_inside USING fts5 (title, body, attachment, content = 'texts', content_rowid = 'id',
    tokenize = 'trigram');
CREATE TRIGGER texts_inserted AFTER INSERT ON texts BEGIN
    INSERT INTO search (rowid, title, body, attachment) VALUES (NEW.id, NEW.title, NEW.body, NEW.attachment);
    INSERT INTO search_inside (rowid, title, body, attachment) VALUES (NEW.id, NEW.title, NEW.body, NEW.attachment);
END;
CREATE TRIGGER texts_deleted AFTER DELETE ON texts BEGIN
    INSERT INTO search (search, rowid, title, body, attachment)
        VALUES ('delete', OLD.id, OLD.title, OLD.body, OLD.attachment);
    INSERT INTO search_inside (search_inside, rowid, title, body, attachment)
        VALUES ('delete', OLD.id, OLD.title, OLD.body, OLD.attachment);
END;
"""


def conversations(db: sqlite3.Connection) -> None:
    """Conversations, their messages, runs of the turn loop with events and calls, approvals, summaries, the index."""
    for statement in _statements(_TABLES):
        db.execute(statement)


def served_windows(db: sqlite3.Connection) -> None:
    """Caps of servers on answers. Learned windows are dropped: such caps were taken for them. Real ones show again."""
    db.execute("ALTER TABLE windows ADD COLUMN most_output INTEGER")
    db.execute("UPDATE windows SET window = NULL")


def settings_and_presets(db: sqlite3.Connection) -> None:
    """The settings of a conversation, a JSON object; named presets of the same; pinned conversations."""
    db.execute("ALTER TABLE conversations ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'")
    db.execute("ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0")
    db.execute("CREATE TABLE presets (name TEXT PRIMARY KEY, settings TEXT NOT NULL, updated TEXT NOT NULL)")


def _statements(script: str) -> list[str]:
    """The statements of a script: executescript would commit the migration's transaction."""
    statements, begun = list[str](), ""
    for line in script.splitlines(keepends=True):
        begun += line
        if begun.strip() and sqlite3.complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements
