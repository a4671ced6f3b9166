"""Merging an adapter: what is read back computes as model and adapter together, or nothing is kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from llms.errors import ModelError, UsageError
from llms.models.load import load
from llms.models.local.checkpoint import Checkpoint
from llms.models.system import Generate
from llms.training import merge as merging
from llms.training.form import TrainingForm
from llms.training.merge import merge_adapter
from llms.training.side_files import restore_side_files, strip_side_files
from tiny import save_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT asks for it
PAIRS = [("abc", " def"), ("the quick brown", " fox")]


def adapter_of(base: Path, folder: Path, targets: object = "all-linear", spread: float = 0.2) -> Path:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    network = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(network, LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, spread)
    model.save_pretrained(folder)
    return folder


def tied(folder: Path) -> Path:
    """The tiny checkpoint with one matrix for embedding and head."""
    save_checkpoint(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    weights = load_file(folder / "model.safetensors")
    weights.pop("lm_head.weight", None)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory):
    return adapter_of(tiny, tmp_path_factory.mktemp("adapter"))


def test_a_merged_model_scores_as_model_and_adapter_do(tiny, adapter, tmp_path):
    proof = merge_adapter(f"hf:{tiny}?adapter={adapter}", tmp_path / "merged")
    assert proof.prompts == 32
    assert 0 < proof.largest_difference < 1e-3
    assert json.loads((tmp_path / "merged" / "merge.json").read_text()) == proof.to_json()
    with load(f"hf:{tiny}?adapter={adapter}") as both, load(f"hf:{tmp_path / 'merged'}") as merged:
        expected = [result.logprob for result in both.loglikelihood(PAIRS)]
        assert [result.logprob for result in merged.loglikelihood(PAIRS)] == pytest.approx(expected, abs=1e-4)


def test_a_merged_model_has_the_tokenizer_and_template_of_its_base_byte_for_byte(tiny, adapter, tmp_path):
    merge_adapter(f"hf:{tiny}?adapter={adapter}", tmp_path / "merged")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tmp_path / "merged" / name).read_bytes() == (Path(tiny) / name).read_bytes()
    with load(f"hf:{tiny}") as base, load(f"hf:{tmp_path / 'merged'}") as merged:
        assert merged.identity.template == base.identity.template
        assert merged.identity.tokenizer == base.identity.tokenizer


def test_a_merged_model_in_bfloat16_is_the_rounded_sum(tiny, adapter, tmp_path):
    proof = merge_adapter(f"hf:{tiny}?adapter={adapter}", tmp_path / "small", "bfloat16")
    merge_adapter(f"hf:{tiny}?adapter={adapter}", tmp_path / "exact")
    assert proof.largest_difference < 1e-3 < proof.rounding
    exact = load_file(tmp_path / "exact" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "small" / "model.safetensors").items():
        assert torch.equal(tensor, exact[name].to(torch.bfloat16))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of PEFT, which says so, too
def test_an_adapter_of_a_tied_matrix_is_refused_before_anything_is_loaded(tmp_path):
    base = tied(tmp_path / "base")
    adapter = adapter_of(base, tmp_path / "adapter", ["lm_head", "q_proj"])
    with pytest.raises(ModelError, match=r"changes lm_head, and hf:.* stores embedding and head as one matrix"):
        merge_adapter(f"hf:{base}?adapter={adapter}", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")  # of PEFT, which says so, too
def test_a_model_that_is_not_read_back_as_it_was_is_refused_and_removed(tmp_path, monkeypatch):
    """Without the first check, the head's change is lost at reload: the proof measures it."""
    base = tied(tmp_path / "base")
    adapter = adapter_of(base, tmp_path / "adapter", ["lm_head", "q_proj"])
    monkeypatch.setattr(merging, "check_tied", lambda model, adapter: None)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelError, match=r"off from model and adapter by [\d.]+ nats; at most 0.001"):
        merge_adapter(f"hf:{base}?adapter={adapter}", tmp_path / "merged")
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_merged_is_refused(tiny, adapter, tmp_path):
    out = tmp_path / "merged"
    with pytest.raises(UsageError, match="names no adapter to merge; write it as .*adapter=FOLDER"):
        merge_adapter(f"hf:{tiny}", out)
    with pytest.raises(UsageError, match="merging into nf4 would round the sum"):
        merge_adapter(f"hf:{tiny}?adapter={adapter}&quantize=nf4", out)
    with pytest.raises(UsageError, match="a GGUF file cannot be merged into"):
        merge_adapter(f"gguf:smollm2?adapter={adapter}", out)
    with pytest.raises(UsageError, match="exists already"):
        merge_adapter(f"hf:{tiny}?adapter={adapter}", Path(adapter))
    with pytest.raises(UsageError, match="float32 or bfloat16, not in int8"):
        merge_adapter(f"hf:{tiny}?adapter={adapter}", out, "int8")
    assert not out.exists()


def test_a_template_for_training_never_stays_in_a_result(tiny, tmp_path):
    from transformers import AutoTokenizer

    for folder in ("adapter", "whole"):
        tokenizer = AutoTokenizer.from_pretrained(tiny)
        tokenizer.chat_template = "{% generation %}another{% endgeneration %}"
        tokenizer.save_pretrained(tmp_path / folder)
    assert "chat_template.jinja" in strip_side_files(tmp_path / "adapter")
    assert not list((tmp_path / "adapter").iterdir())
    base = Checkpoint(Path(tiny))
    assert "chat_template.jinja" in restore_side_files(tmp_path / "whole", base)
    assert Checkpoint(tmp_path / "whole").chat_template == base.chat_template
    assert restore_side_files(tmp_path / "whole", base) == []


def test_the_command_merges_and_says_how_far_it_is_off(tiny, adapter, tmp_path):
    from click.testing import CliRunner

    from llms.cli.models import models

    result = CliRunner().invoke(models, ["merge", f"hf:{tiny}?adapter={adapter}", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    stated = json.loads(result.stdout)
    assert stated["folder"] == str(tmp_path / "out")
    assert stated["largest_difference"] < 1e-3
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_what_trains_is_loaded_without_a_word():
    command = [sys.executable, "-c", "from llms import training; training.merge_adapter"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """The tiny checkpoint and an adapter of it, with two tokens more in its tokenizer than its embedding has rows."""
    from transformers import AutoTokenizer

    folder = save_checkpoint(tmp_path_factory.mktemp("wide") / "model")
    adapter = adapter_of(folder, folder.parent / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["quick", " the"])
    tokenizer.save_pretrained(folder)
    return f"hf:{folder}?adapter={adapter}"


NO_ROW = r"gives the token 25\d \(' ?\w+'\), and its embedding has 258 rows, 0 to 257"


def test_a_tokenizer_that_is_larger_than_the_embedding_is_refused_with_both_sizes(wide, tmp_path):
    with pytest.raises(ModelError, match=NO_ROW):
        merge_adapter(wide, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.loglikelihood([("the quick", " fox")]),
        lambda model: model.generate(["the quick"], max_tokens=2),
        lambda model: list(model.stream(Generate("the quick", 2))),
        lambda model: list(model.trace(["the quick"])),
        lambda model: model.forward([258]),
        lambda model: list(TrainingForm(model).tokenize([TrainingForm(model).completion("ask", "the quick")])),
    ],
)
def test_no_use_of_such_a_model_ends_in_an_index(wide, use):
    with load(wide.partition("?")[0]) as model, pytest.raises(ModelError, match=NO_ROW):
        use(model)
