"""Log-probabilities of given continuations: every token of the requests' prefix tree is computed once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from .layout import Block, Keep, Layout, TokenSpan, Tree, common_prefix
from .memory import free_bytes, out_of_memory
from .network import Network

CHUNK_TOKENS = 1024  # on a processor; see benchmarks/LOG.md
CHUNK_TOKENS_CUDA = 8192
SMALLEST_CHUNK = 16
LOGIT_ELEMENTS = 1 << 26  # of one chunk, which bounds its memory for large vocabularies
_ROWS = 64  # rows of logits that are normalised at a time: they fit the cache


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Score the last `scored` of `tokens`, given those before them; at least one must be before."""

    tokens: tuple[int, ...]
    scored: int


@dataclass(frozen=True, slots=True)
class TokenScore:
    """Sum of log-probabilities (nats), whether each token was the arg-max, and the computing time's share."""

    logprob: float
    greedy: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class _TokenTree:
    """The requests' tree in depth-first order. `starts[i]`, `positions[i]` begin the i-th unbranched run;
    `wanted[g]` holds (request, token) pairs whose log-probability is read after the g-th token."""

    tokens: list[int]
    starts: list[int]
    positions: list[int]
    wanted: dict[int, list[tuple[int, int]]]
    longest: int


class Scorer:
    """Scores requests through `network`, in chunks of at most `chunk_tokens` tokens.

    The path that was open last stays stored, so that a header is shared over calls as well.
    """

    def __init__(self, network: Network, chunk_tokens: int | None = None):
        self._network = network
        self._chunk_tokens = chunk_tokens or _chunk_tokens(network)
        self._path: list[int] = []
        self._block = Block(0)

    def score(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, TokenScore]]:
        """Yields (index, score) in order of completion.

        When memory runs out the chunks are halved and what was not finished begins again.
        """
        left = set(range(len(requests)))
        while left:
            try:
                for index, score in self._score(requests, sorted(left)):
                    left.remove(index)
                    yield index, score
            except RuntimeError as error:
                if not out_of_memory(error) or self._chunk_tokens <= SMALLEST_CHUNK:
                    raise
                self._chunk_tokens = max(SMALLEST_CHUNK, self._chunk_tokens // 2)
                self._path, self._block = [], Block(0)  # a chunk that broke off left them half written

    def _score(self, requests: Sequence[ScoreRequest], chosen: list[int]) -> Iterator[tuple[int, TokenScore]]:
        stream = self._plan(requests, chosen)
        self._block.reserve(stream.longest)
        pending = {index: requests[index].scored for index in chosen}
        sums, greedy, carried = dict.fromkeys(chosen, 0.0), dict.fromkeys(chosen, True), 0.0
        for index in [index for index in chosen if not pending[index]]:
            yield index, TokenScore(0.0, True, 0.0)
        done = piece = 0
        while done < len(stream.tokens):
            started = perf_counter()
            end = self._chunk_end(stream, done)
            finished = []
            for index, logprob, best in self._run(stream, done, end, piece):
                sums[index] += logprob
                greedy[index] &= best
                pending[index] -= 1
                if not pending[index]:
                    finished.append(index)
            done = end
            while piece + 1 < len(stream.starts) and stream.starts[piece + 1] <= done:
                piece += 1
            carried += perf_counter() - started
            for index in finished:
                yield index, TokenScore(sums[index], greedy[index], carried / len(finished))
            carried = 0.0 if finished else carried

    def _plan(self, requests: Sequence[ScoreRequest], chosen: list[int]) -> _TokenTree:
        """Depth-first order is lexicographic order: each run is what a sequence adds to the one before it."""
        stream = _TokenTree([], [], [], {}, max(len(requests[index].tokens) for index in chosen))
        path, owner = list(self._path), [-1] * len(self._path)  # owner: where in the stream a position is computed
        for index in sorted(chosen, key=lambda index: requests[index].tokens):
            tokens, scored = list(requests[index].tokens), requests[index].scored
            if scored and scored >= len(tokens):
                raise ValueError(f"request {index} scores {scored} of {len(tokens)} tokens; one must come before them")
            if not scored:
                continue
            shared = common_prefix(path, tokens, len(tokens) - 1)
            first = len(tokens) - 1 - scored
            if shared > first and owner[first] < 0:  # stored, but its logits are wanted: compute from there
                shared = first
            if shared < len(tokens) - 1:
                stream.starts.append(len(stream.tokens))
                stream.positions.append(shared)
                del path[shared:], owner[shared:]
                path += tokens[shared:-1]
                owner += range(len(stream.tokens), len(stream.tokens) + len(tokens) - 1 - shared)
                stream.tokens.extend(tokens[shared:-1])
            for position in range(first, len(tokens) - 1):
                stream.wanted.setdefault(owner[position], []).append((index, tokens[position + 1]))
        return stream

    def _chunk_end(self, stream: _TokenTree, start: int) -> int:
        rows = max(1, LOGIT_ELEMENTS // self._network.vocabulary)
        end, wanted = start, 0
        while end < len(stream.tokens) and end - start < self._chunk_tokens:
            wanted += end in stream.wanted
            if wanted > rows:
                break
            end += 1
        return end

    def _run(self, stream: _TokenTree, start: int, end: int, piece: int) -> list[tuple[int, float, bool]]:
        """Compute stream tokens start .. end; (request, log-probability, is arg-max) of each wanted token."""
        pieces: list[list[TokenSpan]] = []
        while piece < len(stream.starts) and stream.starts[piece] < end:
            first = max(start, stream.starts[piece])
            last = min(end, stream.starts[piece + 1] if piece + 1 < len(stream.starts) else end)
            if first < last:
                new = TokenSpan(first - start, last - start, stream.positions[piece] + first - stream.starts[piece])
                if pieces and new.position > pieces[-1][0].position:
                    pieces[-1].append(new)
                else:
                    pieces.append([new])
            piece += 1
        trees = tuple(Tree(tuple(group), ((self._block, group[0].position),)) for group in pieces)
        keeps = [Keep(a, b, self._block, position) for a, b, position in _open_path(pieces[-1])]
        positions = tuple(p.position + i for group in pieces for p in group for i in range(p.end - p.start))
        rows = [g for g in range(start, end) if g in stream.wanted]
        logits = self._network.forward(
            stream.tokens[start:end], Layout(positions, trees, tuple(keeps)), [g - start for g in rows]
        )
        root = pieces[-1][0].position
        del self._path[root:]
        for keep in keeps:
            del self._path[keep.offset :]
            self._path += stream.tokens[start + keep.start : start + keep.end]
        return _read(logits, [stream.wanted[g] for g in rows])


def _open_path(pieces: list[TokenSpan]) -> list[tuple[int, int, int]]:
    """(start, end, position) of the chunk's runs that lead to its last token, first to last."""
    runs: list[tuple[int, int, int]] = []
    limit = None
    for piece in reversed(pieces):
        length = piece.end - piece.start if limit is None else min(piece.end - piece.start, limit - piece.position)
        if length > 0:
            runs.append((piece.start, piece.start + length, piece.position))
            limit = piece.position
    return runs[::-1]


@torch.inference_mode()
def _read(logits: Tensor, wanted: list[list[tuple[int, int]]]) -> list[tuple[int, float, bool]]:
    """(request, log-probability, is arg-max) of the wanted tokens. logits (R, V); wanted[r] lists (request, token).

    torch's own log_softmax in float32, as the reference harness uses it: over a large vocabulary its sum is low by
    some 1e-5 nats per token, and scores agree only if both do the same (benchmarks/LOG.md).
    """
    results = []
    for first in range(0, len(wanted), _ROWS):
        block = logits[first : first + _ROWS].float().log_softmax(-1)
        here = wanted[first : first + len(block)]
        rows = [row for row, targets in enumerate(here) for _ in targets]
        pairs = [pair for targets in here for pair in targets]
        tokens = [token for _, token in pairs]
        chosen = block[rows, tokens]
        best = (chosen >= block.amax(-1)[rows]).tolist()
        for (index, token), logprob, top, row in zip(pairs, chosen.tolist(), best, rows, strict=True):
            results.append((index, logprob, top and int(block[row].argmax()) == token))  # of equals the first counts
    return results


def _chunk_tokens(network: Network) -> int:
    """As many tokens as pay off, and no more than a quarter of free memory holds (about 64 hidden states each)."""
    wish = CHUNK_TOKENS_CUDA if network.device.type == "cuda" else CHUNK_TOKENS
    per_token = network.hidden * 4 * 64 + network.bytes_per_position
    return max(64, min(wish, free_bytes(network.device) // 4 // per_token))
