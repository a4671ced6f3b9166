"""LoRA adapters: merged as PEFT merges them, counted into the identity, refused where they do not fit."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from llms.engine.llama import Llama
from llms.errors import ModelError, UnknownName, UnsafeCheckpoint
from llms.models import default
from llms.models.load import load
from llms.models.local import adapter as adapters
from llms.models.local.adapter import Adapter, AdapterBase
from llms.models.local.construct import _llama
from llms.web.service.model_choices import _runnable
from llms.workbench.models import listing

pytest.importorskip("peft", reason="needs peft: pip install 'llm-engineering[train]'")
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT asks for it
PAIRS = [("abc", " def"), ("the quick brown", " fox")]


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory):
    """A random adapter over the tiny model, and PEFT's own log-probabilities of PAIRS with it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, config).eval()
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.2)
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    return folder, [alone(model, tiny, *pair) for pair in PAIRS]


@torch.inference_mode()
def alone(model, tiny, context, continuation):
    tokenizer = load(f"hf:{tiny}").tokenizer
    ids = tokenizer.encode([context + continuation])[0]
    scored = len(ids) - len(tokenizer.encode([context])[0])
    logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(logprobs[i - 1, ids[i]].item() for i in range(len(ids) - scored, len(ids)))


def test_a_merged_adapter_gives_what_peft_gives(tiny, adapter):
    folder, expected = adapter
    with load(f"hf:{tiny}?adapter={folder}") as model, load(f"hf:{tiny}") as base:
        found = [result.logprob for result in model.loglikelihood(PAIRS)]
        assert found == pytest.approx(expected, abs=1e-4)
        assert found != pytest.approx([result.logprob for result in base.loglikelihood(PAIRS)], abs=0.1)
        assert model.identity.adapter
        assert model.identity != base.identity


@pytest.mark.parametrize(("quantize", "near"), [("int8", 0.3), ("nf4", 6.0)])
def test_an_adapter_is_merged_before_bits_are_taken_away(tiny, adapter, quantize, near):
    folder, expected = adapter
    with load(f"hf:{tiny}?adapter={folder}&quantize={quantize}") as model:
        found = [result.logprob for result in model.loglikelihood(PAIRS)]
        assert found == pytest.approx(expected, abs=near)
        assert model.engine.verdict.supports_tree_attention


def test_the_identity_follows_the_adapters_weights(tiny, adapter, tmp_path):
    folder, _ = adapter
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert load(f"hf:{tiny}?adapter={copy}").identity.adapter == load(f"hf:{tiny}?adapter={folder}").identity.adapter
    content = bytearray((copy / "adapter_model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "adapter_model.safetensors").write_bytes(content)
    assert load(f"hf:{tiny}?adapter={copy}").identity.adapter != load(f"hf:{tiny}?adapter={folder}").identity.adapter


def test_a_folder_that_is_no_adapter_is_refused(tiny, adapter, tmp_path):
    with pytest.raises(ModelError, match=r"nowhere does not exist; expected adapter_config\.json"):
        load(f"hf:{tiny}?adapter={tmp_path / 'nowhere'}")
    with pytest.raises(ModelError, match=r"has no adapter_config\.json"):
        load(f"hf:{tiny}?adapter={tiny}")
    copy = shutil.copytree(adapter[0], tmp_path / "copy")
    (copy / "adapter_model.safetensors").rename(copy / "adapter_model.bin")
    with pytest.raises(UnsafeCheckpoint, match="pickled"):
        load(f"hf:{tiny}?adapter={copy}")
    (copy / "adapter_config.json").write_text(json.dumps({"peft_type": "PREFIX_TUNING"}))
    (copy / "adapter_model.bin").rename(copy / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="only LORA can be merged"):
        load(f"hf:{tiny}?adapter={copy}")


def test_an_adapter_for_another_base_is_refused(tiny, adapter, tmp_path):
    from tiny import build, byte_tokenizer

    other = tmp_path / "other"
    byte_tokenizer().save_pretrained(other)
    build("llama").save_pretrained(other)
    with pytest.raises(ModelError, match=r"is for another model .*: it changes model\.layers\.0.* and this model has"):
        load(f"hf:{other}?adapter={adapter[0]}").prepare()


def variant(tiny, folder, **fields):
    """A random adapter of another kind, and PEFT's own log-probabilities of PAIRS with it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    config = LoraConfig(
        **{"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "up_proj"], "task_type": "CAUSAL_LM", **fields}
    )
    model = get_peft_model(base, config).eval()
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.2)
    model.save_pretrained(folder)
    return [alone(model, tiny, *pair) for pair in PAIRS]


@pytest.mark.parametrize(
    ("fields", "fast"),
    [
        ({}, True),
        ({"use_rslora": True}, True),
        ({"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 32}}, False),
        ({"use_dora": True}, False),
        ({"modules_to_save": ["norm"]}, False),
    ],
    ids=str,
)
def test_every_kind_of_adapter_gives_what_peft_gives(tiny, tmp_path, fields, fast):
    """Plain ones on the engine's own Llama, which needs no transformers; the others through PEFT."""
    expected = variant(tiny, tmp_path, **fields)
    with load(f"hf:{tiny}?adapter={tmp_path}") as model:
        assert [result.logprob for result in model.loglikelihood(PAIRS)] == pytest.approx(expected, abs=1e-4)
        assert isinstance(model.engine.network.model, Llama) == fast


def test_merged_weights_are_those_of_peft(tiny, adapter):
    """In float32 to the last bits; into bfloat16 rounded once, of the float32 sum."""
    from transformers import AutoModelForCausalLM

    folder, _ = adapter
    merged = Adapter(folder).merged(AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)).state_dict()
    for dtype, most in (("float32", 1e-6), ("bfloat16", 0.0)):
        folder_config = json.loads((Path(tiny) / "config.json").read_text())
        weights = _llama(load(f"hf:{tiny}?adapter={folder}&dtype={dtype}").build(), folder_config).state_dict()
        for name in ("model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"):
            expected = merged[name].to(getattr(torch, dtype))
            assert (weights[name] - expected).abs().max() <= most


def test_an_adapter_that_comes_along_is_named_by_its_name(tiny, adapter, tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "SHIPPED", tmp_path)
    shutil.copytree(adapter[0], tmp_path / "sums")
    with load(f"hf:{tiny}?adapter=sums") as model:
        assert model.adapter.folder == tmp_path / "sums"
        assert [result.logprob for result in model.loglikelihood(PAIRS)] == pytest.approx(adapter[1], abs=1e-4)
    with pytest.raises(UnknownName, match=r"unknown adapter 'sum'; did you mean sums"):
        load(f"hf:{tiny}?adapter=sum")
    with pytest.raises(UnknownName, match=r"unknown adapter 'zzz'; known: \./FOLDER, sums"):
        load(f"hf:{tiny}?adapter=zzz")
    with pytest.raises(ModelError, match="does not exist"):
        load(f"hf:{tiny}?adapter=./sum")


def test_an_adapter_in_a_folder_is_named_from_where_one_stands(tiny, adapter, tmp_path, monkeypatch):
    shutil.copytree(adapter[0], tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "./mine", str(tmp_path / "mine")):
        assert load(f"hf:{tiny}?adapter={name}").adapter.folder == tmp_path / "mine"


def test_an_adapter_of_another_model_is_refused_before_anything_is_loaded(tiny, adapter, tmp_path):
    folder = shutil.copytree(adapter[0], tmp_path / "mine")
    with load(f"hf:{tiny}") as base:
        AdapterBase("hf:base", base.identity.weights).write(folder)
    load(f"hf:{tiny}?adapter={folder}").check()
    other = shutil.copytree(tiny, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    with pytest.raises(ModelError, match=r"was trained on hf:base .*allow=another-base"):
        load(f"hf:{other}?adapter={folder}").check()
    load(f"hf:{other}?adapter={folder}&allow=another-base").check()


def test_shapes_are_compared_before_anything_is_loaded(tiny, adapter, tmp_path):
    from tiny import build, byte_tokenizer

    byte_tokenizer().save_pretrained(tmp_path)
    build("llama").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is for another model"):
        load(f"hf:{tmp_path}?adapter={adapter[0]}").check()


def test_adapters_that_come_along_are_listed_as_models(adapter, tmp_path, monkeypatch):
    monkeypatch.setattr(adapters, "SHIPPED", tmp_path)
    monkeypatch.setattr("llms.workbench.models.SHIPPED", tmp_path)
    shutil.copytree(adapter[0], tmp_path / "sums")
    rows = {row.name: row for row in listing()}
    assert rows["smollm2?adapter=sums"].state == rows["smollm2"].state
    assert rows["smollm2?adapter=sums"].detail == str(tmp_path / "sums")
    assert any(choice.name == "smollm2?adapter=sums" for choice in _runnable(rows.values()))


def test_a_default_model_means_the_same_adapter_in_every_folder(adapter, tmp_path, monkeypatch):
    shutil.copytree(adapter[0], tmp_path / "mine")
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert default.choose("smollm2?adapter=mine&dtype=float32") == f"smollm2?adapter={tmp_path}/mine&dtype=float32"
