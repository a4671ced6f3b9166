"""Two systems: fixed values, error rates by simulation, refusals, and looking at every step."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.statistics.paired import compare, holm, mcnemar, sign_flip
from llms.statistics.power import SIGMA2, detectable, needed, variance
from llms.statistics.sequential import GRID, ConfidenceSequence
from test_cli import lines, llms
from test_statistics import spread_clusters

pytest.importorskip("scipy")
S = [1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1]
B = [1, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0]
CLUSTERS = [0] * 4 + [1] * 3 + [2] * 4 + [3]


def test_paired_fixtures():
    found = compare(S, B)
    assert found.difference == pytest.approx(0.1666666667)
    assert found.stderr == pytest.approx(0.1666666667)
    assert found.correlation == pytest.approx(0.3714285714)
    assert (found.only_a, found.only_b, found.p) == (3, 1, 0.625)
    assert found.test == "exact McNemar"
    assert mcnemar(25, 10) == pytest.approx(0.0166738478)
    assert mcnemar(0, 0) == 1.0
    # scipy.stats.ttest_1samp(S - B, 0).confidence_interval
    assert (found.low, found.high) == pytest.approx((-0.20016419334860644, 0.5334975266819397), abs=1e-10)
    assert found.inner == pytest.approx((-0.13264746978400735, 0.46598080311734047), abs=1e-10)
    assert found.method == "t"


def test_paired_fixtures_of_few_clusters():
    """CR2 and Satterthwaite's df by numpy's full matrices."""
    found = compare(S, B, CLUSTERS)
    assert found.stderr == pytest.approx(0.16854996561581054, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((-0.4457522333361901, 0.7790855666695233), abs=1e-9)
    assert found.inner == pytest.approx((-0.26958585062727236, 0.6029191839606056), abs=1e-9)
    assert found.method == "clustered t (CR2, 2.4 df)"
    assert "with 4 clusters p cannot be less than 0.12" in found.note()


def test_paired_fixtures_of_many_clusters():
    """OLS(y - z, 1).fit(cov_type="cluster", use_t=True) of statsmodels 0.14; the naive error would be 0.0379."""
    scores, clusters = spread_clusters()
    others = [(i * i * 13 + c * c * 5) % 89 / 88 for i, c in enumerate(clusters)]
    found = compare(scores, others, clusters)
    assert found.stderr == pytest.approx(0.04175811, abs=1e-8)
    assert (found.low, found.high) == pytest.approx((-0.00031603, 0.16861148), abs=1e-8)
    assert found.inner == pytest.approx((0.01379052, 0.15450493), abs=1e-8)
    assert (found.method, found.test) == ("clustered t", "sign flip of clusters")


def test_equivalence_is_two_one_sided_tests_by_the_90_percent_interval():
    differences = [0.02, -0.02, 0.01, -0.01, 0.015, -0.015, 0.0, 0.0]
    found = compare([0.5 + d for d in differences], [0.5] * 8)
    assert found.inner[1] < 0.0105 < found.high  # a margin between the two tells them apart
    assert found.verdict(0.0105) == "equivalent"
    assert found.verdict(0.009) == "no detectable difference"


def test_one_cluster_is_never_better_or_worse():
    found = compare([1] * 30, [0] * 30, ["passage"] * 30)
    assert (found.difference, found.p) == (1.0, 1.0)
    assert (found.low, found.high, found.stderr, found.inner) == (None, None, None, None)
    assert found.verdict(0.01) == "no detectable difference"
    assert found.method == "no interval: one cluster"


@pytest.mark.parametrize("n", [2, 5, 30, 300])
def test_where_all_differences_are_one_the_interval_holds_what_could_be_missed(n):
    """A share q of others gives n differences of 1 with chance (1 - q)^n, which is 5 % where the interval ends."""
    found = compare([1] * n, [0] * n)
    share = (1 - found.low) / 2
    assert (1 - share) ** n == pytest.approx(0.05)
    assert found.high == 1.0
    assert found.low < found.inner[0]
    assert compare([0] * n, [1] * n).low == -1.0


def test_clusters_of_equal_means_do_not_make_an_interval_of_no_width():
    found = compare([1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2])
    assert found.high - found.low > 1
    assert compare([0.75] * 4, [0.25] * 4).low < 0.5 < compare([0.75] * 4, [0.25] * 4).high


def test_p_decides_and_a_note_says_where_the_interval_disagrees():
    few = compare([1] * 5 + [0] * 15, [0] * 20)  # McNemar 0.0625, t leaves out 0
    assert few.low > 0
    assert few.p > 0.05
    assert few.verdict(0.01) == "no detectable difference"
    assert "leaves out 0" in few.note()
    assert "exact McNemar" in few.note()
    clear = compare([1] * 12 + [0] * 8, [0] * 20)
    assert (clear.verdict(0.01), clear.note()) == ("better", "")
    assert "adjusted for several" in clear.note(p=0.2)


def test_verdicts_follow_p_whatever_the_pairs():
    random = np.random.default_rng(8)
    disagree = 0
    for _ in range(200):
        a, b = (random.random(30) < 0.7).astype(int).tolist(), (random.random(30) < 0.45).astype(int).tolist()
        found = compare(a, b)
        assert (found.verdict(0.01) in ("better", "worse")) == (found.p < 0.05)
        outside = not found.low <= 0 <= found.high
        assert bool(found.note()) == (outside != (found.p < 0.05))
        disagree += bool(found.note())
    assert disagree > 0


def test_scores_that_are_not_numbers_are_not_compared():
    with pytest.raises(ValueError, match="not all finite"):
        compare([1.0, float("nan")], [0.0, 0.0])


def test_power_fixtures():
    assert needed(0.03) == pytest.approx(968.997, abs=1e-3)
    assert needed(0.03, sigma2_a=SIGMA2, sigma2_b=SIGMA2) == pytest.approx(3875.99, abs=1e-2)
    assert detectable(198, sigma2_a=SIGMA2, sigma2_b=SIGMA2) == pytest.approx(0.13273, abs=1e-5)
    assert detectable(198, sigma2_a=SIGMA2, sigma2_b=SIGMA2, k=10) == pytest.approx(0.07567, abs=1e-5)


def test_a_variance_from_a_pilot_is_never_too_small():
    assert variance([0.0] * 10) == 3 / 10
    assert variance([1.0, -1.0] * 10) == pytest.approx(20 / 19)
    with pytest.raises(ValueError, match="1 differences; a variance needs at least two"):
        variance([0.5])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=30))
def test_swapping_the_systems_turns_everything_round(pairs):
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    one, two = compare(a, b), compare(b, a)
    assert one.difference == pytest.approx(-two.difference)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))
    assert one.p == pytest.approx(two.p)
    turned = {"better": "worse", "worse": "better"}
    assert turned.get(one.verdict(0.01), one.verdict(0.01)) == two.verdict(0.01)


def test_sign_flips_are_exact_for_few_and_near_for_many():
    assert sign_flip([1.0, 1.0, 1.0], [0, 1, 2]) == pytest.approx(2 / 8)
    assert sign_flip([1.0] * 5, [0] * 5) == 1.0  # one cluster says nothing
    values = list(np.random.default_rng(0).normal(0.2, 1, 60))
    from scipy import stats

    assert sign_flip(values, list(range(60))) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.03)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_sign_flips_count_every_pattern_of_signs(values):
    seen = abs(sum(values))
    patterns = list(itertools.product((-1, 1), repeat=len(values)))
    extreme = sum(abs(sum(s * v for s, v in zip(signs, values, strict=True))) >= seen for signs in patterns)
    assert sign_flip([float(v) for v in values], range(len(values))) == extreme / len(patterns)


def test_sign_flips_of_twenty_units_are_exact_and_of_more_are_seeded():
    assert sign_flip([1.0] * 20, range(20)) == 2 / 2**20
    values = list(np.random.default_rng(3).normal(0.1, 1, 50))
    assert sign_flip(values, range(50)) == sign_flip(values, range(50))


def test_no_difference_seen_is_not_no_difference():
    few, many = compare([1] * 30, [1] * 30), compare([1] * 2000, [1] * 2000)
    assert few.high == pytest.approx(1 - 0.05 ** (1 / 30))
    assert few.verdict(0.01) == "no detectable difference"
    assert many.verdict(0.01) == "equivalent"


@pytest.mark.parametrize("n", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_the_paired_test_rejects_a_true_null_as_often_as_it_says(n):
    """McNemar's exact test is conservative: at most 5 %. Sign flips come near it."""
    random, rejected, flipped, rounds = np.random.default_rng(1), 0, 0, 400
    for _ in range(rounds):
        a, b = (random.random((2, n)) < 0.6).astype(int)
        rejected += compare(list(a), list(b)).p < 0.05
        flipped += sign_flip(list(random.normal(size=n)), list(range(n))) < 0.05
    assert rejected / rounds <= 0.065
    assert 0.025 <= flipped / rounds <= 0.08


def test_holm_adjusts():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.2]) == [0.2]


def bets(differences: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """For each run (row), the first step at which a confidence sequence excludes 0, or -1: all runs at once.

    The same bets as ConfidenceSequence places on the candidate in the middle of its grid, which stands for 0.
    """
    x = (differences + 1) / 2
    runs, steps = x.shape
    total, squares = np.full(runs, 0.5), np.full(runs, 0.25)
    up, down, first = np.zeros(runs), np.zeros(runs), np.full(runs, -1)
    for t in range(1, steps + 1):
        bet = np.minimum(np.sqrt(2 * np.log(2 / alpha) / (squares / t * t * np.log(t + 1))), 1.0)
        step = x[:, t - 1] - 0.5
        up += np.log1p(bet * step)
        down += np.log1p(-bet * step)
        total += x[:, t - 1]
        squares += (x[:, t - 1] - total / (t + 1)) ** 2
        first = np.where((first < 0) & (np.maximum(up, down) >= np.log(2 / alpha)), t, first)
    return first


def test_stopping_whenever_one_likes_decides_falsely_in_at_most_5_percent():
    """2,000 runs without a difference, looked at after every one of 1,000 items."""
    random = np.random.default_rng(5)
    null = random.choice([-1, 0, 1], p=[0.15, 0.7, 0.15], size=(2000, 1000))
    first = bets(null)
    assert (first >= 0).mean() <= 0.05
    for run in (*np.flatnonzero(first >= 0)[:2], 0, 1):  # and the class does what the simulation assumes
        sequence, stopped = ConfidenceSequence(), -1
        for step, difference in enumerate(null[run], 1):
            sequence.add(float(difference))
            if sequence.decision(0.0) and stopped < 0:
                stopped = step
                break
        slack = 40  # the class gives a step of its grid away
        assert (first[run] < 0 and stopped < 0) or stopped >= first[run]
        assert stopped < 0 or stopped <= first[run] + slack or first[run] < 0


def test_a_difference_is_found_and_items_are_saved():
    random = np.random.default_rng(6)
    stops = []
    for _ in range(20):
        sequence = ConfidenceSequence()
        for difference in random.choice([-1, 0, 1], p=[0.05, 0.7, 0.25], size=3000):
            sequence.add(float(difference))
            if sequence.decision(0.01):
                break
        assert sequence.decision(0.01) == "better"
        stops.append(sequence.n)
    assert np.median(stops) < 300


def test_equal_systems_come_out_as_equivalent():
    sequence = ConfidenceSequence()
    for _ in range(4000):
        sequence.add(0.0)
    assert sequence.decision(0.02) == "equivalent"
    assert sequence.high - sequence.low >= 4 / (GRID - 1)


@given(st.lists(st.floats(-1, 1), max_size=60))
def test_bounds_never_widen(differences):
    sequence, low, high = ConfidenceSequence(), -1.0, 1.0
    for difference in differences:
        sequence.add(difference)
        assert low <= sequence.low
        assert sequence.high <= high
        low, high = sequence.low, sequence.high


@pytest.fixture(scope="module")
def compared(tiny, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("compared")
        patch.setenv("LLMS_HOME", str(home))
        arguments = [
            f"hf:{tiny}",
            f"hf:{tiny}?dtype=bfloat16",
            "-b",
            "arc_easy,winogrande",
            "--limit",
            "10",
            "--workers",
            "1",
        ]
        return home, [json.loads(line) for line in llms("compare", *arguments, "--json").stdout.splitlines()]


def test_compare_can_be_checked_by_hand_from_the_samples(compared, monkeypatch):
    home, found = compared
    monkeypatch.setenv("LLMS_HOME", str(home))
    assert [c["benchmark"] for c in found] == ["arc_easy", "winogrande"]
    for c in found:
        a, b = (
            {row["item"]: row["scores"][c["metric"]] for row in lines("samples", c[run])} for run in ("run_a", "run_b")
        )
        differences = [a[item] - b[item] for item in a]
        assert c["n"] == len(differences) == 10
        assert c["difference"] == pytest.approx(sum(differences) / 10)
        assert c["only_a"] == sum(d > 0 for d in differences)
        assert c["p_unadjusted"] == pytest.approx(mcnemar(c["only_a"], c["only_b"]))
        assert c["verdict"] in ("better", "worse", "no detectable difference", "equivalent")


def test_stored_runs_are_compared_or_refused(compared, tiny, monkeypatch):
    home, found = compared
    monkeypatch.setenv("LLMS_HOME", str(home))
    again = json.loads(llms("compare", found[0]["run_a"], found[0]["run_b"], "--json").stdout)
    assert again["difference"] == found[0]["difference"]
    result = llms("compare", found[0]["run_a"], found[1]["run_b"], check=2)
    assert "not comparable: they differ in benchmark" in result.stderr
    (other,) = lines("eval", f"hf:{tiny}", "-b", "arc_easy", "--limit", "10", "--shots", "2", "--workers", "1")
    result = llms("compare", found[0]["run_a"], other["run"], check=2)
    assert "shots: 5 and 2" in result.stderr


@pytest.mark.slow
def test_until_decided_uses_no_more_than_there_is(compared, tiny, monkeypatch):
    home, _ = compared
    monkeypatch.setenv("LLMS_HOME", str(home))
    result = llms("compare", f"hf:{tiny}", f"hf:{tiny}?dtype=bfloat16", "-b", "arc_easy", "--until-decided", "--json")
    (c,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert c["verdict"] in ("better", "worse", "no detectable difference", "equivalent")
    assert "of 100 items used" in c["reason"]
    low, high = c["sequence"]
    assert low <= c["difference"] <= high


@pytest.mark.slow
def test_exit_status_for_scripts(compared, tiny, monkeypatch):
    home, _ = compared
    monkeypatch.setenv("LLMS_HOME", str(home))
    same = ["compare", f"hf:{tiny}", f"hf:{tiny}?dtype=bfloat16", "-b", "arc_easy", "--limit", "10", "--workers", "1"]
    llms(*same, "--fail-if", "worse", check=0)
    llms(*same, "--fail-if", "not better", check=1)
