"""How a chunk of a token tree is laid out: which of its tokens may see which keys.

A chunk is one run of tokens, in depth-first order of the tree, that goes through the model as a single
sequence. Tokens enter as *pieces* (start, end, position): unbranched runs, each attached to the path that
was open before it. A Layout says, without building a (T, T) mask, what each token attends to:

    Tree   a connected part of the chunk together with the stored keys in front of it
    Span   queries and keys are the same tokens: causal, or under a small ancestor mask
    Cross  all queries of a range see all keys of a stored block, or of an earlier range of the chunk
    Keep   keys and values to store for later chunks
    DecodeStep  one new token for each of several independent rows that are being decoded
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..lazy import lazy

# Subtrees up to this many tokens are attended to in one call under a mask; larger ones are split at their
# branch points, without a mask. Measured in benchmarks/LOG.md.
MASKED_TOKENS = 128


class KeyValues(Protocol):
    """Stored keys and values of a run of positions, per layer."""

    def read(self, layer: int, length: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the first `length` positions, each (1, KV heads, length, D)."""
        ...

    def write(self, layer: int, offset: int, key: Tensor, value: Tensor) -> None:
        """Store (KV heads, n, D) keys and values at positions offset .. offset + n."""
        ...


class Block:
    """Keys and values of one path; room is made when a layer first writes."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def layers(self) -> list[int]:
        return list(self._layers)

    def read(self, layer: int, length: int) -> tuple[Tensor, Tensor]:
        keys, values = self._layers[layer]
        return keys[None, :, :length], values[None, :, :length]

    def write(self, layer: int, offset: int, key: Tensor, value: Tensor) -> None:
        if layer not in self._layers:
            self._layers[layer] = (self._empty(key), self._empty(value))
        keys, values = self._layers[layer]
        keys[:, offset : offset + key.shape[1]] = key
        values[:, offset : offset + key.shape[1]] = value

    def _empty(self, like: Tensor) -> Tensor:
        return like.new_empty(like.shape[0], self.capacity, like.shape[2])

    @torch.inference_mode()
    def reserve(self, capacity: int) -> None:
        """Make room for `capacity` positions; what is stored stays."""
        if capacity > self.capacity:
            old, self.capacity, self._layers = self._layers, capacity, {}
            for layer, (keys, values) in old.items():
                self.write(layer, 0, keys, values)


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Tokens start .. end of the chunk, at positions position, position + 1, … of their path."""

    start: int
    end: int
    position: int


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens start .. end see one another: causally, or as the additive (n, n) `mask` says."""

    start: int
    end: int
    mask: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Cross:
    """Queries start .. end see every one of `length` stored keys, or of the chunk's keys first .. last."""

    start: int
    end: int
    source: KeyValues | None = None
    length: int = 0
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Keep:
    """Store keys and values of tokens start .. end of the chunk in `target`, from `offset` on."""

    start: int
    end: int
    target: KeyValues
    offset: int


@dataclass(frozen=True)
class Tree:
    """A connected part of the chunk behind stored keys: `stored` of them in each (block, length)."""

    pieces: tuple[TokenSpan, ...]
    stored: tuple[tuple[KeyValues, int], ...] = ()

    @property
    def start(self) -> int:
        return self.pieces[0].start

    @property
    def end(self) -> int:
        return self.pieces[-1].end

    @lazy
    def positions(self) -> Tensor:
        return torch.cat([torch.arange(p.position, p.position + p.end - p.start) for p in self.pieces])

    @lazy
    def visible(self) -> Tensor:
        """(n, n) bool: row i sees column j, an ancestor of i or i itself."""
        return _visible(self.pieces)


@dataclass(frozen=True, slots=True)
class Group:
    """Decoding rows (an index tensor) that share the stored prefix `block` of `length` positions."""

    rows: Tensor
    block: KeyValues
    length: int


@dataclass(frozen=True)
class DecodeStep:
    """The chunk's tokens are one new token for each row: row r's key is stored at position `own[r]` of slot r."""

    slots: "Slots"
    own: Tensor
    groups: tuple[Group, ...] = ()
    _masks: dict[torch.dtype, Tensor] = field(default_factory=dict)

    @lazy
    def lengths(self) -> list[int]:
        """`own` as integers: how many keys each row has stored before this step."""
        return [int(length) for length in self.own.tolist()]

    @lazy
    def longest(self) -> int:
        return max(self.lengths) + 1

    @lazy
    def rows(self) -> Tensor:
        return torch.arange(len(self.lengths), device=self.own.device)

    def mask(self, like: Tensor) -> Tensor | None:
        """(rows, 1, 1, longest) additive: which of a row's own keys exist; None if all do. Made once per step."""
        if min(self.lengths) + 1 == self.longest:
            return None
        if like.dtype not in self._masks:
            visible = torch.arange(self.longest, device=self.own.device)[None] <= self.own[:, None]
            self._masks[like.dtype] = like.new_zeros(visible.shape).masked_fill_(~visible, float("-inf"))[:, None, None]
        return self._masks[like.dtype]


class Slots:
    """Own keys and values of up to `rows` decoding rows of up to `capacity` positions each."""

    def __init__(self, rows: int, capacity: int):
        self.rows, self.capacity = rows, capacity
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def layers(self) -> list[int]:
        return list(self._layers)

    def layer(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, KV heads, capacity, D) keys and values; `key` and `value` (KV heads, n, D) give shape and type."""
        if layer not in self._layers:
            self._layers[layer] = (self._empty(key), self._empty(value))
        return self._layers[layer]

    def _empty(self, like: Tensor) -> Tensor:
        return like.new_zeros(self.rows, like.shape[-3], self.capacity, like.shape[-1])

    def move(self, source: int, target: int, length: int) -> None:
        for keys, values in self._layers.values():
            keys[target, :, :length] = keys[source, :, :length]
            values[target, :, :length] = values[source, :, :length]

    def swap(self, a: int, b: int, length_a: int, length_b: int) -> None:
        length = max(length_a, length_b)
        for pair in self._layers.values():
            for stored in pair:
                stored[[a, b], :, :length] = stored[[b, a], :, :length]

    def resize(self, rows: int, capacity: int) -> None:
        """Make room for `rows` rows of `capacity` positions; what is stored stays."""
        old, keep_rows, keep = self._layers, min(self.rows, rows), min(self.capacity, capacity)
        self.rows, self.capacity, self._layers = rows, capacity, {}
        for index in list(old):
            keys, values = old.pop(index)
            new_keys, new_values = self.layer(index, keys[0], values[0])
            new_keys[:keep_rows, :, :keep] = keys[:keep_rows, :, :keep]
            new_values[:keep_rows, :, :keep] = values[:keep_rows, :, :keep]

    def view(self, row: int) -> "SlotView":
        return SlotView(self, row)


@dataclass(frozen=True, slots=True)
class SlotView:
    """One row of Slots, as KeyValues."""

    slots: Slots
    row: int

    def read(self, layer: int, length: int) -> tuple[Tensor, Tensor]:
        keys, values = self.slots._layers[layer]
        return keys[self.row : self.row + 1, :, :length], values[self.row : self.row + 1, :, :length]

    def write(self, layer: int, offset: int, key: Tensor, value: Tensor) -> None:
        keys, values = self.slots.layer(layer, key, value)
        keys[self.row, :, offset : offset + key.shape[1]] = key
        values[self.row, :, offset : offset + key.shape[1]] = value


@dataclass(frozen=True)
class Layout:
    """A chunk ready for attention: either trees of new tokens, or one DecodeStep."""

    positions: tuple[int, ...]
    trees: tuple[Tree, ...] = ()
    keeps: tuple[Keep, ...] = ()
    step: DecodeStep | None = None
    _masks: dict[tuple[int, torch.dtype], Tensor] = field(default_factory=dict)

    @lazy
    def spans_and_crosses(self) -> tuple[list[Span], list[Cross]]:
        """The kernel calls that make up attention of all trees.

        Invariant: each pair of a token and a key that it may see lies in exactly one span or cross, and each token lies
        in one span; partial results are merged by their log-sum-exp, where a key counted twice would be wrong without
        being seen.
        """
        spans: list[Span] = []
        crosses: list[Cross] = []
        shared: dict[tuple[int, int], Cross] = {}  # neighbouring trees behind the same keys attend to them together
        for tree in self.trees:
            for block, length in tree.stored:
                last = shared.get((id(block), length))
                if last and last.end == tree.start:
                    shared[id(block), length] = Cross(last.start, tree.end, block, length)
                elif length:
                    crosses += [last] if last else []
                    shared[id(block), length] = Cross(tree.start, tree.end, block, length)
            _split(list(tree.pieces), spans, crosses)
        return spans, crosses + list(shared.values())

    def mask(self, span: Span, like: Tensor) -> Tensor | None:
        """The additive mask of a span in the dtype and on the device of `like`, made once per chunk."""
        if span.mask is None:
            return None
        key = (span.start, like.dtype)
        if key not in self._masks:
            self._masks[key] = (
                torch.zeros(span.mask.shape, dtype=like.dtype).masked_fill_(~span.mask, float("-inf")).to(like.device)
            )
        return self._masks[key]


def _split(pieces: list[TokenSpan], spans: list[Span], crosses: list[Cross]) -> None:
    """Cut sibling subtrees (all rooted at one position) into calls: paths, small masked groups, or trunk and branches.

    Neighbouring subtrees are masked together as long as they fit MASKED_TOKENS: between siblings the mask is closed, as
    no token of one is an ancestor of the other's.
    """
    root = pieces[0].position
    small: list[TokenSpan] = []
    i = 0
    while i < len(pieces):
        j = i + 1
        while j < len(pieces) and pieces[j].position > root:
            j += 1
        subtree = pieces[i:j]
        i = j
        if small and subtree[-1].end - small[0].start > MASKED_TOKENS:
            _close(small, spans)
            small = []
        if subtree[-1].end - subtree[0].start <= MASKED_TOKENS:
            small += subtree
        elif len(subtree) == 1:
            spans.append(Span(subtree[0].start, subtree[0].end))
        else:
            _split_subtree(subtree, spans, crosses)
    if small:
        _close(small, spans)


def _split_subtree(subtree: list[TokenSpan], spans: list[Span], crosses: list[Cross]) -> None:
    """Cut a subtree at its first fork: the trunk sees itself, all that hangs on it sees the whole trunk, and the branches
    are cut in turn. The rest of the first piece, beyond the fork, is one of the branches."""
    first = subtree[0]
    branch = min(piece.position for piece in subtree[1:])
    fork = first.start + branch - first.position
    spans.append(Span(first.start, fork))
    crosses.append(Cross(fork, subtree[-1].end, first=first.start, last=fork))
    rest = [TokenSpan(fork, first.end, branch)] if fork < first.end else []
    _split(rest + subtree[1:], spans, crosses)


def _close(pieces: list[TokenSpan], spans: list[Span]) -> None:
    if len(pieces) == 1:
        spans.append(Span(pieces[0].start, pieces[0].end))
    else:
        spans.append(Span(pieces[0].start, pieces[-1].end, _visible(tuple(pieces))))


def _visible(pieces: tuple[TokenSpan, ...]) -> Tensor:
    """(n, n) bool: token i sees its ancestors and itself, over tokens first.start .. last.end.

    Pieces come in depth-first order, so that the open path up to a piece's position is the path of its ancestors.
    """
    offset, root = pieces[0].start, pieces[0].position
    n = pieces[-1].end - offset
    mask = torch.zeros(n, n, dtype=torch.bool)
    path: list[int] = []  # the open path: index of the token at position root + i
    for piece in pieces:
        del path[piece.position - root :]
        start, end = piece.start - offset, piece.end - offset
        mask[start:end, path] = True
        mask[start:end, start:end] = torch.ones(end - start, end - start, dtype=torch.bool).tril_()
        path += range(start, end)
    return mask


def common_prefix(a: Sequence[int], b: Sequence[int], limit: int | None = None) -> int:
    """Length of the common prefix of two tuples (or two lists), at most `limit`; bisection over slices."""
    low, high = 0, min(len(a), len(b), len(a) if limit is None else limit)
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
