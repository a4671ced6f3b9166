"""Attention over a Layout, registered with transformers as the implementation "llms".

Two ways give the same numbers. The fast one uses PyTorch's fused kernel for each Span and Cross and merges
partial results by their log-sum-exp (FlashAttention, Dao et al. 2022, section 3.1, used along a tree), so no
key is copied and no large mask is built. The general one writes the scores out; it serves layers with a
sliding window, a soft cap or sinks, and devices without that kernel.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypedDict, Unpack

import torch
from torch import Tensor

from ..lazy import load_library
from .layout import DecodeStep, Layout, Span, Tree

NAME = "llms"
_active = threading.local()
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


class AttentionModule(Protocol):
    """The one attribute that is read of a layer's attention module."""

    layer_idx: int


class AttentionOptions(TypedDict, total=False):
    """Of the options that transformers passes on, those that change the numbers: window (tokens), soft cap, sinks (H,)."""

    sliding_window: int | None
    softcap: float | None
    s_aux: Tensor | None


@dataclass(frozen=True, slots=True)
class _Scores:
    """How the general way makes weights of products: softmax(cap(q kᵀ · scale)) within `window` tokens, beside `sinks`."""

    scale: float
    window: int | None
    cap: float | None
    sinks: Tensor | None


@contextmanager
def laid_out(layout: Layout, written_out: bool = False) -> Iterator[None]:
    """Within this context attention is as `layout` says; `written_out`: in the general way."""
    _active.layout, _active.written_out = layout, written_out
    try:
        yield
    finally:
        _active.layout = None


def attend(
    module: AttentionModule,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Unpack[AttentionOptions],
) -> tuple[Tensor, None]:
    """query (1, H, T, D), key and value (1, KV, T, D) -> (1, T, H, D), None.

    Called as transformers calls an attention function. Mask and dropout are not looked at: the active Layout says what
    is seen, and the engine only infers.
    """
    layout: Layout = _active.layout
    layer = module.layer_idx
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    window, cap, sinks = options.get("sliding_window"), options.get("softcap"), options.get("s_aux")
    if window is not None and max(layout.positions) < window:
        window = None
    fused = (
        query.device.type == "cpu"
        and not _active.written_out
        and window is None
        and cap is None
        and sinks is None
        and value.shape[-1] == key.shape[-1]
    )
    if layout.step is not None:
        if fused:
            return _step_fast(layout.step, layer, query, key, value, scale), None
        return _step_general(layout.step, layer, query, key, value, _Scores(scale, window, cap, sinks)), None
    if fused:
        out = _trees_fast(layout, layer, query, key, value, scale)
    else:
        out = query.new_empty(1, query.shape[2], query.shape[1], value.shape[-1])
        scores = _Scores(scale, window, cap, sinks)
        for tree in layout.trees:
            out[:, tree.start : tree.end] = _tree_general(tree, layer, query, key, value, scores)
    for keep in layout.keeps:
        keep.target.write(layer, keep.offset, key[0, :, keep.start : keep.end], value[0, :, keep.start : keep.end])
    return out, None


def register() -> None:
    """Let transformers' models attend by a Layout, as the implementation NAME."""
    load_library("transformers")
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)


def _trees_fast(layout: Layout, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attention of a chunk's trees by the fused kernel.

    Invariant: after each part, out[t] is attention over the keys seen so far and total[t] the log of the sum of their
    exponentiated scores. The spans set both, each token being in one span; every cross then merges in keys that no
    earlier part held, so that each key counts once.
    """
    spans, crosses = layout.spans_and_crosses
    heads, tokens, width = query.shape[1:]
    out = query.new_empty(1, tokens, heads, width)
    total = query.new_empty(1, tokens, heads, dtype=torch.float32)
    for span in spans:
        _causal_or_masked(layout, span, query, key, value, scale, out, total)
    for cross in crosses:
        rows = slice(cross.start, cross.end)
        if cross.source is None:
            keys, values = key[:, :, cross.first : cross.last], value[:, :, cross.first : cross.last]
        else:
            keys, values = cross.source.read(layer, cross.length)
        part, weight = _flash(query[:, :, rows], keys, values, scale=scale)
        weight = weight.transpose(1, 2)
        here = total[:, rows]
        out[:, rows].lerp_(part.transpose(1, 2), torch.sigmoid(weight - here).unsqueeze(-1).to(out.dtype))
        torch.logaddexp(here, weight, out=here)
    return out


_ROWS = 96  # a causal span is worked off in so many queries at a time, each against just the keys it may see
_triangles: dict[tuple[torch.dtype, torch.device], Tensor] = {}


def _causal_or_masked(
    layout: Layout, span: Span, query: Tensor, key: Tensor, value: Tensor, scale: float, out: Tensor, total: Tensor
) -> None:
    """Write attention of one span into `out`, and its log-sum-exp into `total`."""
    start, end = span.start, span.end
    if span.mask is not None or end - start <= _ROWS:
        rows = slice(start, end)
        mask = layout.mask(span, query)
        part, weight = _flash(
            query[:, :, rows], key[:, :, rows], value[:, :, rows], is_causal=mask is None, attn_mask=mask, scale=scale
        )
        out[:, rows] = part.transpose(1, 2)
        total[:, rows] = weight.transpose(1, 2)
        return
    mask = _triangle(end - start, query)
    edge = mask.shape[1] - _ROWS
    for first in range(start, end, _ROWS):
        last = min(first + _ROWS, end)
        part, weight = _flash(
            query[:, :, first:last],
            key[:, :, start:last],
            value[:, :, start:last],
            attn_mask=mask[: last - first, edge - (first - start) : edge + last - first],
            scale=scale,
        )
        out[:, first:last] = part.transpose(1, 2)
        total[:, first:last] = weight.transpose(1, 2)


def _triangle(tokens: int, like: Tensor) -> Tensor:
    """(_ROWS, >= tokens + _ROWS) additive mask whose last _ROWS columns are causal and all others open."""
    name = (like.dtype, like.device)
    if name not in _triangles or _triangles[name].shape[1] < tokens + _ROWS:
        mask = torch.zeros(_ROWS, 2 * tokens + _ROWS, dtype=like.dtype)
        mask[:, -_ROWS:] = torch.full((_ROWS, _ROWS), float("-inf")).triu(1)
        _triangles[name] = mask.to(like.device)
    return _triangles[name]


def _step_fast(step: DecodeStep, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """One token of each row: own keys in one call under the step's mask, then each group's shared prefix merged in.

    Heads of one key head lie side by side as if they were queries, so that no key is repeated; a shared prefix is read
    once for all of its rows.
    """
    rows, kv_heads, width = key.shape[2], key.shape[1], key.shape[3]
    keys, values = _store(step, layer, key, value)
    grouped = query[0].transpose(0, 1).reshape(rows, kv_heads, -1, width)  # (rows, KV, H / KV, D)
    own, total = _flash(grouped, keys, values, attn_mask=step.mask(query), scale=scale)
    out: Tensor = own.reshape(rows, -1, width)
    if step.groups:
        total = total.reshape(rows, -1)
    for group in step.groups:
        stored_keys, stored_values = group.block.read(layer, group.length)
        mine = grouped[group.rows].transpose(0, 1).reshape(1, kv_heads, -1, width)  # rows and query heads side by side
        part, weight = _flash(mine, stored_keys, stored_values, scale=scale)
        part = part.reshape(kv_heads, len(group.rows), -1, width).transpose(0, 1).reshape(len(group.rows), -1, width)
        weight = weight.reshape(kv_heads, len(group.rows), -1).transpose(0, 1).reshape(len(group.rows), -1)
        share = torch.sigmoid(weight - total[group.rows]).unsqueeze(-1).to(out.dtype)
        out[group.rows] = out[group.rows].lerp(part, share)
    return out.unsqueeze(0)


def _store(step: DecodeStep, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Write each row's new key and value; return all own ones, (rows, KV, longest, D)."""
    rows = key.shape[2]
    keys, values = step.slots.layer(layer, key[0], value[0])
    if rows == 1:
        end = step.longest
        keys[0, :, end - 1 : end], values[0, :, end - 1 : end] = key[0], value[0]
    else:
        keys[step.rows, :, step.own] = key[0].transpose(0, 1)
        values[step.rows, :, step.own] = value[0].transpose(0, 1)
    return keys[:rows, :, : step.longest], values[:rows, :, : step.longest]


def _tree_general(tree: Tree, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: _Scores) -> Tensor:
    """Scores written out; (1, n, H, Dv) for the tree's n tokens."""
    rows = slice(tree.start, tree.end)
    stored = [block.read(layer, length) for block, length in tree.stored if length]
    keys = torch.cat([*(k for k, _ in stored), key[:, :, rows]], 2)
    values = torch.cat([*(v for _, v in stored), value[:, :, rows]], 2)
    before = keys.shape[2] - (tree.end - tree.start)
    visible = torch.nn.functional.pad(tree.visible, (before, 0), value=True).to(query.device)
    if scores.window is not None:
        own = tree.positions.to(query.device)
        of_keys = torch.cat([torch.arange(before, device=query.device), own])
        visible = visible & (own[:, None] - of_keys[None] < scores.window)
    return _weigh(query[:, :, rows], keys, values, visible, scores).transpose(1, 2)


def _step_general(step: DecodeStep, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: _Scores) -> Tensor:
    """Each row by itself: own keys behind those of its group. Slow, and needed only where nothing else serves."""
    keys, values = _store(step, layer, key, value)
    prefix = {int(row): group for group in step.groups for row in group.rows}
    parts = []
    for row, own in enumerate(step.lengths):
        k, v = keys[row : row + 1, :, : own + 1], values[row : row + 1, :, : own + 1]
        if row in prefix:
            stored_keys, stored_values = prefix[row].block.read(layer, prefix[row].length)
            k, v = torch.cat([stored_keys, k], 2), torch.cat([stored_values, v], 2)
        visible = torch.ones(1, k.shape[2], dtype=torch.bool, device=k.device)
        if scores.window is not None:
            visible[:, : max(0, k.shape[2] - scores.window)] = False
        parts.append(_weigh(query[:, :, row : row + 1], k, v, visible, scores))
    return torch.cat(parts, 2).transpose(1, 2)


def _weigh(query: Tensor, keys: Tensor, values: Tensor, visible: Tensor, scores: _Scores) -> Tensor:
    """softmax(cap(q kᵀ · scale)) v under the bool mask `visible`; (1, H, n, Dv)."""
    groups = query.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1)
    products = query @ keys.transpose(2, 3) * scores.scale
    if scores.cap is not None:
        products = torch.tanh(products / scores.cap) * scores.cap
    products = products.masked_fill(~visible, float("-inf"))
    if scores.sinks is not None:
        sinks = scores.sinks.reshape(1, -1, 1, 1).expand(1, products.shape[1], products.shape[2], 1)
        products = torch.cat([products, sinks.to(products)], -1)
    weights = products.float().softmax(-1).to(values.dtype)
    if scores.sinks is not None:
        weights = weights[..., :-1]
    return weights @ values
