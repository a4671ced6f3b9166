"""Fewer bits: near the whole weights, told apart from them, refused where they cannot work."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llms.errors import ModelError, UsageError
from llms.models.load import load
from llms.models.local import precision
from llms.models.local.int8 import Int8

PAIRS = [("abc", " def"), ("abc", " xyz"), ("the quick brown", " fox")]


@pytest.fixture(scope="module")
def whole(tiny):
    with load(f"hf:{tiny}") as model:
        yield model


def test_eight_bits_are_the_rounded_weights_and_nothing_else_is_rounded():
    torch.manual_seed(0)
    layer = torch.nn.Linear(96, 40)
    x = torch.randn(2, 7, 96)
    x[0, 0, 0] = 1e4  # an outlier in one row
    small = Int8(layer, torch.full((96 * 40 + 7,), torch.nan))  # a larger layer was rounded in it before
    step = layer.weight.abs().amax(1) / 127
    assert ((small.weight * small.scale[:, None] - layer.weight).abs() <= step[:, None] * 0.501).all()
    rounded = torch.nn.functional.linear(x, small.weight * small.scale[:, None], layer.bias)
    torch.testing.assert_close(small(x), rounded, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(small(x)[1], small(x[1]), rtol=1e-6, atol=1e-6)
    assert small(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(("options", "near"), [("quantize=int8", 0.15), ("quantize=nf4", 3.0)])
def test_fewer_bits_give_nearly_the_same_and_another_identity(tiny, whole, options, near):
    expected = whole.loglikelihood(PAIRS)
    with load(f"hf:{tiny}?{options}") as model:
        found = model.loglikelihood(PAIRS)
        assert model.engine.verdict.supports_tree_attention
        assert model.engine.network.fast_decode is not None
        assert model.identity.quantization.startswith(options.partition("=")[2])
        assert model.identity.weights == whole.identity.weights
        for a, b in zip(expected, found, strict=True):
            assert 0 < abs(a.logprob - b.logprob) < near
        (text,) = model.generate(["ab"], max_tokens=6)
        assert "".join(delta.text for delta in model.stream(_request("ab", 6))) == text.text


def test_forked_workers_give_what_one_process_gives(tiny):
    with load(f"hf:{tiny}?quantize=nf4") as one, load(f"hf:{tiny}?quantize=nf4", workers=2) as two:
        pairs = PAIRS * 8
        for a, b in zip(one.loglikelihood(pairs), two.loglikelihood(pairs), strict=True):
            assert b.logprob == pytest.approx(a.logprob, abs=1e-4)


def test_four_bits_let_the_file_of_their_weights_go(tiny):
    """In a process of its own: a weight that stays as it is must not keep the whole file in memory."""
    code = (
        "import sys\n"
        "from llms.models.load import load\n"
        "with load(sys.argv[1]) as model:\n"
        "    model.generate(['ab'], max_tokens=2)\n"
        "    print(sum('.safetensors' in line for line in open('/proc/self/maps')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, f"hf:{tiny}?quantize=nf4"], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["0"]


def test_a_checkpoint_saved_in_four_bits_loads_and_says_so(tiny, tmp_path):
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    shutil.copytree(tiny, tmp_path / "small")
    small = AutoModelForCausalLM.from_pretrained(tiny, quantization_config=config, dtype=torch.float32)
    small.save_pretrained(tmp_path / "small")
    with load(f"hf:{tiny}?quantize=nf4") as at_once, load(f"hf:{tmp_path / 'small'}") as saved:
        assert saved.identity.quantization == "stored by bitsandbytes nf4"
        for a, b in zip(at_once.loglikelihood(PAIRS), saved.loglikelihood(PAIRS), strict=True):
            assert b.logprob == pytest.approx(a.logprob, abs=1e-4)
    again = load(f"hf:{tmp_path / 'small'}?quantize=int8")
    with pytest.raises(UsageError, match="quantized already"):
        again.prepare()


def test_what_cannot_work_is_said_before_loading(tiny, tmp_path):
    with pytest.raises(UsageError, match="on a processor nf4 computes in float32 or bfloat16"):
        load(f"hf:{tiny}?quantize=nf4&dtype=float16&device=cpu").prepare()
    folder = Path(shutil.copytree(tiny, tmp_path / "gptq"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"not read")
    with pytest.raises(ModelError, match="stored by gptq, which needs a GPU"):
        load(f"hf:{folder}?device=cpu").prepare()


def test_what_works_badly_here_is_said(tiny, monkeypatch):
    monkeypatch.setattr(precision, "_avx512", lambda: False)
    assert "several times slower" in load(f"hf:{tiny}?dtype=float16&device=cpu").note
    assert "cost time" in load(f"hf:{tiny}?quantize=nf4&device=cpu").note
    assert load(f"hf:{tiny}?device=cpu").note is None


def test_chat_computes_in_bfloat16_where_the_processor_does(tiny, monkeypatch):
    for native, dtype in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr("llms.engine.prepack.computes_bfloat16", lambda native=native: native)
        assert load(f"hf:{tiny}?device=cpu", chat=True).dtype == dtype
        assert load(f"hf:{tiny}?device=cpu").dtype == "float32"  # scores stay comparable over machines
        assert load(f"hf:{tiny}?device=cpu&dtype=float32", chat=True).dtype == "float32"


def _request(text: str, tokens: int):
    from llms.models.system import Generate

    return Generate(text, tokens)
