"""What is proved on a small twin holds for the model: verdicts agree, wrong attention is seen from afar, proofs are kept."""

import json
import subprocess
import sys
from functools import cache

import pytest
import torch

from llms.engine import Engine, ScoreRequest, proof, twin
from llms.engine.llama import Llama, LlamaNetwork, read_sizes
from llms.engine.network import Network
from llms.engine.probe import TOLERANCE, check, probe
from tiny import VOCABULARY, build, save_checkpoint, score_alone

FAR = 100 * TOLERANCE[torch.float32]
SHARING = [
    "llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "gemma", "gemma2", "gemma3_text", "phi", "phi3",
    "gpt2", "gpt_neox", "opt", "stablelm", "olmo2", "smollm3", "granite", "cohere", "cohere2", "starcoder2", "gpt_oss",
]  # fmt: skip
PLAIN = ["falcon", "bloom", "mpt", "gptj", "gpt_neo"]
LARGE = {
    "llama": {},  # its defaults are those of Llama 7B
    "gemma2": {"hidden_size": 3584, "num_hidden_layers": 42, "num_attention_heads": 16, "num_key_value_heads": 8},
    "qwen3": {"num_key_value_heads": 8, "num_hidden_layers": 36, "intermediate_size": 12288},
    "mistral": {},
    "bloom": {"hidden_size": 4096, "n_layer": 30, "n_head": 32},
}


def config(family: str, **sizes):
    from transformers import AutoConfig

    return AutoConfig.for_model(family, **sizes)


def twin_of(model_config):
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    return twin.make_twin(MODEL_FOR_CAUSAL_LM_MAPPING[type(model_config)], twin.shrink(model_config))


@pytest.mark.parametrize("family", SHARING)
def test_a_twin_shows_that_its_class_follows_layouts(family):
    found = proof._try(twin_of(config(family)))
    assert found.supports_tree_attention, found
    assert found.error < TOLERANCE[torch.float32] / 10


@pytest.mark.parametrize("family", PLAIN)
def test_a_twin_shows_that_its_class_does_not_and_misses_by_far(family):
    found = proof._try(twin_of(config(family)))
    assert not found.supports_tree_attention
    assert found.error > FAR


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "gpt2", "phi3", "cohere", "mpt", "gptj"])
def test_the_verdict_of_the_twin_is_that_of_the_model(family):
    model = build(family)
    assert proof._try(twin_of(model.config)).supports_tree_attention == probe(Network(model)).supports_tree_attention


@pytest.mark.parametrize("family", LARGE)
def test_the_twin_of_a_large_model_is_small_and_has_its_pattern(family):
    large = config(family, **LARGE[family])
    small = twin.shrink(large)
    made = twin_of(large)
    assert sum(parameter.numel() for parameter in made.parameters()) < 3_000_000
    assert small.num_hidden_layers == 4
    assert large.vocab_size > small.vocab_size == 512
    kinds = getattr(large, "layer_types", None)
    assert set(getattr(small, "layer_types", None) or ()) == set(kinds or ())
    assert getattr(small, "sliding_window", None) == getattr(large, "sliding_window", None)
    if (groups := getattr(large, "num_key_value_heads", None)) is not None:
        assert small.num_attention_heads / small.num_key_value_heads == large.num_attention_heads / groups


def test_a_rare_kind_of_layer_is_in_the_twin():
    large = config("gemma3_text", num_hidden_layers=26)
    assert large.layer_types.index("full_attention") == 5
    assert twin.shrink(large).layer_types == ["sliding_attention"] * 3 + ["full_attention"]


@cache
def reference(family: str):
    return twin_of(config(family))


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "gpt2"])
@pytest.mark.parametrize("wrong", ["mask", "positions", "scale"])
def test_a_wrong_attention_is_seen_from_afar(family, wrong, monkeypatch):
    from transformers import AttentionInterface

    from llms.engine import attention

    def attend(module, query, key, value, mask, **options):
        layout = attention._active.layout
        if wrong == "mask":  # siblings are seen
            object.__setattr__(layout, "trees", tuple(whole(tree) for tree in layout.trees))
            layout.__dict__.pop("spans_and_crosses", None)
        if wrong == "scale":
            options["scaling"] = 0.7 * (options.get("scaling") or query.shape[-1] ** -0.5)
        return real(module, query, key, value, mask, **options)

    def whole(tree):
        first = tree.pieces[0]
        return attention.Tree((type(first)(tree.start, tree.end, first.position),), tree.stored)

    class Shifted(Network):
        def forward(self, tokens, layout, rows):
            if wrong == "positions":  # of the chunk, not of the path
                first = layout.positions[0]
                object.__setattr__(layout, "positions", tuple(range(first, first + len(tokens))))
            return super().forward(tokens, layout, rows)

    real = attention.attend
    monkeypatch.setattr(attention, "register", lambda: None)
    monkeypatch.setattr("llms.engine.network.register", lambda: AttentionInterface.register(attention.NAME, attend))
    try:
        found = probe(Shifted(reference(family)))
    finally:
        AttentionInterface.register(attention.NAME, real)
    assert not found.supports_tree_attention
    assert found.error > FAR


@pytest.fixture
def counted(monkeypatch):
    made = []
    real = proof.make_twin
    monkeypatch.setattr(proof, "make_twin", lambda *args: made.append(1) or real(*args))
    return made


def test_a_proof_is_kept_for_the_owner_alone_and_made_again_when_it_is_damaged(counted, tmp_path):
    first = proof.proof_of(build("qwen2"))
    (path,) = (tmp_path / "home" / "proofs").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert proof.proof_of(build("qwen2", seed=1)) == first
    assert len(counted) == 1  # weights play no part
    path.write_text('{"supports_tree_attention": tr')
    assert proof.proof_of(build("qwen2")) == first
    assert len(counted) == 2
    assert json.loads(path.read_text())["supports_tree_attention"]


@pytest.mark.parametrize("change", ["window", "transformers", "device"])
def test_a_proof_holds_for_what_it_rests_on_only(counted, monkeypatch, change):
    model = build("mistral")
    proof.proof_of(model)
    if change == "window":
        model.config.sliding_window = 12
    elif change == "transformers":
        proof._machine.cache_clear()
        monkeypatch.setattr(proof.metadata, "version", lambda name: "6.0.0")
    else:
        monkeypatch.setattr(proof, "_machine", lambda device: ["cpu", "another"])
    proof.proof_of(model)
    assert len(counted) == 2
    if change == "transformers":
        proof._machine.cache_clear()


def test_where_nothing_can_be_kept_it_is_proved_each_time(counted, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "file"))
    assert proof.proof_of(build("llama")).supports_tree_attention
    assert proof.proof_of(build("llama")).supports_tree_attention
    assert len(counted) == 2


def test_code_that_comes_with_a_checkpoint_is_run_plain_and_that_is_said():
    model = build("llama")
    type(model).__module__, kept = "transformers_modules.some.modeling", type(model).__module__
    try:
        engine = Engine(model)
    finally:
        type(model).__module__ = kept
    assert not engine.verdict.supports_tree_attention
    assert "its code comes with the checkpoint" in str(engine.verdict.error)
    ((_, score),) = engine.score([ScoreRequest((1, 2, 3, 4), 2)])
    assert score.logprob == pytest.approx(score_alone(build("llama"), (1, 2, 3, 4), 2)[0], abs=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "mpt"])
def test_weights_that_give_no_numbers_are_told_from_attention_that_cannot_share(family):
    model = build(family)
    next(p for p in model.parameters() if p.dim() == 2).data[5] = float("nan")
    list(model.parameters())[-1].data[:] = float("nan")
    engine = Engine(model)
    assert not engine.verdict.finite
    assert engine.verdict.supports_tree_attention == (family == "gpt2")


def test_one_look_at_the_weights_sees_what_differs_from_the_proof():
    model = build("llama")
    assert check(Network(model)).supports_tree_attention

    class Wrong(Network):
        def forward(self, tokens, layout, rows):
            return super().forward([t + 1 for t in tokens], layout, rows)

    assert not check(Wrong(build("llama"))).supports_tree_attention


ROPE = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
KINDS = {
    "llama": {"tie_word_embeddings": True},
    "llama with bias, stretched": {
        "attention_bias": True, "mlp_bias": True,
        "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, **ROPE},
    },
    "mistral": {"sliding_window": 100},
    "qwen2": {},
    "qwen3": {"head_dim": 24},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_llama_scores_as_transformers_classes_do(kind):
    found = config(kind.split()[0], num_key_value_heads=8, **KINDS[kind]).to_dict()
    sizes = read_sizes(found)
    assert sizes is not None
    proved = proof.prove_llama(sizes, found)
    assert proved.supports_tree_attention, proved
    assert proved.error < TOLERANCE[torch.float32] / 10


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "gelu"}, {"use_sliding_window": True}, {"rms_norm_eps": None}, {"model_type": "phi3"},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0}}, {"rope_parameters": None},
        {"quantization_config": {"quant_method": "awq"}}, {"partial_rotary_factor": 0.5},
    ],
)  # fmt: skip
def test_what_a_configuration_leaves_open_is_left_to_transformers(change):
    known = config("llama").to_dict()
    assert read_sizes(known) is not None
    assert read_sizes({**known, **change}) is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_checkpoint_without_transformers_scores_as_with_it(tiny, dtype):
    from transformers import AutoModelForCausalLM

    from llms.models.load import load

    requests = [ScoreRequest(tuple(range(3, 40 + n)), n) for n in (1, 7, 20)]
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    with load(f"hf:{tiny}?dtype={dtype}") as ours:
        assert isinstance(ours.engine.network, LlamaNetwork)
        assert ours.note is None
        for index, score in ours.engine.score(requests):
            expected, _ = score_alone(model, requests[index].tokens, requests[index].scored)
            close = 1e-4 if dtype == "float32" else 0.1 * requests[index].scored
            assert score.logprob == pytest.approx(expected, abs=close)


def test_arithmetic_that_differs_is_not_used(tiny, monkeypatch):
    from llms.engine import llama
    from llms.models.load import load

    monkeypatch.setattr(llama.Rotary, "forward", lambda self, like, at: (torch.ones(1, at.shape[1], 16),) * 2)
    with load(f"hf:{tiny}") as ours:
        assert type(ours.engine.network) is Network
        assert ours.engine.verdict.supports_tree_attention


def test_weights_of_other_names_or_shapes_are_refused():
    sizes = read_sizes(config("llama", num_hidden_layers=1, hidden_size=32, intermediate_size=64, vocab_size=VOCABULARY,
                              num_attention_heads=2, num_key_value_heads=1).to_dict())  # fmt: skip
    with pytest.raises(KeyError, match="embed_tokens"):
        Llama(sizes, {})
    with pytest.raises(ValueError, match="expected"):
        Llama(sizes, {"model.embed_tokens.weight": torch.zeros(3, 32)})


def test_weights_without_numbers_are_said(tmp_path):
    from safetensors.torch import load_file, save_file

    from llms.models.load import load

    folder = save_checkpoint(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with load(f"hf:{folder}") as model:
        model.prepare()
        assert "model.layers.1.mlp.up_proj.weight" in model.note  # what is damaged, not a way of computing
        assert "cannot share prefixes" not in model.note


def test_a_proved_checkpoint_is_loaded_without_a_heavy_library_but_torch(tiny):
    from llms.models.load import load

    with load(f"hf:{tiny}") as model:
        model.prepare()
    code = f"""
import sys
from llms.models.load import load
with load("hf:{tiny}", chat=True) as model:
    model.prepare()
print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    assert not {"transformers", "scipy", "pyarrow", "datasets", "bitsandbytes", "pydantic_ai"} & set(loaded)
