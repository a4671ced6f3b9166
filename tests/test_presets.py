"""Settings under a name: kept, listed, refused where they name nothing, and what a model is then asked with."""

import io
import json
import sys

import pytest

from llms import settings
from llms.chat.chat_settings import ChatSettings, settings_of
from llms.chat.conversation.messages import visible
from llms.cli.main import main
from llms.errors import UsageError
from llms.store.conversations import Conversations
from llms.store.presets import settings_in
from llms.testing import ScriptedEndpoint
from llms.workbench import presets
from llms.workbench.chat.chat import Chat


@pytest.fixture
def server():
    with ScriptedEndpoint(raw=False, window=8192) as server:
        yield server


@pytest.fixture
def llms(monkeypatch, capfd):
    """The command in this process: its standard output, or the line of its error where another exit status is expected."""

    def run(*arguments: str, check: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["llms", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        out, err = capfd.readouterr()
        assert status == check, err
        return out if status == 0 else err

    return run


def bodies(server) -> list[dict]:
    return [body for _, body in server.posts if "messages" in body]


def test_a_preset_is_kept_shown_and_deleted(llms):
    assert "llms presets save" in llms("presets")
    llms("presets", "save", "brief", "-s", "One sentence.", "--tool", "calculator", "--temperature", "0", "--no-memory")
    llms("presets", "save", "another", "-m", "smollm2")
    assert llms("presets").index("another") < llms("presets", "list").index("brief")
    rows = [json.loads(line) for line in llms("presets", "list", "--json").splitlines()]
    assert [row["name"] for row in rows] == ["another", "brief"]
    brief = {name: value for name, value in rows[1].items() if name != "updated"}
    assert brief == {
        "name": "brief", "system": "One sentence.", "tools": ["calculator"], "temperature": 0.0, "memory": False,
    }  # fmt: skip
    assert "One sentence." in llms("presets", "show", "brief")
    llms("presets", "save", "brief", "--seed", "7")
    assert presets.preset("brief").settings == ChatSettings(seed=7)
    llms("presets", "delete", "brief")
    assert "did you mean another" in llms("presets", "show", "nother", check=2)
    llms("presets", "delete", "another")
    assert "llms presets save" in llms("ask", "--preset", "another", "hi", check=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--temperature", "2.5"], "2.5 is not in the range 0<=x<=2"),
        (["--temperature", "nan"], "nan is not a finite number"),
        (["--tool", "calculater"], "did you mean calculator?"),
        (["-m", "smolm2"], "did you mean smollm2?"),
        (["--seed", str(1 << 64)], "64 bits"),
        (["--max-tokens", "0"], "max-tokens"),
    ],
)
def test_what_names_nothing_is_not_kept(llms, options, words):
    assert words in llms("presets", "save", "x", *options, check=2)
    assert presets.presets() == []


@pytest.mark.parametrize("name", ["", "  ", " x", "two\nlines", "x" * 61])
def test_a_name_can_be_typed(name):
    with pytest.raises(UsageError, match="not a name for a preset"):
        presets.save(name, ChatSettings())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tools": "calculator"}, "tools 'calculator' is not taken; expected a list"),
        ({"tools": [1]}, "expected a list"),
        ({"memory": "yes"}, "true or false"),
        ({"policy": "cut"}, "one of truncate, summarise, strict"),
        ({"max_tokens": 1.5}, "max tokens 1.5 is not taken; expected a whole number"),
        ({"max_tokens": True}, "whole number"),
        ({"temperature": float("inf")}, "from 0"),
        ({"temprature": 1}, "did you mean temperature?"),
        ({"model": " "}, "the name of a model"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(values, words):
    with pytest.raises(UsageError) as refused:
        settings_of(values)
    assert words in str(refused.value)


def test_settings_survive_their_json():
    every = ChatSettings("smollm2", "be kind", ("calculator",), 0.5, 20, -3, "strict", True, "kind")
    assert settings_of(json.loads(json.dumps(every.to_json()))) == every
    assert ChatSettings(seed=1).over(every).seed == 1
    assert ChatSettings(tools=()).over(every).tools == ()
    changed = every.changed({"seed": None, "max_tokens": 5})
    assert (changed.seed, changed.max_tokens, changed.temperature, changed.preset) == (None, 5, 0.5, None)


def test_options_go_before_the_preset_which_goes_before_the_default(server, llms):
    llms("presets", "save", "terse", "-m", f"{server.url}#m", "-s", "Be terse.", "--tool", "calculator",
         "--temperature", "0.25", "--max-tokens", "50", "--seed", "3")  # fmt: skip
    llms("ask", "--preset", "terse", "hi")
    body = bodies(server)[-1]
    assert (body["temperature"], body["max_tokens"], body["seed"]) == (0.25, 50, 3)
    assert body["messages"][0] == {"role": "system", "content": "Be terse."}
    assert "calculator" in [tool["function"]["name"] for tool in body["tools"]]
    llms("ask", "--preset", "terse", "--temperature", "1.5", "-s", "Be kind.", "hi")
    body = bodies(server)[-1]
    assert (body["temperature"], body["seed"], body["messages"][0]["content"]) == (1.5, 3, "Be kind.")


def test_a_conversation_remembers_what_was_said(server):
    with Chat(f"{server.url}#m", temperature=0.5, seed=9, max_tokens=40, tools=["calculator"]) as chat:
        list(chat.send("hi"))
    with Chat(id=chat.id, seed=10) as again:
        list(again.send("and?"))
    body = bodies(server)[-1]
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.5, 10, 40)
    assert body["tools"]
    with Conversations(settings.database()) as store:
        assert settings_in(store, chat.id).seed == 10
    with Chat(id=chat.id, tools=[]) as without:
        list(without.send("now?"))
    assert "tools" not in bodies(server)[-1]


def test_a_preset_can_be_taken_up_by_a_conversation_that_began_without_one(server, llms):
    presets.save("pirate", ChatSettings(system="You are a pirate.", temperature=0.0))
    model = f"{server.url}#m"
    llms("ask", "-m", model, "hello")
    llms("ask", "-c", "--preset", "pirate", "and?")
    assert [m["content"] for m in bodies(server)[-1]["messages"]] == [
        "You are a pirate.",
        "hello",
        "the answer is 42",
        "and?",
    ]
    llms("ask", "-c", "more")
    body = bodies(server)[-1]
    assert (body["messages"][0]["content"], body["temperature"], body["model"]) == ("You are a pirate.", 0, "m")


def test_another_system_prompt_leaves_what_was_said_as_it_is(server):
    with Chat(f"{server.url}#m", system="first") as chat:
        list(chat.send("hi"))
        before = [node.id for node in chat.path]
    with Chat(id=chat.id, system="second") as again:
        list(again.send("and?"))
        assert [node.id for node in again.path[:3]] == before
        assert visible(again.path[0].message) == "first"
        forked = again.fork()
        list(forked.send("there?"))
    for body in bodies(server)[-2:]:
        assert [m["content"] for m in body["messages"] if m["role"] == "system"] == ["second"]
    with Chat(id=chat.id, system="") as without:
        list(without.send("none?"))
    assert bodies(server)[-1]["messages"][0] == {"role": "user", "content": "hi"}
