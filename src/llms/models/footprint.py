"""The bytes of a network, by arithmetic from its configuration: parameters, keys and values. Loads nothing, asks nobody.

A layer's parameters follow transformers' classes of the model types in FAMILIES, number by number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from ..errors import ModelError
from ..values import Json, JsonObject

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8, "int8": 1, "uint8": 1}  # bytes of a number
NF4_BLOCK = 64  # numbers of four bits that share a scale in float32 (Dettmers et al. 2023; bitsandbytes' default)


@dataclass(frozen=True, slots=True)
class Family:
    """In which model types differ: biases of the layers `qkv`, `o`, `mlp` (None: as the configuration says); RMS norms of
    one vector or layer norms of two (`norm`), so many a layer; norms per head; matrices in the MLP
    (3: gated); `width` of a head where the configuration does not say; whether heads may share keys (`grouped`)."""

    biased: tuple[str, ...] | None = ()
    norm: int = 1
    norms: int = 2
    head_norms: bool = False
    matrices: int = 3
    tied: bool = False
    width: int = 0
    grouped: bool = True


FAMILIES: Mapping[str, Family] = {
    "llama": Family(biased=None),
    "mistral": Family(),
    "mixtral": Family(),
    "qwen2": Family(biased=("qkv",)),
    "qwen3": Family(biased=None, head_norms=True, width=128),
    "qwen3_moe": Family(biased=None, head_norms=True),
    "phi3": Family(),
    "smollm3": Family(biased=None, tied=True),
    "gemma": Family(biased=None, tied=True, width=256),
    "gemma2": Family(biased=None, norms=4, tied=True, width=256),
    "gemma3_text": Family(biased=None, norms=4, head_norms=True, tied=True, width=256),
    "gpt2": Family(biased=("qkv", "o", "mlp"), norm=2, matrices=2, tied=True, grouped=False),
    "gpt_neox": Family(biased=("qkv", "o", "mlp"), norm=2, matrices=2, grouped=False),
}
NAMES = {  # what a size is called: the usual name, then others
    "layers": ("num_hidden_layers", "n_layer"),
    "hidden": ("hidden_size", "n_embd"),
    "heads": ("num_attention_heads", "n_head"),
    "vocabulary": ("vocab_size",),
}


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Numbers of a network. `linear` counts the weights of linear layers without the one that gives logits, which are what
    quantization rounds, and `outputs` their rows; `other` is norms, biases, positions and experts, which transformers keeps as
    plain tensors that nothing rounds. `windowed` of the layers see `window`
    tokens back only."""

    kind: str
    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    width: int
    vocabulary: int
    tied: bool
    linear: int
    outputs: int
    other: int
    window: int | None = None
    windowed: int = 0

    @property
    def embedding(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        return self.linear + self.other + self.embedding * (1 if self.tied else 2)


def read_shape(config: JsonObject) -> NetworkShape:
    """The shape that a `config.json` describes. Raises ModelError with what it lacks, or that its type is not known."""
    config = {**config, **text} if isinstance(text := config.get("text_config"), Mapping) else config
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise ModelError(
            f"the model type {kind!r} is not known to the arithmetic, which counts {', '.join(FAMILIES)}; measure it, or "
            "read its size from the files of its weights"
        )
    family = FAMILIES[kind]
    layers, hidden, heads, vocabulary = (_size(config, kind, *names) for names in NAMES.values())
    kv_heads = (_optional(config, "num_key_value_heads") if family.grouped else None) or heads
    width = _optional(config, "head_dim") or family.width or hidden // heads
    inner = _optional(config, "n_inner") or (4 * hidden if kind == "gpt2" else _size(config, kind, "intermediate_size"))
    biased = family.biased
    if biased is None:
        biased = (
            *(("qkv", "o") if config.get("attention_bias") else ()),
            *(("mlp",) if config.get("mlp_bias") else ()),
        )
    query, stored = heads * width, kv_heads * width
    attention, mlp = hidden * (2 * query + 2 * stored), family.matrices * hidden * inner
    rows_qkv, rows_mlp = query + 2 * stored, (family.matrices - 1) * inner + hidden
    experts, sparse, expert = _experts(config, kind, layers, inner)
    linear = layers * attention + (layers - sparse) * mlp
    outputs = layers * (rows_qkv + hidden) + (layers - sparse) * rows_mlp
    mixture = sparse * experts * hidden * (1 + 3 * expert)  # with the router
    biases = rows_qkv * ("qkv" in biased) + hidden * ("o" in biased) + rows_mlp * ("mlp" in biased)
    norms = family.norm * hidden * family.norms + (2 * width if family.head_norms else 0)
    positions = hidden * (_optional(config, "n_positions") or 1024) if kind == "gpt2" else 0
    window, windowed = _windows(config, kind, layers)
    tied = config.get("tie_word_embeddings", family.tied)
    return NetworkShape(
        kind, layers, hidden, inner, heads, kv_heads, width, vocabulary, bool(tied), linear, outputs,
        layers * (biases + norms) + family.norm * hidden + positions + mixture, window, windowed,
    )  # fmt: skip


def _experts(config: JsonObject, kind: str, layers: int, inner: int) -> tuple[int, int, int]:
    """Experts of a layer, how many layers have them, and the inner size of one."""
    if kind == "mixtral":
        return _size(config, kind, "num_local_experts"), layers, inner
    if kind != "qwen3_moe":
        return 0, 0, 0
    step, dense = _optional(config, "decoder_sparse_step") or 1, config.get("mlp_only_layers") or ()
    alone = dense if isinstance(dense, list) else ()
    sparse = sum((layer + 1) % step == 0 and layer not in alone for layer in range(layers))
    return _size(config, kind, "num_experts", "num_local_experts"), sparse, _size(config, kind, "moe_intermediate_size")


def _windows(config: JsonObject, kind: str, layers: int) -> tuple[int | None, int]:
    """The sliding window in tokens and how many layers have it."""
    window = _optional(config, "sliding_window")
    if window is None or kind in ("llama", "gpt2", "gpt_neox", "gemma", "phi3"):
        return None, 0
    types = config.get("layer_types")
    if isinstance(types, list):
        count = sum(each == "sliding_attention" for each in types)
    elif kind == "gemma2":
        count = (layers + 1) // 2
    elif kind == "gemma3_text":
        every = _optional(config, "sliding_window_pattern") or 6
        count = sum((layer + 1) % every != 0 for layer in range(layers))
    elif kind in ("mistral", "mixtral"):
        count = layers
    else:
        start = _optional(config, "max_window_layers") or 0
        count = max(0, layers - start) if config.get("use_sliding_window") else 0
    return (window, count) if count else (None, 0)


def weight_bytes(shape: NetworkShape, dtype: str, quantize: str = "") -> int:
    """Bytes of the weights as they are held: all in `dtype`, or the linear layers rounded by `quantize`.

    int8: a byte a number and a scale in float32 for each output. nf4: half a byte a number and a scale in float32 for each
    block of NF4_BLOCK. The layer that gives logits is not rounded.
    """
    width = WIDTHS[dtype]
    if quantize == "int8":
        linear = shape.linear + 4 * shape.outputs
    elif quantize == "nf4":
        linear = ceil(shape.linear / 2) + 4 * ceil(shape.linear / NF4_BLOCK)
    else:
        linear = shape.linear * width
    return linear + (shape.parameters - shape.linear) * width


def position_bytes(shape: NetworkShape, dtype: str) -> int:
    """Bytes of the keys and values of one token in all layers."""
    return 2 * shape.layers * shape.kv_heads * shape.width * WIDTHS[dtype]


def kv_cache_bytes(shape: NetworkShape, dtype: str, context: int, batch: int, rolling: bool = False) -> int:
    """Bytes of the keys and values of `batch` requests of `context` tokens. `rolling`: a layer with a sliding window keeps
    no more than that, as servers for GPUs do; the engine here keeps all."""
    layer = position_bytes(shape, dtype) // shape.layers
    short = min(context, shape.window or context) if rolling else context
    return batch * layer * (context * (shape.layers - shape.windowed) + short * shape.windowed)


def _size(config: JsonObject, kind: str, *names: str) -> int:
    for name in names:
        if (size := _optional(config, name)) is not None:
            return size
    raise ModelError(
        f"the configuration of this {kind} model does not say {names[0]}, without which nothing can be counted"
    )


def _optional(config: JsonObject, name: str) -> int | None:
    value: Json = config.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
