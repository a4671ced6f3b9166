"""The state of the database file, read without opening it for writing: nothing is made, nothing is migrated."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .database import MIGRATIONS

KNOWN = len(MIGRATIONS)  # the newest schema that this version of llms reads


@dataclass(frozen=True, slots=True)
class Health:
    """`schema` is None where there is no database yet; `problem` is SQLite's complaint about the file, if it has one."""

    schema: int | None
    bytes: int = 0
    problem: str | None = None


def examine(path: Path) -> Health:
    """The health of the database at `path`."""
    if not path.is_file():
        return Health(None)
    size = path.stat().st_size
    alone = not path.with_name(f"{path.name}-wal").exists()  # nobody has it open; then reading makes no files either
    try:
        db = sqlite3.connect(f"file:{quote(str(path))}?{'immutable=1' if alone else 'mode=ro'}", uri=True, timeout=1)
        try:
            schema = db.execute("PRAGMA user_version").fetchone()[0]
            verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            db.close()
    except sqlite3.Error as error:
        return Health(0, size, str(error))
    return Health(schema, size, None if verdict == "ok" else verdict.splitlines()[0])
