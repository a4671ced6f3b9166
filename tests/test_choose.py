"""The answer of `choose`: who is left at the top, how sure, which limits speak against whom, what is asked step by step."""

import itertools
import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import llms
from choosing import store_benchmark, store_own, write_rows
from llms import settings as llms_settings
from llms.arena.choose.job import ChoiceJob, ChoiceLimits
from llms.arena.choose.pairs import binomial_tail, pairs
from llms.arena.choose.resampling import resample
from llms.arena.choose.sequential import asking_order, boundary, crossing, sequential_rule
from llms.arena.choose.table import BenchmarkScores, ItemScores, ScoreTable, table
from llms.arena.choose.top import equivalent, standings
from llms.cli.main import cli
from llms.errors import UnknownName, UsageError
from llms.statistics.paired import compare
from llms.store.runs import Runs
from llms.testing import ScriptedModel
from llms.values import Spent
from llms.workbench.choose import go as measuring
from llms.workbench.choose.choose import choose, go


def plain(scores, units=None) -> ScoreTable:
    """Systems a, b, c … on one benchmark."""
    rows = np.array(scores, dtype=float)
    count = rows.shape[1]
    units = np.arange(count) if units is None else np.array(units)
    names = tuple("abcdefgh"[: len(rows)])
    return ScoreTable(names, rows, units, np.zeros(count, dtype=np.intp), np.ones(1), ("own",))


def worlds(seed: int, count: int, shares, items: int):
    """Right-or-wrong answers that correlate by about 0.5."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        same = generator.random((len(shares), items)) < 0.7
        draws = np.where(same, generator.random(items), generator.random((len(shares), items)))
        yield plain((draws < np.array(shares)[:, None]).astype(float))


BOOLS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60)


@settings(max_examples=20)
@given(BOOLS)
def test_p_of_right_or_wrong_scores_is_half_of_exact_mcnemar(answers):
    a, b = ([float(each[side]) for each in answers] for side in (0, 1))
    found, exact = pairs(plain([a, b])), compare(a, b)
    assert found.difference[0, 1] == pytest.approx(exact.difference)
    assert (found.only[0, 1], found.only[1, 0], found.n[0, 1]) == (exact.only_a, exact.only_b, len(a))
    assert min(1.0, 2 * min(found.p[0, 1], found.p[1, 0])) == pytest.approx(exact.p)
    if exact.stderr and exact.method == "t":
        assert found.stderr[0, 1] == pytest.approx(exact.stderr)


@settings(max_examples=40)
@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 2)), min_size=6, max_size=11))
def test_p_of_graded_scores_is_hardly_below_that_of_all_patterns_of_signs(differences):
    found = pairs(plain([differences, [0.0] * len(differences)])).p[0, 1]
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    exact = np.mean([total >= sum(differences) - 1e-9 for total in sums])
    assert found >= 0.6 * exact - 1e-12


def test_tails_of_a_fair_coin():
    assert [binomial_tail(k, 3) for k in range(4)] == [1, 7 / 8, 1 / 2, 1 / 8]
    assert binomial_tail(25, 35) == pytest.approx(0.0166738478 / 2)
    assert binomial_tail(1060, 2000) == pytest.approx(0.003899, rel=0.01)  # scipy.stats.binom.sf(1059, 2000, 0.5)


def test_items_of_a_cluster_count_once():
    a, b = [1.0] * 40, [0.0] * 20 + [1.0] * 20
    assert pairs(plain([a, b])).p[0, 1] < 1e-5
    assert pairs(plain([a, b], np.arange(40) // 10)).p[0, 1] == 0.25  # two clusters of four differ


def test_a_failed_item_is_left_out_of_both():
    found = pairs(plain([[1, 1, np.nan, 1], [0, np.nan, 1, 1]]))
    assert (found.n[0, 1], found.difference[0, 1], found.only[0, 1], found.only[1, 0]) == (2, 0.5, 1, 0)


def scores_of(values, subset="s") -> ItemScores:
    items = tuple(f"{subset}/{number}" for number in range(len(values)))
    return ItemScores(items, items, np.array(values, dtype=float))


def test_benchmarks_count_by_their_weights_and_subsets_alike():
    two = table([
        BenchmarkScores("x", 3.0, False, {"a": scores_of([1, 0]), "b": scores_of([0, 0])}),
        BenchmarkScores("y", 1.0, False, {"b": scores_of([1] * 8), "a": scores_of([0] * 8)}),
    ])  # fmt: skip
    assert pairs(two).difference[0, 1] == pytest.approx(0.75 * 0.5 - 0.25)
    assert two.score("a").value == pytest.approx(0.375)
    uneven = ItemScores(("p/0", "q/0", "q/1", "q/2"), ("p/0", "q/0", "q/1", "q/2"), np.array([1.0, 0, 0, 0]))
    zeros = ItemScores(uneven.items, uneven.items, np.zeros(4))
    macro = table([BenchmarkScores("x", 1.0, True, {"a": uneven, "b": zeros})])
    assert pairs(macro).difference[0, 1] == 0.5


def test_the_set_holds_the_best_of_equal_candidates_and_of_different_ones():
    for shares in ([0.7] * 6, [0.7, 0.68, 0.6, 0.5]):
        held = [not standings(pairs(each))[0].out for each in worlds(1, 300, shares, 200)]
        assert np.mean(held) > 0.935
    clear = [
        [each.system for each in standings(pairs(world)) if not each.out]
        for world in worlds(2, 100, [0.8, 0.6, 0.6], 400)
    ]
    assert np.mean([names == ["a"] for names in clear]) > 0.95


def test_the_boundary_is_crossed_as_often_as_is_said():
    looks = sequential_rule(1000, 8).looks
    z = boundary(looks, 0.05)
    steps = np.random.default_rng(0).standard_normal((40_000, len(looks))) * np.sqrt(np.diff((0, *looks)))
    walk = np.cumsum(steps, axis=1) / np.sqrt(looks)
    assert (walk > z).any(axis=1).mean() == pytest.approx(0.05, abs=0.004)
    assert crossing((100,), 1.6448536) == pytest.approx(0.05, abs=1e-3)


def test_step_by_step_the_best_is_kept_and_items_are_saved():
    rule, kept_best, asked = sequential_rule(400, 4), [], []
    for world in worlds(3, 120, [0.8, 0.65, 0.6, 0.5], 400):
        left, count, before = list(world.systems), 0, 0
        for look in rule.looks:
            count += len(left) * (look - before)
            before = look
            left = rule.left(pairs(world.of(left).first(look)))
            if len(left) == 1:
                break
        kept_best.append("a" in left)
        asked.append(count)
    assert np.mean(kept_best) >= 0.95
    assert np.mean(asked) < 800  # of 1,600


def test_parts_are_asked_in_proportion_to_their_weights_and_all_in_the_end():
    order = asking_order([100, 50], [0.25, 0.75], seed=1)
    assert sorted(order) == [(0, unit) for unit in range(100)] + [(1, unit) for unit in range(50)]
    assert 26 <= sum(part for part, _ in order[:40]) <= 34


def test_the_corrected_score_of_the_best_of_equal_ones_is_unbiased():
    gaps, raw = [], []
    for number, world in enumerate(worlds(4, 150, [0.6] * 8, 200)):
        means = world.scores.mean(axis=1)
        gaps.append(resample(world, number, draws=150).corrected - means.mean())  # what all have in common cancels
        raw.append(means.max() - means.mean())
    assert abs(np.mean(gaps)) < 0.005
    assert np.mean(raw) > 0.02


def test_resampling_is_the_same_again_and_sure_of_a_clear_best():
    (world,) = worlds(5, 1, [0.9, 0.5], 200)
    first = resample(world, 7, draws=500)
    assert first == resample(world, 7, draws=500)
    assert first.shares == (1.0, 0.0)
    assert first.corrected == pytest.approx(world.scores[0].mean(), abs=0.004)
    assert resample(plain([[1, 0], [1, 0]]), 1, draws=100).shares == (0.5, 0.5)


def test_equal_within_the_margin():
    same = plain([[1.0, 0.0] * 500, [1.0, 0.0] * 500])
    assert equivalent(pairs(same), 0.01)
    assert not equivalent(pairs(same.first(20)), 0.01)


@pytest.fixture
def rows(tmp_path) -> str:
    return write_rows(tmp_path / "mine.csv", 120)


GOOD, FAIR, POOR = [1.0] * 108 + [0.0] * 12, [1.0] * 104 + [0.0] * 14 + [1.0] * 2, [1.0] * 40 + [0.0] * 80


def test_what_cannot_be_told_apart_stands_cheapest_first(rows):
    spent = {"openai:big": Spent(60.0, 100, 0, 0.6), "openai:small": Spent(30.0, 100, 0, 0.06), "hf:poor": Spent(9.0)}
    store_own(rows, {"openai:big": GOOD, "openai:small": FAIR, "hf:poor": POOR}, spent=spent)
    choice = choose(ChoiceJob(rows))
    assert choice.chosen == ("openai:small", "openai:big")
    assert choice.command == "llms chat -m openai:small"
    assert choice.sentence.startswith("openai:small and openai:big cannot be told apart at the top on ")
    assert "(n = 120): openai:small is the cheapest" in choice.sentence
    small, big, poor = choice.candidates
    assert (big.value, small.cost, small.details["only_best"], small.details["only_this"]) == (0.9, 0.0005, 4, 2)
    assert sum(c.chosen_share for c in choice.candidates) == pytest.approx(1)
    assert "worse than openai:big by 56.7 points: of 120 items it was ahead on 0 and behind on 68" in poor.reasons[0]
    assert choice.separating.items > 1000
    assert choice.separating.dollars == pytest.approx(choice.separating.items * (0.6 + 0.06) / 120)
    shown = CliRunner().invoke(cli, ["choose", "--data", rows])
    assert shown.exit_code == 0
    assert shown.output.startswith(choice.sentence[:40])
    assert "items it alone was ahead on 2, the other on 4" in shown.output


def test_one_that_is_better_than_all_others_is_named_alone(rows):
    store_own(rows, {"hf:good": GOOD, "hf:poor": POOR})
    choice = choose(ChoiceJob(rows))
    assert choice.sentence.startswith("Use hf:good: 90.0 % on ")
    assert (choice.chosen, choice.separating) == (("hf:good",), None)


@pytest.mark.parametrize(
    ("system", "served"), [("smollm2", True), ("hf:good", True), ("gguf:smollm2", False), ("openai:big", False)]
)
def test_programs_are_told_of_a_server_only_where_there_can_be_one(rows, system, served):
    store_own(rows, {system: GOOD, "hf:poor": POOR})
    shown = CliRunner().invoke(cli, ["choose", "--data", rows]).output
    assert f"use it:  llms chat -m {system}" in shown
    assert (f"llms serve {system}" in shown) is served


def test_json_has_the_documented_shape(rows):
    store_own(rows, {"hf:good": GOOD, "hf:poor": POOR})
    result = CliRunner().invoke(cli, ["choose", "--data", rows, "-m", "hf:good", "-m", "hf:poor", "--json"])
    (line,) = result.output.splitlines()
    found = json.loads(line)
    assert {"chosen", "candidates", "separating", "command", "sentence", "optimism", "plan", "notes"} == set(found)
    assert {"system", "value", "low", "high", "fits", "allowed", "chosen_share", "cost"} <= set(found["candidates"][0])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ChoiceLimits(dollars_per_task=0.0001), "no candidate keeps --dollars-per-task; the nearest is openai:small (--dollars-per-task: a task costs $0.0005, which is $0.0004 more than $0.0001)"),
        (ChoiceLimits(seconds_per_task=0.1), "a task takes 0.25 s, which is 0.15 s more than 0.10 s"),
        (ChoiceLimits(dollars_per_task=0.0001, local_only=True), "it is asked over the network"),
        (ChoiceLimits(first_token_seconds=0.5), "measure it: llms speed"),
    ],
)  # fmt: skip
def test_a_limit_that_nobody_keeps_is_named_with_what_the_nearest_misses(rows, limits, message):
    spent = {"openai:big": Spent(60.0, 100, 0, 0.6), "openai:small": Spent(30.0, 100, 0, 0.06)}
    store_own(rows, {"openai:big": GOOD, "openai:small": FAIR}, spent=spent)
    choice = choose(ChoiceJob(rows, limits=limits))
    assert (choice.chosen, choice.command) == ((), "")
    assert message.casefold() in choice.sentence.casefold()
    assert all(candidate.allowed is not True and candidate.reasons for candidate in choice.candidates)


def test_whoever_exceeds_a_limit_is_not_chosen_however_good(rows):
    store_own(rows, {"openai:big": GOOD, "hf:poor": POOR}, spent={"openai:big": Spent(60.0, 100, 0, 0.6)})
    choice = choose(ChoiceJob(rows, limits=ChoiceLimits(dollars_per_task=0.001)))
    assert choice.chosen == ("hf:poor",)
    assert [c.allowed for c in choice.candidates] == [True, False]


def test_a_window_that_is_too_short_is_a_limit_that_is_not_kept(rows):
    store_own(rows, {"smollm2": GOOD, "openai:big": FAIR})
    choice = choose(ChoiceJob(rows, limits=ChoiceLimits(context=8193)))
    assert choice.chosen == ("openai:big",)
    (reason,) = next(c.reasons for c in choice.candidates if c.system == "smollm2")
    assert "its window is 8,192 tokens, 1 fewer than 8,193" in reason
    limits = ChoiceLimits(memory_bytes=10**12, context=8193)
    assert next(c.reasons for c in choose(ChoiceJob(rows, limits=limits)).candidates if c.system == "smollm2") == (
        reason,
    )
    assert set(choose(ChoiceJob(rows, limits=ChoiceLimits(context=8192))).chosen) == {"smollm2", "openai:big"}
    assert llms.choose(rows, context=8193, batch=2).chosen == ("openai:big",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-b", "gsm8k=0", "-b", "mmlu=0"], "sum to 0"),
        (["-b", "gsm8k=-1"], "the weight of gsm8k is -1"),
        (["-b", "gsm8k=nan"], "the weight of gsm8k is nan"),
        (["-b", "gsm8k=x"], "is no number"),
        (["-b", "gsm9k"], "unknown benchmark 'gsm9k'; did you mean gsm8k"),
        ([], "say what the job is"),
        (["-b", "gsm8k", "--memory", "8 apples"], "is no size"),
        (["-b", "gsm8k", "--memory", "0GB"], "is no size"),
        (["-b", "gsm8k", "--budget", "1"], "--budget is for --go"),
        (["-b", "gsm8k", "--licence", ","], "names no licence"),
        (["-b", "gsm8k"], "no system is named"),
    ],
)
def test_what_is_wrong_with_a_job_is_said(arguments, message):
    result = CliRunner().invoke(cli, ["choose", *arguments])
    assert result.exit_code != 0
    assert message in str(result.exception) + result.output
    assert isinstance(result.exception, SystemExit | UsageError | UnknownName)


def test_runs_that_were_asked_otherwise_or_of_other_rows_do_not_count(rows, tmp_path):
    store_own(rows, {"hf:good": GOOD, "hf:poor": POOR})
    store_own(rows, {"hf:good": POOR}, weights="2")  # other weights under the same name
    choice = choose(ChoiceJob(rows))
    assert any("hf:good names two systems" in note for note in choice.notes)
    assert choice.candidates[0].value == pytest.approx(40 / 120)
    write_rows(tmp_path / "mine.csv", 60)
    changed = choose(ChoiceJob(rows, systems=("hf:good",)))
    assert changed.chosen == ()
    assert any("were made of other rows" in note for note in changed.notes)
    assert any("hf:good is not in the plan: good is not in the cache" in note for note in changed.notes)


def test_benchmarks_by_weight_and_a_system_that_lacks_one():
    store_benchmark("arc_easy", {"hf:a": [1.0] * 20, "hf:b": [0.0] * 20, "hf:c": [1.0] * 20})
    store_benchmark("gsm8k", {"hf:a": [0.0] * 20, "hf:b": [1.0] * 20})
    choice = choose(ChoiceJob(weights={"arc_easy": 1, "gsm8k": 3}, systems=("hf:a", "hf:b", "hf:c")))
    assert [(c.system, c.value) for c in choice.candidates][:2] == [("hf:b", 0.75), ("hf:a", 0.25)]
    assert choice.candidates[2].reasons == ("not measured",)
    assert any("hf:c" in note for note in choice.notes)


def test_answers_that_could_not_be_read_are_said_beside_a_candidate(rows):
    store_own(rows, {"hf:good": GOOD, "hf:poor": POOR}, status="unparsed")
    assert all(any("could not be read" in reason for reason in c.reasons) for c in choose(ChoiceJob(rows)).candidates)


class Asked(ScriptedModel):
    """Right on the questions whose number satisfies `right`; counts what it is asked."""

    def __init__(self, name: str, right):
        super().__init__(
            lambda text: f"a{number}" if right(number := int(text.split("q")[-1].split("\n")[0])) else "no",
            f"hf:{name}",
        )


@pytest.fixture
def systems(monkeypatch):
    known = {
        "hf:good": Asked("good", lambda n: n % 10 != 0),
        "hf:twin": Asked("twin", lambda n: n % 10 != 1),
        "hf:poor": Asked("poor", lambda n: n % 10 < 3),
    }
    monkeypatch.setattr(measuring, "load", lambda name: known[name])
    return known


def last(events):
    *_, choice = events
    return choice


def test_step_by_step_a_poor_one_is_dropped_and_equal_ones_end_at_the_cap(rows, systems):
    job = ChoiceJob(rows, systems=tuple(systems))
    choice = last(go(job))
    assert set(choice.chosen) == {"hf:good", "hf:twin"}
    assert "cannot be told apart" in choice.notes[0]
    assert len(systems["hf:good"].requests) == len(systems["hf:twin"].requests) == 120
    assert len(systems["hf:poor"].requests) < 40
    assert choice.candidates[2].system == "hf:poor"
    assert "worse than" in choice.candidates[2].reasons[0]
    assert choice.candidates[2].chosen_share is None  # its few items are not those of the others
    assert sum(candidate.chosen_share for candidate in choice.candidates[:2]) == pytest.approx(1)
    before = {name: len(model.requests) for name, model in systems.items()}
    again = last(go(job))
    assert again.chosen == choice.chosen
    assert before == {name: len(model.requests) for name, model in systems.items()}  # nothing is asked twice


def test_memory_of_models_that_share_a_process_is_charged_to_none(rows, systems, monkeypatch):
    monkeypatch.setattr(ScriptedModel, "peak_memory_bytes", property(lambda self: 10**9))
    last(go(ChoiceJob(rows, systems=tuple(systems))))
    with Runs(llms_settings.database()) as store:
        assert {run.report.usage.peak_memory_bytes for run in store.all()} == {0}


def test_step_by_step_it_ends_as_soon_as_one_is_left_and_goes_on_where_it_was_stopped(rows, systems):
    job = ChoiceJob(rows, systems=("hf:good", "hf:poor"))
    events = go(job)
    for _ in range(15):
        next(events)
    events.close()  # as Ctrl-C does
    begun = len(systems["hf:good"].requests)
    assert 0 < begun < 20
    choice = last(go(job))
    assert choice.chosen == ("hf:good",)
    assert "one is left" in choice.notes[0]
    assert begun < len(systems["hf:good"].requests) < 60
    assert choose(job).chosen == ("hf:good",)


def test_a_system_that_cannot_be_allowed_is_not_asked(rows, systems):
    choice = last(go(ChoiceJob(rows, systems=tuple(systems), limits=ChoiceLimits(licences=("mit",)))))
    assert choice.chosen == ()
    assert "--licence" in choice.sentence
    assert not any(model.requests for model in systems.values())


def test_python_takes_the_same_words(rows):
    store_own(rows, {"hf:good": GOOD, "hf:poor": POOR})
    choice = llms.choose(rows, ["hf:good", "hf:poor"], local_only=True)
    assert choice.chosen == ("hf:good",)
    assert "hf:good" in repr(choice)


def test_items_on_which_two_differ_are_shown(rows):
    store_own(rows, {"hf:good": GOOD, "hf:poor": POOR})
    shown = CliRunner().invoke(cli, ["choose", "--data", rows, "--show-items", "2"])
    assert "/40: Question: q40↵Answer: (right: t)" in shown.output
    assert "hf:poor 0: x" in shown.output
    assert "/42: " not in shown.output


def test_the_first_token_is_known_from_a_measured_speed(rows):
    store_own(rows, {"hf:good": GOOD, "hf:poor": POOR})
    with Runs(llms_settings.database()) as store, store.transaction() as db:
        for system, seconds in (("hf:good", 2.0), ("hf:poor", 0.2)):
            facts = json.dumps({"first_token_seconds": {"value": seconds}})
            db.execute(
                "INSERT INTO speeds (system, identity, machine, measured, facts) VALUES (?, '{}', 'm', 't', ?)",
                (system, facts),
            )
    choice = choose(ChoiceJob(rows, limits=ChoiceLimits(first_token_seconds=0.5)))
    assert choice.chosen == ("hf:poor",)
    assert "the first token takes 2.00 s, which is 1.50 s more than 0.50 s" in choice.candidates[1].reasons[0]


def test_one_that_keeps_the_limits_but_is_not_measured_is_said_to_keep_them(rows):
    store_own(rows, {"openai:gpt-5-mini": [1.0] * 20})
    systems = ("openai:gpt-5-mini", "http://127.0.0.1:9/v1#new")
    sentence = choose(ChoiceJob(rows, systems=systems, limits=ChoiceLimits(local_only=True))).sentence
    assert sentence.startswith("No candidate that is measured keeps all limits; http://127.0.0.1:9/v1#new keeps them")


def test_a_gpu_that_is_none_is_refused_and_not_called_unknown_memory(rows):
    store_own(rows, {"a": [1.0] * 20})
    with pytest.raises(UnknownName, match="RTX 4090"):
        choose(ChoiceJob(rows, limits=ChoiceLimits(gpu="RTX 4099")))


def test_the_largest_weights_are_still_shares_of_1():
    assert ChoiceJob(weights={"gsm8k": 1e308, "mmlu": 1e308}).shares() == {"gsm8k": 0.5, "mmlu": 0.5}


def test_a_difference_stays_within_what_scores_allow(rows):
    store_own(rows, {"a": [1.0, 0.0], "b": [1.0, 0.0]})
    details = next(each.details for each in choose(ChoiceJob(rows)).candidates if not each.details.get("best"))
    assert -1 <= details["difference_low"] <= details["difference_high"] <= 1
