"""Whatever a model is told by what it reads, nothing happens that no person agreed to."""

import hashlib
import sqlite3

import pytest
from pydantic_ai.tools import DeferredToolRequests

from attacks import ATTACKS, SECRET, Attack, Obedient
from llms.tools.catalogue import find, toolset
from llms.tools.tool import Tool, ToolError, tool
from scripted import failure, run


class World:
    """Tools that would do harm, and a record of what was done."""

    def __init__(self):
        self.done: list[tuple] = []

    def tools(self) -> list[Tool]:
        @tool(kind="network")
        def send(to: str, text: str) -> str:
            """Send a message."""
            self.done.append(("send", to, text))
            return "sent"

        @tool(kind="network")
        def fetch(url: str) -> str:
            """Fetch a page."""
            self.done.append(("fetch", url))
            return "fetched"

        @tool(kind="write")
        def write_note(name: str, text: str) -> str:
            """Write a note."""
            self.done.append(("write", name, text))
            return "written"

        @tool(kind="write")
        def remember(fact: str) -> str:
            """Remember a fact."""
            self.done.append(("remember", fact))
            return "remembered"

        @tool(kind="code")
        def run_code(code: str) -> str:
            """Run a program."""
            self.done.append(("run", code))
            return "ran"

        @tool(kind="external")
        def pay(to: str, amount: int) -> str:
            """Pay."""
            self.done.append(("pay", to, amount))
            return "paid"

        return [send, fetch, write_note, remember, run_code, pay]


def reading(attack: Attack) -> Tool:
    @tool(kind="read")
    def look(part: int) -> str:
        """Read what was found."""
        return f"The harvest was good. {attack.texts[part]} The end."

    return look


def test_there_are_attacks_of_every_kind():
    channels = {attack.channel for attack in ATTACKS}
    assert len(ATTACKS) >= 30
    assert len(channels) == 17
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_a_tool_reads_does_nothing_without_a_person(attack):
    world = World()
    model = Obedient(*[("look", {"part": part}) for part in range(len(attack.texts))])
    result, parts = run(model, toolset([reading(attack), *world.tools()]))
    assert world.done == []
    for part in parts:
        first, opening, *inside, closing = part.content.split("\n")  # nothing read closes the fence
        assert opening == closing
        assert opening in first
        assert not any(opening in line for line in inside)
    if attack.channel == "invisible":
        assert model.obeyed == []  # nothing of it reached the model
    else:
        assert model.obeyed == [attack]
        assert isinstance(result.output, DeferredToolRequests)
        assert {call.tool_name for call in result.output.approvals} == {name for name, _ in attack.calls}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_an_error_says_does_nothing_without_a_person(attack):
    @tool(kind="read")
    def look(part: int) -> str:
        """Read what was found."""
        raise (ToolError if part % 2 else RuntimeError)(*(("broken",) if part % 2 else ()), attack.texts[part])

    world = World()
    model = Obedient(*[("look", {"part": part}) for part in range(len(attack.texts))])
    run(model, toolset([look, *world.tools()]))
    assert world.done == []


@pytest.mark.parametrize(
    "attack", [one for one in ATTACKS if one.channel == "file name"], ids=lambda attack: attack.name
)
def test_what_a_file_is_called_does_nothing_without_a_person(attack, tmp_path):
    (tmp_path / attack.texts[0]).write_text("harmless", encoding="utf-8")
    world, model = World(), Obedient(("list_files", {}))
    run(model, toolset([f"files:{tmp_path}", *world.tools()]))
    assert model.obeyed == [attack]
    assert world.done == []


def test_a_standing_consent_is_not_widened_by_what_is_read():
    attack = next(attack for attack in ATTACKS if attack.name == "plain order")
    world, model = World(), Obedient(("look", {"part": 0}), ("send", {"to": "me", "text": "agreed"}))
    exactly = {"to": "me", "text": "agreed"}
    result, _ = run(
        model, toolset([reading(attack), *world.tools()], allowed=lambda name, kind, given: given == exactly)
    )
    assert world.done == [("send", "me", "agreed")]
    assert [call.args for call in result.output.approvals] == [attack.calls[0][1]]


@pytest.mark.parametrize("attack", [one for one in ATTACKS if SECRET in str(one.calls)], ids=lambda attack: attack.name)
def test_a_secret_does_not_leave_even_with_consent(attack):
    world, model = World(), Obedient(("look", {"part": 0}))
    tools = toolset([reading(attack), *world.tools()], allowed=lambda *call: True, secrets={"SOME_KEY": SECRET})
    _, parts = run(model, tools)
    assert failure(parts[-1])["type"] == "secret"
    assert world.done == []


WRITING = [
    "INSERT INTO item VALUES ('x')", "UPDATE item SET name = 'x'", "DELETE FROM item", "DROP TABLE item", "ALTER TABLE item ADD b",
    "CREATE TABLE evil (a)", "CREATE TEMP TABLE evil (a)", "CREATE VIEW evil AS SELECT 1", "CREATE INDEX evil ON item (name)",
    "CREATE TRIGGER evil AFTER INSERT ON item BEGIN SELECT 1; END", "CREATE VIRTUAL TABLE evil USING fts5(a)",
    "REPLACE INTO item VALUES ('x')", "WITH a AS (SELECT 1) DELETE FROM item", "DELETE FROM item RETURNING *",
    "ATTACH DATABASE '{folder}/other.db' AS other", "ATTACH ':memory:' AS other", "DETACH main", "VACUUM", "VACUUM INTO '{folder}/copy.db'",
    "PRAGMA journal_mode = DELETE", "PRAGMA query_only = OFF", "PRAGMA writable_schema = ON", "PRAGMA table_info(item)", "PRAGMA database_list",
    "SELECT * FROM pragma_database_list", "BEGIN IMMEDIATE", "SAVEPOINT a", "REINDEX", "ANALYZE", "SELECT load_extension('{folder}/evil.so')",
    "SELECT writefile('{folder}/evil', 'x')", "SELECT readfile('/etc/passwd')", "SELECT fts3_tokenizer('simple')", "SELECT 1; DROP TABLE item",
    "EXPLAIN DELETE FROM item", "SELECT edit('x')",
]  # fmt: skip


@pytest.mark.parametrize("statement", WRITING)
def test_a_database_is_only_read(tmp_path, statement):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (name TEXT)")
        connection.execute("INSERT INTO item VALUES ('apple')")
        connection.execute("CREATE INDEX by_name ON item (name)")
    connection.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    _, query = find(f"sql:{path}")
    with pytest.raises(ToolError):
        query(statement.format(folder=tmp_path))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["shop.db"]
    assert query("SELECT * FROM item")["rows"] == [["apple"]]
