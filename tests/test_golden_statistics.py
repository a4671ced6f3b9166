"""Intervals, pairs and power against scipy, statsmodels, full matrices and exact enumeration (golden/make.py)."""

import json
from math import isinf, sqrt
from pathlib import Path

import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats")
pytest.importorskip("statsmodels")

from llms.statistics import choose, stderr, t_interval, weighted, wilson
from llms.statistics.intervals import few_clusters_error
from llms.statistics.paired import compare, holm, mcnemar, sign_flip, status_rate
from llms.statistics.power import detectable, needed, variance
from llms.statistics.sequential import ConfidenceSequence
from llms.statistics.student import Z, t_quantile, t_tail
from llms.values import Score

GOLDEN = Path(__file__).with_name("golden")
INTERVALS = json.loads((GOLDEN / "intervals.json").read_text())
PAIRS = json.loads((GOLDEN / "pairs.json").read_text())
POWER = json.loads((GOLDEN / "power.json").read_text())


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def test_quantiles_leave_two_and_a_half_percent_above():
    for df, quantile in INTERVALS["quantiles"].items():
        assert t_quantile(float(df)) == near(quantile)


def test_tails_are_those_of_scipy_on_both_sides_of_where_the_fraction_is_turned_round():
    for df in (0.7, 1, 4.5, 30, 1000):
        for t in (0.01, 0.5, 1.0, 2.0, 12.0):
            assert t_tail(t, df) == near(float(stats.t.sf(t, df)))


def test_wilson_is_the_interval_of_statsmodels():
    for right, n, low, high in INTERVALS["wilson"]:
        assert wilson(right / n, n) == near((low, high))
        score = choose([1] * right + [0] * (n - right))
        assert (score.low, score.high, score.value, score.n) == near((low, high, right / n, n))


def test_t_intervals_are_those_of_statsmodels():
    for case in INTERVALS["t"]:
        score = choose(case["scores"])
        assert (score.low, score.high, score.stderr) == near((case["low"], case["high"], case["stderr"]))
        assert t_interval(case["scores"]) == near((case["low"], case["high"]))
        assert stderr(case["scores"]) == near(case["stderr"])


@pytest.mark.parametrize("kind", ["few", "many"])
def test_clustered_intervals_are_those_of_matrices_and_statsmodels(kind):
    for case in INTERVALS[kind]:
        score = choose(case["scores"], case["clusters"])
        assert (score.low, score.high, score.stderr) == near((case["low"], case["high"], case["stderr"]))
        assert score.clusters == len(set(case["clusters"]))
        assert score.method.startswith("clustered t (CR2" if kind == "few" else "clustered t,")
        effect = (case["stderr"] / stderr(case["scores"])) ** 2
        assert score.method.endswith(f", design effect {effect:.1f}")
        if kind == "few":
            assert few_clusters_error(case["scores"], case["clusters"]) == near((case["stderr"], case["df"]))


def test_clusters_count_from_forty_on_as_many():
    for clusters, method in ((39, "CR2"), (40, "clustered t, design")):
        names = [cluster for cluster in range(clusters) for _ in range(2)]
        assert method in choose([float(i % 3 == 0) for i in range(len(names))], names).method


def test_averages_have_welchs_degrees_of_freedom():
    for case in INTERVALS["macro"]:
        score = weighted([choose(part) for part in case["parts"]], case["weights"])
        assert (score.value, score.low, score.high) == near((case["value"], case["low"], case["high"]))
        tenth = weighted([choose(part) for part in case["parts"]], [weight / 100 for weight in case["weights"]])
        assert (tenth.value, tenth.low, tenth.high) == near((case["value"], case["low"], case["high"]))
        assert score.n == sum(map(len, case["parts"]))
        assert score.method == f"t over {len(case['parts'])} parts"


def test_averages_of_clustered_parts_count_clusters_not_items():
    """Two parts of two clusters each have one degree of freedom each, so together two where the errors are equal."""
    part = Score(5.0, 4.0, 6.0, 0.5, 100, "clustered t", 2)
    score = weighted([part, part], [1, 1])
    assert (score.low, score.high) == near((5 - t_quantile(2) * sqrt(0.125), 5 + t_quantile(2) * sqrt(0.125)))


def test_averages_stay_in_the_unit_interval_where_their_parts_do():
    certain = Score(0.9, 0.6, 1.0, 0.15, 5, "t")
    assert weighted([certain, certain], [1, 1]).high == 1.0
    doubtful = Score(0.1, 0.0, 0.4, 0.15, 5, "t")
    assert weighted([doubtful, doubtful], [1, 1]).low == 0.0
    beyond = Score(0.9, 0.6, 1.2, 0.15, 5, "t")
    assert weighted([beyond, beyond], [1, 1]).high > 1.0


def test_averages_without_variance_have_wilsons_interval_of_all_units():
    """Equal weights: 1 / (1/4/10 + 1/4/30) = 30 units; weights by size: all 40."""
    parts = [Score(1.0, 0.7, 1.0, 0.0, 10, "t"), Score(1.0, 0.9, 1.0, 0.0, 30, "t")]
    equal, by_size = weighted(parts, [1, 1]), weighted(parts, [10, 30])
    assert (equal.low, equal.high, equal.method) == (near(wilson(1.0, 30)[0]), 1.0, "wilson, n = 30")
    assert (by_size.low, by_size.high, by_size.method) == (near(wilson(1.0, 40)[0]), 1.0, "wilson, n = 40")
    assert equal.stderr == near((1 - equal.low) / (2 * Z))


def test_paired_comparisons_are_those_of_scipy_and_statsmodels():
    for case in PAIRS["plain"]:
        pair = compare(case["a"], case["b"])
        assert (pair.difference, pair.stderr, pair.correlation) == near(
            (case["difference"], case["stderr"], case["correlation"])
        )
        assert (pair.low, pair.high) == near(tuple(case["interval"]))
        assert pair.inner == near(tuple(case["inner"]))
        assert pair.n == pair.clusters == len(case["a"])
        if "p" in case:
            assert pair.p == near(case["p"])
        assert (pair.only_a, pair.only_b) == (case.get("only_a"), case.get("only_b"))
        assert pair.test == ("exact McNemar" if "only_a" in case else "sign flip")


def test_equivalence_begins_where_both_one_sided_tests_reject_at_5_percent():
    for case in PAIRS["plain"]:
        pair = compare(case["a"], case["b"])
        assert pair.verdict(case["margin"] * 1.0001, p=1.0) == "equivalent"
        assert pair.verdict(case["margin"] * 0.9999, p=1.0) == "no detectable difference"


def test_p_of_exactly_5_percent_decides_nothing():
    pair = compare([1, 0, 1, 1], [0, 0, 1, 1])
    assert pair.verdict(0.0, p=0.05) == "no detectable difference"
    assert pair.verdict(0.0, p=0.0499) == "better"


def test_clustered_pairs_are_those_of_matrices_and_statsmodels():
    for case in PAIRS["clustered"]:
        pair = compare(case["a"], case["b"], case["clusters"])
        assert pair.stderr == near(case["stderr"])
        assert (pair.low, pair.high) == near(tuple(case["interval"]))
        assert pair.inner == near(tuple(case["inner"]))
        assert pair.clusters == len(set(case["clusters"]))
        assert pair.test == "sign flip of clusters"
        if "p" in case:
            assert pair.p == near(case["p"])


def test_holm_is_that_of_statsmodels():
    for raw, adjusted in PAIRS["holm"]:
        assert holm(raw) == near(adjusted)
    assert mcnemar(0, 5) == near(2 / 2**5)


def test_drawn_sign_flips_are_near_the_exact_ones():
    """21 units of 1: |sum| >= 11 by the binomial distribution; 10,000 draws have a standard error of 0.0025."""
    values = [1.0] * 16 + [-1.0] * 5
    assert sign_flip(values, range(21)) == pytest.approx(0.0266, abs=0.008)
    assert sign_flip([1.0] * 21, range(21)) == 1 / 10_001  # the data themselves are one of the patterns


def test_alike_differences_may_hide_what_was_missed():
    """None of n differ: a share of 1 - 0.05^(1/n) would be missed with 5 %; 0.1 for the inner interval."""
    pair = compare([1, 0, 1, 0] * 5, [1, 0, 1, 0] * 5)
    missed = 1 - 0.05 ** (1 / 20)
    assert (pair.low, pair.high, pair.stderr) == near((-missed, missed, missed / 2))
    assert pair.inner == near((0.1 ** (1 / 20) - 1, 1 - 0.1 ** (1 / 20)))
    assert pair.method.startswith("all 20 items alike")
    within = compare([1.0, 0.0] * 3, [0.0, 1.0] * 3, [0, 0, 1, 1, 2, 2])
    assert within.method.startswith("all 3 clusters alike")
    wide = compare([5.0, 5.0], [2.0, 2.0])
    assert (wide.low, wide.high, wide.inner, wide.method) == (
        None,
        None,
        None,
        "no interval: all differences are equal",
    )


def test_a_difference_of_no_spread_has_no_correlation():
    assert compare([1, 1, 1], [0, 1, 0]).correlation is None


def test_power_is_that_of_the_normal_distribution():
    for case in POWER["detectable"]:
        others = {name: value for name, value in case.items() if name not in ("n", "difference")}
        assert detectable(case["n"], **others) == near(case["difference"])
        assert needed(case["difference"], **others) == near(case["n"])


def test_a_pilots_variance_is_the_samples_but_at_least_that_of_three_who_differ():
    pilot = [0.5, -1.0, 0.25, 1.0, 0.0]
    assert variance(pilot) == near(max(float(np.var(pilot, ddof=1)), 3 / 5))
    spread = [1.0, -1.0] * 20
    assert variance(spread) == near(float(np.var(spread, ddof=1)))
    assert variance([0.0, 0.0]) == 3 / 2
    assert variance([0.0] * 29 + [1.0]) == 3 / 30


def test_a_confidence_sequence_is_the_hedged_capital_of_its_definition():
    """Waudby-Smith and Ramdas 2023, section 4, candidate by candidate with plain numbers."""
    random = np.random.default_rng(7)
    values = [float(v) for v in random.choice([-1, 0, 1], p=[0.1, 0.5, 0.4], size=150)]
    sequence = ConfidenceSequence(alpha=0.1)
    for value in values:
        sequence.add(value)
    low, high = -1.0, 1.0
    candidates = [i / 200 for i in range(201)]
    capital = {m: [0.0, 0.0] for m in candidates}
    sums, squares = 0.5, 0.25
    for t, value in enumerate(values, 1):
        x = (value + 1) / 2
        bet = sqrt(2 * np.log(2 / 0.1) / (squares / t * t * np.log(t + 1)))
        for m in candidates:
            capital[m][0] += np.log1p(min(bet, 0.5 / m if m else bet) * (x - m)) if m or x else 0.0
            capital[m][1] += np.log1p(min(bet, 0.5 / (1 - m) if m < 1 else bet) * (m - x)) if m < 1 or x < 1 else 0.0
        sums += x
        squares += (x - sums / (t + 1)) ** 2
        alive = [m for m in candidates if max(capital[m]) < np.log(2 / 0.1)]
        low, high = max(low, 2 * min(alive) - 1), min(high, 2 * max(alive) - 1)
    assert sequence.low == pytest.approx(low, abs=0.012)  # the step of this grid
    assert sequence.high == pytest.approx(high, abs=0.012)


def test_a_sequence_decides_by_zero_and_by_the_margin():
    sequence = ConfidenceSequence()
    for low, high, decision in ((0.001, 0.5, "better"), (-0.5, -0.001, "worse"), (-0.01, 0.01, "equivalent"),
                                (0.0, 0.5, None), (-0.5, 0.0, None), (-0.02, 0.01, None), (-0.01, 0.02, None)):  # fmt: skip
        sequence.low, sequence.high = low, high
        assert sequence.decision(0.02) == decision


def test_shares_of_unreadable_answers():
    assert status_rate({"unparsed": 1, "truncated": 2, "ok": 7}, 10) == 0.3
    assert status_rate({}, 0) == 0.0


def test_a_score_without_variance_of_its_own_borrows_half_of_wilsons_width():
    score = choose([1.0] * 10)
    assert score.stderr == near((score.high - score.low) / (2 * Z))
    assert not isinf(choose([1.0]).stderr)
    assert choose([0.4] * 6).method == "wilson, n = 6"
    assert choose([0.4] * 6, [0, 0, 1, 1, 2, 2]).method == "wilson, n = 3"
