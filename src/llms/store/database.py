"""The database file: opened, migrated, guarded; whatever SQLite refuses becomes a StoreError that says what to do."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeAlias

from .. import settings
from ..errors import StoreError
from .arena_schema import battles_and_boards
from .conversation_schema import conversations, served_windows, settings_and_presets
from .notices import tell
from .team_schema import memory_and_teams
from .training_schema import training_runs

Row: TypeAlias = tuple[Any, ...]  # of SQLite, which gives its values no types: whoever reads a row gives them theirs
Migration = Callable[[sqlite3.Connection], None]


def _runs(db: sqlite3.Connection) -> None:
    """Runs, the attempts that made them, the prompt headers they share, their outcomes.

    `runs.key` is a RunKey, `runs.report` a Report, both JSON. `headers.text` is the JSON pair of description and
    few-shot examples, under the SHA-256 of itself. `outcomes.prompt` is the item's own part of its prompt.
    """
    for statement in (
        """CREATE TABLE runs (
            run TEXT PRIMARY KEY, key TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL, report TEXT)""",
        """CREATE TABLE attempts (
            id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
            started TEXT NOT NULL, ended TEXT, seconds REAL NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0,
            peak_memory_bytes INTEGER NOT NULL DEFAULT 0)""",
        "CREATE INDEX attempts_by_run ON attempts (run)",
        "CREATE TABLE headers (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, text TEXT NOT NULL)",
        """CREATE TABLE outcomes (
            id INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, item TEXT NOT NULL,
            subset TEXT NOT NULL, position INTEGER NOT NULL, status TEXT NOT NULL,
            header INTEGER NOT NULL REFERENCES headers, prompt TEXT NOT NULL, outcome TEXT NOT NULL,
            UNIQUE (run, item))""",
        "CREATE INDEX outcomes_by_header ON outcomes (header)",
    ):
        db.execute(statement)


def _spending(db: sqlite3.Connection) -> None:
    """The cost of attempts: US dollars as decimal text (NULL: unknown), and the fields of a Billed as a JSON list."""
    db.execute("ALTER TABLE attempts ADD COLUMN cost TEXT DEFAULT '0'")
    db.execute("ALTER TABLE attempts ADD COLUMN billed TEXT")


def _endpoints(db: sqlite3.Connection) -> None:
    """Probes of the abilities of endpoints: `probed` is when, `facts` a JSON object."""
    db.execute("CREATE TABLE endpoints (name TEXT PRIMARY KEY, probed TEXT NOT NULL, facts TEXT NOT NULL)")


def _grading(db: sqlite3.Connection) -> None:
    """The run whose answers a run took over, to grade them in another way (NULL: its own were asked)."""
    db.execute("ALTER TABLE runs ADD COLUMN graded_from TEXT")


def _only_numbers(db: sqlite3.Connection) -> None:
    """Outcomes that older versions stored with NaN or infinity count as failed, and their runs have no result until they
    are continued. SQLite's json_valid is strict: NaN is not JSON."""
    broken = "json_valid(outcome) = 0"
    db.execute(f"UPDATE runs SET report = NULL WHERE run IN (SELECT run FROM outcomes WHERE {broken})")
    db.execute(f"UPDATE outcomes SET status = 'infra' WHERE {broken}")


MIGRATIONS: tuple[Migration, ...] = (
    _runs,
    _spending,
    _endpoints,
    conversations,
    memory_and_teams,
    _grading,
    served_windows,
    _only_numbers,
    settings_and_presets,
    battles_and_boards,
    training_runs,
)  # schema i becomes schema i + 1; released ones are never edited

_ADVICE = {
    sqlite3.SQLITE_FULL: "free some disk space and run again; what was stored before is kept",
    sqlite3.SQLITE_IOERR: "check the disk and its free space, then run again; what was stored before is kept",
    sqlite3.SQLITE_BUSY: "another process is writing to it; wait for that to end and run again",
    sqlite3.SQLITE_READONLY: "make it writable, or set LLMS_HOME to a folder that is",
    sqlite3.SQLITE_CANTOPEN: "make its folder readable and writable, or set LLMS_HOME to another one",
    sqlite3.SQLITE_CORRUPT: "move it away to start anew, or put a copy in its place",
    sqlite3.SQLITE_NOTADB: "move it away to start anew, or set LLMS_HOME to another folder",
    sqlite3.SQLITE_CONSTRAINT: "what it belongs to was deleted or changed meanwhile; run again to start it anew",
}


IN_MEMORY = ":memory:"  # SQLite's name of a database that leaves no file


class Database:
    """One open, migrated SQLite file, for one thread; a context manager.

    `note` is a sentence for the user: a file of a newer version is opened for reading only.
    """

    one_thread = True

    def __init__(self, path: Path, timeout_seconds: float = 30):
        """Open or create `path`. Raises StoreError if it is locked for longer, or broken."""
        self.path = path
        self._timeout_seconds = timeout_seconds
        self.note: str | None = None
        with self._explained("open"):
            try:
                if str(path) != IN_MEMORY:
                    settings.private(path)  # SQLite gives its other files the mode of this one
            except OSError as error:
                raise StoreError(
                    f"cannot make the database {path}: {error}; set LLMS_HOME to another folder"
                ) from error
            self.connection = sqlite3.connect(
                path, timeout=timeout_seconds, isolation_level=None, check_same_thread=self.one_thread
            )
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def read(self, statement: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """The rows of a SELECT."""
        with self._explained("read"):
            yield from self.connection.execute(statement, values)

    def texts(self, statement: str, *values: object) -> list[str]:
        """The first column of a SELECT whose rows are text."""
        return [row[0] for row in self.read(statement, values)]

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable on leaving: a killed process loses nothing that was committed."""
        if self.note:
            raise StoreError(self.note)
        with self._explained("write to"):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def compact(self) -> None:
        """Give the space of what was deleted back to the disk, the log of changes with it."""
        with self._explained("write to"):
            self.connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")

    def blob_file(self, digest: str) -> Path:
        """Where attached bytes lie that are too large for the database itself."""
        return self.path.parent / "blobs" / digest[:2] / digest

    def _prepare(self) -> None:
        # auto_vacuum counts only before the first table; it lets a deletion give space back without a rewrite
        self.connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._enter_wal()
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("PRAGMA secure_delete = ON")
        if (version := self._version()) < len(MIGRATIONS):
            self._copy(version)
        while (version := self._version()) < len(MIGRATIONS):
            with self.transaction() as db:
                if self._version() == version:  # else another process was first
                    MIGRATIONS[version](db)
                    db.execute(f"PRAGMA user_version = {version + 1}")
        if version > len(MIGRATIONS):
            self.connection.execute("PRAGMA query_only = ON")
            self.note = (
                f"the database {self.path} has schema {version}; this version of llms knows schemas up to "
                f"{len(MIGRATIONS)} and opens it for reading only. Upgrade llms, or set LLMS_HOME to another folder"
            )
            tell(self.note)

    def _enter_wal(self) -> None:
        """Switch a new file to WAL. SQLite waits for no lock here, so several processes that begin at once take turns."""
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _copy(self, version: int) -> None:
        """Keep the file as it is before schema `version` is left, beside it."""
        copy = self.path.with_name(f"{self.path.name}.schema{version}")
        if version and self.path.is_file() and not copy.exists():
            with closing(sqlite3.connect(settings.private(copy))) as target:
                self.connection.backup(target)

    def _version(self) -> int:
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            advice = _ADVICE.get(code, "run again; if it stays, move the file away to start anew")
            raise StoreError(f"cannot {doing} the database {self.path}: {error}; {advice}") from error
