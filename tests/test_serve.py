"""The official client finds what it expects of an OpenAI endpoint; scores over HTTP are the engine's."""

import base64
import json
import signal
import struct

import numpy as np
import openai
import pytest

import llms
from llms.models.system import Generate
from serving import KEY, exchange, in_process
from tiny import save_embedding

HELLO = [{"role": "user", "content": "hello"}]
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    },
}
FORM = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}, "color": {"enum": ["red", "blue"]}},
    "required": ["n", "color"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    return f"hf:{save_embedding(tmp_path_factory.mktemp('vectors') / 'm', 'mean_tokens', True)}"


@pytest.fixture(scope="module")
def served(tiny, vectors, tmp_path_factory):
    with in_process(f"hf:{tiny}", "--embeddings", vectors, home=tmp_path_factory.mktemp("home")) as running:
        yield running
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(20) == 0


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=served.url, api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def name(tiny):
    return f"hf:{tiny}"


@pytest.fixture(scope="module")
def model(name):
    with llms.load(name) as loaded:
        yield loaded


def test_models_are_listed_with_their_window(client, name, vectors):
    listed = {entry.id: entry for entry in client.models.list()}
    assert set(listed) == {name, vectors}
    assert (listed[name].max_model_len, listed[vectors].context_window) == (2048, 40)
    assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_a_chat_answer_is_what_the_model_generates(client, name, model):
    (wanted,) = model.generate([[llms.values.Message("user", "hello")]], max_tokens=12)
    answer = client.chat.completions.create(
        model=name, messages=HELLO, max_tokens=12, temperature=0, user="me", store=False
    )
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", wanted.text)
    assert choice.finish_reason == wanted.finish
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (wanted.prompt_tokens, wanted.tokens)
    assert answer.usage.total_tokens == wanted.prompt_tokens + wanted.tokens


def test_a_stream_brings_the_same_and_its_usage_last(client, name):
    asked = dict(model=name, messages=HELLO, max_tokens=12, temperature=1.0, seed=5, n=2)
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    for choice in whole.choices:
        mine = [c for chunk in chunks for c in chunk.choices if c.index == choice.index]
        assert "".join(c.delta.content or "" for c in mine) == choice.message.content
        assert [c.finish_reason for c in mine if c.finish_reason] == [choice.finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_seeds_repeat_and_rows_differ(client, name):
    def texts(seed):
        asked = client.chat.completions.create(model=name, messages=HELLO, max_tokens=8, temperature=1, seed=seed, n=3)
        assert [choice.index for choice in asked.choices] == [0, 1, 2]
        return [choice.message.content for choice in asked.choices]

    assert texts(1) == texts(1)
    assert len({*texts(1), *texts(2), *texts(None)}) > 5  # seed 2's first rows are seed 1's later ones


def test_stop_strings_end_an_answer_and_are_not_shown(client, name):
    asked = dict(model=name, messages=HELLO, max_tokens=40, temperature=0)
    text = client.chat.completions.create(**asked).choices[0].message.content
    for stop in (text[3:5], [text[6], "never"]):
        (choice,) = client.chat.completions.create(**asked, stop=stop).choices
        first = min(text.find(string) for string in ([stop] if isinstance(stop, str) else stop) if string in text)
        assert (choice.message.content, choice.finish_reason) == (text[:first], "stop")


def test_an_answer_obeys_its_schema(client, name):
    form = {"type": "json_schema", "json_schema": {"name": "pick", "schema": FORM, "strict": True}}
    for seed in range(3):
        answer = client.chat.completions.create(
            model=name, messages=HELLO, max_tokens=100, temperature=1, seed=seed, response_format=form
        )
        found = json.loads(answer.choices[0].message.content)
        assert found["n"] in range(10)
        assert found["color"] in ("red", "blue")
    broken = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=name, messages=HELLO, response_format=broken)
    assert refused.value.param == "response_format"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "add"}}])
def test_a_tool_that_must_be_called_is_called_and_its_result_goes_on(client, name, choice):
    asked = dict(model=name, tools=[ADD], tool_choice=choice, parallel_tool_calls=False, max_tokens=300, seed=3)
    answer = client.chat.completions.create(**asked, messages=HELLO).choices[0]
    assert answer.finish_reason == "tool_calls"
    (call,) = answer.message.tool_calls
    assert call.function.name == "add"
    assert set(json.loads(call.function.arguments)) == {"a", "b"}
    chunks = list(client.chat.completions.create(**asked, messages=HELLO, stream=True))
    streamed = [c for chunk in chunks for choice in chunk.choices for c in choice.delta.tool_calls or ()]
    assert [(c.index, c.function.name, c.function.arguments) for c in streamed] == [(0, "add", call.function.arguments)]
    said = [*HELLO, answer.message, {"role": "tool", "tool_call_id": call.id, "content": "3"}]
    after = client.chat.completions.create(model=name, messages=said, tools=[ADD], tool_choice="none", max_tokens=5)
    assert after.choices[0].message.tool_calls is None
    assert after.usage.prompt_tokens > len("hello")


LOOK = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "additionalProperties": False}},
}


@pytest.mark.parametrize("parallel", [True, False])
def test_a_required_call_is_made_once(client, name, parallel):
    answer = client.chat.completions.create(
        model=name, messages=HELLO, tools=[LOOK], tool_choice="required", max_tokens=160, temperature=1.5, seed=0, n=8,
        parallel_tool_calls=parallel,
    )  # fmt: skip
    assert [choice.finish_reason for choice in answer.choices] == ["tool_calls"] * 8
    calls = [choice.message.tool_calls for choice in answer.choices]
    assert [len(some) for some in calls] == [1] * 8
    assert len({call.id for some in calls for call in some}) == 8


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("limit", "finish"), [({"max_tokens": 40}, "length"), ({"stop": ['"a":']}, "stop")])
def test_a_call_that_is_cut_stays_a_call(client, name, stream, limit, finish):
    asked = dict(
        model=name, messages=HELLO, tools=[ADD], tool_choice="required", temperature=0, **{"max_tokens": 300, **limit}
    )
    if stream:
        chunks = [choice for chunk in client.chat.completions.create(**asked, stream=True) for choice in chunk.choices]
        text, ended = "".join(c.delta.content or "" for c in chunks), chunks[-1].finish_reason
        calls = [call for c in chunks for call in c.delta.tool_calls or ()]
    else:
        (choice,) = client.chat.completions.create(**asked).choices
        text, ended, calls = choice.message.content or "", choice.finish_reason, choice.message.tool_calls
    assert (text, ended) == ("", finish)
    assert [call.function.name for call in calls] == ["add"]
    with pytest.raises(ValueError):
        json.loads(calls[0].function.arguments)


def test_log_probabilities_cover_the_text(client, name):
    answer = client.chat.completions.create(
        model=name, messages=HELLO, max_tokens=9, temperature=0, logprobs=True, top_logprobs=3
    )
    (choice,) = answer.choices
    tokens = choice.logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode(errors="replace") == choice.message.content
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert token.logprob == token.top_logprobs[0].logprob == max(top.logprob for top in token.top_logprobs) < 0
    chunks = client.chat.completions.create(
        model=name, messages=HELLO, max_tokens=9, temperature=0, logprobs=True, top_logprobs=3, stream=True
    )
    streamed = [token for chunk in chunks for c in chunk.choices if c.logprobs for token in c.logprobs.content]
    assert streamed == tokens


PAIRS = [("the capital of", " France is"), ("hé", "llö wörld"), ("a b c", " d"), ("the capital of", " Spain is far")]


def test_scores_as_lm_eval_asks_for_them_are_those_of_the_engine(client, name, model):
    encode = model.tokenizer.encode
    contexts = [len(encode([context])[0]) for context, _ in PAIRS]
    tokens = [encode([context + continuation])[0] for context, continuation in PAIRS]
    answer = client.completions.create(
        model=name, prompt=tokens, temperature=0, max_tokens=1, logprobs=1, seed=1234, echo=True
    )
    wanted = model.loglikelihood(PAIRS)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    for choice, length, likelihood in zip(answer.choices, contexts, wanted, strict=True):
        values = choice.logprobs.token_logprobs[length:-1]
        tops = choice.logprobs.top_logprobs[length:-1]
        assert sum(values) == pytest.approx(likelihood.logprob, abs=1e-4)
        assert all(v == max(top.values()) for v, top in zip(values, tops, strict=True)) == likelihood.greedy
    assert answer.usage.prompt_tokens == sum(map(len, tokens))


@pytest.mark.parametrize("extra", [{}, {"max_tokens": 0}, {"max_tokens": 5}, {"stream": True}])
def test_an_echoed_prompt_says_where_its_tokens_begin(client, name, model, extra):
    prompt, new = "héllo wörld", {"max_tokens": 1, **extra}["max_tokens"]
    asked = dict(model=name, prompt=prompt, temperature=0, logprobs=2, echo=True)
    answer = client.completions.create(**asked, **{"max_tokens": 1, **extra})
    choices = [c for chunk in answer for c in chunk.choices] if "stream" in extra else answer.choices
    assert "".join(choice.text for choice in choices).startswith(prompt)
    offsets = [at for choice in choices for at in choice.logprobs.text_offset]
    values = [value for choice in choices for value in choice.logprobs.token_logprobs]
    ids = model.tokenizer.encode([prompt])[0]
    assert offsets[: len(ids)] == [len(bytes(prompt.encode()[:i]).decode(errors="ignore")) for i in range(len(ids))]
    assert len(offsets) == len(values) == len(ids) + new
    assert values[0] is None
    traced = llms.engine.Tracer(model.engine.network, True).trace(ids)
    assert values[1 : len(ids)] == pytest.approx([token.logprob for token in traced], abs=1e-4)


def test_raw_text_is_continued_as_in_process(client, name, model):
    prompts = ["one two", "three"]
    wanted = model.generate(prompts, max_tokens=10, stop=["q"])
    answer = client.completions.create(model=name, prompt=prompts, max_tokens=10, temperature=0, stop=["q"])
    assert [choice.text for choice in answer.choices] == [completion.text for completion in wanted]
    assert answer.usage.completion_tokens == sum(completion.tokens for completion in wanted)
    chunks = client.completions.create(
        model=name, prompt=prompts[0], max_tokens=10, temperature=0, stop="q", stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in chunks) == wanted[0].text


def test_the_model_at_this_address_is_the_model_itself(served, name, model, monkeypatch):
    monkeypatch.setenv("LLMS_API_KEY", KEY)
    hello, stop = (llms.values.Message("user", "hello"),), ["q"]
    with llms.load(f"{served.url}#{name}") as remote:
        assert remote.context_window == model.context_window
        for there, here in zip(remote.loglikelihood(PAIRS), model.loglikelihood(PAIRS), strict=True):
            assert there.logprob == pytest.approx(here.logprob, abs=1e-4)
            assert (there.greedy, there.tokens, there.context_tokens) == (here.greedy, here.tokens, here.context_tokens)
        for prompt in ("one two", hello):
            there, here = (m.generate([prompt], max_tokens=10, stop=stop)[0] for m in (remote, model))
            assert (there.text, there.tokens, there.finish) == (here.text, here.tokens, here.finish)
        streamed = list(remote.stream(Generate(hello, 10, tuple(stop))))
        assert "".join(delta.text for delta in streamed) == here.text


def test_vectors_are_the_same_in_every_encoding(client, vectors):
    plain = client.embeddings.create(model=vectors, input=["hello", "you"], encoding_format="float")
    assert [row.index for row in plain.data] == [0, 1]
    assert np.linalg.norm(plain.data[0].embedding) == pytest.approx(1, abs=1e-5)
    packed = client.embeddings.create(model=vectors, input="hello", encoding_format="base64").data[0].embedding
    found = struct.unpack("<32f", base64.b64decode(packed)) if isinstance(packed, str) else packed
    assert found == pytest.approx(plain.data[0].embedding, abs=1e-6)
    short = client.embeddings.create(model=vectors, input="hello", dimensions=8)
    assert len(short.data[0].embedding) == 8
    assert np.linalg.norm(short.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert short.usage.prompt_tokens == 5


def test_tokens_are_counted_as_the_model_reads_them(client, name, model):
    def ask(path, **body):
        return client.post(f"{client.base_url}".replace("/v1/", path), cast_to=object, body=body)

    ids = model.tokenizer.encode(["hello"])[0]
    assert ask("/tokenize", prompt="hello")["tokens"] == ids
    assert ask("/tokenize", messages=HELLO)["count"] == model.count_tokens([llms.values.Message("user", "hello")])
    assert ask("/detokenize", tokens=ids) == {"prompt": "hello"}


REFUSED = [
    ({"model": "gpt-9"}, 404, "model", "model_not_found"),
    ({"messages": []}, 400, "messages", "invalid_value"),
    ({"messages": [{"role": "boss", "content": "x"}]}, 400, "messages[0].role", "invalid_value"),
    ({"messages": [{"role": "user", "content": 3}]}, 400, "messages[0].content", "invalid_value"),
    ({"messages": [{"role": "tool", "content": "3"}]}, 400, "messages[0].tool_call_id", "invalid_value"),
    ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "messages", None),
    ({"max_tokens": 0}, 400, "max_tokens", "invalid_value"),
    ({"max_tokens": 4000}, 400, "messages", "context_length_exceeded"),
    ({"messages": [{"role": "user", "content": "x" * 3000}]}, 400, "messages", "context_length_exceeded"),
    ({"temperature": 3}, 400, "temperature", "invalid_value"),
    ({"n": 129}, 400, "n", "invalid_value"),
    ({"top_logprobs": 2}, 400, "top_logprobs", "invalid_value"),
    ({"tool_choice": "required"}, 400, "tool_choice", "invalid_value"),
    ({"logit_bias": {"3": 101}}, 400, "logit_bias.3", "invalid_value"),
    ({"logit_bias": {"the": 1}}, 400, "logit_bias.the.[key]", "invalid_value"),
    ({"logit_bias": {"999999": 1}}, 400, "logit_bias", "invalid_value"),
    ({"presence_penalty": 3}, 400, "presence_penalty", "invalid_value"),
    ({"repetition_penalty": 0}, 400, "repetition_penalty", "invalid_value"),
    ({"min_p": 2}, 400, "min_p", "invalid_value"),
    ({"top_k": -2}, 400, "top_k", "invalid_value"),
    ({"functions": [{"name": "add"}]}, 400, "functions", "unsupported_parameter"),
    ({"modalities": ["audio"]}, 400, "modalities", "unsupported_parameter"),
    ({"stream_options": {"include_usage": True}}, 400, "stream_options", "invalid_value"),
]


@pytest.mark.parametrize(("wrong", "status", "param", "code"), REFUSED)
def test_what_is_wrong_is_named(client, name, wrong, status, param, code):
    body = {"model": name, "messages": HELLO, "max_tokens": 2, **wrong}
    with pytest.raises(openai.APIStatusError) as refused:
        client.post("/chat/completions", cast_to=object, content=json.dumps(body).encode(),
                    options={"headers": {"content-type": "application/json"}})  # fmt: skip
    error = refused.value
    assert (error.status_code, error.param, error.code, error.type) == (status, param, code, "invalid_request_error")


def words(client, name, **asked):
    """The tokens of an answer, as they are named beside their log-probabilities."""
    asked = {"temperature": 0, "max_tokens": 24, **asked}
    answer = client.chat.completions.create(model=name, messages=HELLO, logprobs=True, **asked)
    return [entry.token for entry in answer.choices[0].logprobs.content]


def test_every_field_of_sampling_has_its_effect(client, name, model):
    plain = words(client, name)
    z, q = (str(model.tokenizer.encode([letter])[0][-1]) for letter in "ZQ")
    assert words(client, name, logit_bias={z: 100}) == ["Z"] * 24
    assert "Z" not in words(client, name, logit_bias={z: -100}, temperature=2, seed=3, n=1, max_tokens=200)
    both = {z: 60, q: 60}
    assert set(words(client, name, logit_bias=both)) <= {"Z", "Q"}
    assert set(words(client, name, logit_bias=both, frequency_penalty=2)) == {"Z", "Q"}
    assert len(set(words(client, name, presence_penalty=2))) > len(set(plain)) or len(set(plain)) == 24
    repeated = [words(client, name, extra_body={"repetition_penalty": penalty}) for penalty in (0.2, 1.0, 5.0)]
    assert len(set(repeated[0])) < len(set(repeated[2]))
    assert repeated[1] == plain
    for greedy in ({"top_p": 0}, {"extra_body": {"min_p": 1}}, {"extra_body": {"top_k": 1}}, {"temperature": 1e-40}):
        assert words(client, name, **{"temperature": 2, "seed": 1, **greedy}) == plain
    drawn = words(client, name, temperature=2, seed=1)
    assert drawn != plain
    assert words(client, name, temperature=2, seed=1, extra_body={"top_k": -1, "min_p": 0}) == drawn
    text = client.completions.create(model=name, prompt="x", temperature=0, max_tokens=8, logit_bias={z: 100})
    assert text.choices[0].text == "Z" * 8


def test_what_changes_nothing_is_taken_and_named(client, name):
    form = {"type": "object", "properties": {"n": {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "maxItems": 2},
            "c": {"type": "string", "format": "color", "maxLength": 3}}, "required": ["n", "c"], "additionalProperties": False}  # fmt: skip
    body = {
        "model": name, "max_tokens": 80, "temperature": 0, "mood": "good", "reasoning_effort": "low", "user": "me",
        "messages": [{"role": "user", "name": "ann", "content": [{"type": "text", "text": "hello", "cache_control": {}}]}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": form}},
    }  # fmt: skip
    for stream in (False, True):
        raw = client.chat.completions.with_raw_response.create(
            messages=[], model=name, extra_body={**body, "stream": stream}
        )
        named = raw.headers["x-llms-unheeded"]
        for field in (
            "mood",
            "reasoning_effort",
            "messages[0].name",
            "messages[0].content[0].cache_control",
            "uniqueItems",
            "color",
        ):
            assert field in named
        assert "user" not in named
        if not stream:
            assert set(json.loads(raw.parse().choices[0].message.content)) == {"n", "c"}
    plain = client.chat.completions.with_raw_response.create(model=name, messages=HELLO, max_tokens=1)
    assert "x-llms-unheeded" not in plain.headers
    tokens = client.post(
        f"{client.base_url}".replace("/v1/", "/tokenize"), cast_to=object, body={"prompt": "x", "mood": 1}
    )
    assert tokens["count"] == 1


def test_the_server_can_be_looked_at_by_head_and_under_any_case_of_its_name(served):
    port = int(served.url.split(":")[2].partition("/")[0])
    for path in ("/health", "/v1/models"):
        key = f"authorization: Bearer {KEY}\r\n"
        raw = exchange(port, f"HEAD {path} HTTP/1.1\r\nhost: LOCALHOST\r\n{key}connection: close\r\n\r\n".encode())
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.split()[1] == b"200"
        assert body == b""


def test_a_tool_that_cannot_be_is_refused_before_it_is_called(client, name):
    broken = {"type": "function", "function": {"name": "x", "parameters": {"type": "nonsense"}}}
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=name, messages=HELLO, tools=[broken])
    assert refused.value.param == "tools"
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model=name, prompt="x", n=128, max_tokens=1000, logprobs=20)
    assert refused.value.param == "logprobs"


def test_models_are_asked_only_for_what_they_can_do(client, name, vectors):
    with pytest.raises(openai.BadRequestError, match="makes no embeddings"):
        client.embeddings.create(model=name, input="x")
    with pytest.raises(openai.BadRequestError, match="generates no text"):
        client.chat.completions.create(model=vectors, messages=HELLO)
    with pytest.raises(openai.BadRequestError, match="takes 1 to 40"):
        client.embeddings.create(model=vectors, input="x" * 41)
    with pytest.raises(openai.BadRequestError, match="beyond the vocabulary"):
        client.completions.create(model=name, prompt=[1, 10**6])


def test_a_wrong_key_is_refused(served, name):
    with (
        openai.OpenAI(base_url=served.url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        stranger.chat.completions.create(model=name, messages=HELLO)
    assert refused.value.code == "invalid_api_key"
    assert KEY not in str(refused.value)
