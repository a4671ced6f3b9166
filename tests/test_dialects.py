"""Servers that speak OpenAI's protocol in ways of their own, over sockets: understood, remembered, told in their words."""

import asyncio
import gc
import json
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic_ai import Agent
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import (
    BinaryContent,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

import llms
from llms import bridge
from llms.errors import ModelError, UsageError
from llms.models.api.chat_stream import ChatStreamReader
from llms.models.api.dialect import Dialect
from llms.models.api.endpoints import NAMED
from llms.models.api.errors import StatusError, stated_error, status_error
from llms.models.api.model import open_api
from llms.models.api.redaction import Redactor
from llms.models.api.request import strict
from llms.models.api.retry_policy import RetryPolicy
from llms.models.name import parse
from llms.models.system import Generate
from llms.testing import ScriptedEndpoint
from llms.values import THINKING_TAGS, Failure, Message, ToolCall

QUICK = RetryPolicy(backoff_seconds=0.01)
ASK = (Message("user", "What is the answer?"),)
TEXT = "the answer is 42"
ASKED = [ModelRequest(parts=[UserPromptPart("What is the answer?")])]


@pytest.fixture
def server():
    with ScriptedEndpoint() as opened:
        yield opened


class Bare:
    """A server that answers everything with the same (status, content type, body)."""

    answer = (200, "application/json", "{}")


@pytest.fixture
def bare():
    state = Bare()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            status, kind, text = state.answer
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def model(server):
    with open_api(parse(f"{server.url}#m"), QUICK) as opened:
        yield opened


async def _streamed(model, messages, settings, parameters):
    async with model_request_stream(
        model.chat_model(), messages, model_settings=settings, model_request_parameters=parameters
    ) as stream:
        async for _ in stream:
            pass
        return stream.get()


def chat(model, messages=ASKED, stream=True, parameters=None, **settings) -> ModelResponse:
    parameters = parameters or ModelRequestParameters()
    if stream:
        return bridge.run(_streamed(model, messages, settings, parameters))
    asked = model_request(model.chat_model(), messages, model_settings=settings, model_request_parameters=parameters)
    return bridge.run(asked)


def evaluated(model, **how):
    ((_, result),) = model.complete([Generate(ASK, **how)])
    return result


# ---- words that a server does not take


@pytest.mark.parametrize(
    ("refused", "taken", "name"),
    [("max_tokens", "max_completion_tokens", "url"), ("max_completion_tokens", "max_tokens", "openai")],
)
def test_the_limit_of_tokens_gets_the_name_that_the_server_takes_for_good(server, monkeypatch, refused, taken, name):
    server.refuses = (refused,)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    name = f"{server.url}#m" if name == "url" else "openai:m"
    with llms.load(name) as model:
        assert evaluated(model, max_tokens=9).text == TEXT
        assert len(server.posts) == 2
        assert chat(model, max_tokens=7).parts[0].content == TEXT  # chat knows what evaluation has learnt
    with llms.load(name) as model:
        assert evaluated(model, max_tokens=5).text == TEXT  # and so does whoever comes later
    assert [body.get(taken) for _, body in server.posts] == [None, 9, 7, 5]
    assert all(refused not in body for _, body in server.posts[1:])


def test_a_limit_that_is_too_large_is_said_and_not_renamed_for_good(server, model):
    too_large = "max_tokens is too large: 9. This model supports at most 4 completion tokens"
    server.faults.append({"status": 400, "message": too_large})
    assert "too large" in evaluated(model, max_tokens=9).reason
    assert evaluated(model, max_tokens=3).text == "the answer is"
    assert "max_tokens" in server.posts[-1][1]


def test_a_server_that_takes_neither_name_is_told_in_its_first_words():
    error = StatusError(400, "unsupported", "unsupported max_tokens max_completion_tokens")
    known = Dialect("max_tokens")

    async def send(body):
        raise StatusError(400, f"no {next(iter(body.keys() - {'messages'}))}", error.text)

    with pytest.raises(StatusError, match="no max_tokens"):
        asyncio.run(known.carried({"messages": [], "max_tokens": 1}, send))
    assert known.limit == "max_tokens"


def test_stream_options_that_are_refused_are_left_out_from_then_on(server, model):
    server.refuses = ("stream_options",)
    assert chat(model).parts[0].content == TEXT
    assert chat(model).parts[0].content == TEXT
    assert len(server.posts) == 3
    assert model.note is None


def test_only_what_openai_takes_as_strict_is_called_so(server, model):
    closed = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert strict(closed)
    assert not strict({**closed, "required": []})
    assert not strict({"type": "array", "items": {"type": "object", "properties": {}}})
    evaluated(model, schema=closed)
    assert server.posts[-1][1]["response_format"]["json_schema"]["strict"] is True


# ---- answers


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (json.dumps({"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}), "application/json", "whole"),
        ('data: {"choices":[{"delta":{"content":"as text"}}]}\n\ndata: [DONE]\n\n', "text/plain", "as text"),
        ('event: message\rdata: {"choices":[{"delta":\rdata: {"content":"cr"}}]}\r\rdata: [DONE]\r\r', "text/event-stream", "cr"),
        (': hi\r\ndata:{"choices":[{"delta":{"content":"no"}}]}\r\ndata:{"choices":[{"delta":{"content":" gap"},'
         '"finish_reason":"stop"}]}\r\n', "Text/Event-Stream; charset=utf-8", "no gap"),
        ('\ufeffdata: {"choices":[{"delta":{"content":[{"type":"text","text":"parts"}]},"finish_reason":"eos"}]}\n\n',
         "text/event-stream", "parts"),
    ],
)  # fmt: skip
def test_answers_are_read_however_they_are_wrapped(bare, content, kind, text):
    bare.answer = 200, kind, content
    with open_api(parse(f"{bare.url}#m"), QUICK) as model:
        assert chat(model).parts[0].content == text
        assert "".join(delta.text for delta in model.stream(Generate(ASK))) == text


@pytest.mark.parametrize("whole", [True, False])
def test_no_stream_leaves_a_suspended_generator_to_the_garbage_collector(bare, whole):
    left, before = [], bridge.run(_finalizer())

    def record(generator):
        left.append(generator.ag_code.co_qualname)
        before(generator)

    events = "".join(f'data: {{"choices":[{{"delta":{{"content":"{n} "}}}}]}}\n\n' for n in range(2000))
    bare.answer = 200, "text/event-stream", events + "data: [DONE]\n\n"
    with open_api(parse(f"{bare.url}#m"), QUICK) as model:
        bridge.run(_finalizer(record))
        try:
            stream = model.stream(Generate(ASK))
            assert next(stream).text
            if whole:
                assert sum(1 for _ in stream) == 2000
            stream.close()
            bridge.run(asyncio.sleep(0.05))
        finally:
            bridge.run(_finalizer(before))
    gc.collect()
    assert set(left) <= {"PoolByteStream.__aiter__"}  # which the client drops itself, on its own loop, at once


async def _finalizer(new=None):
    """What is done with an async generator of the bridge's loop that nobody closed; `new` takes its place."""
    old = sys.get_asyncgen_hooks().finalizer
    if new is not None:
        sys.set_asyncgen_hooks(finalizer=new)
    return old


@pytest.mark.parametrize("status", [200, 404, 502])
def test_a_web_page_is_called_one(bare, status):
    bare.answer = status, "text/html", "<!doctype html><html><title>Welcome</title></html>"
    with open_api(parse(f"{bare.url}#m"), replace(QUICK, tries=1)) as model:
        with pytest.raises(ModelAPIError, match="web page.* is the base URL right"):
            chat(model)
        try:
            said = evaluated(model).reason
        except ModelError as error:
            said = str(error)
        assert "web page" in said
        assert "is the base URL right" in said


@pytest.mark.parametrize(
    ("reason", "finish", "told"),
    [("length", "length", "length"), ("max_tokens", "length", "length"), ("MAX_TOKENS", "length", "length"),
     ("eos", "stop", "stop"), ("end_turn", "stop", "stop"), ("tool_use", "stop", "stop"), ("no such word", "stop", "stop"),
     (None, "stop", "stop"), ("SAFETY", "refused", "content_filter"), ("content_filter", "refused", "content_filter")],
)  # fmt: skip
def test_every_word_for_the_end_of_an_answer_is_read_and_kept(server, model, reason, finish, told):
    server.answer = lambda body: {"message": {"content": "x"}, "finish_reason": reason}
    assert evaluated(model).finish == finish
    answer = chat(model, stream=False)
    assert answer.finish_reason == told
    assert (answer.provider_details or {}).get("finish_reason") == reason


def call(**fields):
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return {**fields, "function": function}


F, G = ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", '{"y": 2}')
CUTS = {
    "by index": [[call(index=0, id="a", name="f", arguments="")], [call(index=0, arguments='{"x"')],
                 [call(index=0, arguments=": 1}")], [call(index=1, id="b", name="g", arguments='{"y": 2}')]],
    "interleaved": [[call(index=0, id="a", name="f", arguments='{"x"'), call(index=1, id="b", name="g", arguments='{"y"')],
                    [call(index=1, arguments=": 2}"), call(index=0, arguments=": 1}")]],
    "all index 0": [[call(index=0, id="a", name="f", arguments='{"x": 1}'), call(index=0, id="b", name="g", arguments='{"y"')],
                    [call(index=0, arguments=": 2}")]],
    "no index": [[call(id="a", name="f", arguments='{"x": 1}'), call(id="b", name="g", arguments='{"y": 2}')]],
    "no index, pieces": [[call(id="a", name="f")], [call(arguments='{"x": 1}')], [call(id="b", name="g")],
                         [call(arguments='{"y": 2}')]],
    "id in each": [[call(index=0, id="a", name="f", arguments='{"x"')], [call(index=0, id="a", arguments=": 1}")],
                   [call(index=1, id="b", name="g", arguments="")], [call(index=1, id="b", arguments='{"y": 2}')]],
    "id and name in each": [[call(index=0, id="a", name="f", arguments='{"x"')],
                            [call(index=0, id="a", name="f", arguments=": 1}")], [call(id="b", name="g", arguments='{"y": 2}')]],
    "new id in each": [[call(index=0, id="a", name="f", arguments='{"x"')], [call(index=0, id="z", arguments=": 1}")],
                       [call(index=1, id="b", name="g", arguments='{"y": 2}')]],
    "arguments as an object": [[call(id="a", name="f", arguments={"x": 1})], [call(id="b", name="g", arguments={"y": 2})]],
}  # fmt: skip


@pytest.mark.parametrize("cut", CUTS)
def test_parallel_tool_calls_are_put_together_however_they_are_cut(server, model, cut):
    server.answer = lambda body: [{"delta": {"tool_calls": pieces}} for pieces in CUTS[cut]]
    last = list(model.stream(Generate(ASK)))[-1]
    assert last.tool_calls == (F, G)
    answer = chat(model)
    assert [(part.tool_call_id, part.tool_name, part.args) for part in answer.parts] == [
        ("a", "f", F.arguments),
        ("b", "g", G.arguments),
    ]
    assert answer.finish_reason == "tool_call"


@pytest.mark.parametrize(
    "pieces",
    [
        [[call(index=0, name="calcu")], [call(index=0, name="lator")], [call(index=0, arguments="{}")]],
        [[call(index=0, name="calculator", arguments="{}")]],
        [[call(index=0, name="calculator")]],
        [[call(arguments="{}")], [call(name="calculator")]],
        [[call(index=0, name="calc")], [call(index=0, name="calculator", arguments="{}")]],
    ],
)
def test_a_name_is_whole_and_a_call_without_an_id_gets_one(pieces):
    reader = ChatStreamReader(Redactor([]))
    for part in pieces:
        reader.push({"choices": [{"delta": {"tool_calls": part}}]})
    reader.flush()
    (made,) = reader.calls
    assert (made.name, made.arguments in ("", "{}")) == ("calculator", True)
    assert made.id.startswith("call_")


def test_calls_without_ids_and_indices_are_as_many_as_were_made():
    reader = ChatStreamReader(Redactor([]))
    pieces = [call(name="f", arguments="{}"), call(name="f", arguments="{}"), call(name="g", arguments="")]
    reader.push({"choices": [{"message": {"tool_calls": pieces}}]})
    reader.flush()
    assert [made.name for made in reader.calls] == ["f", "f", "g"]
    assert len({made.id for made in reader.calls}) == 3


# ---- errors in the server's words


SHAPES = [
    ('{"error": "out of luck"}', "out of luck"),
    ('{"error": {"message": "out of luck", "code": 7}}', "out of luck"),
    ('{"detail": "out of luck"}', "out of luck"),
    ('{"detail": [{"loc": ["body", "n"], "msg": "out of luck"}]}', "n: out of luck"),
    ('{"message": "out of luck"}', "out of luck"),
    ('[{"error": {"code": 400, "message": "out of luck", "status": "INVALID_ARGUMENT"}}]', "out of luck"),
    ('{"errors": ["out of", "luck"]}', "out of; luck"),
    ('{"error": {"message": {"detail": "out of luck"}}}', "out of luck"),
    ('{"object": "error", "message": "out of luck"}', "out of luck"),
    ("out of\n  luck", "out of luck"),
    ("<html><title>out of luck</title>", "a web page: out of luck; is the base URL right?"),
    ('{"odd": 1}', '{"odd": 1}'),
    ("", "Teapot"),
]


@pytest.mark.parametrize(("body", "said"), SHAPES)
def test_an_error_has_the_servers_words_whatever_its_shape(bare, body, said):
    assert status_error(418, body.encode(), NAMED["ollama"], "Teapot").detail == said
    bare.answer = 418, "application/json", body
    if body:
        with open_api(parse(f"{bare.url}#m"), QUICK) as model:
            assert evaluated(model).reason.endswith(f"418: {said}")
            with pytest.raises(ModelAPIError) as caught:
                chat(model)
            assert str(caught.value).endswith(f"418: {said}")


def test_an_error_with_status_200_has_the_status_that_it_states():
    assert stated_error({"error": {"message": "no credit", "code": 402}}, NAMED["openrouter"]).status == 402


@pytest.mark.parametrize(
    "fault",
    [{"status": 402, "message": "Insufficient Balance"}, {"status": 429, "code": "insufficient_quota"},
     {"status": 403, "message": "no"}],
)  # fmt: skip
def test_what_all_requests_would_meet_ends_a_run_at_once_and_keeps_what_came(server, fault):
    with open_api(parse(f"{server.url}#m"), replace(QUICK, start=1, most=1)) as model:
        server.faults.extend([{}] * 3 + [fault] * 100)
        got = []
        with pytest.raises(ModelError, match="the account is used up|wants a key"):
            got.extend(model.complete([Generate(ASK)] * 50))
    assert len([result for _, result in got if not isinstance(result, Failure)]) == 3
    assert len(server.posts) <= 5


@pytest.mark.parametrize(
    "name",
    ["openrouter:m", "openrouter:/m", "openrouter:m/", "openai: ", "openai:/", "groq: m", "gemini:models/", "ollama:\t",
     "http://127.0.0.1:9/v1# ", "http://127.0.0.1:9/v1#/"],
)  # fmt: skip
def test_a_name_that_can_be_no_model_is_refused_before_anything_is_sent(name):
    with pytest.raises(UsageError):
        llms.load(name)
    for good in ("openrouter:owner/m:free", "http://127.0.0.1:9/v1#/models/m.gguf"):
        llms.load(good)


def test_a_base_url_holds_no_password(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:secret-of-mine@127.0.0.1/v1")
    with pytest.raises(UsageError, match="must hold no password") as caught:
        llms.load("openai:m")
    assert "secret-of-mine" not in str(caught.value)


# ---- what chat sends and gets


def test_chat_sends_what_was_said_and_set(server, model):
    png = b"\x89PNG\r\n\x1a\n"
    messages = [
        ModelRequest(parts=[SystemPromptPart("be brief"), UserPromptPart("hi")]),
        ModelResponse(
            parts=[ThinkingPart("hm", id="reasoning_content", provider_name=model.endpoint.name), TextPart("old")],
        ),
        ModelRequest(parts=[UserPromptPart(["look", BinaryContent(png, media_type="image/png")])]),
        ModelResponse(
            parts=[
                ThinkingPart("so", id="reasoning_content", provider_name=model.endpoint.name),
                ToolCallPart("f", '{"x":1}', "a"),
            ],
        ),
        ModelRequest(parts=[ToolReturnPart("f", "done", "a")]),
    ]
    tool = ToolDefinition(name="f", parameters_json_schema={"type": "object"})
    chat(model, messages, parameters=ModelRequestParameters(function_tools=[tool]), max_tokens=5, temperature=0.5, seed=3,
         stop_sequences=["x"], presence_penalty=1.0, top_p=0.9, tool_choice="required", parallel_tool_calls=False)  # fmt: skip
    ((_, body),) = server.posts
    url = "data:image/png;base64,iVBORw0KGgo="
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}]
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "old"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}],
        },
        {"role": "assistant", "content": None, "tool_calls": calls, "reasoning_content": "so"},
        {"role": "tool", "content": "done", "tool_call_id": "a"},
    ]
    sent = {name: value for name, value in body.items() if name not in ("messages", "tools", "model")}
    assert sent == {
        "max_tokens": 5, "temperature": 0.5, "seed": 3, "stop": ["x"], "presence_penalty": 1.0, "top_p": 0.9,
        "tool_choice": "required", "parallel_tool_calls": False, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_nothing_is_set_that_nobody_has_set(server, model):
    chat(model, stream=False)
    assert set(server.posts[0][1]) == {"model", "messages"}


@pytest.mark.parametrize(
    "events",
    [
        [
            {"delta": {"reasoning_content": "so "}},
            {"delta": {"reasoning_content": "so"}},
            {"delta": {"content": "yes"}},
        ],
        [{"delta": {"reasoning": "so so"}}, {"delta": {"content": "yes"}}],
        [{"delta": {"content": "<th"}}, {"delta": {"content": "ink>so so</think>"}}, {"delta": {"content": "\n\nyes"}}],
    ],
)
def test_reasoning_is_apart_from_the_answer_however_it_is_marked(server, model, events):
    server.answer = lambda body: events
    thought, text = chat(model).parts
    assert (thought.part_kind, thought.content) == ("thinking", "so so")
    assert (text.part_kind, text.content) == ("text", "yes")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("opening", "closing"), THINKING_TAGS)
def test_thinking_in_the_text_is_thinking_whatever_its_tags(server, model, opening, closing, stream):
    server.answer = lambda body: list(f"{opening}so so{closing}\n\nUse <think> here.")
    thought, text = chat(model, stream=stream).parts
    assert (thought.part_kind, thought.content, thought.id) == ("thinking", "so so", None)
    assert (text.part_kind, text.content) == ("text", "Use <think> here.")
    deltas = list(model.stream(Generate(ASK)))
    assert "".join(delta.reasoning for delta in deltas) == "so so"
    assert "".join(delta.text for delta in deltas) == "Use <think> here."
    assert "".join(delta.text for delta in model.stream(Generate("raw"))).startswith(opening), (
        "a continued text has none"
    )


def test_thinking_that_was_all_that_came_is_no_answer(server, model):
    server.answer = lambda body: ["<think>so ", "so"]
    (thought,) = chat(model).parts
    assert (thought.part_kind, thought.content) == ("thinking", "so so")


@pytest.mark.parametrize("stream", [True, False])
def test_usage_is_reported_where_the_server_reports_it(server, model, stream):
    used = chat(model, stream=stream).usage
    assert used.output_tokens == 4
    server.usage = server.stream_usage = False
    assert not chat(model, stream=stream).usage.has_values()


def test_a_signature_beside_a_call_goes_back_with_it(server, model):
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    server.answer = lambda body: [
        {"delta": {"tool_calls": [{**call(index=0, id="a", name="f", arguments="{}"), **extra}]}}
    ]
    answer = chat(model)
    server.answer = lambda body: TEXT
    chat(model, [*ASKED, answer, ModelRequest(parts=[ToolReturnPart("f", "done", "a")])])
    assert server.posts[-1][1]["messages"][1]["tool_calls"][0]["extra_content"] == extra["extra_content"]


def test_structured_output_comes_through_a_tool(server, model):
    arguments = '{"response": 42}'
    server.answer = lambda body: {
        "message": {
            "content": None,
            "tool_calls": [call(id="a", name=body["tools"][0]["function"]["name"], arguments=arguments)],
        }
    }
    assert bridge.run(Agent(model.chat_model(), output_type=int).run("What is the answer?")).output == 42


def test_leaving_a_stream_closes_the_connection(server, model):
    server.answer, server.seconds = lambda body: "word " * 1000, 0.01

    async def first():
        async with model_request_stream(model.chat_model(), ASKED) as stream:
            async for _ in stream:
                await stream.cancel()
                break

    async def leave():
        await first()
        for _ in range(500):
            if not server.open:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the server goes on")

    bridge.run(leave())
    assert server.written < 500
    assert model.ledger.tally.billed.requests == 1


def test_chat_needs_no_client_of_openai():
    code = (
        "import sys, llms\nm = llms.load('http://127.0.0.1:9/v1#m')\nm.chat_model()\n"
        "assert not {'openai', 'pydantic_ai.models.openai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
