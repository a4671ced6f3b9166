"""An answer that is not whole says so, in the terminal and for good: cut, refused, empty, failed, waited for."""

import io
import json
import sys

import pytest

from llms.chat.conversation.marks import error_of, notices_of
from llms.chat.turn import events as told
from llms.cli.main import main
from llms.testing import ScriptedEndpoint
from llms.values import ToolCall
from llms.workbench.chat.chat import Chat

REFUSAL = [{"delta": {"refusal": "I cannot help with that."}}, {"delta": {}, "finish_reason": "stop"}]
FILTERED = [{"delta": {"content": "Well, "}}, {"delta": {}, "finish_reason": "content_filter"}]
CASES = {
    "cut": (("half an ans", 3, "length", 20), "length", "output_limit", "half an ans"),
    "refused": (REFUSAL, "refused", "refused", "I cannot help with that."),
    "filtered": (FILTERED, "refused", "refused", "Well, "),
    "empty": ("", "empty", "empty_answer", ""),
}


@pytest.fixture
def ask(monkeypatch, capfd):
    """`llms ask` in this process: (exit status, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["llms", "ask", *arguments, "--no-store"])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code or 0, *capfd.readouterr())

    return run


@pytest.mark.parametrize("case", CASES)
def test_an_answer_that_is_not_whole_is_marked_for_good(case):
    answer, reason, code, text = CASES[case]
    with ScriptedEndpoint(lambda body: answer, raw=False) as server, Chat(f"{server.url}#m", ephemeral=True) as chat:
        *events, end = chat.send("hello")
        assert (end.state, end.reason) == ("finished", reason)
        assert [e.code for e in events if isinstance(e, told.Notice)] == [code]
        assert chat.answer == text
        assert [mark.code for mark in notices_of(chat.path[-1].message)] == [code]


@pytest.mark.parametrize("case", [*CASES, "whole"])
@pytest.mark.parametrize("flag", [[], ["--whole"]])
def test_a_script_is_told_of_an_answer_that_is_not_whole(ask, case, flag):
    answer = CASES[case][0] if case != "whole" else "all of it"
    with ScriptedEndpoint(lambda body: answer, raw=False) as server:
        status, _, errors = ask("hello", "-m", f"{server.url}#m", *flag)
    assert status == (1 if flag and case != "whole" else 0)
    assert len([line for line in errors.splitlines() if line.startswith("llms: ")]) == (case != "whole")


def test_a_failure_is_printed_once_in_words_with_the_key_hidden(ask, monkeypatch):
    monkeypatch.setenv("LLMS_API_KEY", "sk-a-secret-of-the-tests-0123456789")
    with ScriptedEndpoint(raw=False) as server, Chat(f"{server.url}#m", ephemeral=True) as chat:
        list(chat.send("hello"))  # the faults are for the answer, not for the first look at the server
        server.faults.append({"status": 401, "message": "no such key sk-a-secret-of-the-tests-0123456789"})
        end = list(chat.send("and now?"))[-1]
        assert end.state == "failed"
        assert "refuses the key" in end.text
        assert "LLMS_API_KEY" in end.text
        assert "secret-of-the-tests" not in end.text
        assert error_of(chat.path[-1].message) == end.text
        server.stop()
        status, output, errors = ask("hello", "-m", f"{server.url}#m")
    assert (status, output.strip()) == (1, "")
    assert errors.count("does not answer") == 1
    assert len(errors.strip().splitlines()) == 1


def test_waiting_for_a_server_that_is_asked_too_much_is_said_and_can_be_stopped():
    with ScriptedEndpoint(raw=False) as server, Chat(f"{server.url}#m", ephemeral=True) as chat:
        list(chat.send("hello"))
        server.faults.extend([{"status": 429, "message": "slow down"}])
        events = list(chat.send("and now?"))
        waiting = [event for event in events if isinstance(event, told.Notice)]
        assert [(event.code, event.lasts) for event in waiting] == [("waiting", False)]
        assert "trying again in 1 s" in waiting[0].text
        assert chat.answer == "the answer is 42"
        assert not notices_of(chat.path[-1].message)
        server.faults.extend([{"status": 429, "message": "slow down", "retry_after": 50}])
        seen = []
        for event in chat.send("once more"):
            seen.append(event)
            if isinstance(event, told.Notice):
                assert "trying again in 50 s" in event.text
                chat.stop()
        assert seen[-1].state == "stopped"
        assert chat.path[-1].state == "stopped"


def test_calls_that_a_server_names_alike_in_every_answer_keep_their_results():
    def answer(body):
        results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        if len(results) == 3:
            return " ".join(json.loads(result)["value"] for result in results)
        return [ToolCall("0", "calculator", json.dumps({"expression": f"{len(results)}+1"}))]

    with (
        ScriptedEndpoint(answer, raw=False) as server,
        Chat(f"{server.url}#m", tools=["calculator"], ephemeral=True) as chat,
    ):
        *events, end = chat.send("count")
        assert (end.state, chat.answer) == ("finished", "1 2 3")
        assert [event.code for event in events if isinstance(event, told.Notice)] == []
