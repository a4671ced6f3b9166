"""The database's own files: no other part of the process opens them, and many processes may begin with them at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llms import settings
from llms.cli.arguments import text_of
from llms.errors import UsageError
from llms.store.database import Database
from llms.tools import files, sql
from llms.tools.tool import ToolError
from llms.workbench.chat.attachments import attach


@pytest.fixture
def opened(tmp_path):
    """The open database, and every kind of name for it in one folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with Database(settings.database()) as database:
        with database.transaction() as db:
            db.execute("INSERT INTO endpoints VALUES ('a', '', '{}')")
        os.link(database.path, folder / "hard.sqlite3")
        (folder / "soft.sqlite3").symlink_to(database.path)
        os.link(f"{database.path}-wal", folder / "hard-wal.txt")
        yield database, folder


def names(database, folder):
    path = database.path
    return [path, Path(f"{path}-wal"), Path(f"{path}-shm"), folder / "hard.sqlite3", folder / "soft.sqlite3",
            folder / ".." / "home" / path.name]  # fmt: skip


def test_no_tool_and_no_argument_opens_a_file_of_the_database(opened):
    database, folder = opened
    for path in names(database, folder):
        for read in (sql.over, lambda name: text_of(f"@{name}"), lambda name: attach([name]), lambda name: settings.refuse_database(Path(name))):  # fmt: skip
            with pytest.raises(UsageError, match="belongs to the database of llms"):
                read(str(path))
    for root, name in ((folder, "hard.sqlite3"), (folder, "hard-wal.txt"), (database.path.parent, database.path.name)):
        with pytest.raises(ToolError, match="belongs to the database of llms"):
            files.Files(str(root)).read_file(name)
        assert name not in files.Files(str(root)).list_files()["files"]


def test_what_was_written_stays_after_a_tool_was_refused(opened):
    """Closing another descriptor of it would have dropped this process's locks."""
    database, folder = opened
    other = f"import sqlite3; sqlite3.connect({str(database.path)!r}).execute('SELECT 1 FROM endpoints').fetchall()"
    with pytest.raises(ToolError):
        files.Files(str(folder)).read_file("hard.sqlite3")
    subprocess.run([sys.executable, "-c", other], check=True)
    with database.transaction() as db:
        db.execute("INSERT INTO endpoints VALUES ('b', '', '{}')")
    assert Path(f"{database.path}-wal").exists()
    with Database(database.path) as again:
        assert len(list(again.read("SELECT * FROM endpoints"))) == 2


BEGIN = """
import sys
from pathlib import Path
from llms.store.database import Database
sys.stdin.read(1)
with Database(Path(sys.argv[1])) as database, database.transaction() as db:
    db.execute("INSERT INTO endpoints VALUES (?, '', '{}')", sys.argv[2:])
"""


def test_twenty_processes_begin_with_a_new_home_at_once(tmp_path):
    path = tmp_path / "new" / "llms.sqlite3"
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", BEGIN, str(path), str(i)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for i in range(20)
    ]
    for process in begun:
        process.stdin.write(b"x")
        process.stdin.flush()
    said = [process.communicate()[1].decode() for process in begun]
    assert not any(process.returncode for process in begun), said
    with Database(path) as database:
        assert len(list(database.read("SELECT * FROM endpoints"))) == 20
