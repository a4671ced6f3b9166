"""The rules between a model and its tools hold whatever the model does, and every call gets one result."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ToolCallPart,
    ToolReturn,
    ToolReturnPart,
)
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_ai.toolsets import FunctionToolset

from llms.chat.conversation.messages import arguments as read_arguments
from llms.errors import UnknownName, UsageError
from llms.models.messages import plain as plain_messages
from llms.tools.arguments import canonical, read
from llms.tools.catalogue import TOOLS, find, toolset
from llms.tools.guard import GuardedToolset, Rule, ToolLimits
from llms.tools.results import clip, error
from llms.tools.tool import File, Tool, ToolError, ToolOutput, tool
from scripted import Script, failure, run


@dataclass(frozen=True)
class Place:
    city: str
    inhabitants: int


@tool(kind="pure")
def double(number: int, note: str = "") -> int:
    """Twice a number.

    Args:
        number: What is doubled.
        note: Ignored.
    """
    return 2 * number


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused_in_words(number):
    called = []

    def weigh(kilograms: float) -> str:
        called.append(kilograms)
        return "ok"

    arguments = f'{{"kilograms": {number}}}'
    _, (part,) = run(Script([("weigh", arguments)]), toolset([Tool("weigh", weigh, "pure")]))
    assert failure(part)["type"] == "bad_arguments"
    assert "is not a number that JSON has" in failure(part)["message"]
    assert called == []
    assert read_arguments(ToolCallPart("weigh", arguments)) == arguments  # as text, which a page can read


def test_a_failure_reaches_a_model_as_json_that_is_escaped_once():
    part = ToolReturnPart("calculator", error("domain", 'no "root"', "abs"), "c1", outcome="failed")
    (message,) = plain_messages([ModelRequest(parts=[part])], "")
    assert json.loads(message.content) == {"error": {"type": "domain", "message": 'no "root"', "hint": "abs"}}
    assert message.content.count(chr(92)) == 2


def text_of(part) -> str:
    return part.content if isinstance(part.content, str) else json.dumps(part.content)


def test_name_description_and_schema_come_from_the_function():
    script = Script()
    seen = []

    def watch(messages, info):
        seen.extend(info.function_tools)
        return script(messages, info)

    run(watch, toolset([double]))
    (offered,) = seen
    assert (offered.name, double.description, double(4)) == ("double", "Twice a number.", 8)
    assert offered.parameters_json_schema["properties"]["number"] == {
        "description": "What is doubled.",
        "type": "integer",
    }
    assert offered.parameters_json_schema["required"] == ["number"]
    assert offered.parameters_json_schema["additionalProperties"] is False


def test_a_function_that_says_too_little_is_refused_with_an_explanation():
    def unhinted(a, b: int):
        return a

    with pytest.raises(UsageError, match="has no type hint for a; .* Write for example a: str"):
        tool(unhinted)
    with pytest.raises(UsageError, match=r"takes \*values"):
        tool(name="many")(lambda *values: 1)
    with pytest.raises(UsageError, match="not a name for a tool"):
        tool(lambda: 1)

    def unschemable(lock: threading.Thread) -> int:
        return 1

    with pytest.raises(UsageError, match="the hints of the tool unschemable give no schema"):
        toolset([unschemable])
    with pytest.raises(UsageError, match="two tools are called double"):
        toolset([double, double])


def test_tools_are_found_by_name():
    assert set(TOOLS) >= {"calculator"}
    for name, found in TOOLS.items():
        assert isinstance(found, Tool)
        assert (found.name, bool(found.description)) == (name, True)
    with pytest.raises(UnknownName, match="did you mean calculator"):
        find("calculater")


def test_every_tool_that_comes_along_describes_itself_and_its_parameters(tmp_path):
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE a (b)").connection.close()
    offered = []

    def watch(messages, info):
        offered.extend(info.function_tools)
        return Script()(messages, info)

    run(watch, toolset([*TOOLS, f"files:{tmp_path}", f"sql:{tmp_path}/a.db"]))
    assert {one.name for one in offered} == {
        *TOOLS,
        "list_files",
        "read_file",
        "search_files",
        "sql_tables",
        "sql_query",
    }
    for one in offered:
        assert one.description
        for name, parameter in one.parameters_json_schema["properties"].items():
            assert parameter.get("description"), (one.name, name)


def test_importing_the_catalogue_imports_no_tool_and_no_library():
    code = "import sys, llms.tools.catalogue; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "pydantic_ai", "openai", "sqlite3", "torch", "llms.tools.calculator"} & set(loaded)


@pytest.mark.parametrize(
    "written",
    [
        '{"number": 2}',
        '{"number": "2"}',
        '```json\n{"number": 2}\n```',
        '{"number": 2,}',
        "{'number': 2}",
        "{'number': 2,}",
    ],
)
def test_arguments_are_mended_once(written):
    _, (part,) = run(Script([("double", written)]), toolset([double]))
    assert (part.outcome, part.content) == ("success", 4)


def test_mending_leaves_strings_alone():
    assert read('{"a": "x,}", "b": [1,]}') == {"a": "x,}", "b": [1]}
    assert read("[1]") is None
    assert read("{" * 100_000) is None
    assert read("```\nnot json\n```") is None


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_arguments_that_are_right_are_read_as_they_are(arguments):
    text = json.dumps(arguments)
    assert read(text) == arguments
    assert read(f"```json\n{text}\n```") == arguments
    assert canonical(text) == canonical(dict(reversed(arguments.items())))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('{"number": "two"}', "number: Input should be a valid integer"),
        ('{"nummer": 2}', "nummer: Extra inputs are not permitted"),
        ("{}", "number: Field required"),
        ("two", "not one JSON object"),
        ("[2]", "not one JSON object"),
    ],
)
def test_wrong_arguments_are_told_with_field_and_reason(written, told):
    _, (part,) = run(Script([("double", written)]), toolset([double]))
    assert failure(part)["type"] == "bad_arguments"
    assert told in failure(part)["message"]


def test_two_failures_in_a_row_withdraw_a_tool_for_the_turn():
    script = Script(
        [("double", "{}")], [("double", '{"number": 1}')], [("double", "{}")], [("double", "x")], [("double", "x")]
    )
    result, parts = run(script, toolset([double, "calculator"]))
    assert [part.outcome for part in parts] == ["failed", "success", "failed", "failed", "retried"]
    assert "double" not in script.offered[4]
    assert "Available tools: 'calculator'" in parts[-1].content
    assert result.output == "done"
    again = Script(*["x"] * 6)
    run(again, toolset([double]), message_history=[*result.all_messages()], user_prompt="next turn")
    assert again.offered == [["double"]]


def test_an_unknown_tool_is_answered_with_the_names_however_often():
    script = Script(*[[("dobule", "{}")]] * 12)
    result, parts = run(script, toolset([double]))
    assert [part.content for part in parts] == ["Unknown tool name: 'dobule'. Available tools: 'double'"] * 12
    assert result.output == "done"


def test_an_exception_becomes_a_short_result_without_trace_or_path():
    @tool(kind="pure")
    def broken(number: int) -> int:
        """Fails."""
        raise FileNotFoundError(2, "No such file or directory", "/home/someone/private/list.txt")

    @tool(kind="pure")
    def explaining(number: int) -> int:
        """Fails and says why."""
        raise ToolError("too_early", "the shop is closed", "come back at 9")

    _, parts = run(Script([("broken", {"number": 1}), ("explaining", {"number": 1})]), toolset([broken, explaining]))
    assert failure(parts[0]) == {
        "type": "FileNotFoundError",
        "message": "[Errno 2] No such file or directory: 'list.txt'",
    }
    assert failure(parts[1]) == {"type": "too_early", "message": "the shop is closed", "hint": "come back at 9"}


def test_error_messages_lose_paths_but_not_addresses():
    told = json.loads(error("X", "see https://example.org/a/b and /home/u/.ssh/id and C:\\Users\\u\\x.txt\nnext"))
    assert told["message"] == "see https://example.org/a/b and id and x.txt next"


def test_a_third_identical_call_is_not_made():
    made = []

    @tool(kind="pure")
    def count(step: int) -> int:
        """Counts."""
        made.append(step)
        return len(made)

    script = Script(
        [("count", '{"step": 1}')], [("count", {"step": 1})], [("count", '{ "step":1 }'), ("count", {"step": 2})]
    )
    _, parts = run(script, toolset([count]))
    assert made == [1, 1, 2]
    assert parts[2].content["result"] == 2
    assert "not made again" in parts[2].content["note"]
    assert parts[3].content == 3


def test_identical_calls_of_one_answer_count_too():
    made = []

    @tool(kind="pure")
    def count(step: int) -> int:
        """Counts."""
        made.append(step)
        return len(made)

    _, parts = run(Script([("count", {"step": 1})] * 5), toolset([count]))
    assert len(made) == 2
    assert len(parts) == 5


@pytest.mark.parametrize("kind", ["network", "write", "code", "external"])
def test_what_acts_on_the_world_waits_for_a_person(kind):
    made = []

    @tool(kind=kind)
    def act(number: int) -> str:
        """Acts."""
        made.append(number)
        return f"did {number}"

    script = Script([("act", {"number": 1}), ("calculator", {"expression": "1+1"})])
    waiting, parts = run(script, toolset([act, "calculator"]))
    assert isinstance(waiting.output, DeferredToolRequests)
    assert waiting.output.metadata == {"call-0-0": {"kind": kind}}
    assert made == []
    stored = ModelMessagesTypeAdapter.validate_json(waiting.all_messages_json())
    edited = DeferredToolResults(approvals={"call-0-0": ToolApproved(override_args={"number": 7})})
    result, parts = run(script, toolset([act, "calculator"]), message_history=stored, deferred_tool_results=edited)
    assert made == [7]
    assert "did 7" in parts[-1].content
    assert result.output == "done"


def test_denied_twice_a_tool_is_withdrawn():
    @tool(kind="write")
    def act(number: int) -> str:
        """Acts."""
        raise AssertionError

    script, more = Script([("act", {"number": 1})], [("act", {"number": 2})], [("act", {"number": 3})]), {}
    for step in range(2):
        waiting, _ = run(script, toolset([act]), **more)
        denied = DeferredToolResults(approvals={f"call-{step}-0": ToolDenied("denied by the user")})
        more = {"message_history": waiting.all_messages(), "deferred_tool_results": denied}
    result, parts = run(script, toolset([act]), **more)
    assert [part.outcome for part in parts] == ["denied", "denied", "retried"]
    assert result.output == "done"
    assert script.offered[2] == []


def test_a_standing_consent_covers_a_call_but_not_its_repetition():
    made = []

    @tool(kind="write")
    def act(number: int) -> str:
        """Acts."""
        made.append(number)
        return "ok"

    script = Script([("act", {"number": 1})], [("act", {"number": 1})])
    waiting, _ = run(script, toolset([act], allowed=lambda name, kind, arguments: arguments == {"number": 1}))
    assert made == [1]
    assert isinstance(waiting.output, DeferredToolRequests)


def test_wrong_arguments_are_refused_before_a_person_is_asked():
    @tool(kind="write")
    def act(number: int) -> str:
        """Acts."""
        raise AssertionError

    result, parts = run(Script([("act", {"number": "x"})]), toolset([act]))
    assert failure(parts[0])["type"] == "bad_arguments"
    assert result.output == "done"


def test_a_secret_does_not_leave():
    @tool(kind="network")
    def send(body: str) -> str:
        """Sends."""
        raise AssertionError

    script = Script([("send", {"body": "the key is k3y-abcdef123456"})])
    result, parts = run(script, toolset([send], secrets={"OPENAI_API_KEY": "k3y-abcdef123456"}))
    assert failure(parts[0]) == {
        "type": "secret",
        "message": "the arguments contain OPENAI_API_KEY",
        "hint": "leave it out",
    }
    assert "k3y-abcdef" not in parts[0].content
    assert result.output == "done"


def test_keys_that_are_set_are_secrets_unless_others_are_named(monkeypatch):
    @tool(kind="external")
    def send(body: str) -> str:
        """Sends."""
        return "sent"

    monkeypatch.setenv("GROQ_API_KEY", "k3y-of-the-user")
    monkeypatch.setenv("HF_TOKEN", "hub-token-of-the-user")
    script = Script([("send", {"body": "k3y-of-the-user, hub-token-of-the-user"})])
    _, (part,) = run(script, toolset([send], allowed=lambda *call: True))
    assert failure(part)["message"] == "the arguments contain GROQ_API_KEY, HF_TOKEN"
    _, (part,) = run(script, toolset([send], allowed=lambda *call: True, secrets={}))
    assert part.outcome == "success"


def test_time_is_limited_and_a_thread_is_left_behind():
    release, cancelled = threading.Event(), []

    @tool(kind="pure", seconds=0.05)
    def stuck(number: int) -> int:
        """Waits in a thread."""
        release.wait(20)
        return number

    @tool(kind="pure", seconds=0.05)
    async def patient(number: int) -> int:
        """Waits."""
        try:
            await asyncio.sleep(20)
        finally:
            cancelled.append(number)
        return number

    assert (stuck.cancellable, patient.cancellable) == (False, True)
    started = time.monotonic()
    _, parts = run(Script([("stuck", {"number": 1}), ("patient", {"number": 2})]), toolset([stuck, patient]))
    release.set()
    assert [failure(part)["type"] for part in parts] == ["timeout", "timeout"]
    assert cancelled == [2]
    assert time.monotonic() - started < 10


def test_no_more_than_four_run_at_once():
    running, most = 0, 0

    @tool(kind="pure")
    async def busy(number: int) -> int:
        """Runs."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return number

    _, parts = run(Script([("busy", {"number": number}) for number in range(12)]), toolset([busy]))
    assert most == 4
    assert [int(text_of(part)) for part in parts] == list(range(12))


def test_a_long_result_is_cut_and_kept():
    kept = {}

    @tool(kind="pure")
    def long(number: int) -> str:
        """Much."""
        return "a" * number + "z" * number

    def keep(file: File) -> str:
        kept[file.name] = file.data
        return "artifact-1"

    _, (part,) = run(Script([("long", {"number": 5000})]), toolset([long], ToolLimits(characters=1000), keep=keep))
    assert len(part.content) <= 1000
    head, _, tail = part.content.partition("\n… [")
    assert abs(len(head) / (len(head) + tail.count("z")) - 0.6) < 0.01
    assert "artifact-1" in part.content
    assert kept == {"long.txt": b"a" * 5000 + b"z" * 5000}
    assert part.metadata["files"][0]["kept"] == "artifact-1"


@given(st.text(max_size=300), st.integers(100, 300))
def test_clipping_keeps_head_and_tail_within_the_limit(text, most):
    found = clip(text, most)
    assert len(found) <= most
    assert (found == text) == (len(text) <= most)


def test_results_are_plain_data_and_files_are_kept_apart():
    @tool(kind="pure")
    def place(name: str) -> Place:
        """A place."""
        return Place(name, 3)

    @tool(kind="pure")
    def picture(name: str) -> ToolOutput:
        """A picture."""
        return ToolOutput({"drawn": name}, (File("a.png", "image/png", b"\x89PNG"),))

    @tool(kind="pure")
    def binary(name: str) -> BinaryContent:
        """A picture in pydantic-ai's own words."""
        return BinaryContent(b"\xff\xd8", media_type="image/jpeg", identifier="photo")

    kept = []
    calls = [("place", {"name": "x"}), ("picture", {"name": "y"}), ("binary", {"name": "z"})]
    _, parts = run(
        Script(calls), toolset([place, picture, binary], keep=lambda file: kept.append(file) or f"#{len(kept)}")
    )
    assert parts[0].content == {"city": "x", "inhabitants": 3}
    assert parts[1].content == {"result": {"drawn": "y"}, "files": [{"name": "a.png", "kept": "#1"}]}
    assert parts[2].content == {"result": [], "files": [{"name": "photo", "kept": "#2"}]}
    assert [file.media_type for file in kept] == ["image/png", "image/jpeg"]


def returning(value):
    """A toolset as another library makes it."""
    functions = FunctionToolset()

    @functions.tool_plain
    def look() -> ToolReturn:
        """Looks."""
        return value

    return functions


def test_returns_of_other_libraries_are_bound_by_the_rules_too():
    value = ToolReturn("order\u200b", content="an order beside the result", metadata={"label": "trusted"})
    for foreign, spoken in ((False, 2), (True, 1)):
        rule = Rule("external", foreign=foreign)
        guarded = GuardedToolset(returning(value), lambda name, rule=rule: rule, allowed=lambda *call: True)
        result, (part,) = run(Script([("look", {})]), guarded)
        assert part.content.split("\n")[2] == "order"
        assert part.metadata["label"] == "untrusted"
        prompts = [
            part for message in result.all_messages() for part in message.parts if part.part_kind == "user-prompt"
        ]
        assert len(prompts) == spoken  # what a stranger puts beside its result is not said to the model


def test_a_cut_result_is_within_the_limit_with_its_fence():
    @tool(kind="read")
    def long(number: int) -> str:
        """Much."""
        return "x" * number

    _, (part,) = run(Script([("long", {"number": 5000})]), toolset([long], ToolLimits(characters=1000)))
    assert 800 < len(part.content) <= 1000


def test_what_others_wrote_is_cleaned_fenced_and_labelled():
    @tool(kind="read")
    def note(name: str) -> str:
        """A note."""
        return "visible\u200b\U000e0041 text"

    _, (part,) = run(Script([("note", {"name": "x"})]), toolset([note]))
    first, *_, last = part.content.splitlines()
    assert last in first
    assert part.content.splitlines()[2] == "visible text"
    assert part.metadata["label"] == "untrusted"
    assert part.metadata["removed"] == 2
