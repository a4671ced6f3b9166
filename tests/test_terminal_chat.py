"""`llms chat` on a terminal: what is typed and pasted, commands, what is shown; and nothing that is not ours."""

import io
import os
import subprocess
import sys
import zipfile
from contextlib import contextmanager

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from llms import settings
from llms.chat.chat_settings import ChatSettings
from llms.cli import chat_commands, clipboard
from llms.cli.chat_commands import COMMANDS, completions
from llms.cli.line_editor import CommandCompleter
from llms.cli.main import main
from llms.store.conversations import Conversations
from llms.testing import ScriptedEndpoint, call
from llms.workbench import presets
from terminal import terminal


@pytest.fixture
def server():
    with ScriptedEndpoint(raw=False, window=8192, models=("m", "other", "third")) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("ask", "hello", "-m", "{model}"),
        ("agent", "say something", "--team", "single", "-m", "{model}"),
        ("eval", "{model}?tools=calculator", "-b", "gsm8k", "--limit", "1"),
    ],
)
def test_no_library_advertises_itself(server, command):
    server.answer = lambda body: [call("calculator", expression="1+1")] if len(body["messages"]) == 1 else "#### 2"
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_VERSION")}
    result = subprocess.run(
        [sys.executable, "-m", "llms", *(word.format(model=f"{server.url}#m") for word in command)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment | {"AI_AGENT": "1"},
    )  # fmt: skip
    assert any("messages" in body for _, body in server.posts), result.stderr
    assert "observability" not in result.stdout + result.stderr
    assert "pydantic" not in (result.stdout + result.stderr).lower()


@contextmanager
def talk(server, *arguments: str):
    """`llms chat` on a terminal, at its first prompt."""
    with terminal("chat", "-m", f"{server.url}#m", *arguments) as screen:
        screen.wait_for("> ")
        yield screen
        screen.type("/quit\n")
        assert screen.end() == 0
        assert "Traceback" not in screen.text


@pytest.fixture
def piped(server, monkeypatch, capfd):
    """What `llms chat` prints when these lines come by standard input, in this process."""

    def run(*lines: str, arguments: tuple[str, ...] = (), status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["llms", "chat", "-m", f"{server.url}#m", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
        ended = 0
        try:
            main()
        except SystemExit as end:
            ended = end.code or 0
        out, err = capfd.readouterr()
        assert ended == status, err
        return out + err

    return run


def asked(server) -> list[str]:
    """The last message of each request."""
    return [body["messages"][-1]["content"] for _, body in server.posts if "messages" in body]


def test_three_pasted_lines_are_one_message_and_the_next_is_another(server):
    with talk(server) as screen:
        place = len(screen.text)
        screen.type("\x1b[200~a\nb\nc\x1b[201~")
        screen.wait_for("c", place)
        assert not asked(server)  # not before Enter
        screen.type("\n")
        place = screen.wait_for(r"the answer is 42\s[^>]*> ", place)
        screen.type("next\n")
        screen.wait_for("the answer is 42", place)
    assert asked(server) == ["a\nb\nc", "next"]


def test_a_line_goes_on_by_a_backslash_or_by_alt_enter(server):
    with talk(server) as screen:
        screen.type("one\\\ntwo\x1b\rthree\n")
        screen.wait_for("the answer is 42")
    assert asked(server) == ["one\ntwo\nthree"]


def test_a_mistyped_command_stays_here_to_be_put_right(server):
    with talk(server) as screen:
        place = len(screen.text)
        screen.type("/lisst all\n")
        place = screen.wait_for(r"there is no command /lisst; did you mean /list[^>]*> /lisst all", place)
        screen.type("\x01 \n")  # to its beginning, a blank before it
        screen.wait_for("the answer is 42", place)
    assert asked(server) == ["/lisst all"]


@pytest.mark.parametrize("typed", ["/opne 1", "/", "/HLEP", "/usr/bin", "/new and more", "/attach"])
def test_nothing_that_begins_with_a_slash_is_sent_unless_it_is_asked_for(server, piped, typed):
    assert "/" in piped(typed)
    assert not asked(server)


@pytest.mark.parametrize(("typed", "sent"), [("//etc is what?", "/etc is what?"), (" /etc is what?", "/etc is what?")])
def test_a_message_may_begin_with_a_slash(server, piped, typed, sent):
    piped(typed)
    assert asked(server) == [sent]


def test_every_command_of_the_list_is_obeyed_and_every_obeyed_one_is_listed(server, piped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("the notes")
    arguments = {"/attach": "notes.txt", "/open": "1", "/model": f"{server.url}#other", "/edit": "anew"}
    others = [name for name in COMMANDS if name not in ("/new", "/quit", "/open")]
    typed = ["hello", *(f"{name} {arguments.get(name, '')}".strip() for name in [*others, "/list", "/open", "/new"])]
    monkeypatch.setattr(clipboard, "copy", lambda text: "a test")
    monkeypatch.setattr(chat_commands.clipboard, "copy", lambda text: "a test")
    said = piped(*typed, "/quit")
    assert "there is no command" not in said
    assert "needs" not in said
    lines = [" ".join(line.removeprefix("> ").split()) for line in said.splitlines()]
    for command in COMMANDS.values():
        assert any(line.endswith(f"{command.usage} {command.effect}") for line in lines), command
    assert "characters by a test" in said
    assert list(tmp_path.glob("*.md"))
    assert asked(server)[:4] == ["hello", "anew", "anew", asked(server)[3]]  # /edit and /again


def test_a_conversation_is_opened_by_its_number_its_id_or_a_beginning_of_it(server, piped):
    piped("the first")
    with Conversations(settings.database()) as store:
        id = store.find("last")
    for name in ("1", id, id[:-4]):
        said = piped(f"/open {name}", "and then?")
        assert f"conversation {id}" in said
        assert [body["messages"][0]["content"] for _, body in server.posts if "messages" in body][-1] == "the first"
    assert "no number 7" in piped("/list", "/open 7")
    assert "unknown conversation 'zz'" in piped("/open zz")
    with Conversations(settings.database()) as store:
        assert [one.messages for one in store.all()] == [8]


def test_another_model_goes_on_with_what_was_said_also_where_nothing_is_stored(server, piped):
    other = f"/model {server.url}#other"
    for stored in ((), ("--no-store",)):
        before = len(server.posts)
        piped(other, "first", f"/model {server.url}#third", "second", "/list", arguments=("-s", "Be brief.", *stored))
        bodies = [body for _, body in server.posts[before:] if "messages" in body]
        assert [body["model"] for body in bodies] == ["other", "third"]
        assert [message["content"] for message in bodies[1]["messages"]] == ["Be brief.", "first", "the answer is 42", "second"]  # fmt: skip
    with Conversations(settings.database()) as store:
        assert len(store.all()) == 1


def test_a_system_prompt_tools_and_a_preset_hold_from_the_next_message_on(server, piped):
    presets.save("brief", ChatSettings(model=f"{server.url}#other", system="In a word.", temperature=0.5))
    said = piped("/system Be kind.", "one", "/tools calculator,clock", "two", "/tools none", "three", "/preset brief", "four",
                 f"/model {server.url}#third", "five", "/system none", "six", "/tools calc", "/preset bref")  # fmt: skip
    bodies = [body for _, body in server.posts if "messages" in body]
    first = [body["messages"][0] for body in bodies]
    assert [message["content"] for message in first] == ["Be kind."] * 3 + ["In a word."] * 2 + ["one"]
    tools = [[tool["function"]["name"] for tool in body.get("tools", ())] for body in bodies]
    assert {"calculator", "clock"} <= set(tools[1])
    assert [tools[number] for number in (0, 2, 3, 4, 5)] == [[]] * 5
    assert [body["model"] for body in bodies] == ["m", "m", "m", "other", "third", "third"]
    assert [body.get("temperature") for body in bodies] == [None] * 3 + [0.5] * 3
    assert "on: calculator, clock; off: " in said
    assert "unknown tool 'calc'; did you mean clock or calculator" in said
    assert "unknown preset 'bref'; did you mean brief" in said
    again = piped("/open 1", "/system", "/preset")
    assert "no system prompt" in again


@pytest.mark.slow
def test_what_is_typed_under_no_store_is_not_kept(server):
    with talk(server, "--no-store") as screen:
        screen.type("a secret\n")
        screen.wait_for("the answer is 42")
    assert not list(settings.home().glob("chat_history*"))
    with talk(server) as screen:
        screen.type("no secret\n")
        screen.wait_for("the answer is 42")
    assert "no secret" in (settings.home() / "chat_history").read_text()
    assert (settings.home() / "chat_history").stat().st_mode & 0o077 == 0


def test_memory_that_would_be_kept_nowhere_is_refused(server, piped):
    assert "--memory and --no-store exclude one another" in piped("x", arguments=("--memory", "--no-store"), status=2)
    assert not asked(server)


def test_a_conversation_is_written_as_its_ending_says_and_no_file_is_lost(piped, tmp_path):
    said = piped("hello", f"/export {tmp_path}/a.md", f"/export {tmp_path}/a.zip", f"/export {tmp_path}/a.md",
                 f"/export {tmp_path}/none/a.md")  # fmt: skip
    assert "the answer is 42" in (tmp_path / "a.md").read_text()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert "conversations.jsonl" in archive.namelist()
    assert "a.md is there already" in said.replace("\n", "")
    assert "No such file or directory" in " ".join(said.split())


def test_an_answer_is_copied_by_the_program_of_the_machine_and_by_the_terminal(server, tmp_path, monkeypatch):
    program = tmp_path / "wl-copy"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/copied\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with talk(server) as screen:
        screen.type("hello\n")
        place = screen.wait_for("the answer is 42")
        raw = len(screen.raw)
        screen.type("/copy\n")
        screen.wait_for(r"copied 16 characters by wl-copy and the terminal \(OSC 52", place)
        assert "\x1b]52;c;dGhlIGFuc3dlciBpcyA0Mg==\x07" in screen.raw[raw:]
    assert (tmp_path / "copied").read_text() == "the answer is 42"


def test_where_there_is_no_clipboard_that_is_said(piped, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "there is no clipboard here" in piped("hello", "/copy")


def test_tab_completes_commands_conversations_and_files(server, piped, tmp_path, monkeypatch):
    piped("a title for it")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("x")

    class Session:
        store = Conversations(settings.database())

    completer = CommandCompleter(completions(Session()))

    def offered(text: str) -> list[str]:
        return [text[: len(text) + one.start_position] + one.text
                for one in completer.get_completions(Document(text), CompleteEvent())]  # fmt: skip

    assert offered("/op") == ["/open"]
    assert set(offered("/")) == set(COMMANDS)
    assert offered("/open ") == [f"/open {Session.store.find('last')}"]
    assert offered("/attach no") == ["/attach notes.txt"]
    assert f"/model {server.url}#m" in offered("/model http")
    assert "/model smollm2" in offered("/model sm")
    assert offered("what is /op") == offered("/help x") == []
    with talk(server) as screen:
        screen.type("/mor\t")
        screen.wait_for("> /more")
        screen.type("\n")
        screen.wait_for("there is no answer to go on with")
    Session.store.close()
