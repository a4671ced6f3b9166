"""Scoring with shared prefixes equals scoring one by one, whatever the requests, the chunks and the order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.engine import Engine, Scorer, ScoreRequest
from llms.engine.network import Network
from llms.engine.scorer import SMALLEST_CHUNK
from tiny import FAMILIES, VOCABULARY, build, pair, score_alone

SHARING = ["llama", "qwen2", "gpt2", "gemma2", "mistral"]
OTHERS = ["qwen3", "gemma", "gemma3_text", "gpt_neox", "phi", "phi3", "opt", "cohere", "granite", "gpt_oss"]
PLAIN = ["gptj", "bloom", "mpt", "mamba"]


def tolerance(logprob: float) -> float:
    return 1e-4 + 1e-6 * abs(logprob)


def assert_equal(model, scores, requests):
    for index, request in enumerate(requests):
        expected, greedy = score_alone(model, request.tokens, request.scored)
        assert scores[index].logprob == pytest.approx(expected, abs=tolerance(expected))
        assert scores[index].greedy == greedy


def words(low: int, high: int):
    """Few different tokens, so that prefixes meet by chance as well."""
    return st.lists(st.integers(1, 6) | st.integers(1, VOCABULARY - 1), min_size=low, max_size=high).map(tuple)


@st.composite
def trees(draw):
    """Requests over one to three headers, with questions and continuations of many lengths; some equal, some nested."""
    requests = []
    for _ in range(draw(st.integers(1, 3))):
        header = draw(words(0, 60))
        for _ in range(draw(st.integers(1, 3))):
            question = header + draw(words(1, 30))
            for _ in range(draw(st.integers(1, 4))):
                answer = draw(words(1, 40))
                requests.append(ScoreRequest(question + answer, len(answer)))
    if draw(st.booleans()):
        whole = requests[0]
        requests.append(ScoreRequest(whole.tokens[:-1], 1) if len(whole.tokens) > 2 else whole)
        requests.append(ScoreRequest(whole.tokens, len(whole.tokens) - 1))
        requests.append(whole)
    return draw(st.permutations(requests))


@pytest.mark.parametrize("family", SHARING)
@settings(max_examples=25)
@given(requests=trees(), chunk=st.sampled_from([16, 37, 200, 1024]), again=trees())
def test_shared_scoring_equals_one_by_one(family, requests, chunk, again):
    model, engine = pair(family)
    assert engine.verdict.supports_tree_attention
    scorer = Scorer(engine.network, chunk_tokens=chunk)
    for batch in (requests, again):  # the second call begins behind what the first one left stored
        scores = dict(scorer.score(batch))
        assert sorted(scores) == list(range(len(batch)))
        assert_equal(model, scores, batch)


def tree_of_a_benchmark(seed: int = 5) -> list[ScoreRequest]:
    random = torch.Generator().manual_seed(seed)

    def tokens(n):
        return tuple(torch.randint(1, VOCABULARY, (n,), generator=random).tolist())

    header = tokens(60)
    contexts = (header + tokens(9), header + tokens(14), tokens(150), header[:30] + tokens(20))
    requests = [ScoreRequest(context + tokens(n), n) for context in contexts for n in (5, 3, 7, 1, 40)]
    return [*requests, ScoreRequest(requests[0].tokens[:-2], 2)]


@pytest.mark.parametrize("family", OTHERS)
def test_other_architectures_share_prefixes(family):
    model, engine = pair(family)
    assert engine.verdict.supports_tree_attention, engine.verdict
    requests = tree_of_a_benchmark()
    for chunk in (1024, 64, 17):
        assert_equal(model, dict(Scorer(engine.network, chunk).score(requests)), requests)


@pytest.mark.parametrize("family", PLAIN)
def test_architectures_that_cannot_fall_back_and_are_right(family):
    model, engine = pair(family)
    assert not engine.verdict.supports_tree_attention
    requests = tree_of_a_benchmark()[:12]
    assert_equal(model, dict(engine.score(requests)), requests)


def test_every_family_is_tested():
    assert sorted(FAMILIES) == sorted(SHARING + OTHERS + PLAIN)


class Counting:
    """A network that counts the tokens it computes and the logits it makes, or runs out of memory on large chunks."""

    def __init__(self, network: Network, most: int | None = None):
        self._network, self.most = network, most
        self.tokens = self.rows = self.refused = 0

    def __getattr__(self, name):
        return getattr(self._network, name)

    def forward(self, tokens, layout, rows):
        if self.most and len(tokens) > self.most:
            self.refused += 1
            raise torch.OutOfMemoryError(f"no room for {len(tokens)} tokens")
        self.tokens += len(tokens)
        self.rows += len(rows)
        return self._network.forward(tokens, layout, rows)


def test_every_distinct_token_is_computed_once_and_projected_only_where_scored():
    _, engine = pair("llama")
    requests = tree_of_a_benchmark()
    network = Counting(engine.network)
    list(Scorer(network).score(requests))
    prefixes = {request.tokens[:end] for request in requests for end in range(1, len(request.tokens))}
    wanted = {r.tokens[:end] for r in requests for end in range(len(r.tokens) - r.scored, len(r.tokens))}
    assert network.tokens == len(prefixes)
    assert network.rows == len(wanted)


def test_a_prefix_of_another_continuation_costs_nothing():
    _, engine = pair("llama")
    whole = ScoreRequest(tuple(range(1, 60)), 20)
    network = Counting(engine.network)
    list(Scorer(network).score([whole, ScoreRequest(whole.tokens[:-5], 15), ScoreRequest(whole.tokens[:-1], 19)]))
    assert network.tokens == len(whole.tokens) - 1


def test_a_header_is_shared_between_calls():
    _, engine = pair("llama")
    header = tuple(range(1, 101))
    network = Counting(engine.network)
    scorer = Scorer(network)
    list(scorer.score([ScoreRequest((*header, 7, 8, 9), 2)]))
    list(scorer.score([ScoreRequest((*header, 17, 18, 19), 2)]))
    assert network.tokens == 100 + 2 + 2


def test_memory_that_runs_out_halves_the_chunks_and_loses_nothing():
    model, engine = pair("llama")
    requests = tree_of_a_benchmark()
    network = Counting(engine.network, most=70)
    scores = dict(Scorer(network, chunk_tokens=1024).score(requests))
    assert network.refused == 4  # 1024, 512, 256, 128, and 64 fits
    assert_equal(model, scores, requests)


def test_memory_that_is_never_enough_is_an_error():
    _, engine = pair("llama")
    network = Counting(engine.network, most=SMALLEST_CHUNK - 1)
    with pytest.raises(torch.OutOfMemoryError):
        list(Scorer(network).score(tree_of_a_benchmark()))


def test_a_request_without_context_is_refused():
    _, engine = pair("llama")
    with pytest.raises(ValueError, match="one must come before"):
        list(engine.score([ScoreRequest((1, 2), 2)]))


def test_the_arg_max_of_equal_logits_is_the_first():
    from llms.engine.scorer import _read

    logits = torch.zeros(1, 8)
    logits[0, 3] = logits[0, 5] = 2.0
    found = _read(logits, [[(0, 3), (1, 5), (2, 1)]])
    assert [best for _, _, best in found] == [True, False, False]


def test_bfloat16_stays_near_float32():
    model = build("llama")
    requests = tree_of_a_benchmark()
    exact = dict(Engine(build("llama")).score(requests))
    engine = Engine(model.to(torch.bfloat16))
    assert engine.verdict.supports_tree_attention
    for index, score in engine.score(requests):
        assert abs(score.logprob - exact[index].logprob) < 0.1 * requests[index].scored + 0.05
