"""Bradley-Terry and its kin: properties, small cases worked out elsewhere, intervals and ranks."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llms
from llms.arena.battle import Battle, Style
from llms.arena.bradley_terry import ELO, fit
from llms.arena.cleaning import Cleaning
from llms.arena.elo import elo, elo_history, elo_median
from llms.arena.rate import rate
from llms.arena.ties import LIKELIHOODS
from llms.arena.vote_table import vote_table
from llms.errors import UnknownName, UsageError


def fought(a, b, wins, losses=0, ties=0, **facts):
    return [Battle(a, b, winner, **facts) for winner in ["a"] * wins + ["b"] * losses + ["tie"] * ties]


def by_model(ratings):
    return {rating.model: rating for rating in ratings.ratings}


def one_component(table):
    return np.zeros(len(table.models), np.int64)


FOUR = fought("A", "B", 2, 3) + fought("A", "D", 1, 4) + fought("B", "C", 5, 3) + fought("C", "D", 1, 3)
# Citations between four journals of statistics (Stigler 1994); each row cites the columns so often. Agresti's abilities.
JOURNALS = ("Biometrika", "Comm. Statist.", "JASA", "JRSS-B")
CITED = ((714, 730, 498, 221), (33, 425, 68, 17), (320, 813, 1072, 142), (284, 276, 325, 188))
JOURNAL_BATTLES = [
    battle
    for i in range(4)
    for j in range(i + 1, 4)
    for battle in fought(JOURNALS[i], JOURNALS[j], CITED[i][j], CITED[j][i])
]


@st.composite
def arenas(draw):
    """Votes among 3 to 5 models that are strongly connected: everyone lost to the next once, and more at random."""
    models = [f"m{i}" for i in range(draw(st.integers(3, 5)))]
    ring = [Battle(a, b, "a") for a, b in zip(models, models[1:] + models[:1], strict=True)]
    pairs = st.tuples(st.sampled_from(models), st.sampled_from(models)).filter(lambda pair: pair[0] != pair[1])
    more = draw(st.lists(st.tuples(pairs, st.sampled_from(["a", "b", "tie", "both_bad"])), max_size=30))
    return ring + [Battle(*pair, winner) for pair, winner in more]


def test_four_players_have_the_strengths_of_arena_rank():
    strengths = {name: math.exp((r.rating - 1000) / ELO) for name, r in by_model(rate(FOUR)).items()}
    assert strengths == pytest.approx({"A": 0.639835, "B": 1.043314, "C": 0.659810, "D": 2.270377}, abs=1e-6)


def test_journals_have_the_abilities_and_errors_of_bradleyterry2_against_an_anchor():
    ratings = by_model(rate(JOURNAL_BATTLES, anchor=("Biometrika", 0.0), interval="model"))
    assert [ratings[name].rating / ELO for name in JOURNALS] == pytest.approx(
        [0, -2.94907, -0.47957, 0.26895], abs=1e-5
    )
    assert [ratings[name].stderr / ELO for name in JOURNALS] == pytest.approx([0, 0.10255, 0.06059, 0.07083], abs=1e-5)


def test_a_cycle_with_one_more_win_has_the_abilities_of_choix():
    ratings = by_model(rate(fought("0", "1", 2) + fought("1", "2", 1) + fought("2", "0", 1)))
    abilities = [(ratings[name].rating - 1000) / ELO for name in "012"]
    assert abilities == pytest.approx([0.419617624, -0.419617624, 0], abs=1e-9)


def test_newton_needs_few_steps():
    table = vote_table(JOURNAL_BATTLES)
    fitted = fit(table, one_component(table))
    assert fitted.finite
    assert fitted.steps <= 8


@settings(max_examples=25, deadline=None)
@given(arenas())
def test_swapping_the_sides_of_every_vote_changes_nothing(battles):
    turned = {"a": "b", "b": "a"}
    swapped = [Battle(b.model_b, b.model_a, turned.get(b.winner, b.winner)) for b in battles]
    for one, other in zip(rate(battles).ratings, rate(swapped).ratings, strict=True):
        assert one.rating == pytest.approx(other.rating, abs=1e-6)
        assert one.stderr == pytest.approx(other.stderr, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(arenas())
def test_doubling_all_votes_leaves_ratings_and_halves_variances(battles):
    for method in ("model", "independent"):
        once, twice = by_model(rate(battles, interval=method)), by_model(rate(battles * 2, interval=method))
        for model, rating in once.items():
            assert twice[model].rating == pytest.approx(rating.rating, abs=1e-6)
            assert twice[model].stderr ** 2 == pytest.approx(rating.stderr**2 / 2, rel=1e-6, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(arenas(), st.randoms())
def test_the_order_of_votes_changes_elo_and_not_bradley_terry(battles, shuffler):
    mixed = list(battles)
    shuffler.shuffle(mixed)
    assert {m: r.rating for m, r in by_model(rate(mixed)).items()} == pytest.approx(
        {m: r.rating for m, r in by_model(rate(battles)).items()}, abs=1e-6
    )
    first, second = Battle("x", "y", "a"), Battle("x", "y", "b")
    assert elo(vote_table([first, second])).tolist() != elo(vote_table([second, first])).tolist()


@settings(max_examples=25, deadline=None)
@given(arenas(), st.sampled_from(["half", "davidson", "rao-kupper"]), st.floats(-3, 3))
def test_a_constant_added_to_all_abilities_leaves_every_vote_as_likely(battles, ties, constant):
    table = vote_table(battles)
    abilities = np.random.default_rng(0).normal(size=len(table.models))

    def values(theta):
        return LIKELIHOODS[ties](theta[table.first] - theta[table.second], table.outcome, 0.7).value

    assert values(abilities + constant) == pytest.approx(values(abilities), abs=1e-9)


@pytest.mark.parametrize("ties", ["half", "davidson", "rao-kupper"])
def test_derivatives_are_those_of_finite_differences(ties):
    d, outcome, step = np.array([-1.3, 0.0, 0.4, 2.0, -0.2, 1.1]), np.array([0, 1, 2, 0, 2, 1]), 1e-5
    likelihood = LIKELIHOODS[ties]
    here, right, left = (likelihood(d + shift, outcome, 0.6) for shift in (0, step, -step))
    assert (right.value - left.value) / (2 * step) == pytest.approx(here.slope, abs=1e-7)
    assert (left.slope - right.slope) / (2 * step) == pytest.approx(here.curve, abs=1e-7)
    assert (left.tie_slope - right.tie_slope) / (2 * step) == pytest.approx(here.cross, abs=1e-7)
    if ties != "half":
        up, down = (likelihood(d, outcome, 0.6 + shift) for shift in (step, -step))
        assert (up.value - down.value) / (2 * step) == pytest.approx(here.tie_slope, abs=1e-7)
        assert (down.tie_slope - up.tie_slope) / (2 * step) == pytest.approx(here.tie_curve, abs=1e-7)


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper"])
def test_win_tie_and_loss_sum_to_one(ties):
    d = np.linspace(-4, 4, 9)
    total = sum(np.exp(LIKELIHOODS[ties](d, np.full(9, outcome), 0.8).value) for outcome in (0, 1, 2))
    assert total == pytest.approx(np.ones(9))


def simulated(n, seed=0, shares=(0.0, 0.3, 0.6, 1.2), **facts):
    """n games of four players whose abilities are `shares`, with the known model."""
    draw = random.Random(seed)
    battles = []
    for _ in range(n):
        a, b = draw.sample(range(4), 2)
        wins = draw.random() < 1 / (1 + math.exp(shares[b] - shares[a]))
        battles.append(Battle(f"p{a}", f"p{b}", "a" if wins else "b", **facts))
    return battles


def test_sandwich_and_bootstrap_agree_on_ten_thousand_games():
    battles = simulated(10_000)
    formula, drawn = by_model(rate(battles, interval="independent")), by_model(rate(battles, rounds=1000))
    for model, rating in formula.items():
        assert drawn[model].high - drawn[model].low == pytest.approx(rating.high - rating.low, rel=0.1)
        assert drawn[model].interval == "bootstrap, 1000 rounds"


def test_intervals_cover_the_true_differences():
    true = np.array([0.0, 0.3, 0.6, 1.2])
    inside = 0
    for seed in range(200):
        ratings = by_model(rate(simulated(400, seed), interval="independent"))
        inside += sum(
            ratings[f"p{i}"].low <= 1000 + ELO * (true[i] - true.mean()) <= ratings[f"p{i}"].high for i in range(4)
        )
    assert 0.92 <= inside / 800 <= 0.975


def test_votes_of_one_judge_that_repeat_count_as_one_cluster():
    battles = [replace(b, judge=f"j{i}") for i, b in enumerate(simulated(300))]
    repeated = [b for b in battles for _ in range(9)]
    honest, naive = by_model(rate(repeated)), by_model(rate(repeated, interval="independent"))
    for model, rating in by_model(rate(battles)).items():
        assert honest[model].stderr == pytest.approx(rating.stderr, rel=1e-6)
        assert naive[model].stderr == pytest.approx(rating.stderr / 3, rel=1e-6)
        assert honest[model].interval == "sandwich clustered by judge (300)"


def test_few_prompts_get_students_t_and_a_note():
    battles = [replace(b, prompt=f"{i % 5}") for i, b in enumerate(simulated(300))]
    ratings = rate(battles, interval="prompt")
    first = ratings.ratings[0]
    assert (first.high - first.low) / (2 * first.stderr) == pytest.approx(2.7764451, abs=1e-6)  # t with 4 df
    assert any("5 prompts only" in note for note in ratings.notes)


def test_an_interval_by_judge_needs_judges():
    with pytest.raises(UsageError, match="judge"):
        rate(FOUR, interval="judge")
    with pytest.raises(UsageError, match="judge"):
        rate([replace(b, judge="me") for b in FOUR], interval="judge")


def test_ties_alone_show_no_variance_and_get_the_models_error():
    first, second = rate(fought("a", "b", 0, 0, 10)).ratings
    assert first.rating == second.rating == pytest.approx(1000)
    assert first.low < 900
    assert first.interval == "model-based"


def test_ranks_come_from_differences_and_equal_models_share_them():
    battles = fought("best", "x", 90, 10) + fought("best", "y", 90, 10) + fought("x", "y", 51, 49)
    ratings = by_model(rate(battles))
    assert (ratings["best"].rank_low, ratings["best"].rank_high) == (1, 1)
    assert (ratings["x"].rank_low, ratings["x"].rank_high) == (2, 3)
    assert (ratings["y"].rank_low, ratings["y"].rank_high) == (2, 3)


def test_intervals_that_overlap_may_belong_to_models_that_differ():
    """Both met only a third one often: what they share moves both, and their difference is surer than either."""
    battles = fought("a", "b", 160, 100) + fought("b", "c", 9, 1) + fought("a", "c", 9, 1)
    ratings = by_model(rate(battles, interval="model"))
    assert ratings["a"].low < ratings["b"].high
    assert ratings["a"].rank_low == 1
    assert ratings["b"].rank_low == 2


def test_a_third_outcome_changes_neither_the_likelier_model_nor_needs_ties():
    battles = fought("a", "b", 30, 20, 10) + fought("b", "c", 30, 20, 10) + fought("a", "c", 30, 20, 10)
    half = rate(battles)
    for ties in ("davidson", "rao-kupper"):
        ratings = rate(battles, ties=ties)
        assert [r.model for r in ratings.ratings] == [r.model for r in half.ratings]
        assert any("the order is that of ties as half a win" in note for note in ratings.notes)
    without = rate(FOUR, ties="davidson")
    assert without.method == "Bradley-Terry, ties as half a win"
    assert any("no finite parameter" in note for note in without.notes)


def test_a_change_of_order_is_told_by_pairs():
    battles = fought("a", "c", 10, 0, 30) + fought("b", "c", 30, 20) + fought("a", "b", 10, 10)
    half, third = (by_model(rate(battles, ties=ties)) for ties in ("half", "rao-kupper"))
    assert half["a"].rating > half["b"].rating + 5
    assert third["a"].rating < third["b"].rating - 5
    assert any("1 pairs change places: b before a" in note for note in rate(battles, ties="rao-kupper").notes)


def test_an_anchor_has_its_rating_and_no_interval():
    ratings = by_model(rate(FOUR, anchor=("A", 1114)))
    assert (ratings["A"].rating, ratings["A"].low, ratings["A"].stderr) == (pytest.approx(1114), pytest.approx(1114), 0)
    free = by_model(rate(FOUR))
    assert ratings["D"].rating - ratings["B"].rating == pytest.approx(free["D"].rating - free["B"].rating)
    with pytest.raises(UnknownName, match="'E'"):
        rate(FOUR, anchor=("E", 1000))


def test_online_elo_has_the_constants_of_chatbot_arena():
    battles = [Battle("A", "B", "a"), Battle("B", "C", "tie"), Battle("C", "A", "b"), Battle("A", "C", "tie")]
    assert elo(vote_table(battles)) == pytest.approx([1003.9539526, 998.0115128, 998.0345346], abs=1e-7)


def test_history_begins_at_a_thousand_and_ends_at_elo():
    table = vote_table(simulated(500))
    history = elo_history(table, points=10)
    assert history.votes[0] == 0
    assert history.votes[-1] == 500
    assert history.ratings[0].tolist() == [1000] * 4
    assert history.ratings[-1] == pytest.approx(elo(table))
    assert history.ratings.sum(1) == pytest.approx(np.full(len(history.votes), 4000))


def test_the_median_of_elo_forgets_the_order():
    battles = sorted(simulated(300), key=lambda b: b.winner)
    shuffled = random.Random(1).sample(battles, len(battles))
    a, b = elo_median(vote_table(battles), 200), elo_median(vote_table(shuffled), 200, seed=1)
    assert np.abs(a - b).max() < 4 < np.abs(elo(vote_table(battles)) - elo(vote_table(shuffled))).max()


def styled(n, gain, seed=0):
    """Equal models; the longer answer wins with log odds `gain` per unit of (a - b)/(a + b + 1). `wordy` writes longer."""
    draw, battles = random.Random(seed), []
    for _ in range(n):
        a, b = draw.sample(["terse", "plain", "wordy"], 2)
        lengths = [draw.randint(50, 150) * (3 if model == "wordy" else 1) for model in (a, b)]
        x = (lengths[0] - lengths[1]) / (sum(lengths) + 1)
        wins = draw.random() < 1 / (1 + math.exp(-gain * x))
        battles.append(Battle(a, b, "a" if wins else "b", style_a=Style(lengths[0]), style_b=Style(lengths[1])))
    return battles


def test_style_control_takes_the_gain_of_length_out_of_the_ratings():
    battles = styled(4000, 3.0)
    plain, controlled = by_model(rate(battles)), rate(battles, style=True)
    assert plain["wordy"].rating > 1080
    assert all(r.low < 1000 < r.high for r in controlled.ratings)
    length = controlled.effects[0]
    assert length.name == "length"
    spread = np.std(
        [(b.style_a.length - b.style_b.length) / (b.style_a.length + b.style_b.length + 1) for b in battles]
    )
    assert abs(length.value - 3.0 * spread) < 3 * length.stderr
    assert length.elo == pytest.approx(length.value * ELO)


def test_style_control_needs_the_style_of_every_answer():
    with pytest.raises(UsageError, match="22 of 22 votes have no style"):
        rate(FOUR, style=True)
    same = [replace(b, style_a=Style(10), style_b=Style(10)) for b in FOUR]
    with pytest.raises(UsageError, match="do not differ"):
        rate(same, style=True)


def test_a_judge_who_prefers_the_first_answer_is_named():
    draw, battles = random.Random(2), []
    for i in range(600):
        a, b = draw.sample("xyz", 2)
        chance = 0.8 if i % 2 else 0.5
        winner = "a" if draw.random() < chance else "b"
        battles.append(Battle(a, b, winner, judge="hasty" if i % 2 else "fair", prompt=str(i)))
    ratings = rate(battles)
    position = ratings.effects[-1]
    assert position.name == "first position"
    assert position.elo > 50
    assert any(note.startswith("judge hasty favours the answer shown first") for note in ratings.notes)
    assert not any("judge fair" in note for note in ratings.notes)


def test_a_judge_who_always_takes_the_first_is_no_crash():
    battles = [Battle(a, b, "a", judge="blind") for a in "xyz" for b in "xyz" if a != b for _ in range(10)]
    ratings = rate(battles)
    assert all(math.isfinite(r.rating) and math.isfinite(r.stderr) for r in ratings.ratings)
    assert any("judge blind favours the answer shown first" in note for note in ratings.notes)


def test_one_voter_with_ten_thousand_votes_counts_up_to_the_daily_cap():
    battles = simulated(10_000, judge="busy", created="2026-11-02T10:00:00") + fought("p0", "p1", 1, judge="other")
    ratings = rate(battles)
    assert ratings.votes == 1001
    assert ratings.dropped == {"more than 1000 votes of one judge in a day": 9000}
    assert rate(battles, cleaning=Cleaning(daily_cap=20_000)).votes == 10_001
    machine = [replace(b, judge_kind="model") for b in battles]
    assert rate(machine).votes == 10_001


def test_only_what_cannot_count_is_left_out_and_each_reason_is_counted():
    odd = [
        Battle("A", "A", "a"),
        Battle("A", "B", "a", anonymous=False),
        Battle("A", "B", "a", problem="the answer names its model"),
        Battle("A", "B", "a", problem="the answer was cut"),
    ]
    ratings = rate(FOUR + odd)
    assert ratings.ratings == rate(FOUR).ratings
    assert ratings.dropped == {
        "self-battle": 1,
        "not blind": 1,
        "the answer names its model": 1,
        "the answer was cut": 1,
    }
    seen = rate(FOUR + odd, cleaning=Cleaning(not_blind=True))
    assert seen.votes == len(FOUR) + 1
    with pytest.raises(UsageError, match="no votes to rate"):
        rate(odd[:1])


def test_votes_of_ones_own_chats_count_though_the_names_were_known():
    seen = [Battle("A", "B", "a", anonymous=False, chat=True), Battle("A", "B", "a", anonymous=False)]
    ratings = rate(FOUR + seen)
    assert (ratings.votes, ratings.dropped) == (len(FOUR) + 1, {"not blind": 1})
    assert any("not blind" in note for note in ratings.notes)
    assert rate(FOUR + seen, cleaning=Cleaning(not_blind=False)).votes == len(FOUR)


def test_both_bad_is_a_tie_and_the_record_of_pairs_says_so():
    battles = [Battle("b", "a", "a"), Battle("a", "b", "both_bad"), Battle("a", "b", "a"), Battle("b", "a", "tie")]
    ratings = rate(battles)
    (pair,) = ratings.pairs
    assert (pair.model_a, pair.model_b, pair.wins_a, pair.wins_b, pair.ties) == ("a", "b", 1, 1, 2)
    assert pair.expected == pytest.approx(0.5)


def test_llms_rate_is_public_and_repeats_itself():
    assert llms.rate is rate
    assert rate(FOUR, rounds=50) == rate(FOUR, rounds=50)


def test_the_bootstrap_says_what_it_is_not_for():
    with pytest.raises(UsageError, match="bootstrap"):
        rate(FOUR + fought("A", "B", 0, 0, 1), ties="davidson", rounds=50)
