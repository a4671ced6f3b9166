"""A tool of every kind that acts is asked about in the terminal and obeys what a person says, in real turns."""

import io
import json
from unittest.mock import patch

import pytest
from rich.console import Console

from llms.cli import answering
from llms.sandbox import probe
from llms.store import chat_runs
from llms.testing import ScriptedEndpoint
from llms.tools.tool import ASKING, tool
from llms.workbench.chat.chat import Chat
from terminal import terminal

KINDS = sorted(ASKING)


class Asked:
    """A talk whose model calls one tool of `kind`, twice with the same arguments; `made` is what was really called."""

    def __init__(self, kind: str):
        self.made: list[str] = []

        @tool(kind=kind, name=f"do_{kind}")
        def act(what: str) -> str:
            """Do something."""
            self.made.append(what)
            return f"did {what}"

        self.tool, self.screen = act, io.StringIO()

    def answer(self, body):
        if body["messages"][-1]["role"] == "tool":
            return f"it says {body['messages'][-1]['content']}"
        call = {
            "index": 0,
            "id": f"c{len(body['messages'])}",
            "function": {"name": self.tool.name, "arguments": '{"what": "this"}'},
        }
        return [{"delta": {"tool_calls": [call]}}, {"delta": {}, "finish_reason": "tool_calls"}]

    def ask(self, chat: Chat, *typed: str) -> None:
        """Send a question; `typed` is what a person answers to the prompts."""
        out = Console(file=self.screen, width=120)
        lines = iter(typed)
        with (
            patch("sys.stdin.isatty", return_value=True),
            patch("rich.console.input", lambda *_: next(lines)),
            patch("builtins.input", lambda *_: next(lines)),
        ):
            answering.answer(out, chat, chat.send("go"))
        assert next(lines, None) is None


@pytest.fixture(params=KINDS)
def asked(request):
    return Asked(request.param)


@pytest.fixture
def chat(asked):
    with (
        ScriptedEndpoint(asked.answer, raw=False, window=8192) as server,
        Chat(f"{server.url}#m", tools=[asked.tool], ephemeral=True) as chat,
    ):
        yield chat


def test_what_is_approved_is_done_once_and_asked_again(asked, chat):
    asked.ask(chat, "y")
    assert asked.made == ["this"]
    assert "did this" in chat.answer
    kind = asked.tool.name.removeprefix("do_")
    assert f"{asked.tool.name} ({kind})" in asked.screen.getvalue()
    asked.ask(chat, "n")
    assert asked.made == ["this"]
    assert "denied by the user" in chat.answer


def test_changed_arguments_are_those_that_count(asked, chat):
    asked.ask(chat, "e", json.dumps({"what": "that"}))
    assert asked.made == ["that"]
    assert "did that" in chat.answer


@pytest.mark.parametrize("typed", ["no json", "[1]"])
def test_arguments_that_are_no_object_deny_the_call(asked, chat, typed):
    asked.ask(chat, "e", typed)
    assert asked.made == []
    assert "denied" in asked.screen.getvalue()


def test_what_would_hold_for_nothing_is_not_offered(asked, chat):
    asked.ask(chat, "y")
    assert "yes, in this conversation" in asked.screen.getvalue()
    asked.screen.truncate(asked.screen.seek(0))
    asked.ask(chat, "a", "n")  # the model has read what a tool wrote: "a" is no choice
    assert asked.made == ["this"]
    assert "untrusted text was read" in asked.screen.getvalue()
    assert "yes, in this conversation" not in asked.screen.getvalue()


def test_what_is_allowed_always_is_not_asked_for_again_with_these_arguments(asked, chat):
    asked.ask(chat, "a")
    asked.ask(chat)
    assert asked.made == ["this", "this"]


def test_an_end_of_input_at_the_question_calls_nothing_and_the_talk_goes_on(asked, chat):
    def gone(*_):
        raise EOFError

    with patch("sys.stdin.isatty", return_value=True), patch("builtins.input", gone):
        answering.answer(Console(file=asked.screen), chat, chat.send("go"))
    assert asked.made == []
    assert [run.state for run in chat_runs.runs(chat.store, chat.id)] == ["waiting"]
    asked.ask(chat, "y")
    assert asked.made == ["this"]


@pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
def test_a_program_is_agreed_to_on_a_real_terminal():
    def answer(body):
        if body["messages"][-1]["role"] == "tool":
            return "It printed " + "".join(filter(str.isdigit, body["messages"][-1]["content"]))
        call = {"index": 0, "id": "c1", "function": {"name": "python", "arguments": '{"code": "print(6 * 7)"}'}}
        return [{"delta": {"tool_calls": [call]}}, {"delta": {}, "finish_reason": "tool_calls"}]

    with (
        ScriptedEndpoint(answer, raw=False, window=8192) as server,
        terminal("chat", "--tool", "python", "-m", f"{server.url}#m") as screen,
    ):
        place = screen.wait_for("> ")
        screen.type("run something\n")
        place = screen.wait_for(r"run it\? \[y/c/a/e/n\] \(n\): ", place)
        assert "python (code)" in screen.text
        screen.type("y\n")
        place = screen.wait_for(r"It printed \d*42", place)
        screen.wait_for("> ", place)
        screen.type("/quit\n")
        assert screen.end() == 0
        assert "Traceback" not in screen.text
        assert "Error" not in screen.text
