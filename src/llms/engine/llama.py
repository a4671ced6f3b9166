"""Llama, Mistral, Qwen2 and Qwen3 over plain tensors, for the engine's attention alone.

Their transformers classes cost seven seconds of processor time to import; a checkpoint's configuration and weights say
all that the arithmetic needs. What a configuration says that is not known here, or leaves open, is left to
transformers, and so is a configuration whose twin does not score as transformers' class does (`prove_llama`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..values import JsonObject
from .fast_decode import FastDecode
from .layout import Layout, TokenSpan, Tree
from .network import Network

CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
SIZES = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
)  # fmt: skip
ROTATIONS: dict[str, tuple[str, ...]] = {
    "default": (),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
}


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """The part of a configuration that decides the arithmetic. `width` is of a head; `window` in tokens; `biased` says of which
    layers: qkv, o, mlp; `rotation` is its kind, base and further numbers (Su et al. 2021)."""

    kind: str
    vocabulary: int
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    width: int
    epsilon: float
    window: int | None
    tied: bool
    biased: tuple[str, ...]
    rotation: tuple[str, float, tuple[float, ...]]


def read_sizes(config: JsonObject) -> LlamaShape | None:
    """The shape in a `config.json`; None where it says, or leaves open, something that is not known here."""
    kind, epsilon = config.get("model_type", ""), config.get("rms_norm_eps")
    rotation = _rotation(config)
    sizes = [size for name in SIZES if isinstance(size := config.get(name), int)]
    if not isinstance(kind, str) or kind not in CLASSES or rotation is None or len(sizes) < len(SIZES):
        return None
    if not isinstance(epsilon, int | float) or "hidden_act" not in config:
        return None
    if config["hidden_act"] != "silu" or config.get("use_sliding_window") or "quantization_config" in config:
        return None
    if (kind == "mistral" and "sliding_window" not in config) or (kind == "qwen3" and not config.get("head_dim")):
        return None
    layer_types, width, window = config.get("layer_types"), config.get("head_dim"), config.get("sliding_window")
    if not isinstance(width, int | None):
        return None
    if isinstance(layer_types, list) and any(each != "full_attention" for each in layer_types) and kind != "mistral":
        return None
    bias = ("qkv", "o") if config.get("attention_bias") and kind in ("llama", "qwen3") else ()
    mlp = ("mlp",) if config.get("mlp_bias") and kind == "llama" else ()
    vocabulary, hidden, inner, layers, heads, kv_heads = sizes
    return LlamaShape(
        kind,
        vocabulary,
        hidden,
        inner,
        layers,
        heads,
        kv_heads,
        width or hidden // heads,
        epsilon,
        window if isinstance(window, int) and kind == "mistral" else None,
        bool(config.get("tie_word_embeddings", False)),
        ("qkv",) if kind == "qwen2" else (*bias, *mlp),
        rotation,
    )


def _rotation(config: JsonObject) -> tuple[str, float, tuple[float, ...]] | None:
    """Kind, base and further numbers of the rotary embedding."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        return None
    kind = rope.get("rope_type", rope.get("type", "default"))
    base = rope.get("rope_theta", config.get("rope_theta"))
    factors = [rope.get("partial_rotary_factor"), config.get("partial_rotary_factor")]
    if not isinstance(kind, str) or kind not in ROTATIONS or any(factor not in (None, 1.0) for factor in factors):
        return None
    numbers = [float(n) for n in (base, *(rope.get(name) for name in ROTATIONS[kind])) if isinstance(n, int | float)]
    return (kind, numbers[0], tuple(numbers[1:])) if len(numbers) == 1 + len(ROTATIONS[kind]) else None


class Llama(nn.Module):
    """The weights of a checkpoint under transformers' names; `FastDecode` computes with them. Raises KeyError if one is
    missing, ValueError if there are others or one has another shape."""

    def __init__(self, sizes: LlamaShape, weights: Mapping[str, Tensor]):
        super().__init__()
        self.sizes = sizes
        left = _Left(weights)
        self.model = _Body(sizes, left)
        self.lm_head = (
            _linear(self.model.embed_tokens.weight, None)
            if sizes.tied
            else left.linear("lm_head", sizes.vocabulary, sizes.hidden)
        )
        if more := [name for name in left.weights if not name.endswith("rotary_emb.inv_freq")]:
            raise ValueError(f"{more[0]} is not a weight of a {sizes.kind} of this configuration")

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head


class _Left:
    """Weights that no module has taken yet."""

    def __init__(self, weights: Mapping[str, Tensor]):
        self.weights = dict(weights)

    def take(self, name: str, *shape: int) -> Tensor:
        tensor = self.weights.pop(name)
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, expected {shape}")
        return tensor

    def linear(self, name: str, outputs: int, inputs: int, bias: bool = False) -> nn.Linear:
        weight = self.take(f"{name}.weight", outputs, inputs)
        return _linear(weight, self.take(f"{name}.bias", outputs) if bias else None)


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=bias is not None)
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


class _Norm(nn.Module):
    def __init__(self, weight: Tensor, epsilon: float):
        super().__init__()
        self.weight, self.variance_epsilon = nn.Parameter(weight, requires_grad=False), epsilon


class _Body(nn.Module):
    def __init__(self, sizes: LlamaShape, left: _Left):
        super().__init__()
        embedding = left.take("model.embed_tokens.weight", sizes.vocabulary, sizes.hidden)
        self.embed_tokens = nn.Embedding.from_pretrained(embedding)
        self.layers = nn.ModuleList(_Layer(sizes, left, f"model.layers.{i}", i) for i in range(sizes.layers))
        self.norm = _Norm(left.take("model.norm.weight", sizes.hidden), sizes.epsilon)
        self.rotary_emb = Rotary(sizes)


class _Layer(nn.Module):
    def __init__(self, sizes: LlamaShape, left: _Left, name: str, index: int):
        super().__init__()
        self.self_attn = _Attention(sizes, left, f"{name}.self_attn", index)
        self.mlp = _Mlp(sizes, left, f"{name}.mlp")
        for norm in ("input_layernorm", "post_attention_layernorm"):
            setattr(self, norm, _Norm(left.take(f"{name}.{norm}.weight", sizes.hidden), sizes.epsilon))


class _Attention(nn.Module):
    def __init__(self, sizes: LlamaShape, left: _Left, name: str, index: int):
        super().__init__()
        self.layer_idx, self.head_dim, self.scaling = index, sizes.width, sizes.width**-0.5
        self.sliding_window = sizes.window
        whole, part, bias = sizes.heads * sizes.width, sizes.kv_heads * sizes.width, "qkv" in sizes.biased
        self.q_proj = left.linear(f"{name}.q_proj", whole, sizes.hidden, bias)
        self.k_proj = left.linear(f"{name}.k_proj", part, sizes.hidden, bias)
        self.v_proj = left.linear(f"{name}.v_proj", part, sizes.hidden, bias)
        self.o_proj = left.linear(f"{name}.o_proj", sizes.hidden, whole, "o" in sizes.biased)
        if sizes.kind == "qwen3":
            self.q_norm = _Norm(left.take(f"{name}.q_norm.weight", sizes.width), sizes.epsilon)
            self.k_norm = _Norm(left.take(f"{name}.k_norm.weight", sizes.width), sizes.epsilon)


class _Mlp(nn.Module):
    def __init__(self, sizes: LlamaShape, left: _Left, name: str):
        super().__init__()
        bias = "mlp" in sizes.biased
        self.gate_proj = left.linear(f"{name}.gate_proj", sizes.inner, sizes.hidden, bias)
        self.up_proj = left.linear(f"{name}.up_proj", sizes.inner, sizes.hidden, bias)
        self.down_proj = left.linear(f"{name}.down_proj", sizes.hidden, sizes.inner, bias)
        self.act_fn = nn.SiLU()


class Rotary(nn.Module):
    """positions (1, T) -> cosines and sines (1, T, width), in the dtype of the first argument."""

    def __init__(self, sizes: LlamaShape):
        super().__init__()
        kind, base, numbers = sizes.rotation
        frequencies = 1.0 / (base ** (torch.arange(0, sizes.width, 2, dtype=torch.float) / sizes.width))
        self._frequencies = frequencies if kind == "default" else _stretched(frequencies, *numbers)

    def forward(self, like: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        angles = positions[..., None].float() * self._frequencies
        angles = torch.cat((angles, angles), -1)
        return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def _stretched(frequencies: Tensor, factor: float, low: float, high: float, length: float) -> Tensor:
    """Llama 3.1's: waves longer than length / low are stretched, those shorter than length / high are not."""
    waves = 2 * math.pi / frequencies
    blend = (length / waves - low) / (high - low)
    between = (1 - blend) * frequencies / factor + blend * frequencies
    stretched = torch.where(waves > length / low, frequencies / factor, frequencies)
    medium = ~(waves < length / high) * ~(waves > length / low)
    return torch.where(medium, between, stretched)


class LlamaNetwork(Network):
    """As Network, over a Llama. Its own attention, in `forward_alone`, is the one with all scores written out."""

    def __init__(self, model: Llama):
        sizes = model.sizes
        self.model = self._llama = model
        self.kind = sizes.kind
        self._compute = self.fast_decode = FastDecode(model)
        self.vocabulary, self.hidden = sizes.vocabulary, sizes.hidden
        self.bytes_per_position = 2 * sizes.layers * sizes.kv_heads * sizes.width * torch.finfo(self.dtype).bits // 8

    @property
    def device(self) -> torch.device:
        device: torch.device = self._llama.model.embed_tokens.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self._llama.model.embed_tokens.weight.dtype
        return dtype

    def follow_layouts(self) -> None:
        """It always does."""

    def forget_layouts(self) -> None:
        """It never does."""

    def forward(self, tokens: Sequence[int], layout: Layout, rows: Sequence[int]) -> Tensor:
        return self._compute.forward(tokens, layout, None if layout.step is not None else rows)

    def forward_alone(self, tokens: Sequence[int], rows: Sequence[int]) -> Tensor:
        alone = Layout(tuple(range(len(tokens))), (Tree((TokenSpan(0, len(tokens), 0),)),))
        return self._compute.forward(tokens, alone, rows, written_out=True)
