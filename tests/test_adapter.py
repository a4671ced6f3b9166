"""LoRA adapters: merged as PEFT merges them, counted into the identity, refused where they do not fit."""

import json

import pytest
import torch

from llms.errors import ModelError, UnsafeCheckpoint
from llms.models.load import load

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
    import shutil

    folder, _ = adapter
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert load(f"hf:{tiny}?adapter={copy}").identity.adapter == load(f"hf:{tiny}?adapter={folder}").identity.adapter
    content = bytearray((copy / "adapter_model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "adapter_model.safetensors").write_bytes(content)
    assert load(f"hf:{tiny}?adapter={copy}").identity.adapter != load(f"hf:{tiny}?adapter={folder}").identity.adapter


def test_a_folder_that_is_no_adapter_is_refused(tiny, adapter, tmp_path):
    import shutil

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
