"""Llama-like models without their modules: the same arithmetic in a third of the calls.

A step of one row is so little work that half of its time went into calling modules and small operators
(benchmarks/LOG.md). The linear layers are called as they are, packed or quantized. Other models, and one whose
numbers differ when the probe tries it, keep their own forward.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm

from .attention import attend, laid_out
from .layout import Layout

KINDS = ("llama", "mistral", "qwen2", "qwen3")  # model types whose layers have the parts that are used here
Apply = Callable[[Tensor], Tensor]


class _LinearPart(Protocol):
    """nn.Linear, or what quantization puts in its place."""

    out_features: int
    bias: Tensor | None

    def forward(self, x: Tensor, /) -> Tensor: ...


class _NormPart(Protocol):
    weight: Tensor
    variance_epsilon: float


class _AttentionPart(Protocol):
    layer_idx: int
    head_dim: int
    scaling: float
    q_proj: _LinearPart
    k_proj: _LinearPart
    v_proj: _LinearPart
    o_proj: _LinearPart


class _MlpPart(Protocol):
    gate_proj: _LinearPart
    up_proj: _LinearPart
    down_proj: _LinearPart
    act_fn: nn.Module


class _LayerPart(Protocol):
    self_attn: _AttentionPart
    mlp: _MlpPart
    input_layernorm: _NormPart
    post_attention_layernorm: _NormPart


class _DecoderPart(Protocol):
    embed_tokens: Callable[[Tensor], Tensor]
    rotary_emb: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    layers: Sequence[_LayerPart]
    norm: _NormPart


class _LlamaLike(Protocol):
    """The parts of a model of one of KINDS, by the names that transformers gives them."""

    model: _DecoderPart
    lm_head: Apply


class FastDecode:
    """Decodes with the weights of `model`, whose model type is one of KINDS."""

    def __init__(self, model: nn.Module):
        parts = cast(_LlamaLike, model)  # torch types no submodule
        self._embed, self._rotary = parts.model.embed_tokens, parts.model.rotary_emb
        self._layers = [_FastLayer(layer) for layer in parts.model.layers]
        self._norm, self._head = _FastNorm(parts.model.norm), parts.lm_head

    @torch.inference_mode()
    def forward(
        self, tokens: Sequence[int], layout: Layout, rows: Sequence[int] | None = None, written_out: bool = False
    ) -> Tensor:
        """Logits (rows, V) after the tokens at `rows` of the chunk, or after all; attention as `laid_out` says."""
        hidden = self._embed(torch.tensor(tokens))
        cos, sin = self._rotary(hidden[None], torch.tensor([layout.positions]))
        half = cos.shape[-1] // 2
        turn = cos[0, :, None], torch.cat([-sin[0, :, None, :half], sin[0, :, None, half:]], -1)
        with laid_out(layout, written_out):
            for layer in self._layers:
                hidden = layer(hidden, *turn)
        if rows is not None:
            hidden = hidden[list(rows)]
        return self._head(self._norm(hidden))


@dataclass(slots=True)
class _FastNorm:
    """A root-mean-square norm of transformers', as one operator (Zhang & Sennrich 2019)."""

    weight: Tensor
    epsilon: float

    def __init__(self, module: _NormPart):
        self.weight, self.epsilon = module.weight, module.variance_epsilon

    def __call__(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class _FastLayer:
    """A layer's parts, looked up once."""

    def __init__(self, layer: _LayerPart):
        attention, mlp = layer.self_attn, layer.mlp
        self._attention, self._width, self._scale = attention, attention.head_dim, attention.scaling
        owner: object = attention if hasattr(attention, "sliding_window") else getattr(attention, "config", None)
        self._windowed = owner if getattr(owner, "sliding_window", None) else None  # read anew: probing shortens it
        self._heads = attention.q_proj.out_features // self._width
        self._turned = self._heads + attention.k_proj.out_features // self._width
        self._attend_to: Apply = _joined(attention.q_proj, attention.k_proj, attention.v_proj)
        self._gate_up = _pair(mlp.gate_proj, mlp.up_proj)
        self._out, self._down = _added(attention.o_proj), _added(mlp.down_proj)
        self._bend: Apply = mlp.act_fn.forward
        self._before, self._between = _FastNorm(layer.input_layernorm), _FastNorm(layer.post_attention_layernorm)
        per_head = [norm for name in ("q_norm", "k_norm") if (norm := getattr(attention, name, None)) is not None]
        self._per_head = (_FastNorm(per_head[0]), _FastNorm(per_head[1])) if per_head else None

    def __call__(self, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """hidden (rows, H); cos and sin (rows, 1, D), the first half of sin negative."""
        rows, heads, turned = len(hidden), self._heads, self._turned
        parts = self._attend_to(self._before(hidden)).view(rows, -1, self._width)  # heads of query, key, value
        both, value = parts[:, :turned], parts[:, turned:].transpose(0, 1)[None]
        if self._per_head:
            both = torch.cat([self._per_head[0](both[:, :heads]), self._per_head[1](both[:, heads:])], 1)
        both = torch.addcmul(both * cos, both.roll(self._width // 2, -1), sin).transpose(0, 1)[None]
        window: int | None = getattr(self._windowed, "sliding_window", None)
        seen, _ = attend(
            self._attention, both[:, :heads], both[:, heads:], value, None, self._scale, sliding_window=window
        )
        hidden = self._out(hidden, seen.reshape(rows, -1))
        gate, up = self._gate_up(self._between(hidden))
        return self._down(hidden, self._bend(gate) * up)


def _joined(*layers: _LinearPart) -> Apply:
    """All layers' outputs side by side, in one product where their weights lie so."""
    whole: Tensor | None = getattr(layers[0], "whole", None)
    if whole is None:
        return lambda x: torch.cat([layer.forward(x) for layer in layers], -1)
    biases = [layer.bias for layer in layers if layer.bias is not None]
    if not biases:
        return lambda x: torch.mm(x, whole)
    bias = torch.cat(biases)
    return lambda x: torch.addmm(bias, x, whole)


def _pair(a: _LinearPart, b: _LinearPart) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Both layers' outputs; side by side in memory only where one product makes them."""
    if getattr(a, "whole", None) is None:
        return lambda x: (a.forward(x), b.forward(x))
    joined = _joined(a, b)
    return lambda x: joined(x).chunk(2, -1)


def _added(layer: _LinearPart) -> Callable[[Tensor, Tensor], Tensor]:
    """hidden + layer(x)"""
    whole: Tensor | None = getattr(layer, "whole", None)
    if whole is None or layer.bias is not None:
        return lambda hidden, x: hidden + layer.forward(x)
    return lambda hidden, x: torch.addmm(hidden, x, whole)
