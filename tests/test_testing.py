"""The public stand-ins: their examples run, they work in a chat with tools, and they need no test framework."""

import doctest
import subprocess
import sys

import pytest

import llms
import llms.testing.endpoint
import llms.testing.model
from llms.testing import ScriptedEndpoint, ScriptedModel, call, in_turn


@pytest.mark.parametrize("module", [llms.testing, llms.testing.model, llms.testing.endpoint], ids=lambda m: m.__name__)
def test_the_examples_of_the_documentation_give_what_they_say(module):
    tried = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert tried.attempted
    assert not tried.failed


def test_neither_a_test_framework_nor_torch_is_imported():
    code = "import sys, llms.testing; sys.exit(bool({'pytest', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def test_a_scripted_model_calls_a_tool_in_a_chat_and_answers_behind_it():
    model = ScriptedModel(in_turn([call("add", a=1, b=2)], "it is three"))
    with llms.Chat(model, tools=[llms.tool(kind="pure")(add)], ephemeral=True) as chat:
        list(chat.send("1 + 2?"))
        assert chat.answer == "it is three"
    assert "<tool>3" in model.render(model.requests[-1].prompt)


@pytest.mark.parametrize("streams", [True, False])
def test_a_scripted_endpoint_calls_a_tool_in_a_chat_streamed_or_not(streams):
    def answer(body):
        result = next((m["content"] for m in body["messages"] if m["role"] == "tool"), None)
        return [call("add", a=1, b=2)] if result is None else f"it is {result}"

    with (
        ScriptedEndpoint(answer, raw=False, window=8192, streams=streams) as server,
        llms.Chat(f"{server.url}#m", tools=[llms.tool(kind="pure")(add)], ephemeral=True) as chat,
    ):
        list(chat.send("1 + 2?"))
        assert chat.answer == "it is 3"


def test_a_script_goes_on_with_its_last_reply():
    model = ScriptedModel(in_turn("one", "two"))
    assert [answer.text for answer in model.generate(["a", "b", "c"])] == ["one", "two", "two"]
