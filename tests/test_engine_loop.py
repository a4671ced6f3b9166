"""One engine for many callers: what each gets equals what it would get alone, whoever joins, leaves or came before."""

import queue
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.engine import DecodeRequest, EngineLoop, Tracer
from tiny import generate_alone, pair, score_alone

FAMILIES = ["llama", "gpt2", "mistral", "bloom"]
PROMPT = tuple(range(5, 100))


@pytest.fixture(scope="module", params=FAMILIES)
def served(request):
    model, engine = pair(request.param)
    engine_loop = EngineLoop(engine)
    yield model, engine, engine_loop
    engine_loop.close()


def answer(engine_loop: EngineLoop, prompt: tuple[int, ...], count: int = 8) -> list[int]:
    return [event.token for event in engine_loop.events(DecodeRequest(0, prompt, count))]


def test_concurrent_callers_get_what_each_would_get_alone(served):
    model, _, engine_loop = served
    found: dict[int, list[int]] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: answer(engine_loop, PROMPT[: 60 + i])})) for i in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(5):
        alone = generate_alone(model, PROMPT[: 60 + i], 8)
        assert found[i] == alone[: len(found[i])]


@settings(max_examples=12)
@given(kept=st.integers(0, 95), added=st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_what_is_remembered_changes_no_answer(served, kept, added):
    model, _, engine_loop = served
    prompt = (*PROMPT[:kept], *added)
    found = answer(engine_loop, prompt, 4)
    assert found == generate_alone(model, prompt, 4)[: len(found)]


def test_a_cancelled_caller_costs_no_further_token(served):
    _, _, engine_loop = served
    cancel, heard = threading.Event(), 0
    for _ in engine_loop.events(DecodeRequest(0, PROMPT[:50], 400), cancel):
        heard += 1
        if heard == 3:
            cancel.set()
    assert heard == 3
    assert engine_loop.busy == 0
    engine_loop.call(lambda: None)  # the abort has been carried out once the next piece of work is
    assert engine_loop._decoder.idle


def test_more_callers_than_rows_are_served_in_the_order_in_which_they_came():
    engine_loop = EngineLoop(pair("llama")[1])
    engine_loop.call(lambda: setattr(engine_loop._decoder, "most_rows", 2))
    begun: list[int] = []
    ended = queue.SimpleQueue()

    def sink(i: int):
        def hear(event):
            if i not in begun:
                begun.append(i)
            if event.finish:
                ended.put(i)

        return hear

    lengths = [30, 90, 60, 95, 40, 70]  # the longest would go first in a batch
    engine_loop.submit_all([(DecodeRequest(0, PROMPT[:length], 6), sink(i)) for i, length in enumerate(lengths)])
    assert sorted(ended.get(timeout=60) for _ in lengths) == list(range(6))
    assert {*begun[:2]} == {0, 1}
    assert {*begun[2:4]} == {2, 3}
    engine_loop.close()


def test_an_error_reaches_who_caused_it_and_nobody_else(served):
    model, _, engine_loop = served
    other: list[int] = []
    beside = threading.Thread(target=lambda: other.extend(answer(engine_loop, PROMPT[:60], 40)))
    beside.start()

    def broken(new, logits):
        raise ValueError("this constraint is broken")

    with pytest.raises(ValueError, match="constraint is broken"):
        list(engine_loop.events(DecodeRequest(0, PROMPT[:50], 5, constrain=broken)))
    beside.join()
    assert other == generate_alone(model, PROMPT[:60], 40)[: len(other)]
    with pytest.raises(ZeroDivisionError):
        engine_loop.call(lambda: 1 // 0)


def test_an_error_of_the_engine_reaches_every_caller_and_it_goes_on(served, monkeypatch):
    model, _, engine_loop = served
    with monkeypatch.context() as patch:
        patch.setattr(type(engine_loop._decoder), "step", lambda _: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            answer(engine_loop, PROMPT[:50], 3)
    assert answer(engine_loop, PROMPT[:50], 3) == generate_alone(model, PROMPT[:50], 3)


def test_a_constraint_is_obeyed_and_likelihoods_are_those_before_it(served):
    _, _, engine_loop = served

    def even(new, logits):
        logits = logits.clone()
        logits[1::2] = float("-inf")
        return logits

    events = list(engine_loop.events(DecodeRequest(0, PROMPT[:50], 6, constrain=even, top=3)))
    assert all(event.token % 2 == 0 for event in events)
    assert all(len(event.top) == 3 and event.top[0][1] >= event.logprob for event in events)


def test_after_closing_nothing_begins():
    engine_loop = EngineLoop(pair("llama")[1])
    engine_loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine_loop.submit(DecodeRequest(0, PROMPT, 3), print)


def test_a_trace_equals_scoring_each_token_alone(served):
    model, engine, _ = served
    tracer = Tracer(engine.network, engine.verdict.supports_tree_attention)
    for tokens in (PROMPT, (*PROMPT[:50], 9, 9, 9), (*PROMPT[:50], 9, 9, 9), PROMPT[:20]):
        traced = tracer.trace(tokens, 2)
        assert len(traced) == len(tokens) - 1
        for place in (1, 30, len(tokens) - 1):
            if place < len(tokens):
                logprob, greedy = score_alone(model, tokens[: place + 1], 1)
                assert traced[place - 1].logprob == pytest.approx(logprob, abs=1e-4)
                assert (traced[place - 1].top[0][0] == tokens[place]) == greedy
