"""LoRA's products added to plain tensors: W + scale * B A in float32, as PEFT merges, without transformers or PEFT."""

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...errors import ModelError
from .adapter import WEIGHTS, Adapter

PREFIX = "base_model.model."


def with_adapter(weights: Mapping[str, Tensor], adapter: Adapter) -> dict[str, Tensor] | None:
    """`weights` of a checkpoint, as stored, by their names, with the adapter added; None for one that only PEFT can merge.

    The sums are in float32, so that they are rounded once, by the caller. Raises ModelError if the file cannot be read.
    """
    scale = adapter.scale
    products = _products(adapter.folder / WEIGHTS)
    if scale is None or products is None or any(f"{layer}.weight" not in weights for layer in products):
        return None
    changed = dict(weights)
    for layer, (reads, writes) in products.items():
        weight = weights[f"{layer}.weight"]
        if weight.shape != (writes.shape[0], reads.shape[1]):
            return None
        added = torch.addmm(weight.float(), writes.float(), reads.float(), alpha=scale)
        if not added.isfinite().all():
            raise ModelError(f"the adapter {adapter.folder} makes {layer} what is no finite number; it is damaged")
        changed[f"{layer}.weight"] = added
    return changed


def _products(path: Path) -> dict[str, tuple[Tensor, Tensor]] | None:
    """(A, B) by layer; None if there is anything else in the file."""
    try:
        with safe_open(path, framework="pt") as file:
            names = sorted(file.keys())
            result = {}
            for first, second in zip_longest(names[::2], names[1::2], fillvalue=""):
                layer = first.removeprefix(PREFIX).removesuffix(".lora_A.weight")
                if second != f"{PREFIX}{layer}.lora_B.weight" or first != f"{PREFIX}{layer}.lora_A.weight":
                    return None
                result[layer] = (file.get_tensor(first), file.get_tensor(second))
            return result or None
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
