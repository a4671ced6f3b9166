"""Linear layers in another form give what they gave before."""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from llms.engine import Engine, prepack
from test_engine_scoring import assert_equal, tree_of_a_benchmark
from tiny import build


def layers(dtype: torch.dtype) -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList([nn.Linear(96, 40), nn.Linear(96, 40, bias=False), Conv1D(40, 96)]).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rows", [1, prepack._FEW, 50])
@torch.inference_mode()
def test_weights_in_16_bits_multiply_the_same_on_a_processor_without_such_arithmetic(dtype, rows, monkeypatch):
    monkeypatch.setattr(prepack, "_works", lambda layer: False)
    before = layers(dtype)
    after = layers(dtype)
    prepack.Packed(after)
    x = torch.randn(2, rows, 96).to(dtype)
    for old, new in zip(before, after, strict=True):
        assert new(x).dtype == dtype
        torch.testing.assert_close(new(x), old(x), rtol=2 * torch.finfo(dtype).eps, atol=2 * torch.finfo(dtype).eps)
        assert new.weight.dtype == dtype
        assert new.weight.numel() == old.weight.numel()


def test_float32_stays_as_it_is_where_nothing_is_faster(monkeypatch):
    monkeypatch.setattr(prepack, "_works", lambda layer: False)
    engine = Engine(build("llama"))
    assert not any("forward" in vars(module) for module in engine.network.model.modules())
    requests = tree_of_a_benchmark()
    assert_equal(build("llama"), dict(engine.score(requests)), requests)
