"""Intervals: fixed values, coverage by enumeration and simulation, and the awkward cases."""

from math import comb, inf, isfinite, nan, sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.statistics import caution, choose, clustered_stderr, macro, mean, stderr, t_interval, weighted, wilson
from llms.statistics.intervals import few_clusters_error
from llms.statistics.student import Z, t_quantile
from llms.values import Score

S = [1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1]
CLUSTERS = [0] * 4 + [1] * 3 + [2] * 4 + [3]


def test_means_and_errors_of_the_fixtures():
    assert mean(S) == pytest.approx(0.5833333333, abs=1e-10)
    assert stderr(S) == pytest.approx(0.1486470975, abs=1e-10)
    assert clustered_stderr(S, CLUSTERS, corrected=False) == pytest.approx(0.1692508001, abs=1e-10)
    assert clustered_stderr(S, CLUSTERS) == pytest.approx(0.1954339900, abs=1e-10)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (0, 30, 0, 0.1135134),
        (30, 30, 0.8864866, 1),
        (137, 164, 0.7710632, 0.8843172),
        (655, 1000, 0.6249942, 0.6838195),
    ],
)
def test_wilson_intervals_of_the_fixtures(right, n, low, high):
    assert wilson(right / n, n) == pytest.approx((low, high), abs=1e-7)


@pytest.mark.parametrize(("p", "n", "error"), [(0.655, 5000, 0.00672), (0.836, 164, 0.02891), (0.753, 2500, 0.00863)])
def test_binomial_errors(p, n, error):
    scores = [1] * round(p * n) + [0] * (n - round(p * n))
    assert stderr(scores) == pytest.approx(error, rel=0.01)


@pytest.mark.parametrize("df", [1, 2, 3.7, 10, 29, 163, 999, 12345, 1e6])
def test_quantiles_equal_scipy(df):
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)


def test_quantiles_of_large_samples_are_normal():
    assert t_quantile(1e7) == Z
    with pytest.raises(ValueError, match="df is 0"):
        t_quantile(0)


@pytest.mark.parametrize("n", [30, 164, 1000])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.95])
def test_wilson_covers_95_percent(n, p):
    """Exact coverage by enumeration; a discrete variable cannot hit 95 % exactly."""
    covered = 0.0
    for right in range(n + 1):
        low, high = wilson(right / n, n)
        if low <= p <= high:
            covered += comb(n, right) * p**right * (1 - p) ** (n - right)
    assert 0.93 <= covered <= 0.985


def test_clustered_intervals_cover_where_naive_ones_do_not():
    """30 clusters of 10, intraclass correlation 0.3: each cluster has its own probability."""
    random, clustered, naive, rounds = Random(3), 0, 0, 400
    for _ in range(rounds):
        scores, clusters = [], []
        for cluster in range(30):
            p = random.betavariate(0.5 * 7 / 3, 0.5 * 7 / 3)  # variance 0.3 · p (1 - p)
            scores += [float(random.random() < p) for _ in range(10)]
            clusters += [cluster] * 10
        ours, plain = choose(scores, clusters), t_interval(scores)
        clustered += ours.low <= 0.5 <= ours.high
        naive += plain[0] <= 0.5 <= plain[1]
    assert clustered / rounds >= 0.92
    assert naive / rounds < 0.85


def test_few_clusters_have_the_errors_and_degrees_of_freedom_of_matrices():
    """CR2 and Satterthwaite's df of the fixtures by numpy's full matrices, with no closed form."""
    assert few_clusters_error(S, CLUSTERS) == pytest.approx((0.19730934197593492, 2.4444444444444446), rel=1e-12)
    found = choose(S, CLUSTERS)
    assert (found.low, found.high) == (0.0, 1.0)  # -0.134 to 1.300, clipped
    assert found.method.startswith("clustered t (CR2, 2.4 df), design effect 1.8")
    wide = choose([10 * s for s in S], CLUSTERS)
    assert (wide.low, wide.high) == pytest.approx((-1.3358149801478247, 13.002482143308), abs=1e-6)


def test_few_clusters_of_one_size_are_the_t_interval_of_their_means():
    scores, clusters = [3.0, 5.0, 8.0, 1.0, 2.0, 9.0], [0, 0, 1, 1, 2, 2]
    found, means = choose(scores, clusters), t_interval([4.0, 4.5, 5.5])
    assert (found.low, found.high) == pytest.approx(means)


def spread_clusters():
    """100 scores in 40 clusters of 1 to 4."""
    clusters = [cluster for cluster in range(40) for _ in range(1 + 7 * cluster % 4)]
    return [(i * i * 31 + c * 17) % 97 / 96 for i, c in enumerate(clusters)], clusters


def test_forty_clusters_have_the_clustered_t_interval_of_statsmodels():
    """OLS(y, 1).fit(cov_type="cluster", use_t=True), statsmodels 0.14; the naive error would be 0.0293."""
    found = choose(*spread_clusters())
    assert found.stderr == pytest.approx(0.03333214, abs=1e-8)
    assert (found.low, found.high) == pytest.approx((0.49945437, 0.63429563), abs=1e-8)


@pytest.mark.parametrize("count", [2, 3, 5, 9])
@pytest.mark.parametrize("equal", [True, False])
def test_intervals_of_few_clusters_cover_what_they_say(count, equal):
    """Right or wrong answers, each cluster with its own probability (intraclass correlation 0.1), 1,000 simulations."""
    random, covered, rounds = np.random.default_rng(count), 0, 1000
    for _ in range(rounds):
        sizes = np.full(count, 10) if equal else random.integers(3, 18, count)
        clusters = np.repeat(np.arange(count), sizes)
        scores = (random.random(len(clusters)) < random.beta(4.5, 4.5, count)[clusters]).astype(float)
        found = choose(scores.tolist(), clusters.tolist())
        covered += found.low <= 0.5 <= found.high
    assert covered / rounds >= 0.93


def test_few_clusters_are_said():
    assert caution(None) == caution(40) == ""
    assert "9 clusters" in caution(9)
    assert "rests on 5 clusters only" in caution(choose([0.0, 1.0] * 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]).clusters)
    assert "rests on" not in caution(6)
    assert "no interval" in caution(1)


def test_one_cluster_has_a_value_and_no_interval():
    found = choose([0.0, 1.0, 1.0], ["passage"] * 3)
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high, found.stderr) == (None, None, None)
    assert found.method == "no interval: one cluster"
    assert choose([1.0], ["passage"]).high == 1.0  # one item is a unit of its own: Wilson


def test_a_part_without_an_interval_leaves_the_spread_between_the_parts():
    parts = [choose([0.0, 1.0], ["x", "x"]), choose([1.0, 1.0, 0.0]), choose([1.0] * 5)]
    found = macro(parts)
    assert found.method == "t between 3 parts"
    assert found.stderr == pytest.approx(stderr([part.value for part in parts]))


@pytest.mark.parametrize("broken", [nan, inf, -inf])
def test_scores_that_are_not_numbers_are_refused(broken):
    with pytest.raises(ValueError, match="not all finite"):
        choose([1.0, broken])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.data())
def test_the_order_of_items_never_shows(scores, data):
    clusters = data.draw(st.lists(st.integers(0, 4), min_size=len(scores), max_size=len(scores)))
    order = data.draw(st.permutations(range(len(scores))))
    one, two = choose(scores, clusters), choose([scores[i] for i in order], [clusters[i] for i in order])
    assert one.value == two.value
    if one.low is not None:
        assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 8))
def test_an_interval_holds_its_value_and_is_never_empty(scores, clusters):
    for found in (choose(scores), choose(scores, [i % clusters for i in range(len(scores))])):
        if found.clusters == 1:
            continue
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1
        assert found.high > found.low
        assert isfinite(found.stderr)


def test_scores_outside_one_are_not_clipped():
    found = choose([10.0, 20.0, 30.0])
    assert found.high > 30
    assert found.method == "t"
    single = choose([10.0])
    assert (single.low, single.high, single.method) == (None, None, "no interval: one item")


def test_nothing_gives_an_error():
    with pytest.raises(ValueError, match="no scores"):
        choose([])
    with pytest.raises(ValueError, match="each score needs one"):
        choose([1.0], [1, 2])


def test_a_macro_mean_has_an_error_of_its_own():
    parts = [choose([1.0] * 8 + [0.0] * 2), choose([1.0] * 30 + [0.0] * 70)]
    found = macro(parts)
    assert found.value == pytest.approx((0.8 + 0.3) / 2)
    assert found.stderr == pytest.approx(sqrt(sum(part.stderr**2 for part in parts)) / 2)
    assert found.n == 110
    # by Welch's degrees of freedom, scipy.stats.ttest_ind(equal_var=False).df = 11.2613
    assert (found.low, found.high) == pytest.approx((0.3951986777641773, 0.7048013222358228), abs=1e-10)
    micro = weighted(parts, [10, 100])
    assert micro.value == pytest.approx(38 / 110)


def test_macro_over_single_items_uses_the_spread_between_parts():
    parts = [Score(value, 0, 1, inf, 1, "wilson") for value in (0.0, 1.0, 1.0, 0.0)]
    found = macro(parts)
    assert found.method == "t between 4 parts"
    assert found.stderr == pytest.approx(stderr([0.0, 1.0, 1.0, 0.0]))


def test_weights_must_make_sense():
    with pytest.raises(ValueError, match="each needs a weight"):
        weighted([choose([1.0, 0.0])], [0.0])
