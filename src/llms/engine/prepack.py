"""Linear layers in the form in which this processor multiplies fastest.

Weights are laid out once for the matrix kernels (oneDNN), instead of at every call: worth 8-11 % in float32.
The operators are internal to PyTorch: they are tried on a real weight first, and left alone if they are missing
or differ. A single row is another matter: without AVX-512 it takes a third less time with weights stored by columns.
A processor without arithmetic in 16 bits multiplies such weights at a seventh of its float32 rate; there they are
widened at each call, which costs little and keeps them small in between (benchmarks/LOG.md).
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from types import MethodType
from typing import Protocol, TypeGuard

import torch
from torch import Tensor, nn

_ROWS = 512  # the batch that the layout is made for; it serves every other one as well
_FEW = 4  # rows; with fewer, widening a weight takes longer than multiplying by it as it is


class _LinearLayer(Protocol):
    """nn.Linear, or transformers' Conv1D, which has its weight turned."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def forward(self, x: Tensor, /) -> Tensor: ...


class Packed:
    """The linear layers of `model`, laid out for this processor where that works; `layers` is empty where not."""

    def __init__(self, model: nn.Module):
        layers = [module for module in _reading_text(model) if _is_linear(module)]
        self.layers = layers if layers and _works(layers[0]) else []
        owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
        self._alone = [layer for layer in self.layers if owners[id(layer.weight)] == 1]
        self._weights: list[Tensor] = []
        for layer in self.layers:
            _replace(layer)
        if not self.layers:
            for layer in layers:
                if layer.weight.device.type == "cpu" and layer.weight.dtype in (torch.bfloat16, torch.float16):
                    _widen(layer)

    def free(self) -> None:
        """Drop the original weights that only these layers hold, so that memory does not grow."""
        self._weights = [layer.weight.data for layer in self._alone]
        for layer in self._alone:
            layer.weight.data = layer.weight.new_empty(0)

    def keep(self) -> None:
        """Make `free` final."""
        self._weights = []

    def undo(self) -> None:
        """Give every layer its own weight and forward back; only before `keep`."""
        for layer, weight in zip(self._alone, self._weights, strict=False):
            layer.weight.data = weight
        for layer in self.layers:
            del vars(layer)["forward"]
        self.layers = []


def _reading_text(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that read text: nothing is proved of how others, which see, use their weights."""
    if getattr(getattr(model, "config", None), "vision_config", None) is None:
        return model.modules()
    decoder, head = getattr(model, "get_decoder", None), getattr(model, "get_output_embeddings", None)
    parts = [part for get in (decoder, head) if get is not None and (part := get()) is not None]
    unique = {id(module): module for part in parts if part is not model for module in part.modules()}
    return iter(unique.values())


@cache
def computes_bfloat16() -> bool:
    """Whether this processor has arithmetic of its own for bfloat16."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "sve_bf16"))


BESIDE = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))  # layers that read the same input


def by_columns(model: nn.Module) -> bool:
    """Store the linear layers' weights by columns, those of a group BESIDE each other as one; False, and nothing
    changed, where that is no gain. The first layer of a group gets them all as `whole`, (inputs, outputs)."""
    layers = [module for module in model.modules() if type(module) is nn.Linear]
    slow = torch.backends.cpu.get_cpu_capability() == "AVX2"
    if not layers or not slow or layers[0].weight.device.type != "cpu" or layers[0].weight.dtype != torch.float32:
        return False
    owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    done: set[int] = set()
    for parent in model.modules():
        for names in BESIDE:
            group = [layer for name in names if type(layer := getattr(parent, name, None)) is nn.Linear]
            if len(group) == len(names) and all(owners[id(layer.weight)] == 1 for layer in group):
                _join(group)
                done.update(map(id, group))
    for layer in layers:
        if owners[id(layer.weight)] > 1:  # the embedding reads the same weight by rows
            turned = layer.weight.detach().t().contiguous().t()
            vars(layer)["forward"] = MethodType(
                lambda self, x, turned=turned: nn.functional.linear(x, turned, self.bias), layer
            )
        elif id(layer) not in done:
            _join([layer])
    return True


def _join(group: list[nn.Linear]) -> None:
    """Store the weights of `group` by columns, side by side; each layer keeps a view of its own part."""
    first = group[0].weight
    whole = first.new_empty(first.shape[1], sum(layer.out_features for layer in group), requires_grad=False)
    vars(group[0])["whole"] = whole
    start = 0
    for layer in group:
        whole[:, start : start + layer.out_features] = layer.weight.detach().t()
        layer.weight.data = whole.t()[start : start + layer.out_features]
        start += layer.out_features


def _replace(layer: _LinearLayer) -> None:
    """Let `layer` multiply by its weight as laid out for this processor."""
    packed, bias, width = _pack(layer), layer.bias, _matrix(layer).shape[0]

    def forward(self: _LinearLayer, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return _multiply(flat, packed, bias).view(*x.shape[:-1], width)

    vars(layer)["forward"] = MethodType(forward, layer)


def _widen(layer: _LinearLayer) -> None:
    """Multiply in float32 and round the result: what arithmetic in 16 bits gives, which sums in float32 as well."""

    def forward(self: _LinearLayer, x: Tensor) -> Tensor:
        if x.numel() < _FEW * x.shape[-1]:
            return type(self).forward(self, x)
        bias = None if self.bias is None else self.bias.float()
        return nn.functional.linear(x.float(), _matrix(self).float(), bias).to(x.dtype)

    vars(layer)["forward"] = MethodType(forward, layer)


def _is_linear(module: nn.Module) -> TypeGuard[_LinearLayer]:
    return type(module) is nn.Linear or _turned(module)


def _turned(module: object) -> bool:
    """Whether it is transformers' Conv1D: a linear layer whose weight is (inputs, outputs)."""
    return type(module).__name__ == "Conv1D" and type(module).__module__.startswith("transformers.")


def _matrix(layer: _LinearLayer) -> Tensor:
    """The weight as (outputs, inputs)."""
    weight = layer.weight.detach()
    return weight.t().contiguous() if _turned(layer) else weight


def _pack(layer: _LinearLayer) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(_matrix(layer), _ROWS)
    return packed


def _multiply(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    return product


@torch.inference_mode()
def _works(layer: _LinearLayer) -> bool:
    """Whether the operators are there and give what an ordinary product gives."""
    weight = layer.weight
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return False
    x = torch.linspace(-1, 1, 3 * _matrix(layer).shape[1], dtype=torch.float32).view(3, -1).to(weight.dtype)
    try:
        result = _multiply(x, _pack(layer), layer.bias)
    except (AttributeError, RuntimeError, TypeError):
        return False
    expected = nn.functional.linear(
        x.float(), _matrix(layer).float(), None if layer.bias is None else layer.bias.float()
    )
    error = (result.float() - expected).abs().max() / expected.abs().max().clamp_min(1e-6)
    return bool(error < (1e-4 if weight.dtype == torch.float32 else 2e-2))
