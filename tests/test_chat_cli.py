"""`llms ask`, `llms chat` and `llms chats` as processes: what scripts and people get, over an endpoint on loopback."""

import io
import json
import subprocess
import sys
import zipfile

import pytest

from llms import settings
from llms.cli.main import main
from llms.store.conversations import Conversations
from llms.testing import ScriptedEndpoint
from llms.web.service import view_models


@pytest.fixture
def server():
    with ScriptedEndpoint(raw=False, window=8192) as server:
        yield server


def process(*arguments: str, given: str = "") -> str:
    """Standard output of a process of its own."""
    command = [sys.executable, "-m", "llms", *arguments]
    result = subprocess.run(command, input=given, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def llms(monkeypatch, capfd):
    """The same entry in this process, which has the libraries loaded: `llms(*arguments)` is standard output, or the one
    line of an error where another exit status is expected."""

    def run(*arguments: str, given: str | bytes = "", check: int = 0) -> str:
        data = given if isinstance(given, bytes) else given.encode()
        monkeypatch.setattr(sys, "argv", ["llms", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        out, err = capfd.readouterr()
        assert status == check, err
        if status == 0:
            return out
        assert err.count("\n") == 1, err
        return err

    return run


def sent(server) -> list[dict]:
    return [body for _, body in server.posts if "messages" in body][-1]["messages"]


def test_a_script_gets_plain_text_and_goes_on_with_the_conversation(server, tmp_path, llms):
    server.answer = lambda body: "**bold** and `code`"
    notes = tmp_path / "notes.txt"
    notes.write_text("the notes")
    model = ("-m", f"{server.url}#m")
    asked = process("ask", *model, "what", "is", "this?", "-a", str(notes), given="from a pipe\n")
    assert asked == "**bold** and `code`\n"
    (question,) = sent(server)
    text = json.dumps(question["content"])
    assert text.index("what is this?") < text.index("from a pipe")
    assert "the notes" in text
    assert process("ask", "-c", "and then?") == "**bold** and `code`\n"  # model and history are remembered
    assert [message["role"] for message in sent(server)] == ["user", "assistant", "user"]
    events = [json.loads(line)["type"] for line in llms("ask", *model, "again", "--json", "--no-store").splitlines()]
    assert (events[0], events[-1]) == ("run_started", "run_finished")
    (stored,) = [json.loads(line) for line in process("chats", "--json").splitlines()]
    assert stored["messages"] == 4


def test_an_answer_obeys_a_schema_or_the_command_fails(server, tmp_path, llms):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(schema))
    asking = ("ask", "-m", f"{server.url}#m", "give n", "--schema")
    server.answer = lambda body: '{"n": 42}'
    assert json.loads(llms(*asking, str(file))) == {"n": 42}
    form = [body for _, body in server.posts if "messages" in body][-1]["response_format"]
    assert form["json_schema"]["schema"].items() >= schema.items()
    server.answer = lambda body: "forty-two"
    assert "the answer is not JSON" in llms(*asking, json.dumps(schema), check=1)


def test_a_local_model_obeys_a_schema(tiny, llms):
    only = {
        "type": "object",
        "properties": {"yes": {"type": "boolean"}},
        "required": ["yes"],
        "additionalProperties": False,
    }
    asking = ("ask", "-m", f"hf:{tiny}", "is it?", "--max-tokens", "60", "--schema")
    assert json.loads(llms(*asking, json.dumps(only)))["yes"] in (True, False)


def test_what_cannot_be_asked_is_one_line(server, tmp_path, llms):
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"no picture")
    asking = ("ask", "-m", f"{server.url}#m")
    assert "picture.png is not what its name says: it holds text" in llms(*asking, "x", "-a", str(picture), check=2)
    assert "does not exist" in llms(*asking, "x", "-a", str(tmp_path / "none.txt"), check=2)
    assert "standard input is not text" in llms(*asking, given=b"a\0b", check=2)
    assert "is not JSON" in llms(*asking, "x", "--schema", '{"a', check=2)
    assert not server.posts


def test_a_talk_is_typed_line_by_line_and_commands_are_obeyed(server):
    typed = "one \\\ntwo\n/again\n/attach nowhere\n/list\n/quit\n"
    said = process("chat", "-m", f"{server.url}#m", given=typed)
    assert said.count("the answer is 42") == 2
    assert sent(server)[-1]["content"] == "one \ntwo"
    assert "nowhere is not a file" in said
    assert "\x1b" not in said


def test_a_talk_goes_on_with_a_stored_conversation(server, llms):
    llms("ask", "-m", f"{server.url}#m", "the first")
    (one,) = [json.loads(line) for line in llms("chats", "--json").splitlines()]
    said = process("chat", "-m", f"{server.url}#m", "-s", "be brief", given=f"/open {one['id']}\nand then?\n/quit\n")
    assert said.count(f"conversation {one['id']}") == 1
    assert sent(server)[0]["content"] == "the first"


def test_conversations_are_listed_searched_exported_imported_and_deleted(server, tmp_path, llms):
    def lines(*arguments: str) -> list[dict]:
        return [json.loads(line) for line in llms(*arguments, "--json").splitlines()]

    llms("ask", "-m", f"{server.url}#m", "what about quagmires?")
    (one,) = lines("chats")
    assert set(one) == {
        "id", "title", "created", "updated", "model", "policy", "project", "archived", "pinned", "tags", "messages",
    }  # fmt: skip
    llms("chats", "tag", "last", "wet", "land")
    llms("chats", "rename", one["id"][:18], "Bogs")
    assert {"Bogs", "land", "wet"} <= set(llms("chats").split())
    hits = lines("chats", "search", "quagm", "tag:wet")
    assert set(hits[0]) == {"conversation", "title", "node", "role", "created", "active", "snippet"}
    assert [(hit["conversation"], hit["role"]) for hit in hits] == [(one["id"], "user")]
    llms("ask", "-m", f"{server.url}#m", "a later one")
    assert [chat["title"] for chat in lines("chats")] == ["a later one", "Bogs"]
    assert "pinned" in llms("chats", "pin", one["id"])
    assert [(chat["title"], chat["pinned"]) for chat in lines("chats")] == [("Bogs", True), ("a later one", False)]
    assert "archived" in llms("chats", "archive", one["id"])
    assert [chat["title"] for chat in lines("chats")] == ["a later one"]
    assert [chat["title"] for chat in lines("chats", "--archived")] == ["Bogs"]
    assert lines("chats", "search", "quagm")  # the archive is searched too
    llms("chats", "archive", "--undo", one["id"])
    llms("chats", "pin", "--undo", one["id"])
    assert not any(chat["pinned"] or chat["archived"] for chat in lines("chats"))
    llms("chats", "rm", "last", "--yes")
    assert "# Bogs" in llms("chats", "export", "last")
    archive = tmp_path / "bogs.zip"
    llms("chats", "export", "last", str(archive))
    with zipfile.ZipFile(archive) as opened:
        assert "conversations.jsonl" in opened.namelist()
    assert "nothing was deleted" in llms("chats", "rm", "last", given="n\n")
    assert "deleted" in llms("chats", "rm", "last", "--yes")
    assert "no conversation is stored" in llms("chats")
    assert "no conversation is stored yet" in llms("ask", "-c", "x", check=2)
    assert "would take 2 messages of “Bogs”" in llms("chats", "import", str(archive), "--dry-run")
    assert "took 2 messages of “Bogs”" in llms("chats", "import", str(archive))
    assert "1 already here" in llms("chats", "import", str(archive))
    assert "unknown conversation 'nope'" in llms("chats", "export", "nope", check=2)


def test_an_export_of_chatgpt_is_taken_with_a_report_of_what_was_left(tmp_path, llms):
    def node(parent: str | None, children: list[str], role: str = "", content: dict | None = None) -> dict:
        message = {"author": {"role": role}, "content": content, "create_time": 1.7e9} if role else None
        return {"parent": parent, "children": children, "message": message}

    mapping = {
        "root": node(None, ["q"]),
        "q": node("root", ["a"], "user", {"content_type": "text", "parts": ["what is a bog?"]}),
        "a": node("q", [], "assistant", {"content_type": "text", "parts": ["wet land"]}),
    }
    file = tmp_path / "conversations.json"
    file.write_text(
        json.dumps([{"id": "c1", "title": "Bogs\x1b[31m", "mapping": mapping, "current_node": "a"}, {"id": "c2"}])
    )
    said = llms("chats", "import", str(file))
    assert "took 2 messages of “Bogs" in said
    assert "left out conversations.json, conversation 2" in said
    assert "wet land" in llms("chats", "export", "last")
    assert "\x1b" not in said + llms("chats") + llms("chats", "search", "bog")


def test_what_is_remembered_is_shown_and_told_only_where_it_is_asked_for(server, llms):
    model = ("-m", f"{server.url}#m")
    server.answer = lambda body: "noted"
    assert "remembered: I measure lengths in metres" in llms(
        "memory", "add", "I measure lengths in metres", "--key", "user/length"
    )
    llms("memory", "add", "The cat is called Pixel")
    assert "secrets are never remembered" in llms("memory", "add", "my password is hunter22", check=2)
    llms("ask", *model, "Which unit for lengths?")
    assert "metres" not in json.dumps(sent(server))
    asked = [sys.executable, "-m", "llms", "ask", *model, "Which unit for lengths?", "--memory"]
    result = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert "told from memory" in result.stderr
    assert "metres" in result.stderr
    assert "metres" in json.dumps(sent(server))
    assert "Pixel" not in json.dumps(sent(server))
    facts = {fact["text"]: fact for fact in map(json.loads, llms("memory", "--json").splitlines())}
    assert [fact["uses"] for fact in facts.values()] == [0, 1]
    assert "instead of" in llms("memory", "add", "I measure lengths in feet", "--key", "user/length")
    assert "feet" in llms("memory", "search", "lengths")
    assert "metres" not in llms("memory", "search", "lengths")
    assert "feet" in llms("memory", "undo")
    assert "metres" in llms("memory", "search", "lengths")
    assert "no fact matches “zebras”" in llms("memory", "search", "zebras")
    llms("memory", "rm", "--yes", *(fact["id"] for fact in facts.values()))
    assert "nothing is remembered" in llms("memory")
    assert "nothing to undo" in llms("memory", "undo", check=2)
    assert "unknown memory" in llms("memory", "rm", "--yes", "m0", check=2)


def test_a_failure_of_the_server_is_said_once_in_its_words_here_and_on_the_page(server, llms):
    name = f"{server.url}#m"
    server.faults.extend([{"status": 402, "message": "Insufficient credits"}] * 9)  # the first ask what it is
    words = f"{server.url} answered 402: Insufficient credits. The account is used up: add credit there, or choose another model"
    assert llms("ask", "-m", name, "hello", check=1) == f"llms: {words}\n"
    with Conversations(settings.database()) as store:
        page = view_models.conversation(store, store.find("last"), name)
    assert page.path[-1].error == words
