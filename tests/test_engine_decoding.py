"""Batched generation equals generation one by one; rows join, leave and are aborted without touching the others."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.engine import Decoder, DecodeRequest, Engine, Sampling
from llms.engine.fallback import FallbackDecoder
from llms.engine.penalties import penalized
from llms.engine.request import Penalties
from llms.engine.sampling import generator, sample
from llms.tokens.stop import StopText, cut_at_stop
from test_engine_scoring import OTHERS, PLAIN, SHARING, Counting, tree_of_a_benchmark, words
from tiny import VOCABULARY, build, generate_alone, pair

GREEDY = Sampling()


@st.composite
def prompts(draw):
    """Prompts, many of them behind a shared header long enough to be stored once."""
    header = draw(words(48, 70))
    shared = draw(st.lists(words(1, 20), min_size=0, max_size=4))
    alone = draw(st.lists(words(1, 40), min_size=1, max_size=3))
    return draw(st.permutations([header + own for own in shared] + alone))


def run(decoder, requests):
    new = {request.id: [] for request in requests}
    for request in requests:
        decoder.add(request)
    ended = set()
    while not decoder.idle:
        for event in decoder.step():
            assert event.id not in ended
            new[event.id].append(event.token)
            if event.finish:
                ended.add(event.id)
    assert ended == set(new)
    return new


@pytest.mark.parametrize("family", SHARING)
@settings(max_examples=12)
@given(prompts=prompts(), lengths=st.lists(st.integers(1, 12), min_size=7, max_size=7), rows=st.integers(1, 5))
def test_batched_generation_equals_unbatched(family, prompts, lengths, rows):
    model, engine = pair(family)
    requests = [DecodeRequest(i, tuple(p), n) for i, (p, n) in enumerate(zip(prompts, lengths, strict=False))]
    new = run(Decoder(engine.network, rows=rows), requests)
    for request in requests:
        assert new[request.id] == generate_alone(model, request.tokens, request.max_tokens)


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral"])
def test_what_prompts_begin_with_is_read_once(family, monkeypatch):
    model, engine = pair(family)
    header = tuple(range(1, 31))  # too short to be stored apart
    prompts = [(*header, 100 + i, *range(50, 55 + i)) for i in range(6)]
    decoder = engine.decoder(remember=True)
    read: list[int] = []
    forward = engine.network.forward
    monkeypatch.setattr(
        engine.network,
        "forward",
        lambda tokens, layout, rows: read.append(0 if layout.step else len(tokens)) or forward(tokens, layout, rows),
    )
    for at_once in (prompts[:3], prompts[3:]):  # the second half finds the header in what the first left
        new = run(decoder, [DecodeRequest(i, prompt, 4) for i, prompt in enumerate(at_once)])
        for i, prompt in enumerate(at_once):
            assert new[i] == generate_alone(model, prompt, 4)
    assert sum(read) == len(header) + sum(len(prompt) - len(header) for prompt in prompts)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral"])
@pytest.mark.parametrize("cpu", ["AVX2", "AVX512"])
def test_the_lean_step_is_the_models_own_in_either_layout_of_weights(family, cpu, monkeypatch):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: cpu)
    model, engine = build(family), Engine(build(family), single=True)
    assert engine.network.fast_decode is not None
    tokens = tree_of_a_benchmark()
    for requests in (
        [DecodeRequest(0, tokens[0].tokens[:50], 8)],
        [DecodeRequest(i, tokens[i].tokens[:70], 6) for i in (0, 1, 5)],
    ):
        new = run(engine.decoder(), requests)
        for request in requests:
            assert new[request.id] == generate_alone(model, request.tokens, request.max_tokens)


def test_a_model_whose_lean_step_would_differ_keeps_its_own():
    changed = build("llama")
    changed.model.layers[0].input_layernorm.forward = lambda x: x
    assert Engine(changed).network.fast_decode is None
    assert Engine(build("gemma")).network.fast_decode is None


@pytest.mark.parametrize("family", OTHERS + PLAIN)
def test_other_architectures_generate_the_same(family):
    model, engine = pair(family)
    tokens = tree_of_a_benchmark()
    requests = [DecodeRequest(i, tokens[i].tokens[:70], 8) for i in (0, 5, 10, 15)]
    requests.append(DecodeRequest(16, tokens[0].tokens[:30], 8))
    new = run(engine.decoder(), requests)
    for request in requests:
        assert new[request.id] == generate_alone(model, request.tokens, request.max_tokens)


@settings(max_examples=10)
@given(prompts=prompts(), late=prompts(), at=st.integers(1, 6))
def test_requests_may_come_while_others_run(prompts, late, at):
    model, engine = pair("llama")
    decoder = Decoder(engine.network, rows=4)
    requests = [DecodeRequest(i, tuple(p), 5) for i, p in enumerate([*prompts, *late])]
    new = {request.id: [] for request in requests}
    for request in requests[: len(prompts)]:
        decoder.add(request)
    steps = 0
    while not decoder.idle or steps <= at:
        if steps == at:
            for request in requests[len(prompts) :]:
                decoder.add(request)
        for event in decoder.step():
            new[event.id].append(event.token)
        steps += 1
    for request in requests:
        assert new[request.id] == generate_alone(model, request.tokens, 5)


@pytest.mark.parametrize("watched", [False, True])
def test_rows_wait_for_each_other_unless_someone_watches(watched, monkeypatch):
    model, engine = pair("llama")
    requests = [DecodeRequest(i, (i + 1,) * 400, 6) for i in range(4)]  # more than one chunk of prompts
    forward, widths = engine.network.forward, []

    def counting(tokens, layout, rows):
        if layout.step is not None:
            widths.append(len(tokens))
        return forward(tokens, layout, rows)

    monkeypatch.setattr(engine.network, "forward", counting)
    new = run(Decoder(engine.network, remember=watched), requests)
    assert (widths == [4] * 5) is not watched
    assert new == {r.id: generate_alone(model, r.tokens, 6) for r in requests}


@pytest.mark.parametrize("most", [100, 17, 3])
def test_memory_that_runs_out_halves_the_rows_and_loses_no_token(most, monkeypatch):
    """Chunks of more than `most` tokens fail, until they have failed six times: prompts first, then wide steps."""
    model, engine = pair("llama")
    header = tuple(range(1, 60))
    prompts = [(*header, 7, i) for i in range(3)] + [(i + 1,) * 40 for i in range(4)]
    requests = [DecodeRequest(i, p, 6, Sampling(1.0, seed=i) if i == 5 else GREEDY) for i, p in enumerate(prompts)]
    expected = run(Decoder(engine.network), requests)
    forward, refused = engine.network.forward, []

    def scarce(tokens, layout, rows):
        if len(tokens) > most and len(refused) < 6:
            refused.append(len(tokens))
            raise torch.OutOfMemoryError(f"no room for {len(tokens)} tokens")
        return forward(tokens, layout, rows)

    monkeypatch.setattr(engine.network, "forward", scarce)
    assert run(Decoder(engine.network), requests) == expected
    assert refused
    assert expected[0] == generate_alone(model, prompts[0], 6)


def test_memory_that_is_never_enough_ends_generation():
    _, engine = pair("llama")
    network = Counting(engine.network, most=1)
    with pytest.raises(torch.OutOfMemoryError):
        run(Decoder(network), [DecodeRequest(i, (i + 1,) * 40, 6) for i in range(4)])


def test_an_aborted_request_leaves_the_others_alone():
    model, engine = pair("llama")
    tokens = tree_of_a_benchmark()
    requests = [DecodeRequest(i, tokens[i].tokens[:66], 10) for i in (0, 1, 2, 5, 6)]
    decoder = Decoder(engine.network, rows=3)
    new = {request.id: [] for request in requests}
    for request in requests:
        decoder.add(request)
    while len(new[0]) < 3:
        for event in decoder.step():
            new[event.id].append(event.token)
    decoder.abort(0)
    decoder.abort(6)  # still waiting
    while not decoder.idle:
        for event in decoder.step():
            new[event.id].append(event.token)
    assert len(new[0]) == 3
    assert new[6] == []
    for i in (1, 2, 5):
        assert new[i] == generate_alone(model, requests[[r.id for r in requests].index(i)].tokens, 10)


def test_seeds_decide_what_is_drawn_and_nothing_else_does():
    _, engine = pair("llama")
    prompt = tree_of_a_benchmark()[0].tokens
    sampled = Sampling(temperature=1.0, top_k=40, top_p=0.9, seed=7)
    alone = run(Decoder(engine.network), [DecodeRequest(0, prompt, 12, sampled)])[0]
    others = [DecodeRequest(i, prompt[:40], 12, Sampling(1.0, seed=i)) for i in range(1, 5)]
    together = run(Decoder(engine.network, rows=3), [*others, DecodeRequest(9, prompt, 12, sampled)])
    assert together[9] == alone
    different = [
        run(Decoder(engine.network), [DecodeRequest(0, prompt, 12, Sampling(1.0, seed=s))])[0] for s in range(4)
    ]
    assert len({tuple(tokens) for tokens in different}) > 1


def test_draws_follow_the_distribution():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    random = generator(Sampling(temperature=1.0, seed=0))
    counts = torch.zeros(4)
    for _ in range(4000):
        counts[sample(logits, Sampling(1.0), random)] += 1
    expected = logits.softmax(-1) * 4000
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # chi-squared, 3 degrees of freedom, p = 0.001


def test_top_k_and_top_p_cut_the_tail():
    logits = torch.tensor([2.0, 1.9, 0.0, -3.0])
    random = generator(Sampling(temperature=1.0, seed=0))
    assert {sample(logits, Sampling(1.0, top_k=2), random) for _ in range(200)} == {0, 1}
    assert {sample(logits, Sampling(1.0, top_p=0.5), random) for _ in range(200)} == {0, 1}
    assert {sample(logits, Sampling(1.0, top_p=0.01), random) for _ in range(50)} == {0}


def test_min_p_cuts_what_is_unlikely_beside_the_likeliest_and_no_temperature_is_too_low():
    logits = torch.tensor([2.0, 1.9, 0.0, -3.0])
    random = generator(Sampling(temperature=1.0, seed=0))
    assert {sample(logits, Sampling(1.0, min_p=0.5), random) for _ in range(200)} == {0, 1}
    assert {sample(logits, Sampling(1.0, top_p=0.0), random) for _ in range(50)} == {0}
    for temperature in (1e-6, 1e-30, 1e-38, 1e-42, 5e-324):
        assert {sample(100 * logits, Sampling(temperature), random) for _ in range(20)} == {0}


@settings(max_examples=30)
@given(
    prompt=st.lists(st.integers(0, 9), max_size=6),
    new=st.lists(st.integers(0, 9), max_size=6),
    repetition=st.floats(0.5, 2),
    frequency=st.floats(-2, 2),
    presence=st.floats(-2, 2),
    bias=st.dictionaries(st.integers(0, 9), st.floats(-100, 100), max_size=4),
)
def test_penalties_are_those_of_transformers_and_openai(prompt, new, repetition, frequency, presence, bias):
    from transformers import RepetitionPenaltyLogitsProcessor

    logits = torch.linspace(-3, 3, 10)
    seen = torch.tensor([[*prompt, *new]], dtype=torch.long)
    expected = (
        RepetitionPenaltyLogitsProcessor(repetition)(seen, logits[None].clone())[0] if seen.numel() else logits.clone()
    )
    for token in range(10):
        count = new.count(token)
        expected[token] += bias.get(token, 0.0) - frequency * count - presence * (count > 0)
    got = penalized(logits.numpy(), Penalties(repetition, frequency, presence, tuple(bias.items())), prompt, new)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5, atol=1e-5)
    assert logits.equal(torch.linspace(-3, 3, 10))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_repetition_penalty_generates_as_transformers_does_beside_requests_without(family):
    model, engine = pair(family)
    prompt = tree_of_a_benchmark()[0].tokens
    penalty = Sampling(penalties=Penalties(repetition=1.7))
    new = run(Decoder(engine.network), [DecodeRequest(0, prompt, 10, penalty), DecodeRequest(1, prompt, 10)])
    assert new[1] == generate_alone(model, prompt, 10)
    reference = model.generate(
        torch.tensor([prompt]), max_new_tokens=10, do_sample=False, repetition_penalty=1.7, eos_token_id=None
    )
    assert new[0] == reference[0, len(prompt) :].tolist()
    assert new[0] != new[1]


def test_generation_ends_with_the_end_of_sequence():
    model, engine = pair("llama")
    prompt = tree_of_a_benchmark()[0].tokens
    new = generate_alone(model, prompt, 10)
    events = []
    decoder = Decoder(engine.network, end=frozenset([new[4]]))
    decoder.add(DecodeRequest(0, prompt, 10))
    while not decoder.idle:
        events += decoder.step()
    first = new.index(new[4])
    assert [event.token for event in events] == new[: first + 1]
    assert events[-1].finish == "stop"


@pytest.mark.parametrize("kind", [Decoder, FallbackDecoder])
def test_a_request_without_tokens_is_refused(kind):
    _, engine = pair("llama")
    with pytest.raises(ValueError, match="no tokens"):
        kind(engine.network).add(DecodeRequest(0, (), 4))


@given(
    pieces=st.lists(st.text("ab\n:éQ", min_size=1, max_size=4), min_size=1, max_size=12),
    stops=st.lists(st.text("ab\n:éQ", min_size=1, max_size=5), min_size=1, max_size=3),
)
def test_stop_strings_are_found_across_token_borders(pieces, stops):
    """Tokens are pieces of text here: generation must end with the first one after which a stop string is there."""
    stop = StopText(lambda ids: "".join(pieces[i] for i in ids), stops)
    ended = next((n for n in range(1, len(pieces) + 1) if stop(list(range(n)))), None)
    present = (n for n in range(1, len(pieces) + 1) if any(s in "".join(pieces[:n]) for s in stops))
    assert ended == next(present, None)
    text = "".join(pieces[: ended or len(pieces)])
    kept = cut_at_stop(text, stops)
    assert text.startswith(kept)
    assert not any(s in kept for s in stops)
    assert ended is None or len(kept) < len(text)


def test_vocabulary_is_what_the_tests_assume():
    assert pair("llama")[1].network.vocabulary == VOCABULARY
