"""Why a checkpoint gives no numbers: its weights, or what is computed of them in too narrow a dtype."""

from collections.abc import Sequence
from pathlib import Path

ADVICE = {
    "float16": "the weights are finite, so their activations overflow float16; try dtype=float32",
    "bfloat16": "the weights are finite, so their activations overflow bfloat16; try dtype=float32",
}
BEYOND = "the weights are finite as they are stored; the computation overflows all the same"


def why_not_numbers(name: str, dtype: str, weights: Sequence[Path]) -> str:
    """One sentence for the user. Reads the safetensors files among `weights`, which takes as long as loading them."""
    broken = damaged(weights)
    reason = f"{broken}; get the checkpoint anew" if broken else ADVICE.get(dtype, BEYOND)
    return f"what {name} computes are not finite numbers (NaN): {reason}"


def damaged(weights: Sequence[Path]) -> str:
    """The first tensor that holds NaN or infinity, in words; empty if none does."""
    import torch
    from safetensors import safe_open

    for path in weights:
        if path.suffix != ".safetensors":
            continue
        with safe_open(path, "pt") as file:
            for key in file.keys():  # noqa: SIM118 - no dict
                tensor = file.get_tensor(key)
                if tensor.is_floating_point() and tensor.element_size() > 1 and not tensor.isfinite().all():
                    count = int((~torch.isfinite(tensor)).sum())
                    return f"{key} of its weights holds {count} values that are NaN or infinite"
    return ""
