"""Generation, a token at a time, for many requests at once: rows join and leave between steps.

A prefix that waiting requests share is computed and stored once; a row stores only what follows it.

Invariants between two steps: row r owns slot r, and slots beyond the last row hold nothing. The first `filled` positions
of a row's own tokens (`text`) have their keys in its slot, and its prefix, if it has one, stores the `shared` tokens
before them. The last token of `new` has been chosen and is not stored yet: the next step computes it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from .layout import Block, DecodeStep, Group, Keep, Layout, Slots, TokenSpan, Tree, common_prefix
from .memory import free_bytes, out_of_memory
from .network import Network
from .request import DecodeRequest, Event, Finish
from .sampling import choose, generator, likelihood
from .scorer import CHUNK_TOKENS, CHUNK_TOKENS_CUDA, SMALLEST_CHUNK

MOST_ROWS = 32
MOST_ROWS_CUDA = 256
SHARED_TOKENS = 48  # a common prefix shorter than this is not worth a group of its own
COPIED_TOKENS = 16  # nor is one shorter than this worth copying
CHUNK_BESIDE = 256  # tokens of prompts per step that those who already read an answer wait for
CACHE_BYTES = 1 << 30  # of keys and values, at most, on a processor


@dataclass
class _Prefix:
    tokens: tuple[int, ...]
    block: Block
    filled: int = 0


@dataclass
class _Row:
    """A request that is being worked on: what of it is stored, and what has been generated."""

    request: DecodeRequest
    prefix: _Prefix | None
    shared: int  # of the prompt's tokens, so many lie in the prefix, which may be longer
    random: torch.Generator | None
    filled: int = 0  # own positions whose keys and values are stored
    like: "_Row | _Prefix | None" = None  # begins with the same `alike` own tokens, whose keys and values are copied
    alike: int = 0
    new: list[int] = field(default_factory=list)

    @property
    def own(self) -> tuple[int, ...]:
        """The prompt's tokens behind the shared prefix."""
        return self.request.tokens[self.shared :]

    @property
    def text(self) -> tuple[int, ...]:
        """The tokens that must be stored before the next one: the prompt behind the shared prefix, all but the last new token."""
        return (*self.own, *self.new[:-1])

    @property
    def ready(self) -> bool:
        """Whether the next token can be decoded: there is a last one, and all before it is stored."""
        return bool(self.new) and self.filled >= len(self.request.tokens) - self.shared + len(self.new) - 1

    @property
    def room(self) -> int:
        """Own positions this row can come to need."""
        return len(self.request.tokens) - self.shared + self.request.max_tokens


class Decoder:
    """`add` requests, `step` until `idle`; each step yields at most one event per row. `end` are end-of-sequence ids.

    With `remember`, keys and values of finished requests stay, the most recent first and within bounds, so that a
    request which begins like an earlier one (the next turn of a chat) computes only what is new.
    """

    def __init__(
        self, network: Network, end: frozenset[int] = frozenset(), rows: int | None = None, remember: bool = False
    ):
        cuda = network.device.type == "cuda"
        self._network = network
        self._end = end
        self._chunk_tokens = CHUNK_TOKENS_CUDA if cuda else CHUNK_TOKENS
        self.most_rows = rows or (MOST_ROWS_CUDA if cuda else MOST_ROWS)
        self._bytes = free_bytes(network.device) // 2 if cuda else min(CACHE_BYTES, free_bytes(network.device) // 4)
        self._waiting: deque[DecodeRequest] = deque()
        self._grouped = True
        self._prefixes: list[_Prefix] = []
        self._rows: list[_Row] = []  # row r owns slot r
        self._parked: list[_Row] = []  # had to give their slots up, and go first when there is room again
        self._slots = Slots(0, 0)
        self._wide = not remember
        self._remember = self._bytes // 2 // network.bytes_per_position if remember else 0  # positions
        self._remembered: list[_Prefix] = []  # oldest first
        self._chunk_beside = min(CHUNK_BESIDE, self._chunk_tokens) if remember else self._chunk_tokens

    @property
    def idle(self) -> bool:
        return not self._rows and not self._waiting and not self._parked

    @property
    def vacant(self) -> int:
        """So many more requests may be admitted at once; none while one waits for memory."""
        return 0 if self._waiting or self._parked else self.most_rows - len(self._rows)

    @property
    def active(self) -> list[int]:
        """Ids of the requests that are being worked on."""
        return [row.request.id for row in self._rows]

    def add(self, request: DecodeRequest) -> None:
        if not request.tokens:
            raise ValueError(f"request {request.id} has no tokens; at least one is needed")
        self._waiting.append(request)
        self._grouped = False

    @torch.inference_mode()
    def abort(self, id: int) -> None:
        """Forget request `id`; nothing more is computed for it."""
        self._waiting = deque(request for request in self._waiting if request.id != id)
        self._parked = [row for row in self._parked if row.request.id != id]
        for index, row in enumerate(self._rows):
            if row.request.id == id:
                self._leave(index)
                break

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """Admit what fits, compute one chunk of prompts, and one token of every row whose prompt is done.

        When memory runs out, half as many rows go on with half the chunk; the others wait, and lose no token.
        """
        events = self._within_memory(self._admit) + self._within_memory(self._prefill)
        if self._wide and not all(row.ready for row in self._rows):
            return events
        return events + self._within_memory(self._decode)

    def _within_memory(self, compute: Callable[[], list[Event]]) -> list[Event]:
        """The events of `compute`; when memory runs out, none, and everything stored is given up. A parked row keeps its
        `new` tokens and its generator, so that it goes on where it was once its text has been read again."""
        try:
            return compute()
        except RuntimeError as error:
            rows, chunk = max(1, len(self._rows) // 2), max(SMALLEST_CHUNK, self._chunk_tokens // 2)
            if not out_of_memory(error) or (rows, chunk) == (self.most_rows, self._chunk_tokens):
                raise
            self.most_rows, self._chunk_tokens, self._chunk_beside = rows, chunk, min(chunk, self._chunk_beside)
        for row in self._rows:
            row.filled, row.like = 0, None
        self._parked, self._rows, self._slots, self._remembered = self._rows + self._parked, [], Slots(0, 0), []
        return []

    def _admit(self) -> list[Event]:
        """Let rows in, parked ones first, as long as all fit the memory: one long row makes every slot as long."""
        if not (self._waiting or self._parked) or len(self._rows) >= self.most_rows:
            return []
        if not self._grouped:
            self._group()
        if not self._rows:
            self._slots = Slots(0, 0)
        while (self._parked or self._waiting) and len(self._rows) < self.most_rows:
            row = self._parked[0] if self._parked else self._new_row(self._waiting[0])
            capacity = max(self._slots.capacity, row.room, *(other.room for other in self._rows))
            if self._rows and (len(self._rows) + 1) * capacity * self._network.bytes_per_position > self._bytes:
                break
            if self._parked:
                del self._parked[0]
            else:
                self._waiting.popleft()
                self._liken(row)
            self._rows.append(row)
        used = {id(row.prefix) for row in (*self._rows, *self._parked)}
        self._prefixes = [p for p in self._prefixes if id(p) in used or any(_begins(r, p) for r in self._waiting)]
        capacity = max(self._slots.capacity, max(row.room for row in self._rows))
        if capacity > self._slots.capacity or len(self._rows) > self._slots.rows:
            self._slots.resize(max(len(self._rows), self._slots.rows), capacity)
        return []

    def _new_row(self, request: DecodeRequest) -> _Row:
        return _Row(request, *self._prefix_of(request), generator(request.sampling))

    def _liken(self, row: _Row) -> None:
        """Find who begins as `row` does: a row that is here, or what is remembered, each behind the same prefix."""
        own, most = row.own, len(row.own) - 1
        others: list[tuple[int, _Row | _Prefix]] = [
            (common_prefix(other.own, own, most), other)
            for other in self._rows
            if other.prefix is row.prefix and other.shared == row.shared
        ]
        if row.prefix is None:
            others += [(common_prefix(past.tokens, own, most), past) for past in self._remembered]
        alike, like = max(others, key=lambda pair: pair[0], default=(0, None))
        if alike >= COPIED_TOKENS:
            row.alike, row.like = alike, like

    def _copied(self, slot: int, row: _Row) -> bool:
        """Whether `row` may be read on: what it begins with has been copied, or there is nothing to copy from."""
        like = row.like
        if isinstance(like, _Row):
            source = next((index for index, other in enumerate(self._rows) if other is like), None)
            if source is not None and like.filled < row.alike:
                return False
            if source is not None:
                self._slots.move(source, slot, row.alike)
                row.filled = row.alike
        elif like is not None:
            for layer in like.block.layers:
                keys, values = like.block.read(layer, row.alike)
                self._slots.view(slot).write(layer, 0, keys[0], values[0])
            row.filled = row.alike
        row.like = None
        return True

    def _group(self) -> None:
        """Find prefixes that waiting requests share; put requests of one prefix beside each other, longest first.

        Sorted requests that share a beginning are neighbours. A run of them is extended while what it shares is not below
        SHARED_TOKENS nor, from the third on, halved. A prompt's last token stays outside: its logits are wanted.
        """
        self._grouped = True
        order = sorted(self._waiting, key=lambda request: request.tokens)
        start = 0
        while start < len(order):
            common, end = len(order[start].tokens) - 1, start + 1
            while end < len(order):
                shared = min(
                    common_prefix(order[end - 1].tokens, order[end].tokens), common, len(order[end].tokens) - 1
                )
                if shared < SHARED_TOKENS or (end > start + 1 and shared < common // 2):
                    break
                common, end = shared, end + 1
            tokens = order[start].tokens[:common]
            if end > start + 1 and not any(p.tokens == tokens for p in self._prefixes):
                self._prefixes.append(_Prefix(tokens, Block(common)))
            start = end
        self._waiting = deque(sorted(order, key=lambda request: (-self._shared(request), -len(request.tokens))))

    def _prefix_of(self, request: DecodeRequest) -> tuple[_Prefix | None, int]:
        """The prefix that stores most of the request's beginning, and how much of it: all of one, or any part of what
        is remembered."""
        candidates = [(prefix, len(prefix.tokens)) for prefix in self._prefixes if _begins(request, prefix)]
        for past in self._remembered:
            shared = common_prefix(past.tokens, request.tokens, len(request.tokens) - 1)
            if shared >= SHARED_TOKENS:
                candidates.append((past, shared))
        return max(candidates, key=lambda pair: pair[1], default=(None, 0))

    def _shared(self, request: DecodeRequest) -> int:
        return self._prefix_of(request)[1]

    def _prefill(self) -> list[Event]:
        """One chunk of what rows still have to read: a shared prefix, else prompts. Events of prompts now read.

        Only the chunk's first prompt may be cut; another that does not fit waits. `filled` grows after the forward pass
        alone, since one that runs out of memory has stored nothing that counts.
        """
        for row in self._rows:
            if row.prefix and row.prefix.filled < len(row.prefix.tokens):
                self._fill(row.prefix)
                return []
        trees, keeps, advances = [], [], []
        chunk = self._chunk()
        tokens: list[int] = []
        positions: list[int] = []
        for slot, row in enumerate(self._rows):
            if row.like is not None and not self._copied(slot, row):
                continue
            room = chunk - len(tokens)
            if row.ready or room == 0:
                continue
            text = row.text
            left = len(text) - row.filled
            if tokens and left > room:
                continue
            part = text[row.filled : row.filled + room]
            start, position, own = len(tokens), row.shared + row.filled, self._slots.view(slot)
            stored = ((row.prefix.block, row.shared),) if row.prefix else ()
            trees.append(Tree((TokenSpan(start, start + len(part), position),), (*stored, (own, row.filled))))
            keeps.append(Keep(start, start + len(part), own, row.filled))
            tokens += part
            positions += range(position, position + len(part))
            advances.append((row, len(part), len(part) == left and not row.new))
        if not tokens:
            return []
        ends = accumulate(count for _, count, _ in advances)
        read = [(row, end - 1) for (row, _, chooses), end in zip(advances, ends, strict=True) if chooses]
        layout = Layout(tuple(positions), tuple(trees), tuple(keeps))
        logits = self._network.forward(tokens, layout, [last for _, last in read])
        for row, count, _ in advances:
            row.filled += count
        return self._choose([row for row, _ in read], logits)

    def _chunk(self) -> int:
        return self._chunk_beside if any(row.new for row in self._rows) else self._chunk_tokens

    def _fill(self, prefix: _Prefix) -> None:
        """Compute and store the next chunk of a shared prefix."""
        start = prefix.filled
        part = prefix.tokens[start : start + self._chunk()]
        tree = Tree((TokenSpan(0, len(part), start),), ((prefix.block, start),))
        layout = Layout(tuple(range(start, start + len(part))), (tree,), (Keep(0, len(part), prefix.block, start),))
        self._network.forward(part, layout, [])
        prefix.filled += len(part)

    def _decode(self) -> list[Event]:
        """One token for each row whose prompt is read; these rows come first, in slots 0 .. n, which the step reads as one
        tensor. The r-th index of `ready` is at least r, so that no swap moves a row already in its slot."""
        ready = [index for index, row in enumerate(self._rows) if row.ready]
        for slot, index in enumerate(ready):
            if slot != index:
                self._swap(slot, index)
        rows = self._rows[: len(ready)]
        if not rows:
            return []
        device = self._network.device
        sharing: dict[tuple[int, int], list[int]] = {}
        for slot, row in enumerate(rows):
            if row.prefix:
                sharing.setdefault((id(row.prefix), row.shared), []).append(slot)
        shared = [(rows[group[0]], torch.tensor(group, device=device)) for group in sharing.values()]
        positions = tuple(row.shared + row.filled for row in rows)
        step = DecodeStep(
            self._slots,
            torch.tensor([row.filled for row in rows], device=device),
            tuple(Group(group, row.prefix.block, row.shared) for row, group in shared if row.prefix),
        )
        logits = self._network.forward([row.new[-1] for row in rows], Layout(positions, step=step), range(len(rows)))
        for row in rows:
            row.filled += 1
        return self._choose(rows, logits)

    def _choose(self, rows: list[_Row], logits: Tensor) -> list[Event]:
        """The next token of each row, logits (len(rows), V); finished rows leave."""
        if not rows:
            return []
        events = []
        best = logits.argmax(-1).tolist()  # NaN counts as the largest, so that it is seen where it stands anywhere
        finite = logits[range(len(rows)), best].isfinite().tolist()
        for slot, row in enumerate(rows):
            request = row.request
            if not finite[slot]:
                row.new.append(best[slot])
                events.append(Event(request.id, best[slot], "nan"))
                continue
            token = best[slot] if request.takes_the_best else choose(logits[slot], request, row.new, row.random)
            row.new.append(token)
            ended = token in self._end or (request.stop is not None and request.stop(row.new))
            finish: Finish | None = "stop" if ended else "length" if len(row.new) >= request.max_tokens else None
            events.append(Event(request.id, token, finish, *likelihood(logits[slot], token, request.top)))
        for event in events:
            if event.finish:
                index = next(i for i, row in enumerate(self._rows) if row.request.id == event.id)
                (self._remove if event.finish == "nan" else self._leave)(index)
        return events

    def _leave(self, index: int) -> None:
        """Row `index` is done; what it computed is remembered, if that is wanted."""
        row = self._rows[index]
        length = row.shared + row.filled
        whole = row.filled and (row.prefix is None or row.prefix.filled >= row.shared)
        if whole and COPIED_TOKENS <= length <= self._remember:
            tokens = (*row.request.tokens, *row.new)[:length]
            self._remembered = [past for past in self._remembered if past.tokens != tokens[: len(past.tokens)]]
            self._remembered.append(_Prefix(tokens, self._copy(index, row), length))
            while sum(len(past.tokens) for past in self._remembered) > self._remember:
                del self._remembered[0]
        self._remove(index)

    def _copy(self, index: int, row: _Row) -> Block:
        block, own = Block(row.shared + row.filled), self._slots.view(index)
        for layer in self._slots.layers:
            if row.prefix and row.shared:
                block.write(layer, 0, *(stored[0] for stored in row.prefix.block.read(layer, row.shared)))
            block.write(layer, row.shared, *(stored[0] for stored in own.read(layer, row.filled)))
        return block

    def _remove(self, index: int) -> None:
        """Take row `index` out; the last row takes its slot, so that rows and slots stay without a gap."""
        last = len(self._rows) - 1
        if index != last:
            self._slots.move(last, index, self._rows[last].filled)
            self._rows[index] = self._rows[last]
        self._rows.pop()

    def _swap(self, a: int, b: int) -> None:
        self._slots.swap(a, b, self._rows[a].filled, self._rows[b].filled)
        self._rows[a], self._rows[b] = self._rows[b], self._rows[a]


def _begins(request: DecodeRequest, prefix: _Prefix) -> bool:
    return len(prefix.tokens) < len(request.tokens) and request.tokens[: len(prefix.tokens)] == prefix.tokens
