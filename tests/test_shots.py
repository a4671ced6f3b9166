"""The few-shot draw depends on the whole split and on nothing else."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.benchmarks.shots import SEED, draw
from llms.errors import UsageError

POOL = [{"question": f"p{i}"} for i in range(20)]
DOCUMENTS = [{"question": f"d{i}"} for i in range(30)]


@given(st.sets(st.integers(0, 29), min_size=1), st.sampled_from(["fixed", "random", "spare", "first"]))
def test_what_is_wanted_does_not_shift_what_is_drawn(wanted, how):
    every = draw(how, POOL, 5, DOCUMENTS, range(30))
    some = draw(how, POOL, 5, DOCUMENTS, wanted)
    assert some == {position: every[position] for position in wanted}


def test_random_draws_come_from_one_generator_in_order():
    random = Random(SEED)
    expected = [[POOL[i] for i in random.sample(range(20), 3)] for _ in range(4)]
    assert list(draw("random", POOL, 3, DOCUMENTS, range(4)).values()) == expected


def test_a_document_is_never_among_its_own_examples():
    drawn = draw("random", POOL, 5, POOL, range(20), same_split=True)
    for position, rows in drawn.items():
        assert len(rows) == 5
        assert POOL[position] not in rows
    for position, rows in draw("fixed", POOL, 5, POOL, range(20), same_split=True).items():
        assert POOL[position] not in rows
        assert len(rows) == 5


def test_a_document_that_stands_twice_in_the_pool_is_left_out_both_times():
    pool = [POOL[0], POOL[0], *POOL[1:4]]
    for rows in draw("random", pool, 3, [POOL[0]] * 50, range(50), same_split=True).values():
        assert POOL[0] not in rows
        assert len(rows) == 3


def test_a_spare_row_is_drawn_where_the_harness_draws_one():
    random = Random(SEED)
    expected = [[POOL[i] for i in random.sample(range(20), 4)][:3] for _ in range(5)]
    assert list(draw("spare", POOL, 3, DOCUMENTS, range(5)).values()) == expected


def test_too_small_a_pool_says_what_to_do():
    with pytest.raises(UsageError, match=r"needs 25 few-shot examples; the data holds 20\. Use --shots 20"):
        draw("fixed", POOL, 25, DOCUMENTS, range(3))
    with pytest.raises(UsageError, match="and a spare one"):
        draw("spare", POOL, 20, DOCUMENTS, range(3))


def test_zero_shots_draw_nothing():
    assert draw("random", [], 0, DOCUMENTS, [4]) == {4: []}
