"""Answers as they come: nothing shown is taken back, nothing is lost, and the whole equals what is generated at once."""

import asyncio
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llms
from llms import bridge
from llms.errors import UsageError
from llms.models.local.reply import ReplyReader
from llms.models.local.toolcalls import ToolCallReader
from llms.models.system import Generate
from llms.tokens.stop import cut_at_stop
from llms.tokens.stream import Detokenizer, StopFilter, Thinking
from llms.values import THINKING_TAGS, Message

TOOL = {
    "name": "add",
    "description": "Adds.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}
CALL = '<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>'


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(st.text(max_size=40))
def test_detokenized_text_is_the_text_in_whole_characters(text):
    ids = list(text.encode())
    words = Detokenizer(lambda some: bytes(some).decode("utf-8", "replace"))
    shown = [words.push(id) for id in ids]
    assert "\ufffd" not in "".join(shown)
    assert "".join(shown) + words.flush() == text


@given(
    st.text("abX", max_size=30),
    st.lists(st.text("abX", min_size=1, max_size=4), max_size=3),
    st.lists(st.integers(0, 99)),
)
def test_a_stop_string_is_found_wherever_it_is_cut(text, stops, cuts):
    stop = StopFilter(stops)
    shown = "".join(stop.push(piece) for piece in pieces(text, cuts)) + stop.flush()
    assert shown == cut_at_stop(text, stops)
    assert stop.stopped == any(string in text for string in stops)


TAGS = [tag for pair in THINKING_TAGS for tag in (*pair, pair[0].swapcase(), pair[1][:-1])]
THOUGHTS = st.lists(st.sampled_from([*TAGS, "a", " ", "\n", "İ", "<", "/", "so it is"]), max_size=8).map("".join)


@given(
    st.one_of(st.text("ab<think>/", max_size=40), THOUGHTS),
    st.lists(st.integers(0, 99)),
    st.sampled_from(["", "</think>", "[/THINK]"]),
)
def test_thinking_is_told_apart_the_same_however_it_is_cut(text, cuts, closing):
    def split(parts):
        thinking = Thinking(closing)
        found = [*(thinking.push(part) for part in parts), thinking.flush()]
        return "".join(r for r, _ in found), "".join(a for _, a in found)

    assert split(pieces(text, cuts)) == split([text])


def test_an_unclosed_thought_is_all_thinking():
    thinking = Thinking()
    assert thinking.push("<think>so far") == ("so far", "")
    assert thinking.push(" </th") == (" ", "")
    assert thinking.flush() == ("</th", "")


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        f"Let me see. {CALL}\n{CALL}",
        '<|python_tag|>{"name": "add", "parameters": {"a": 1, "b": 2}}',
        '{"name": "add", "parameters": {"a": 1, "b": 2}}',
        '[TOOL_CALLS][{"name": "add", "arguments": {"a": 1, "b": 2}}]',
    ],
)
@given(cuts=st.lists(st.integers(0, 200), max_size=8))
def test_calls_are_read_in_every_form_however_they_are_cut(text, cuts):
    reader = ToolCallReader(["add"], "c")
    found = [*(reader.push(piece) for piece in pieces(text, cuts)), reader.flush()]
    calls = [call for _, some in found for call in some]
    assert len(calls) == text.count('"name"')
    assert all(json.loads(call.arguments) == {"a": 1, "b": 2} for call in calls)
    assert "".join(shown for shown, _ in found).strip() in ("", "Let me see.")


@given(st.text('<tool_call>{"name": addX}/[', max_size=60), st.lists(st.integers(0, 99), max_size=6))
def test_what_is_no_call_stays_text(text, cuts):
    reader = ToolCallReader(["add"], "c")
    found = [*(reader.push(piece) for piece in pieces(text + " so.", cuts)), reader.flush()]
    if not any(calls for _, calls in found):
        assert "".join(shown for shown, _ in found).replace("\n", "") == text.replace("\n", "") + " so."


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>',
        '<|python_tag|>{"name": "add", "parameters": {"a": 1, "b": 2}}',
        '[TOOL_CALLS][{"name": "add", "arguments": {"a": 1, "b": 2}}]',
    ],
)
@pytest.mark.parametrize("before", ["", "Let me see. "])
def test_a_call_that_is_cut_anywhere_is_never_shown_as_text(text, before):
    whole = '{"a": 1, "b": 2}'
    for length in range(3, len(text) + 1):
        reader = ToolCallReader(["add"], "c")
        pushed, last = reader.push(before + text[:length]), reader.flush()
        assert pushed[0] + last[0] == before, text[:length]
        calls = [*pushed[1], *last[1]]
        named = '"add"' in text[:length]
        assert [call.name for call in calls] == ["add"] * named, text[:length]
        if named:
            assert whole.startswith(calls[0].arguments[: len(whole)])


def test_raw_text_is_left_as_it_is():
    reader = ReplyReader(Generate("raw"))
    assert reader.push("<think>").text == "<think>"


@pytest.fixture(scope="module")
def model(tiny):
    with llms.load(f"hf:{tiny}") as loaded:
        yield loaded


@pytest.mark.parametrize("prompt", ["ab", (Message("user", "hello"),)])
def test_a_stream_is_what_generate_returns(model, prompt):
    (whole,) = model.generate([prompt], max_tokens=20)
    deltas = list(model.stream(Generate(prompt, 20)))
    assert "".join(delta.text for delta in deltas) == whole.text
    assert [delta.finish for delta in deltas if delta.finish] == [whole.finish]
    assert deltas[-1].usage.tokens == whole.tokens
    assert deltas[-1].usage.prompt_tokens == whole.prompt_tokens


def test_a_stream_that_is_cancelled_keeps_what_came(model):
    cancel = threading.Event()
    deltas = []
    for delta in model.stream(Generate("ab", 500), cancel):
        deltas.append(delta)
        if len(deltas) == 2:
            cancel.set()
    assert deltas[-1].usage.tokens <= 4
    assert model.engine_loop.busy == 0


def test_chances_cover_every_token(model):
    deltas = list(model.stream(Generate("ab", 12, top=2)))
    chances = [chance for delta in deltas for chance in delta.chances]
    assert len(chances) <= 12
    assert all(chance.top[0][1] >= chance.logprob for chance in chances)


def test_too_many_tokens_are_a_failure(model):
    (delta,) = model.stream(Generate("ab", 5000))
    assert "context window" in delta.failure.reason


def test_an_answer_obeys_its_schema(model):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"],
              "additionalProperties": False}  # fmt: skip
    for seed in range(5):
        deltas = list(model.stream(Generate((Message("user", "x"),), 60, temperature=1.0, seed=seed, schema=schema)))
        assert json.loads("".join(delta.text for delta in deltas))["n"] in range(10)


@pytest.mark.parametrize(("choice", "parallel"), [("required", False), ("required", True), ("add", True)])
def test_a_call_that_must_be_made_is_made_and_valid(model, choice, parallel):
    request = Generate((Message("user", "x"),), 300, temperature=1.0, seed=4, tools=(TOOL,), tool_choice=choice,
                       parallel_calls=parallel)  # fmt: skip
    calls = [call for delta in model.stream(request) for call in delta.tool_calls]
    assert {call.name for call in calls} == {"add"}
    assert all(set(json.loads(call.arguments)) == {"a", "b"} for call in calls)
    assert len(calls) == 1 or (parallel and choice == "required")


def test_an_answer_is_of_its_form_or_a_call(model):
    form = {"type": "object", "properties": {"n": {"const": 1}}, "required": ["n"], "additionalProperties": False}
    seen = set()
    for seed in range(12):
        request = Generate((Message("user", "x"),), 300, temperature=1.0, seed=seed, schema=form, tools=(TOOL,),
                           parallel_calls=False)  # fmt: skip
        deltas = list(model.stream(request))
        text, calls = "".join(d.text for d in deltas), [call.name for d in deltas for call in d.tool_calls]
        assert (json.loads(text), calls) == ({"n": 1}, []) if text else calls == ["add"]
        seen.add(bool(text))
    assert seen == {True, False}


def test_raw_text_stops_at_the_name_of_a_special_token(model):
    special = model.tokenizer.start_text
    plain = list(model.stream(Generate("ab", 300, temperature=1.5, seed=1)))
    stopped = list(model.stream(Generate("ab", 300, ("never", special), temperature=1.5, seed=1)))
    assert "".join(d.text for d in plain).startswith("".join(d.text for d in stopped))
    (whole,) = model.generate(["ab"], max_tokens=300, stop=["never", special], temperature=1.5, seed=1)
    assert (whole.text, whole.tokens) == ("".join(d.text for d in stopped), stopped[-1].usage.tokens)


def test_wrong_schemas_and_choices_are_refused(model):
    with pytest.raises(UsageError, match="schema cannot be followed"):
        list(model.stream(Generate((Message("user", "x"),), 9, schema={"type": "nonsense"})))
    with pytest.raises(UsageError, match="not among the tools: add"):
        list(model.stream(Generate((Message("user", "x"),), 9, tools=(TOOL,), tool_choice="sub")))


def test_a_local_model_serves_pydantic_ai(model):
    from pydantic_ai import Agent, UsageLimits

    done = []

    def add(a: int, b: int) -> int:
        """Adds."""
        done.append((a, b))
        return a + b

    async def ask():
        agent = Agent(model.chat_model(), tools=[add], model_settings={"max_tokens": 40}, instructions="Be brief.")
        plain = await agent.run("hello", model_settings={"tool_choice": "none"})
        assert plain.output == plain.new_messages()[-1].parts[-1].content
        assert plain.usage.output_tokens > 0
        forced = Agent(model.chat_model(), output_type=[add], model_settings={"max_tokens": 600, "temperature": 1.0})
        return await forced.run("1 + 2", usage_limits=UsageLimits(request_limit=3))

    assert asyncio.run(ask()).output == sum(done[-1])


def test_iterate_and_in_thread_undo_each_other_and_close_early():
    closed = threading.Event()

    def numbers(cancel):
        try:
            for n in range(10_000):
                if cancel.is_set():
                    return
                yield n
        finally:
            closed.set()

    assert list(bridge.iterate(bridge.in_thread(lambda cancel: iter(range(500))))) == list(range(500))
    stream = bridge.iterate(bridge.in_thread(numbers))
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    stream.close()
    assert closed.wait(5)


def test_errors_cross_the_bridge():
    def broken(cancel):
        yield 1
        raise ValueError("broken")

    stream = bridge.iterate(bridge.in_thread(broken))
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)
