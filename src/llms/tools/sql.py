"""Questions to one SQLite file that the user named. What may be done is decided by SQLite's authoriser, not by reading SQL.

Opened read-only; every action but reading is denied (so ATTACH, PRAGMA, writes and functions that touch files fail while the
statement is prepared); time, memory, rows and sizes are limited.
"""

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..engine.resident import resident_bytes
from ..errors import UsageError
from ..settings import refuse_database
from .tool import Tool, ToolError

Value = str | int | float | bytes | None  # of one cell
SECONDS = 5.0
MOST_ROWS, LONGEST_VALUE, LONGEST_QUERY = 200, 1_000, 20_000
MEMORY_BYTES = 300 << 20  # that the process may grow by: a sort of long values would take all there is
STEPS = 500  # of SQLite's machine between two looks at time and memory
HARMLESS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
DENIED_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "sqlite_log"}
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000, sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_QUERY, sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100, sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50, sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}  # fmt: skip


def over(file: str) -> list[Tool]:
    """Tools over the database `file`."""
    path = Path(os.path.expanduser(file))
    try:
        refuse_database(path)
        with path.open("rb") as start:
            known = start.read(16) == b"SQLite format 3\0"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"sql:{file} cannot be read: {reason}; name a SQLite file, as in sql:./shop.db") from None
    if not known:
        raise UsageError(f"sql:{file} is not a SQLite database")
    return ReadOnlyFile(str(path.resolve())).tools()


@dataclass(frozen=True)
class ReadOnlyFile:
    path: str

    def tools(self) -> list[Tool]:
        return [Tool(function.__name__, function, "read") for function in (self.sql_tables, self.sql_query)]

    def sql_tables(self) -> list[str]:
        """Show the tables and views of the user's database as the statements that made them."""
        query = "SELECT sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        return [str(row[0]) for row in self._ask(query)[1][:MOST_ROWS]]

    def sql_query(self, query: str) -> dict[str, object]:
        """Run one SELECT on the user's SQLite database; at most 200 rows come back.

        Args:
            query: One SQLite SELECT statement. Nothing can be changed.
        """
        columns, rows = self._ask(query)
        answer: dict[str, object] = {"columns": columns, "rows": rows[:MOST_ROWS]}
        return {**answer, "more": True} if len(rows) > MOST_ROWS else answer

    def _ask(self, query: str) -> tuple[list[str], list[list[Value]]]:
        """Columns and rows, of which there is one more than MOST_ROWS where more were left out."""
        deadline, most = time.monotonic() + SECONDS, resident_bytes() + MEMORY_BYTES
        try:
            with closing(self._connect()) as connection:
                connection.set_progress_handler(lambda: time.monotonic() > deadline or resident_bytes() > most, STEPS)
                cursor = connection.execute(query)
                rows = cursor.fetchmany(MOST_ROWS + 1)
                columns = [column[0] for column in cursor.description or ()]
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise _tool_error(error) from error
        return columns, [[_value(value) for value in row] for row in rows]

    def _connect(self) -> sqlite3.Connection:
        refuse_database(Path(self.path))
        connection = sqlite3.connect(f"file:{quote(self.path)}?mode=ro", uri=True, timeout=1.0, isolation_level=None)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        for limit, value in LIMITS.items():
            connection.setlimit(limit, value)
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.set_authorizer(_authorise)
        return connection


def _authorise(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    if action in HARMLESS or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in DENIED_FUNCTIONS):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _tool_error(error: Exception) -> ToolError:
    text = str(error)
    if text == "interrupted":
        return ToolError(
            "timeout", f"the query took over {SECONDS:g} seconds or {MEMORY_BYTES >> 20} MB", "ask for less"
        )
    if "not authorized" in text or "prohibited" in text:
        return ToolError("read_only", f"only reading is allowed: {text}", "write one SELECT")
    return ToolError("sql", text, "sql_tables shows what there is")


def _value(value: Value) -> Value:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return f"{value[:LONGEST_VALUE]}… ({len(value)} characters)"
    return value
