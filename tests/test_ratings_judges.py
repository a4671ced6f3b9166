"""Judges: odd ones, agreement beyond chance, verdicts that turn with the order, means by judges that err; pairs to ask next."""

import random

import numpy as np
import pytest

from llms.arena.battle import Battle
from llms.arena.judges import agreement_with_people, flip_rate, odd_judges
from llms.arena.pairing import next_pair, pair_chances
from llms.arena.rate import rate
from llms.statistics.agreement import cohen_kappa, krippendorff_alpha
from llms.statistics.judged import binary_judge, prediction_powered


def votes(judges, n, chance, seed=0, names=("x", "y")):
    draw = random.Random(seed)
    return [Battle(*names, "a" if draw.random() < chance else "b", judge=judges[i % len(judges)]) for i in range(n)]


def test_a_judge_against_all_others_is_odd_and_the_others_are_not():
    battles = votes([f"j{i}" for i in range(10)], 400, 0.9) + votes(["contrary"], 40, 0.1, seed=1)
    assert [odd.judge for odd in odd_judges(battles)] == ["contrary"]


def test_judges_who_vote_alike_are_seldom_odd():
    flagged = sum(bool(odd_judges(votes([f"j{i}" for i in range(8)], 400, 0.7, seed))) for seed in range(60))
    assert flagged <= 6


def test_a_judge_with_four_votes_is_not_tested():
    battles = votes(["a", "b", "c"], 300, 0.95) + votes(["few"], 4, 0.0)
    assert "few" not in [odd.judge for odd in odd_judges(battles)]


def test_flips_are_counted_where_one_judge_saw_both_orders():
    battles = [
        Battle("x", "y", "a", judge="m", prompt="1"),
        Battle("y", "x", "b", judge="m", prompt="1"),  # the same verdict
        Battle("x", "y", "a", judge="m", prompt="2"),
        Battle("y", "x", "a", judge="m", prompt="2"),  # the first again
        Battle("x", "y", "a", judge="m", prompt="3"),
        Battle("y", "x", "a", judge="n", prompt="3"),  # another judge
    ]
    assert flip_rate(battles) == (1, 2)


def test_agreement_with_people_is_on_the_votes_that_both_gave():
    people = [Battle("x", "y", w, judge=j, prompt=str(i)) for i, w in enumerate("aabb") for j in "uvw"]
    people.append(Battle("x", "y", "b", judge="z", prompt="0"))  # a minority
    model = [Battle("y", "x", w, judge="gpt", judge_kind="model", prompt=str(i)) for i, w in enumerate("bbba")]
    model.append(Battle("x", "y", "a", judge="gpt", judge_kind="model", prompt="nobody judged it"))
    (one,) = agreement_with_people(people + model)
    assert (one.judge, one.votes, one.agreement, one.kappa) == ("gpt", 4, 0.75, pytest.approx(0.5))
    note = "judge gpt gave the verdict of people in 75 % of 4 common votes, Cohen's kappa 0.50"
    assert note in rate(people + model).notes


def test_kappa_of_a_table_worked_out_by_hand():
    a = ["yes"] * 25 + ["no"] * 25
    b = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(a, b) == pytest.approx(0.4)
    assert cohen_kappa(["x"], ["x"]) is None
    with pytest.raises(ValueError, match="2 and 1 labels"):
        cohen_kappa(["x", "y"], ["x"])


def test_alpha_of_krippendorffs_own_example():
    """The table of his 2011 note, section C: four observers, twelve units, nominal alpha 0.743."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    rows = [[None if x == "." else x for x in row.split()] for row in observers]
    assert krippendorff_alpha(list(zip(*rows, strict=True))) == pytest.approx(0.743421052631579, abs=1e-12)
    assert krippendorff_alpha([["a", "a"], ["a", None]]) is None


def test_prediction_power_is_unbiased_where_the_judge_is_not_and_shorter_than_labels_alone():
    generator, covered, shorter = np.random.default_rng(0), 0, 0
    for _ in range(300):
        truth = generator.random(1100) < 0.6
        judge = np.where(generator.random(1100) < 0.85, truth, ~truth) * 0.8 + 0.15  # biased, and on another scale
        result = prediction_powered(judge[100:].tolist(), judge[:100].tolist(), truth[:100].astype(float).tolist())
        covered += result.low <= 0.6 <= result.high
        shorter += result.stderr < truth[:100].std(ddof=1) / 10
    assert 0.91 <= covered / 300 <= 0.98
    assert shorter > 285


def test_without_tuning_the_judge_is_relied_on_fully():
    plain = prediction_powered([0.2, 0.4, 0.9], [0.5, 0.7], [1.0, 0.0], tuned=False)
    assert plain.power == 1
    assert plain.value == pytest.approx(0.5 + (0.5 - 0.7) / 2)
    useless = prediction_powered([0.5, 0.5], [0.5, 0.5, 0.5], [1.0, 0.0, 1.0])
    assert useless.power == 0
    assert useless.value == pytest.approx(2 / 3)


def test_a_binary_judge_is_corrected_by_its_specificity_and_sensitivity():
    result = binary_judge(620, 1000, (80, 100), (90, 100))
    assert result.value == pytest.approx((0.62 + 0.8 - 1) / 0.7)
    exact = binary_judge(600, 1000, (100, 100), (100, 100))
    assert (exact.value, exact.stderr) == (pytest.approx(0.6), pytest.approx((0.24 / 1000) ** 0.5))
    with pytest.raises(ValueError, match=r"exceed chance by 0\.10"):
        binary_judge(500, 1000, (55, 100), (55, 100))


def test_with_nothing_voted_all_pairs_are_alike_and_then_groups_are_joined():
    models = ["a", "b", "c", "d"]
    assert list(pair_chances(models, []).values()) == pytest.approx([1 / 6] * 6)
    joined = {pair for pair, chance in pair_chances(models, [Battle("a", "b", "a")]).items() if chance}
    assert joined == {("c", "d")}
    joined = {
        pair for pair, chance in pair_chances(models, [Battle("a", "b", "a"), Battle("c", "d", "a")]).items() if chance
    }
    assert joined == {("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")}


def test_votes_go_to_close_and_little_known_pairs():
    close = [Battle("a", "b", w) for w in "ab" * 50]
    far = [Battle("a", "c", "a") for _ in range(97)] + [Battle("a", "c", "b") for _ in range(3)]
    chances = pair_chances(["a", "b", "c"], close + far + [Battle("b", "c", "a")])
    assert chances["b", "c"] > chances["a", "b"] > chances["a", "c"]
    assert sum(chances.values()) == pytest.approx(1)


def test_drawn_pairs_follow_the_chances_and_stand_in_either_order():
    draw = random.Random(0)
    drawn = [next_pair(["a", "b"], [], draw) for _ in range(100)]
    assert 30 < drawn.count(("a", "b")) < 70
    with pytest.raises(ValueError, match="two different models"):
        next_pair(["a", "a"], [], draw)


def test_planned_votes_tell_models_apart_with_fewer_than_random_pairs():
    """One pair is close, the others are far apart: the drawn pairs dwell on the close one."""
    draw, battles, strength = random.Random(3), [], {"a": 0.0, "b": 0.2, "c": 3.0, "d": 6.0}
    for _ in range(120):
        a, b = next_pair(list(strength), battles, draw)
        wins = draw.random() < 1 / (1 + np.exp(strength[b] - strength[a]))
        battles.append(Battle(a, b, "a" if wins else "b"))
    close = sum({battle.model_a, battle.model_b} == {"a", "b"} for battle in battles)
    assert close > 120 / 6 * 1.4


def test_a_bootstrap_of_few_judges_says_that_it_is_too_narrow_and_leaves_ranks_open():
    votes = [
        Battle("A", "B", winner, judge=judge) for winner, judge in (("a", "j1"), ("a", "j2"), ("b", "j1"), ("a", "j3"))
    ]
    ratings = rate(votes, rounds=100)
    assert any("a bootstrap of 3 judges is too narrow" in note for note in ratings.notes)
    assert [(row.rank_low, row.rank_high) for row in ratings.ratings] == [(1, 2), (1, 2)]
