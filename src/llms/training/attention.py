"""Attention over a packed sequence, span by span: no token of another row is multiplied, none is masked away.

Registered with transformers as an attention of its own, which every model that takes its attention from there can be set to.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from .collate import PackedSpan

NAME = "llms_packed"


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    spans: Sequence[PackedSpan] = (),
    **rest: object,
) -> tuple[torch.Tensor, None]:
    """(1, T, heads, head) of query (1, heads, T, head), key and value (1, key heads, T, head)."""
    grouped = query.shape[1] != key.shape[1]
    length = query.shape[2]
    masks: dict[tuple[int, int], torch.Tensor] = {}
    outputs = []
    for span in spans or (PackedSpan(0, length),):
        own, prefix = slice(span.start, span.end), slice(span.prefix_start, span.prefix_end)
        keys, values, mask = key[:, :, own], value[:, :, own], None
        if prefix.stop > prefix.start:
            keys = torch.cat((key[:, :, prefix], keys), 2)
            values = torch.cat((value[:, :, prefix], values), 2)
            mask = _mask(span.end - span.start, prefix.stop - prefix.start, query, masks)
        outputs.append(
            scaled_dot_product_attention(
                query[:, :, own], keys, values, mask, scale=scaling, is_causal=mask is None, enable_gqa=grouped
            )
        )
    return torch.cat(outputs, 2).transpose(1, 2).contiguous(), None


def dense_mask(spans: Sequence[PackedSpan], length: int) -> torch.Tensor:
    """The same as a mask (1, 1, T, T), True where a token is seen: for devices that are faster with one call than with many."""
    mask = torch.zeros(length, length, dtype=torch.bool)
    for span in spans:
        own = slice(span.start, span.end)
        mask[own, own] = torch.ones(span.end - span.start, span.end - span.start, dtype=torch.bool).tril()
        mask[own, span.prefix_start : span.prefix_end] = True
    return mask[None, None]


def _mask(own: int, prefix: int, like: torch.Tensor, masks: dict[tuple[int, int], torch.Tensor]) -> torch.Tensor:
    """(own, prefix + own): the prefix whole, one's own up to oneself."""
    if (own, prefix) not in masks:
        masks[own, prefix] = torch.ones(own, prefix + own, dtype=torch.bool, device=like.device).tril(prefix)
    return masks[own, prefix]


AttentionInterface.register(NAME, packed_attention)
