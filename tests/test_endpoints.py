"""Models behind an endpoint, against a server on loopback: answers, streams, scores, and every way it can go wrong."""

import asyncio
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llms
from llms.errors import MissingKey, ModelError, UnknownName, UsageError
from llms.models.api import endpoints
from llms.models.api.limiter import Limiter, retry_after
from llms.models.api.model import ApiModel, open_api
from llms.models.api.response import NoEcho, likelihood
from llms.models.api.retry_policy import RetryPolicy
from llms.models.name import parse
from llms.models.system import Generate
from llms.testing.endpoint import ScriptedEndpoint, words
from llms.values import Billed, Delta, Failure, Message, TokenChance, ToolCall

QUICK = RetryPolicy(backoff_seconds=0.01)
HASTY = RetryPolicy(first_token_seconds=1, between_tokens_seconds=1, answer_seconds=1, backoff_seconds=0.01)
LONG = 20  # seconds of a stall that nobody waits for
ASK = (Message("user", "What is the answer?"),)
TEXT = "the answer is 42"


@pytest.fixture
def server():
    with ScriptedEndpoint() as opened:
        yield opened


@pytest.fixture
def model(server):
    with open_api(parse(f"{server.url}#m"), QUICK) as opened:
        yield opened


@pytest.fixture
def hasty(server):
    with open_api(parse(f"{server.url}#m"), HASTY) as opened:
        yield opened


def one(model: ApiModel, prompt=ASK, **how):
    ((_, result),) = model.complete([Generate(prompt, **how)])
    return result


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


# ---- before the first request


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "http://127.0.0.1:9/v1#m"])
def test_naming_a_model_imports_nothing_heavy_and_connects_nowhere(name):
    code = (
        f"import sys, llms\nm = llms.load({name!r})\n_ = m.identity\n"
        "bad = {'openai', 'pydantic', 'pydantic_ai', 'httpx2', 'genai_prices', 'asyncio', 'torch', 'numpy'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_key_says_the_variable_and_where_to_get_one(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKey, match=r"openai: needs a key: set OPENAI_API_KEY .* https://platform\.openai\.com"):
        llms.load("openai:gpt-5-mini").generate([ASK])


@pytest.mark.parametrize("address", ["http://[::1/v1#m", "http://127.0.0.1:port/v1#m", "http://127.0.0.1:99999/v1#m"])
def test_an_address_that_is_none_is_wrong_usage(address):
    with pytest.raises(UsageError, match="an endpoint is written http://host:port/v1#model"):
        parse(address)


def test_names_hold_no_keys():
    with pytest.raises(UsageError, match="must hold no key"):
        parse("http://me:secret@127.0.0.1/v1#m")
    with pytest.raises(UsageError, match="must hold no key") as refused:
        parse("http://127.0.0.1/v1?api_key=secret#m")
    assert "secret" not in str(refused.value)
    with pytest.raises(UsageError, match="say which model"):
        parse("http://127.0.0.1/v1")
    with pytest.raises(UsageError, match="runs the model itself"):
        parse("openai:gpt-5?dtype=float32")


def test_every_named_endpoint_says_how_to_get_in():
    for name, endpoint in endpoints.NAMED.items():
        assert endpoint.name == name
        assert endpoint.base_url.startswith("https://") or endpoint.own
        assert endpoint.own or (endpoint.keys and endpoint.page and endpoint.prices)


# ---- answers


def test_messages_go_to_chat_and_raw_text_to_completions(server, model):
    assert one(model).text == TEXT
    assert one(model, "What is", max_tokens=2).text == "the answer"
    (_, chat), *_, (_, raw) = server.posts
    assert chat["messages"] == [{"role": "user", "content": ASK[0].content}]
    assert raw["prompt"] == "What is"
    assert {path for path, body in server.posts if "echo" not in body} == {"/v1/chat/completions", "/v1/completions"}


def test_finish_and_counts_are_the_servers(server, model):
    done = one(model, max_tokens=3)
    assert (done.text, done.finish, done.tokens) == ("the answer is", "length", 3)
    assert done.prompt_tokens > 0
    server.finish = "content_filter"
    assert one(model).finish == "refused"


def test_what_a_filter_stops_is_a_refusal_and_no_fault(server, model):
    server.faults.append({"status": 400, "code": "content_filter"})
    done = one(model)
    assert (done.text, done.finish) == ("", "refused")
    assert model.ledger.tally.billed.tokens == 0


@pytest.mark.parametrize("choice", [{"finish_reason": "error"}, {"error": {"message": "upstream is down"}}])
def test_an_answer_that_the_server_calls_broken_is_a_failure(server, model, choice):
    server.answer = lambda body: {"message": {"content": "half an ans"}, **choice}
    assert "broke off" in one(model).reason


def test_without_usage_the_counts_are_our_own_and_err_high(server, model):
    server.usage = False
    done = one(model)
    assert done.tokens == -(-len(TEXT) // 3)
    assert done.prompt_tokens >= len(ASK[0].content) // 3


def test_sampling_settings_have_the_servers_names(server, model):
    list(model.complete([Generate(ASK, 9, ("x", ""), 0.7, 40, 0.9, 2**31 + 5, {"type": "object"})]))
    ((_, body),) = server.posts
    assert body["temperature"] == 0.7
    assert (body["top_p"], body["top_k"], body["seed"], body["stop"]) == (0.9, 40, 5, ["x"])
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_a_parameter_that_is_refused_is_left_out_and_said(server, model):
    server.refuses = ("temperature", "seed")
    assert one(model, temperature=0.5, seed=3).text == TEXT
    assert len(server.posts) == 3
    assert one(model, temperature=0.5, seed=3).text == TEXT
    assert len(server.posts) == 4
    assert "does not take seed, temperature" in model.note


def test_a_value_that_is_wrong_is_not_left_out(server, model):
    server.faults.append({"status": 400, "message": "temperature: must be at most 1"})
    assert "must be at most 1" in one(model, temperature=1.5).reason
    assert len(server.posts) == 1


def test_stop_strings_beyond_what_the_server_takes_are_applied_here(server, monkeypatch):
    monkeypatch.setenv("GROQ_BASE_URL", server.url)
    monkeypatch.setenv("GROQ_API_KEY", "k" * 20)
    with llms.load("groq:m") as model:
        done = one(model, stop=("a1", "a2", "a3", "a4", "is"))
    assert done.text == "the answer "
    assert server.posts[0][1]["stop"] == ["a1", "a2", "a3", "a4"]


def test_answers_come_as_they_are_ready_and_go_to_their_prompts(server, model):
    server.answer = lambda body: body["messages"][0]["content"]
    prompts = [(Message("user", f"number {i}"),) for i in range(40)]
    assert [c.text for c in model.generate(prompts)] == [f"number {i}" for i in range(40)]
    assert server.most <= QUICK.most
    assert model.ledger.tally.billed.requests == len(server.posts) == 40


def test_the_window_is_the_servers_else_assumed(server):
    with open_api(parse(f"{server.url}#m"), QUICK) as model:
        assert model.context_window == 2048
    server.window = None
    with open_api(parse(f"{server.url}#m"), QUICK) as model:
        assert model.context_window == 8192


def test_what_is_on_ones_own_machines_costs_nothing_and_an_unknown_price_is_unknown(server, model):
    assert model.price(replace(model.ledger.tally.billed, prompt_tokens=5)) == 0
    assert llms.load("https://models.example.org/v1#m").price(Billed(1, 5)) is None
    assert llms.load("openai:no-such-model").price(Billed(1, 5)) is None
    assert llms.load("openai:gpt-4o-mini").price(Billed(1, 1_000_000)) > 0


# ---- scores


def test_choices_are_scored_by_the_tokens_behind_the_context(server, model):
    found = model.loglikelihood([("one two", " three"), ("one two ", "three a"), ("one two", " x")])
    assert [score.logprob for score in found] == [-2.5, -3.0, -0.5]
    assert [score.greedy for score in found] == [False, False, True]
    assert [score.tokens for score in found] == [1, 2, 1]
    assert found[0].context_tokens == 2
    assert model.capabilities.loglikelihood


def test_a_server_that_ignores_echo_is_an_error_not_a_chance_score(server, model):
    server.echo = False
    assert not model.capabilities.loglikelihood
    with pytest.raises(ModelError, match="gives no log-probabilities of a given text: it ignores `echo`"):
        model.loglikelihood([("a", " b")])


def test_a_server_that_stops_to_obey_echo_is_found_out(server, model):
    model.loglikelihood([("a", " b")])
    server.echo = False
    with pytest.raises(ModelError, match="ignores `echo`"):
        model.loglikelihood([("a", " b")])


def test_a_server_without_completions_is_reached_through_chat_only(server, model):
    server.raw = False
    able = model.capabilities
    assert (able.loglikelihood, able.raw_text, able.chat) == (False, False, True)
    with pytest.raises(UsageError, match="through chat only"):
        model.generate(["raw"])
    assert model.generate([ASK])[0].text == TEXT


SOME = st.text(max_size=12)


@given(SOME.map(lambda text: "c" + text), SOME.map(lambda text: " d" + text), st.booleans())
def test_the_continuation_is_found_whether_offsets_count_characters_or_bytes(context, continuation, in_bytes):
    tokens = words(context) + words(continuation)
    sizes = [len(token.encode()) if in_bytes else len(token) for token in tokens]
    offsets = [sum(sizes[:place]) for place in range(len(tokens))]
    values = [None, *(-float(place) for place in range(1, len(tokens)))]
    scores = {
        "tokens": tokens,
        "token_logprobs": values,
        "top_logprobs": [None, *({"x": -0.5} for _ in tokens[1:])],
        "text_offset": offsets,
    }
    found = likelihood({"choices": [{"text": context + continuation, "logprobs": scores}]}, context, continuation, 0.0)
    behind = len(words(context))
    assert found.logprob == sum(values[behind:])
    assert (found.context_tokens, found.tokens) == (behind, len(words(continuation)))


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"text": "a b"}, "no log-probabilities of the prompt's tokens"),
        ({"text": "a b", "logprobs": {"tokens": ["a", " b"], "token_logprobs": [None, -1.0]}}, "no log-probabilities of"),
        ({"text": "b"}, "ignores `echo`"),
        ({}, "ignores `echo`"),
        ({"text": "a b", "logprobs": {"tokens": ["a", " b"], "token_logprobs": [None, None], "top_logprobs": [None, {}],
                                      "text_offset": [0, 1]}}, "no log-probability of ' b'"),
        ({"text": "a b", "logprobs": {"tokens": ["a", " b"], "token_logprobs": [None, -1.0], "top_logprobs": [None, None],
                                      "text_offset": [0, 1]}}, "no top_logprobs"),
        ({"text": "a b", "logprobs": {"tokens": ["a", " b"], "token_logprobs": [None, -1.0], "top_logprobs": [None, {}]}},
         "where each token begins"),
        ({"text": "a b", "logprobs": {"tokens": ["x", "y"], "token_logprobs": [None, -1.0], "top_logprobs": [None, {}],
                                      "text_offset": [0, 1]}}, "do not make up"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_belong_to_the_prompt_are_refused(choice, why):
    with pytest.raises(NoEcho, match=why):
        likelihood({"choices": [choice]}, "a", " b", 0.0)


def test_half_a_character_of_a_reply_becomes_a_mark_that_files_can_hold(server, model):
    server.answer = lambda body: {"message": {"role": "assistant", "content": "a \ud800 b 😀"}}
    assert model.generate([ASK])[0].text == "a \ufffd b 😀"
    server.answer = lambda body: "a \udc00"
    assert model.generate(["raw text"])[0].text == "a \ufffd"


# ---- streams


@pytest.mark.parametrize("prompt", [ASK, "raw text"])
def test_a_stream_brings_the_text_in_pieces_and_the_usage_last(server, model, prompt):
    deltas = list(model.stream(Generate(prompt)))
    assert text_of(deltas) == TEXT
    assert len(deltas) == 5
    assert deltas[-1].finish == "stop"
    assert deltas[-1].usage.reported
    assert deltas[-1].usage.tokens == 4


def test_tool_calls_come_whole_however_they_are_cut(server, model):
    def part(index, arguments, **first):
        call = {"index": index, "function": {"arguments": arguments, **{k: v for k, v in first.items() if k == "name"}}}
        return {"delta": {"tool_calls": [{**call, **{k: v for k, v in first.items() if k == "id"}}]}}

    server.answer = lambda body: [
        {"delta": {"reasoning_content": "hm"}}, part(0, "", id="a", name="f"), part(0, '{"x"'), part(0, ": 1}"),
        part(1, "{}", id="b", name="g"),
    ]  # fmt: skip
    tool = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    asked = (*ASK, Message("assistant", "", (ToolCall("z", "f", "{}"),)), Message("tool", "done", tool_call_id="z"))
    deltas = list(model.stream(Generate(asked, tools=(tool,), tool_choice="f")))
    assert [call for delta in deltas for call in delta.tool_calls] == [
        ToolCall("a", "f", '{"x": 1}'),
        ToolCall("b", "g", "{}"),
    ]
    assert deltas[0].reasoning == "hm"
    assert deltas[-1].finish == "stop"
    ((_, body),) = server.posts
    assert body["tools"] == [{"type": "function", "function": tool}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert body["messages"][2] == {"role": "tool", "content": "done", "tool_call_id": "z"}


def test_log_probabilities_of_an_answer_come_with_its_tokens(server, model):
    token = {"token": "yes", "logprob": -0.1, "top_logprobs": [{"token": "no", "logprob": -3}]}
    server.answer = lambda body: [{"delta": {"content": "yes"}, "logprobs": {"content": [token]}}]
    first, _ = model.stream(Generate(ASK, top=1))
    assert first.chances == (TokenChance("yes", -0.1, (("no", -3),)),)
    assert server.posts[0][1]["top_logprobs"] == 1
    logprobs = {
        "tokens": [" a"],
        "token_logprobs": [-0.2],
        "top_logprobs": [{" a": -0.2, " b": -2}],
        "text_offset": [0],
    }
    server.answer = lambda body: [{"text": " a", "logprobs": logprobs}] if body.get("stream") else "a"
    first, _ = model.stream(Generate("raw", top=2))
    assert first.chances == (TokenChance(" a", -0.2, ((" a", -0.2), (" b", -2))),)


def test_a_stream_without_usage_is_counted_by_us(server, model):
    server.stream_usage = False
    usage = list(model.stream(Generate(ASK)))[-1].usage
    assert not usage.reported
    assert usage.tokens == -(-len(TEXT) // 3)


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_cancelled_stream_closes_the_connection_and_keeps_what_came(server, model, how):
    server.answer, server.seconds = lambda body: "word " * 1000, 0.01
    cancel, came = threading.Event(), []
    stream = model.stream(Generate(ASK), cancel)
    for delta in stream:
        came.append(delta)
        if len(came) == 3:
            if how == "close":
                stream.close()
                break
            cancel.set()
    deadline = time.monotonic() + 10
    while server.open:
        assert time.monotonic() < deadline, "the server goes on"
        time.sleep(0.01)
    assert server.written < 500
    assert text_of(came).startswith("word word word")
    billed = model.ledger.tally.billed
    assert billed.requests == 1
    assert 0 < billed.tokens < 900
    assert (came[-1].usage is not None) == (how == "cancel")


STREAM_FAULTS = [
    ({"broken": 1}, "infra", "is not JSON"),
    ({"close": "rude"}, "infra", "closed connection|incomplete"),
    ({"close": "clean"}, "infra", "ended before its answer did"),
    ({"stall": LONG}, "timeout", "nothing came for 1 s"),
]


@pytest.mark.parametrize(("fault", "kind", "reason"), STREAM_FAULTS)
def test_a_stream_that_breaks_keeps_its_text_and_is_not_asked_again(server, hasty, fault, kind, reason):
    model = hasty
    server.faults.append(fault)
    deltas = list(model.stream(Generate(ASK)))
    assert text_of(deltas) == "the answer"
    assert deltas[-1].failure.kind == kind
    assert deltas[-1].finish is None
    assert re.search(reason, deltas[-1].failure.reason), deltas[-1].failure.reason
    assert len(server.posts) == model.ledger.tally.billed.requests == 1
    assert model.ledger.tally.billed.tokens == -(-len("the answer") // 3)


def test_a_stream_that_ends_before_its_first_token_is_asked_again(server, model):
    server.faults.append({"early": 1})
    assert text_of(list(model.stream(Generate(ASK)))) == TEXT
    assert len(server.posts) == 2


def test_a_stream_that_never_begins_is_a_timeout(server, hasty):
    server.faults.append({"stall_first": LONG})
    (last,) = hasty.stream(Generate(ASK))
    assert last.failure.kind == "timeout"
    assert len(server.posts) == 1


def test_a_server_that_ignores_stream_is_read_as_a_stream_of_one_piece(server, model):
    server.streams = False
    first, last = model.stream(Generate(ASK))
    assert (first.text, last.finish, last.usage.tokens) == (TEXT, "stop", 4)


# ---- faults


RETRIED = [
    ([{"status": 429, "retry_after": 0}], 2),
    ([{"status": 429}], 2),
    ([{"status": 429}] * 5, 6),  # too many at once is no fault of the request
    ([{"status": 500}, {"status": 503, "retry_after": 0}], 3),
    ([{"status": 408}, {"status": 529}], 3),
    ([{"nothing": 1}], 2),
    ([{"short": 50}], 2),
]


@pytest.mark.parametrize(("faults", "tries"), RETRIED)
def test_what_passes_is_tried_again(server, model, faults, tries):
    server.faults.extend(faults)
    assert one(model).text == TEXT
    assert len(server.posts) == model.ledger.tally.billed.requests == tries


GIVEN_UP = [
    ([{"status": 500}] * 3, 3, "infra", "500: no luck"),
    ([{"status": 429}] * 8, 8, "infra", "429: no luck"),
    ([{"status": 429, "retry_after": 3600}], 1, "infra", "429"),
    ([{"status": 400, "message": "maximum context length is 8"}], 1, "infra", "does not fit the context window"),
    ([{"status": 422, "message": "bad"}], 1, "infra", "422: bad"),
    ([{"status": 501}], 1, "infra", "501"),
    ([{"stall": LONG}], 1, "timeout", "nothing came for 1 s"),
    ([{"whole_broken": 1}], 1, "infra", "is not JSON"),
    ([{"short": 50}] * 3, 3, "infra", "closed connection|Content-Length|incomplete"),
]


@pytest.mark.parametrize(("faults", "tries", "kind", "reason"), GIVEN_UP)
def test_what_does_not_pass_is_a_failure_of_that_item_alone(server, hasty, faults, tries, kind, reason):
    model = hasty
    one(model)
    before = len(server.posts)
    server.faults.extend(faults)
    failed = one(model)
    assert isinstance(failed, Failure)
    assert failed.kind == kind
    assert re.search(reason, failed.reason), failed.reason
    assert len(server.posts) - before == tries
    assert model.ledger.tally.billed.requests == len(server.posts)
    assert one(model).text == TEXT


def test_a_refused_key_ends_the_run_and_is_not_shown_whole(server, monkeypatch):
    secret = "sk-verysecret-0123456789abcdef"
    monkeypatch.setenv("LLMS_API_KEY", secret)
    server.key = "another"
    with open_api(parse(f"{server.url}#m"), QUICK) as model, pytest.raises(ModelError) as caught:
        model.generate([ASK] * 50)
    assert "refuses the key sk-very… (401: Incorrect API key provided: sk-very…)" in str(caught.value)
    assert secret not in str(caught.value)
    assert len(server.posts) <= QUICK.most
    server.key = secret
    with open_api(parse(f"{server.url}#m"), QUICK) as model:
        assert model.generate([ASK])[0].text == TEXT


@pytest.mark.parametrize("key", ["sk-“quoted”", "two words", "line\nbreak"])
def test_a_key_that_cannot_be_one_is_not_sent(server, monkeypatch, key):
    monkeypatch.setenv("LLMS_API_KEY", key)
    with open_api(parse(f"{server.url}#m"), QUICK) as model, pytest.raises(ModelError, match="copy it again") as caught:
        model.generate([ASK])
    assert key not in str(caught.value)
    assert server.requests == []


def test_an_unknown_model_ends_the_run_and_says_so(server):
    with open_api(parse(f"{server.url}#other"), QUICK) as model:
        with pytest.raises(ModelError, match=r"has no other \(404: The model `other` does not exist\)"):
            model.generate([ASK] * 50)
        with pytest.raises(ModelError, match="has no other"):
            model.generate(["raw"])


def test_a_used_up_account_ends_the_run(server, model):
    server.faults.append({"status": 429, "code": "insufficient_quota"})
    with pytest.raises(ModelError, match="the account is used up"):
        model.generate([ASK])
    assert len(server.posts) == 1


def test_a_server_that_is_not_there_is_named(server):
    url = server.url
    with open_api(parse(f"{url}#m"), replace(QUICK, tries=2)) as model:
        server.stop()
        with pytest.raises(ModelError, match=f"{url} does not answer .* is it running"):
            model.generate([ASK])


def test_a_server_that_dies_ends_the_run_but_keeps_what_came(server):
    with open_api(parse(f"{server.url}#m"), replace(QUICK, silent=3, start=1, most=1)) as model:
        server.faults.extend([{}] * 5 + [{"nothing": 1}] * 1000)
        got = []
        with pytest.raises(ModelError, match="has stopped answering"):
            got.extend(model.complete([Generate(ASK)] * 100))
    assert len([result for _, result in got if not isinstance(result, Failure)]) == 5
    assert 5 + 3 * QUICK.tries <= len(server.posts) <= 5 + 4 * QUICK.tries  # one may be on its way


# ---- how many at once


def test_many_requests_are_let_in_as_long_as_all_goes_well(server, model):
    server.seconds = 0.03
    model.generate([ASK] * 60)
    assert server.most > QUICK.start


def test_refusals_halve_what_is_let_in_once_for_all_on_the_way():
    limiter = Limiter(RetryPolicy(start=16))
    sent = time.monotonic()
    for _ in range(5):
        limiter.too_many(sent, 0.0)
    assert limiter.limit == 8
    limiter.went_well()
    assert limiter.limit == 8 + 1 / 8


def test_rate_limit_headers_are_followed(server, model):
    limiter = model.session.client.transport.limiter
    server.sent_headers = {"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "6m0s"}
    one(model)
    assert limiter.limit <= 3
    server.sent_headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"}
    one(model)
    started = time.monotonic()
    one(model)
    assert time.monotonic() - started > 0.2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "2.5"}, 2.5), ({"retry-after-ms": "40"}, 0.04), ({}, None), ({"retry-after": "soon"}, None),
     ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0), ({"retry-after": "nan"}, None)],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_as_a_date(headers, seconds):
    assert retry_after(headers) == seconds


# ---- for agents


def test_the_chat_model_goes_the_same_way(server, model):
    from pydantic_ai import Agent

    from llms.bridge import run

    server.faults.append({"status": 500})
    result = run(Agent(model.chat_model()).run("What is the answer?"))
    assert result.output == TEXT
    assert len(server.posts) == model.ledger.tally.billed.requests == 2
    assert model.ledger.tally.billed.tokens == 4


def test_the_chat_model_works_on_any_event_loop_beside_others(server, model):
    from pydantic_ai import Agent

    async def elsewhere():
        agent = Agent(model.chat_model())
        answers = await asyncio.gather(*(agent.run("What is the answer?") for _ in range(8)))
        await model.session.client.transport.aclose()
        return [answer.output for answer in answers]

    assert one(model).text == TEXT
    assert asyncio.run(elsewhere()) == [TEXT] * 8
    assert one(model).text == TEXT
    assert model.ledger.tally.billed.requests == len(server.posts) == 10


def test_unknown_providers_are_offered_the_nearest():
    with pytest.raises(UnknownName, match="did you mean openai:"):
        parse("opnai:gpt")
