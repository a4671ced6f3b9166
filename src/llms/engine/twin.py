"""A model's twin: its class and configuration, made small, with random weights.

That attention follows a Layout is a property of class and configuration, not of the weights; the twin shows it in
milliseconds, however large the model is. Kept are the kinds of its layers, their windows, heads per group of keys,
rotation, caps and scales. The weights are drawn wide enough that attention to the wrong keys changes the
answers by far more than rounding.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..values import Json

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

VOCABULARY = 512
LAYERS = 4
WIDTH = 32  # of a head, where the configuration does not state it apart from the hidden size
APART = 16  # hidden dimensions a head, where it does
NARROW = 128  # of what lies within a layer
MOST_PARAMETERS = 20_000_000
GAIN = 2.0  # a matrix turns inputs of variance 1 into outputs of variance GAIN ** 2

INNER = (
    "intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "moe_intermediate_size", "shared_intermediate_size",
    "shared_expert_intermediate_size", "intermediate_size_mlp",
)  # fmt: skip
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "num_routed_experts")
GROUPS = ("n_group", "topk_group")  # of experts
CHOSEN = ("num_experts_per_tok", "moe_topk", "moe_k")
KV_HEADS = ("num_key_value_heads", "num_kv_heads")


PROBLEMS = (AttributeError, ImportError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class NoTwin(Exception):
    """The configuration cannot be made small."""


def shrink(config: "PreTrainedConfig") -> "PreTrainedConfig":
    """The configuration of the twin of a model with the transformers `config`. Raises NoTwin."""
    from huggingface_hub.errors import StrictDataclassError  # by which transformers' configurations refuse values

    build: Callable[..., PreTrainedConfig] = type(config)
    try:
        return build(**_shrunk(config))
    except (*PROBLEMS, StrictDataclassError) as error:
        raise NoTwin(f"{type(error).__name__}: {error}") from error


def _shrunk(config: "PreTrainedConfig") -> dict[str, Json]:
    values: dict[str, Json] = deepcopy(config.to_dict())
    for name in getattr(config, "sub_configs", {}):
        if getattr(config, name, None) is not None:
            values[name] = _shrunk(getattr(config, name))
    if not hasattr(config, "num_hidden_layers") or not hasattr(config, "hidden_size"):
        return values
    heads, width = _heads(config, values)
    stated = values.get("head_dim") is not None
    hidden = heads * (APART if stated else width)
    _put(config, values, "hidden_size", hidden)
    for names, most in ((INNER, NARROW), (EXPERTS, 4), (CHOSEN, 2), (GROUPS, 1)):
        for name in names:
            if isinstance(size := values.get(name), int):
                values[name] = min(size, most)
    if isinstance(values.get("word_embed_proj_dim"), int):
        values["word_embed_proj_dim"] = hidden
    if not stated:
        _cut_rotation(values, width / (config.hidden_size // getattr(config, "num_attention_heads", 1)))
    _take_layers(config, values)
    _put(config, values, "vocab_size", VOCABULARY)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if name in values:
            values[name] = None if name == "pad_token_id" else 0
    for name in ("dtype", "torch_dtype", "quantization_config", "transformers_version"):
        values.pop(name, None)
    return values


def _put(config: "PreTrainedConfig", values: dict[str, Json], name: str, value: int) -> None:
    """Set what the configuration may call by another name."""
    values[getattr(config, "attribute_map", {}).get(name, name)] = value


def _heads(config: "PreTrainedConfig", values: dict[str, Json]) -> tuple[int, int]:
    """(heads, width of one) of the twin; up to eight heads share keys as they do in the model."""
    heads = getattr(config, "num_attention_heads", 1)
    stated = [getattr(config, name) for name in KV_HEADS if getattr(config, name, None)]
    kv_heads = stated[0] if stated else heads
    groups = min(8, max(1, heads // kv_heads))
    few = 4 if kv_heads == heads else min(2, kv_heads)
    _put(config, values, "num_attention_heads", groups * few)
    for name in KV_HEADS:
        if values.get(name) is not None:
            values[name] = few
    return groups * few, WIDTH


def _cut_rotation(values: dict[str, Json], share: float) -> None:
    """Lists of one factor per rotated pair, and counts of rotated dimensions, where heads are narrower."""
    for name in ("rotary_dim", "rotary_ndims"):
        if isinstance(count := values.get(name), int):
            values[name] = max(2, int(count * share) // 2 * 2)
    for name in ("rope_parameters", "rope_scaling"):
        rope = values.get(name)
        if isinstance(rope, Mapping):
            values[name] = {
                key: value[: max(1, round(len(value) * share))] if isinstance(value, list) else value
                for key, value in rope.items()
            }


def _take_layers(config: "PreTrainedConfig", values: dict[str, Json]) -> None:
    """So many layers that each kind is there, in their order; what is listed per layer is cut alike."""
    count = config.num_hidden_layers
    lists = {name: value for name, value in values.items() if isinstance(value, list) and len(value) == count > 1}
    kinds = [str([lists[name][layer] for name in lists]) for layer in range(count)]
    taken = sorted({kind: layer for layer, kind in reversed([*enumerate(kinds)])}.values())
    taken += [layer for layer in range(count) if layer not in taken][: max(0, LAYERS - len(taken))]
    _put(config, values, "num_hidden_layers", len(taken))
    for name, value in lists.items():
        values[name] = [value[layer] for layer in sorted(taken)]


def make_twin(
    kind: type["PreTrainedModel"], config: "PreTrainedConfig", device: torch.device | str = "cpu", seed: int = 0
) -> "PreTrainedModel":
    """A float32 model of class `kind` with the small `config` and random weights. Raises NoTwin."""
    try:
        with torch.device("meta"):
            parameters = sum(parameter.numel() for parameter in kind(deepcopy(config)).parameters())
        if parameters > MOST_PARAMETERS:
            raise NoTwin(f"it still has {parameters} parameters when made small")
        with torch.random.fork_rng(devices=[]):
            model = kind(deepcopy(config)).float().eval()
    except PROBLEMS as error:
        raise NoTwin(f"{type(error).__name__}: {error}") from error
    widen(model, seed)
    placed: PreTrainedModel = model.to(device)
    return placed


@torch.no_grad()
def widen(model: nn.Module, seed: int = 0) -> None:
    """Draw all parameters anew: matrices with GAIN, embeddings with variance 1, scales around 1, offsets around 0."""
    random = torch.Generator().manual_seed(seed)
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    for name, parameter in model.named_parameters():
        drawn = torch.randn(parameter.shape, generator=random, dtype=torch.float32)
        if parameter.dim() < 2:
            drawn = 0.2 * drawn + (1.0 if name.endswith("weight") else 0.0)
        elif id(parameter) not in tables:
            drawn *= GAIN * parameter.shape[-1] ** -0.5
        parameter.copy_(drawn)
