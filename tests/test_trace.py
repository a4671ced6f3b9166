"""Looking inside a local model: token by token, and layer by layer, as transformers itself computes it."""

import numpy as np
import pytest
import torch

import tiny
from llms.engine import Engine, ScoreRequest, Tracer, trace_chunks
from llms.engine.trace import CHUNK_TOKENS
from llms.errors import ContextOverflow, UsageError
from llms.models.api.model import open_api
from llms.models.load import load
from llms.models.name import parse

TEXT = "One swallow does not make a summer, nor one fine day. " * 4
WANT = ("logprob", "entropy", "moments")


def save_gpt2(folder):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tiny.byte_tokenizer()
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=len(tokenizer), n_positions=512, n_embd=32, n_layer=2, n_head=2, **ends)
    )
    tiny.draw_weights(model, 0.2)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param)
    return tiny.save_checkpoint(path) if request.param == "llama" else save_gpt2(path)


@pytest.fixture
def model(folder):
    with load(f"hf:{folder}?device=cpu") as model:
        yield model


@torch.inference_mode()
def plain_pass(folder, ids):
    """transformers' own output for one sequence."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return network(torch.tensor([ids]), output_hidden_states=True, output_attentions=True)


def test_a_trace_is_what_a_plain_forward_pass_says(folder, model):
    (trace,) = model.trace([TEXT], WANT)
    ids = [model.tokenizer.start, *trace.ids]
    logprobs = plain_pass(folder, ids).logits[0, :-1].log_softmax(-1).double()
    chances = logprobs.exp()
    mean = (chances * logprobs).sum(-1)
    variance = (chances * (logprobs - mean[:, None]) ** 2).sum(-1)
    chosen = logprobs[range(len(trace.ids)), list(trace.ids)]
    for array, expected in (
        (trace.logprob, chosen),
        (trace.entropy, -mean),
        (trace.mean, mean),
        (trace.variance, variance),
    ):
        assert array.dtype == np.float32
        assert np.abs(array - expected.numpy()).max() <= 1e-4


def test_a_trace_sums_to_the_log_likelihood_of_the_text_and_changes_no_later_answer(model):
    before = model.loglikelihood([("", TEXT), ("A pear", " is green")])
    traces = list(model.trace([TEXT, "short"]))
    assert [len(trace.logprob) for trace in traces] == [len(TEXT), 5]
    assert traces[0].logprob.sum() == pytest.approx(before[0].logprob, abs=1e-3)
    assert (traces[0].entropy, traces[0].mean, traces[0].variance) == (None, None, None)
    after = model.loglikelihood([("", TEXT), ("A pear", " is green")])
    assert [score.logprob for score in after] == pytest.approx([score.logprob for score in before], abs=1e-4)


def test_what_is_not_wanted_is_not_there_and_what_is_unknown_is_refused(model):
    (trace,) = model.trace(["word"], ["moments"])
    assert trace.logprob is None
    assert trace.entropy is None
    assert len(trace.mean) == len(trace.variance) == 4
    with pytest.raises(UsageError, match="does not know 'surprise'"):
        list(model.trace(["word"], ["surprise"]))


def test_a_text_beyond_the_window_overflows(model):
    long = "x" * (model.context_window + 1)
    with pytest.raises(ContextOverflow, match=rf"text 1 is {len(long)} tokens"):
        list(model.trace(["short", long]))


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])  # the last has no tree attention
def test_neither_the_size_of_chunks_nor_the_way_of_attention_changes_a_trace(family):
    untouched, engine = tiny.pair(family)
    tokens = tuple(torch.randint(0, tiny.VOCABULARY, (70,), generator=torch.Generator().manual_seed(1)).tolist())
    tree = engine.verdict.supports_tree_attention
    results = []
    for size in (1, 7, 69, CHUNK_TOKENS):
        chunks = list(trace_chunks(engine.network, tree, tokens, entropy=True, moments=True, chunk_tokens=size))
        assert max(len(chunk.logprob) for chunk in chunks) <= size
        results.append([torch.cat(column) for column in zip(*map(_columns, chunks), strict=True)])
    for columns in results[1:]:
        for column, first in zip(columns, results[0], strict=True):
            assert (column - first).abs().max() <= 1e-4
    with torch.inference_mode():
        expected = untouched(torch.tensor([tokens])).logits[0, :-1].log_softmax(-1)[range(69), list(tokens[1:])]
    assert (results[0][0] - expected).abs().max() <= 1e-4
    traced = Tracer(engine.network, tree).trace(tokens)
    assert max(abs(one.logprob - float(other)) for one, other in zip(traced, expected, strict=True)) <= 1e-4


def _columns(chunk):
    return chunk.logprob, chunk.entropy, chunk.mean, chunk.variance


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_logits_never_exist_for_a_whole_text(family, monkeypatch):
    engine = Engine(tiny.build(family))
    rows = []
    for name in ("forward", "forward_alone"):
        compute = getattr(engine.network, name)

        def watched(*arguments, compute=compute):
            logits = compute(*arguments)
            rows.append(len(logits))
            return logits

        monkeypatch.setattr(engine.network, name, watched)
    tokens = [5, 6, 7] * 60
    tree = engine.verdict.supports_tree_attention
    assert sum(len(c.logprob) for c in trace_chunks(engine.network, tree, tokens, chunk_tokens=16)) == 179
    assert max(rows) <= 16
    assert sum(rows) == 179


def test_an_engine_scores_alike_before_and_after_a_trace():
    _, engine = tiny.pair("llama")
    request = [ScoreRequest((1, 2, 3, 4, 5), 3)]
    ((_, before),) = engine.score(request)
    list(trace_chunks(engine.network, True, (9, 8, 7, 6)))
    ((_, after),) = engine.score(request)
    assert after.logprob == pytest.approx(before.logprob, abs=1e-5)
    assert after.greedy == before.greedy


def test_a_forward_pass_is_transformers_own(folder, model):
    ids = model.tokenizer.encode(["A red fox runs"])[0]
    inside, plain = model.forward(ids), plain_pass(folder, ids)
    layers = 2
    assert inside.logits.shape == (len(ids), model.checkpoint.vocabulary)
    assert inside.hidden_states.shape == (layers + 1, len(ids), 32)
    assert inside.attentions.shape == (layers, 2, len(ids), len(ids))
    assert np.abs(inside.logits - plain.logits[0].numpy()).max() <= 1e-5
    for mine, theirs in zip(inside.hidden_states, plain.hidden_states, strict=True):
        assert np.abs(mine - theirs[0].numpy()).max() <= 1e-5
    for mine, theirs in zip(inside.attentions, plain.attentions, strict=True):
        assert np.abs(mine - theirs[0].numpy()).max() <= 1e-5
    assert np.allclose(inside.attentions.sum(-1), 1, atol=1e-5)


def test_a_forward_pass_beyond_the_window_overflows(model):
    with pytest.raises(ContextOverflow, match="0 tokens"):
        model.forward([])
    with pytest.raises(ContextOverflow, match="takes 1 to"):
        model.forward([1] * (model.context_window + 1))


def test_a_system_that_cannot_be_looked_into_says_so(model):
    assert (model.capabilities.trace, model.capabilities.forward) == (True, True)
    with open_api(parse("openai:gpt-5-mini")) as endpoint:
        able = endpoint.capabilities
        assert (able.trace, able.forward, able.tools, able.vision) == (False, False, True, True)
        with pytest.raises(UsageError, match="openai:gpt-5-mini does not show how likely each token"):
            endpoint.trace(["word"])
        with pytest.raises(UsageError, match="cannot be looked into"):
            endpoint.forward([1, 2])
