"""What a chunk's tokens may see, against a plain account of ancestors, token by token; and where keys are stored."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.engine import layout
from llms.engine.layout import Block, DecodeStep, Keep, Layout, Slots, TokenSpan, Tree


@st.composite
def forests(draw):
    """Trees of pieces in depth-first order, one behind the other in a chunk; some stand behind the same stored keys."""
    blocks = [Block(9) for _ in range(3)]
    trees, start = [], 0
    for _ in range(draw(st.integers(1, 4))):
        root, path, pieces = draw(st.integers(0, 5)), 0, []
        for _ in range(draw(st.integers(1, 7))):
            length = draw(st.integers(1, 9))
            depth = draw(st.integers(0, path)) if pieces else 0
            pieces.append(TokenSpan(start, start + length, root + depth))
            path, start = depth + length, start + length
        stored = draw(
            st.lists(st.tuples(st.sampled_from(blocks), st.integers(0, 4)), max_size=2, unique_by=lambda b: id(b[0]))
        )
        trees.append(Tree(tuple(pieces), tuple(stored)))
    return trees


def ancestors(tree: Tree) -> dict[int, set[int]]:
    """Which tokens each token sees: those on its path, and itself."""
    path: list[int] = []
    seen = {}
    for piece in tree.pieces:
        del path[piece.position - tree.pieces[0].position :]
        for token in range(piece.start, piece.end):
            path.append(token)
            seen[token] = set(path)
    return seen


@pytest.mark.parametrize("masked", [1, 6, 20, 128])
@settings(max_examples=60)
@given(trees=forests())
def test_every_token_sees_its_ancestors_and_stored_keys_once(masked, trees):
    usual, layout.MASKED_TOKENS = layout.MASKED_TOKENS, masked
    try:
        spans, crosses = Layout((), tuple(trees)).spans_and_crosses
    finally:
        layout.MASKED_TOKENS = usual
    seen: list[tuple[int, int]] = []
    stored: list[tuple[int, int, int]] = []
    for span in spans:
        n = span.end - span.start
        mask = torch.ones(n, n, dtype=torch.bool).tril() if span.mask is None else span.mask
        assert mask.shape == (n, n)
        seen += [(span.start + i, span.start + j) for i, j in mask.nonzero().tolist()]
    for cross in crosses:
        for query in range(cross.start, cross.end):
            if cross.source is None:
                seen += [(query, key) for key in range(cross.first, cross.last)]
            else:
                stored.append((query, id(cross.source), cross.length))
    expected = [(token, key) for tree in trees for token, keys in ancestors(tree).items() for key in keys]
    assert sorted(seen) == sorted(expected)
    behind = [(token, id(block), length) for tree in trees for token in range(tree.start, tree.end)
              for block, length in tree.stored if length]  # fmt: skip
    assert sorted(stored) == sorted(behind)
    assert all(span.mask is None or len(span.mask) <= masked for span in spans)


@given(trees=forests())
def test_positions_and_visibility_are_those_of_the_paths(trees):
    for tree in trees:
        root, seen = tree.pieces[0].position, ancestors(tree)
        assert tree.positions.tolist() == [root + len(seen[token]) - 1 for token in range(tree.start, tree.end)]
        pairs = [(i + tree.start, j + tree.start) for i, j in tree.visible.nonzero().tolist()]
        assert sorted(pairs) == sorted((token, key) for token, keys in seen.items() for key in keys)


def test_neighbouring_trees_share_a_call_and_others_do_not():
    block, other = Block(4), Block(4)
    trees = [
        Tree((TokenSpan(at, at + 2, 3),), ((source, 3),))
        for at, source in ((0, block), (2, block), (4, other), (6, block))
    ]
    _, crosses = Layout((), tuple(trees)).spans_and_crosses
    assert sorted((c.start, c.end, c.source is block) for c in crosses) == [(0, 4, True), (4, 6, False), (6, 8, True)]


def test_short_siblings_share_a_mask_up_to_its_limit():
    def spans(*lengths):
        starts = [sum(lengths[:at]) for at in range(len(lengths))]
        pieces = tuple(TokenSpan(start, start + n, 0) for start, n in zip(starts, lengths, strict=True))
        return [(s.start, s.end, s.mask is not None) for s in Layout((), (Tree(pieces),)).spans_and_crosses[0]]

    assert spans(64, 64) == [(0, 128, True)]
    assert spans(64, 65) == [(0, 64, False), (64, 129, False)]
    assert spans(128, 1) == [(0, 128, False), (128, 129, False)]
    assert (
        spans(1, 129, 2) == [(1, 130, False), (0, 132, True)] or spans(1, 129, 2)[0][1] - spans(1, 129, 2)[0][0] <= 129
    )


def test_masks_are_additive_and_made_once():
    pieces = (TokenSpan(0, 1, 0), TokenSpan(1, 2, 1), TokenSpan(2, 3, 1))
    whole = Layout((0, 1, 1), (Tree(pieces),))
    ((span,), _) = whole.spans_and_crosses
    like = torch.zeros(1, dtype=torch.float16)
    mask = whole.mask(span, like)
    hidden = float("-inf")
    assert mask.tolist() == [[0, hidden, hidden], [0, 0, hidden], [0, hidden, 0]]
    assert mask.dtype == torch.float16
    assert whole.mask(span, like) is mask
    assert whole.mask(span, torch.zeros(1)).dtype == torch.float32
    assert whole.mask(layout.Span(0, 3), like) is None


def test_a_step_hides_keys_that_a_row_does_not_have():
    step = DecodeStep(Slots(3, 8), torch.tensor([0, 2, 1]))
    hidden = float("-inf")
    like = torch.zeros(1)
    mask = step.mask(like)
    assert mask.shape == (3, 1, 1, 3)
    assert mask[:, 0, 0].tolist() == [[0, hidden, hidden], [0, 0, 0], [0, 0, hidden]]
    assert step.mask(like) is mask
    assert (step.lengths, step.longest, step.rows.tolist()) == ([0, 2, 1], 3, [0, 1, 2])
    assert DecodeStep(Slots(2, 8), torch.tensor([4, 4])).mask(like) is None


def numbered(heads: int, n: int, first: int = 0) -> torch.Tensor:
    return torch.arange(first, first + heads * n * 3, dtype=torch.float32).reshape(heads, n, 3)


@torch.inference_mode()
def test_a_block_keeps_what_is_written_when_it_grows():
    block = Block(4)
    assert block.layers == []
    block.write(7, 1, numbered(2, 3), numbered(2, 3, 100))
    block.reserve(3)
    assert block.capacity == 4
    block.reserve(9)
    assert (block.capacity, block.layers) == (9, [7])
    keys, values = block.read(7, 4)
    assert keys.shape == values.shape == (1, 2, 4, 3)
    assert torch.equal(keys[0, :, 1:], numbered(2, 3))
    assert torch.equal(values[0, :, 1:], numbered(2, 3, 100))
    block.write(7, 6, numbered(2, 3, 50), numbered(2, 3, 60))
    assert torch.equal(block.read(7, 9)[0][0, :, 6:], numbered(2, 3, 50))


def slots_of(rows: int, capacity: int) -> Slots:
    slots = Slots(rows, capacity)
    for row in range(rows):
        slots.view(row).write(0, 0, numbered(2, capacity, 1000 * row), numbered(2, capacity, 1000 * row + 500))
    return slots


def row(slots: Slots, at: int, length: int) -> tuple[float, float]:
    """The first number of keys and of values in a row, checked to be whole."""
    keys, values = slots.view(at).read(0, length)
    assert keys.shape == values.shape == (1, 2, length, 3)
    return keys[0, 0, 0, 0].item(), values[0, 0, 0, 0].item()


def test_rows_of_slots_move_swap_and_outlive_a_resize():
    slots = slots_of(3, 4)
    assert [row(slots, at, 4) for at in range(3)] == [(0, 500), (1000, 1500), (2000, 2500)]
    slots.swap(0, 2, 4, 1)
    assert [row(slots, at, 4) for at in range(3)] == [(2000, 2500), (1000, 1500), (0, 500)]
    assert torch.equal(slots.view(2).read(0, 4)[0][0], numbered(2, 4))
    slots.move(2, 1, 2)
    keys, values = slots.view(1).read(0, 4)
    assert torch.equal(keys[0, :, :2], numbered(2, 4)[:, :2])
    assert torch.equal(keys[0, :, 2:], numbered(2, 4, 1000)[:, 2:])
    assert torch.equal(values[0, :, :2], numbered(2, 4, 500)[:, :2])
    slots.resize(5, 6)
    assert (slots.rows, slots.capacity, slots.layers) == (5, 6, [0])
    assert torch.equal(slots.view(2).read(0, 4)[0][0], numbered(2, 4))
    assert torch.equal(slots.view(2).read(0, 4)[1][0], numbered(2, 4, 500))
    keys, _ = slots.layer(0, numbered(2, 1), numbered(2, 1))
    assert keys.shape == (5, 2, 6, 3)
    slots.resize(1, 2)
    assert torch.equal(slots.view(0).read(0, 2)[0][0], numbered(2, 4, 2000)[:, :2])


def test_a_view_writes_behind_what_is_there():
    slots = slots_of(2, 4)
    slots.view(1).write(0, 3, numbered(2, 1, 7), numbered(2, 1, 9))
    keys, values = slots.view(1).read(0, 4)
    assert torch.equal(keys[0, :, 3:], numbered(2, 1, 7))
    assert torch.equal(values[0, :, 3:], numbered(2, 1, 9))
    assert torch.equal(keys[0, :, :3], numbered(2, 4, 1000)[:, :3])
    assert Keep(0, 1, slots.view(0), 0).target.read(0, 4)[0].shape == (1, 2, 4, 3)


@given(
    st.lists(st.integers(0, 1), max_size=12), st.lists(st.integers(0, 1), max_size=12), st.integers(0, 12) | st.none()
)
def test_a_common_prefix_ends_at_the_first_difference(a, b, limit):
    most = min(len(a), len(b), len(a) if limit is None else limit)
    assert layout.common_prefix(a, b, limit) == next((i for i in range(most) if a[i] != b[i]), most)
