"""Intervals: fixed values, coverage by enumeration and simulation, and the awkward cases."""

from math import comb, inf, isfinite, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.statistics import choose, clustered_stderr, few_clusters, macro, mean, stderr, t_interval, weighted, wilson
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


def test_few_clusters_are_bootstrapped_and_said():
    found = choose(S, CLUSTERS)
    assert found.method == "cluster bootstrap"
    assert found.clusters == 4
    assert few_clusters(found)
    assert choose(S, CLUSTERS) == found
    assert found.low <= found.value <= found.high


def test_the_bootstrap_agrees_with_the_formula():
    from llms.statistics.intervals import _bootstrap

    random = Random(1)
    scores = [random.random() for _ in range(1000)]
    _, _, error = _bootstrap(scores, list(range(1000)))
    assert error == pytest.approx(stderr(scores), rel=0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 8))
def test_an_interval_holds_its_value_and_is_never_empty(scores, clusters):
    for found in (choose(scores), choose(scores, [i % clusters for i in range(len(scores))])):
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1
        assert found.high > found.low
        assert isfinite(found.stderr)


def test_scores_outside_one_are_not_clipped():
    found = choose([10.0, 20.0, 30.0])
    assert found.high > 30
    assert found.method == "t"


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
