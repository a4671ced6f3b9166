"""Attention over a Layout, registered with transformers as the implementation "llms".

Two ways give the same numbers. The fast one uses PyTorch's fused kernel for each Span and Cross and merges
partial results by their log-sum-exp (FlashAttention, Dao et al. 2022, section 3.1, used along a tree), so no
key is copied and no large mask is built. The general one writes the scores out; it serves layers with a
sliding window, a soft cap or sinks, and devices without that kernel.
"""

import threading
from contextlib import contextmanager

import torch
from torch import Tensor

from .layout import DecodeStep, Layout, Tree

NAME = "llms"
_active = threading.local()
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


@contextmanager
def laid_out(layout: Layout, written_out: bool = False):
    """Within this context attention is as `layout` says; `written_out`: in the general way."""
    _active.layout, _active.written_out = layout, written_out
    try:
        yield
    finally:
        _active.layout = None


def attend(module, query: Tensor, key: Tensor, value: Tensor, attention_mask, scaling=None, dropout=0.0, **options):
    """query (1, H, T, D), key and value (1, KV, T, D) -> (1, T, H, D), None."""
    layout: Layout = _active.layout
    layer = module.layer_idx
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    window, cap, sinks = options.get("sliding_window"), options.get("softcap"), options.get("s_aux")
    if window is not None and max(layout.positions) < window:
        window = None
    plain = (
        not _active.written_out
        and window is None
        and cap is None
        and sinks is None
        and value.shape[-1] == key.shape[-1]
    )
    if layout.step is not None:
        decode = _step_fast if plain and query.device.type == "cpu" else _step_general
        return decode(layout.step, layer, query, key, value, scale, window, cap, sinks), None
    if plain and query.device.type == "cpu":
        out = _trees_fast(layout, layer, query, key, value, scale)
    else:
        out = query.new_empty(1, query.shape[2], query.shape[1], value.shape[-1])
        for tree in layout.trees:
            out[:, tree.start : tree.end] = _tree_general(tree, layer, query, key, value, scale, window, cap, sinks)
    for keep in layout.keeps:
        keep.target.write(layer, keep.offset, key[0, :, keep.start : keep.end], value[0, :, keep.start : keep.end])
    return out, None


def register() -> None:
    """Let transformers' models attend by a Layout, as the implementation NAME."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)


def _trees_fast(layout: Layout, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
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
_triangles: dict[tuple, Tensor] = {}


def _causal_or_masked(layout, span, query, key, value, scale, out, total) -> None:
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


def _step_fast(step: DecodeStep, layer, query, key, value, scale, *_) -> Tensor:
    rows, kv_heads, width = key.shape[2], key.shape[1], key.shape[3]
    keys, values = _store(step, layer, key, value)
    grouped = query[0].transpose(0, 1).reshape(rows, kv_heads, -1, width)  # (rows, KV, H / KV, D)
    out, total = _flash(grouped, keys, values, attn_mask=step.mask(query), scale=scale)
    out = out.reshape(rows, -1, width)
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
        place = step.longest - 1
        keys[0, :, place : place + 1], values[0, :, place : place + 1] = key[0], value[0]
    else:
        keys[step.rows, :, step.own] = key[0].transpose(0, 1)
        values[step.rows, :, step.own] = value[0].transpose(0, 1)
    return keys[:rows, :, : step.longest], values[:rows, :, : step.longest]


def _tree_general(tree: Tree, layer, query, key, value, scale, window, cap, sinks) -> Tensor:
    """Scores written out; (1, n, H, Dv) for the tree's n tokens."""
    rows = slice(tree.start, tree.end)
    stored = [block.read(layer, length) for block, length in tree.stored if length]
    keys = torch.cat([*(k for k, _ in stored), key[:, :, rows]], 2)
    values = torch.cat([*(v for _, v in stored), value[:, :, rows]], 2)
    before = keys.shape[2] - (tree.end - tree.start)
    visible = torch.nn.functional.pad(tree.visible, (before, 0), value=True).to(query.device)
    if window is not None:
        own = tree.positions.to(query.device)
        of_keys = torch.cat([torch.arange(before, device=query.device), own])
        visible = visible & (own[:, None] - of_keys[None] < window)
    return _weigh(query[:, :, rows], keys, values, visible, scale, cap, sinks).transpose(1, 2)


def _step_general(step: DecodeStep, layer, query, key, value, scale, window, cap, sinks) -> Tensor:
    """Each row by itself: own keys behind those of its group. Slow, and needed only where nothing else serves."""
    keys, values = _store(step, layer, key, value)
    prefix = {int(row): group for group in step.groups for row in group.rows}
    parts = []
    for row, own in enumerate(step.places):
        k, v = keys[row : row + 1, :, : own + 1], values[row : row + 1, :, : own + 1]
        if row in prefix:
            stored_keys, stored_values = prefix[row].block.read(layer, prefix[row].length)
            k, v = torch.cat([stored_keys, k], 2), torch.cat([stored_values, v], 2)
        visible = torch.ones(1, k.shape[2], dtype=torch.bool, device=k.device)
        if window is not None:
            visible[:, : max(0, k.shape[2] - window)] = False
        parts.append(_weigh(query[:, :, row : row + 1], k, v, visible, scale, cap, sinks))
    return torch.cat(parts, 2).transpose(1, 2)


def _weigh(query, keys, values, visible, scale, cap, sinks) -> Tensor:
    """softmax(cap(q kᵀ · scale)) v under the bool mask `visible`; (1, H, n, Dv)."""
    groups = query.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1)
    scores = query @ keys.transpose(2, 3) * scale
    if cap is not None:
        scores = torch.tanh(scores / cap) * cap
    scores = scores.masked_fill(~visible, float("-inf"))
    if sinks is not None:
        scores = torch.cat(
            [scores, sinks.reshape(1, -1, 1, 1).expand(1, scores.shape[1], scores.shape[2], 1).to(scores)], -1
        )
    weights = scores.float().softmax(-1).to(values.dtype)
    if sinks is not None:
        weights = weights[..., :-1]
    return weights @ values
