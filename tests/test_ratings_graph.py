"""Graphs of votes that do not bound every rating: named, never NaN."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.arena.battle import Battle
from llms.arena.rate import rate
from llms.errors import UsageError


def fought(a, b, wins, losses=0, ties=0):
    return [Battle(a, b, winner) for winner in ["a"] * wins + ["b"] * losses + ["tie"] * ties]


def by_model(ratings):
    return {rating.model: rating for rating in ratings.ratings}


CORE = fought("a", "b", 3, 2) + fought("b", "c", 3, 2) + fought("a", "c", 3, 2)


def test_a_model_that_only_won_is_unbounded_above_and_changes_no_other():
    ratings = rate(CORE + fought("star", "a", 4))
    star = by_model(ratings)["star"]
    assert (star.rating, star.low, star.high, star.stderr, star.unbounded) == (None, None, None, None, "above")
    assert (star.rank_low, star.rank_high, star.battles) == (1, 4, 4)
    assert ratings.ratings[0] == star
    for model, rating in by_model(rate(CORE)).items():
        assert by_model(ratings)[model].rating == pytest.approx(rating.rating)
    assert any("star: never lost or tied" in note for note in ratings.notes)


def test_a_model_that_only_lost_is_unbounded_below_and_stands_last():
    ratings = rate(CORE + fought("dud", "a", 0, 4))
    assert ratings.ratings[-1].model == "dud"
    assert ratings.ratings[-1].unbounded == "below"
    assert any("dud: never won or tied" in note for note in ratings.notes)


def test_two_models_and_one_winner():
    first, second = rate(fought("a", "b", 5)).ratings
    assert (first.model, first.unbounded, first.rating) == ("a", "above", None)
    assert (second.model, second.unbounded, second.rating) == ("b", "below", None)
    assert first.component == second.component == 0


def test_a_chain_of_winners_bounds_nobody():
    ratings = by_model(rate(fought("a", "b", 2) + fought("b", "c", 2)))
    assert {name: r.unbounded for name, r in ratings.items()} == {"a": "above", "b": "both", "c": "below"}


def test_groups_that_never_met_are_parts_with_ratings_of_their_own():
    ratings = rate(CORE + fought("x", "y", 3, 2))
    assert {r.model: r.component for r in ratings.ratings} == {"a": 0, "b": 0, "c": 0, "x": 1, "y": 1}
    assert all(r.rating is not None for r in ratings.ratings)
    x = by_model(ratings)["x"]
    assert (x.rank_low, x.rank_high) == (1, 2)
    alone = by_model(rate(fought("x", "y", 3, 2)))
    assert x.rating == pytest.approx(alone["x"].rating)
    assert x.stderr == pytest.approx(alone["x"].stderr)
    assert any(note.startswith("2 groups of models never met") for note in ratings.notes)


def test_a_group_that_beat_all_of_another_is_rated_by_itself():
    ratings = rate(CORE + fought("x", "y", 3, 2) + fought("x", "a", 2))
    assert {r.model: r.component for r in ratings.ratings} == {"a": 0, "b": 0, "c": 0, "x": 1, "y": 1}
    assert any("x, y is rated by itself: it lost no battle against the group of a" in note for note in ratings.notes)
    expected = {(p.model_a, p.model_b): p.expected for p in ratings.pairs}
    assert expected["a", "x"] is None
    assert expected["x", "y"] is not None


def test_one_tie_bounds_a_rating():
    star = by_model(rate(CORE + fought("star", "a", 4, 0, 1)))["star"]
    assert star.unbounded == ""
    assert star.rating > 1000


def test_a_stated_ridge_gives_a_rating_and_no_interval():
    ratings = rate(CORE + fought("star", "a", 4), ridge=1e-3)
    star = by_model(ratings)["star"]
    assert star.rating > max(r.rating for r in ratings.ratings if r.model != "star")
    assert (star.low, star.high, star.stderr, star.unbounded) == (None, None, None, "above")
    assert any("ridge" in note for note in ratings.notes)


def test_separable_replicates_are_left_out_and_counted():
    ratings = rate(CORE + fought("d", "a", 6, 1), rounds=400)
    assert any("of 400 bootstrap replicates were separable" in note for note in ratings.notes)
    assert all(math.isfinite(bound) and abs(bound) < 4000 for r in ratings.ratings for bound in (r.low, r.high))


def test_an_unbounded_model_cannot_be_the_anchor():
    with pytest.raises(UsageError, match="not bounded"):
        rate(CORE + fought("star", "a", 4), anchor=("star", 1000))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefg"), st.sampled_from("abcdefg"), st.sampled_from(["a", "b", "tie", "both_bad"])
        ),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from(["half", "davidson", "rao-kupper"]),
)
def test_no_graph_of_votes_gives_a_number_that_is_none(votes, ties):
    battles = [Battle(*vote) for vote in votes]
    if all(b.model_a == b.model_b for b in battles):
        return
    ratings = rate(battles, ties=ties)
    for rating in ratings.ratings:
        numbers = [rating.rating, rating.low, rating.high, rating.stderr]
        assert all(n is None for n in numbers) if rating.unbounded else all(math.isfinite(n) for n in numbers)
        assert 1 <= rating.rank_low <= rating.rank_high <= len(ratings.ratings)
    assert {r.model for r in ratings.ratings} == {b.model_a for b in battles if b.model_a != b.model_b} | {
        b.model_b for b in battles if b.model_a != b.model_b
    }
