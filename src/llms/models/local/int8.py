"""Weights in 8 bits: one scale per output, activations as they are.

Each product widens its weight first, which takes less time than the multiplication (benchmarks/LOG.md); nothing is
rounded but the weights, so that a row's result depends on no other row. Known as W8A16.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...engine.llama import Llama
from ...engine.prepack import computes_bfloat16

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Int8(nn.Module):
    """A linear layer made of `layer`'s rounded weights; its input and output have the type that they had."""

    weight: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear, scratch: Tensor):
        """`scratch` has room for the weight in float32, and is written over."""
        super().__init__()
        wide = scratch[: layer.weight.numel()].view(layer.weight.shape).copy_(layer.weight.detach())
        least, most = wide.aminmax(dim=1)
        scale = torch.maximum(most, -least).clamp_min(torch.finfo(torch.float32).tiny) / 127
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.register_buffer("weight", wide.div_(scale[:, None]).round_().to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        narrow = x.dtype != torch.float32 and (x.device.type != "cpu" or computes_bfloat16())
        wide = x if narrow else x.float()
        product = nn.functional.linear(wide, self.weight.to(wide.dtype)) * self.scale
        return (product if self.bias is None else product + self.bias).to(x.dtype)


@torch.inference_mode()
def to_int8(model: "PreTrainedModel | Llama") -> int:
    """Replace every linear layer of a transformers `model` but the one that gives logits; how many there were.

    All are rounded in one scratch: were each given its own, the rounded weights would come to lie between those, and the C
    library cannot use the gaps again, which together take as much as the weights in float32.
    """
    head, count = model.get_output_embeddings(), 0
    sizes = [layer.weight.numel() for layer in model.modules() if type(layer) is nn.Linear and layer is not head]
    scratch = torch.empty(max(sizes, default=0), dtype=torch.float32, device=next(model.parameters()).device)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear and layer is not head:
                setattr(parent, name, Int8(layer, scratch))
                count += 1
    return count
