"""A network made faster where that changes nothing but rounding: linear layers laid out for this processor."""

import torch
from transformers import PreTrainedModel

from ..engine.prepack import Packed

LEAST = 5_000_000  # parameters: below, what a call costs outweighs what a multiplication gains


def faster(network: PreTrainedModel) -> PreTrainedModel:
    """`network` with its linear layers packed, on a processor, if what it computes stays the same; else as it was."""
    small = sum(parameter.numel() for parameter in network.parameters()) < LEAST
    if small or network.device.type != "cpu" or network.dtype not in (torch.float32, torch.bfloat16):
        return network
    expected = _tried(network)
    if expected is None:
        return network
    packed = Packed(network)
    packed.free()
    result = _tried(network)
    if result is None or not torch.allclose(result, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max())):
        packed.undo()
    packed.keep()
    return network


@torch.inference_mode()
def _tried(network: PreTrainedModel) -> torch.Tensor | None:
    """Its first output over a few tokens; None where it takes no tokens alone."""
    size = int(getattr(network.config.get_text_config(), "vocab_size", 0) or 0)
    if size < 2:
        return None
    ids = (torch.arange(12) * 7 % size)[None]
    try:
        output = network(input_ids=ids)[0]
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError):
        return None
    return output.float() if isinstance(output, torch.Tensor) else None
