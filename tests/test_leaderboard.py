"""The one table: what shares a column, what stands in an average, ranks by paired comparisons, and what has no place in it."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import llms
from llms.arena.battle import Rating, Ratings
from llms.arena.board import Leaderboard
from llms.arena.board_columns import FilledColumn, board_runs, columns_of
from llms.arena.board_ranks import _normal_of_t, _two_sided, differences, holm, mcnemar
from llms.arena.leaderboard import BoardSources
from llms.arena.leaderboard import leaderboard as table_of
from llms.cli.main import cli
from llms.errors import UnknownName
from llms.evaluation.plan import Plan, RunKey
from llms.evaluation.report import Report, report
from llms.statistics import macro, weighted
from llms.statistics.paired import compare, sign_flip
from llms.testing import ScriptedModel
from llms.values import Identity, LogLikelihood, Score, Scored, Spent
from llms.workbench.leaderboard import BoardFilter, build, read, sorted_by, to_csv

KEY = RunKey(
    Identity("a", "w1"), "arc_easy", "1", "default", 0, "fixed", False, "cut", "loglikelihood", 0, "1", "sample", "r"
)


def run_of(key: RunKey, scores, available: int | None = None, clusters=None, chance: float = 0.0, **spent) -> Report:
    """The report of a run whose items got `scores`."""
    outcomes = [
        Scored(f"s/{i}", "s", f"c{i if clusters is None else clusters[i]}", "ok", {"acc": float(score)}, "t", "e",
               (LogLikelihood(-1.0, False, 1, 10, 0, 0.5 + i % 3),))
        for i, score in enumerate(scores)
    ]  # fmt: skip
    plan = Plan(key, (), len(outcomes) if available is None else available, "acc", "micro", chance)
    return report(plan, outcomes, Spent(10.0, 100, **spent))


def key(system: str = "a", benchmark: str = "arc_easy", weights: str = "w1", **more) -> RunKey:
    return replace(KEY, system=Identity(system, weights), benchmark=benchmark, revision=benchmark, **more)


def leaderboard(reports: list[Report], sources: BoardSources | None = None) -> Leaderboard:
    return table_of(board_runs(reports), sources)


def cell(table: Leaderboard, system: str, title: str):
    (column,) = [column for column in table.columns if column.title == title]
    (row,) = [row for row in table.rows if row.label == system]
    return row.cells.get(column.id)


class Items:
    """Scores by item, as they come from the store."""

    def __init__(self, scores, clusters=None, first: int = 0):
        self.scores = np.array(scores, float)
        self.items = tuple(f"s/{first + i}" for i in range(len(scores)))
        self.clusters = self.items if clusters is None else tuple(f"c{c}" for c in clusters)


SETTINGS = st.fixed_dictionaries(
    {
        "benchmark": st.sampled_from(["arc_easy", "gsm8k"]),
        "version": st.sampled_from(["1", "2"]),
        "view": st.sampled_from(["default", "v1"]),
        "shots": st.sampled_from([0, 5]),
        "draw": st.sampled_from(["fixed", "harness"]),
        "chat_template": st.booleans(),
        "window": st.sampled_from(["cut", "strict"]),
        "decoding": st.sampled_from(["loglikelihood", '{"samples": 4, "max_tokens": 8, "stop": []}']),
        "seed": st.sampled_from([0, 1]),
        "scorer": st.sampled_from(["1", "2"]),
        "data": st.sampled_from(["sample", "hub", "file", "fresh"]),
        "revision": st.sampled_from(["r", "q"]),
        "system_prompt": st.sampled_from(["", "x"]),
        "further": st.sampled_from([(), (("stop", "\n"),)]),
    }
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("ab"), SETTINGS), min_size=1, max_size=8))
def test_unlike_runs_never_share_a_column_and_like_runs_always_do(runs):
    reports = [run_of(replace(KEY, system=Identity(name, "w"), **settings), [1, 0]) for name, settings in runs]
    by_run = {each.key.run: each for each in reports}
    columns = [column for column in columns_of(board_runs(reports)) if column.key]
    for column in columns:
        assert len({by_run[c.run].key.asked for c in column.cells.values()}) == 1
    assert len(columns) == len({each.key.asked for each in reports})
    assert len({column.column.id for column in columns}) == len(columns)
    assert len({column.column.title for column in columns}) == len(columns)  # a reader can tell them apart


def test_another_leading_number_is_another_column():
    one, other = run_of(key(), [1, 0]), replace(run_of(key("b"), [1, 0]), average="macro")
    assert len({run.column for run in board_runs([one, other])}) == 2


def test_a_changed_model_under_an_old_name_has_a_row_of_its_own():
    new, old = run_of(key(weights="new"), [1, 1, 1, 0]), run_of(key(weights="old"), [0, 0, 0, 1])
    table = leaderboard([new, old])
    labels = {row.label: row for row in table.rows}
    assert len(labels) == 2
    assert labels["a"].latest
    (before,) = [row for row in table.rows if not row.latest]
    assert before.label.startswith("a #")
    assert cell(table, "a", "arc_easy").value == 0.75
    assert cell(table, before.label, "arc_easy").value == 0.25
    assert "2 different systems" in table.notes[0]


def test_macro_and_micro_have_errors_of_their_own():
    easy, hard = run_of(key(), [1] * 80 + [0] * 20), run_of(key(benchmark="mmlu"), [1, 0, 0, 0] * 5)
    table = leaderboard([easy, hard])
    scores = [easy.score, hard.score]
    for title, expected in (("macro average", macro(scores)), ("micro average", weighted(scores, [100, 20]))):
        shown = cell(table, "a", title)
        assert (shown.value, shown.stderr, shown.low) == (expected.value, expected.stderr, expected.low)
    assert cell(table, "a", "macro average").stderr != cell(table, "a", "micro average").stderr


def test_what_is_above_chance_scales_the_error_too():
    one = run_of(key(), [1] * 70 + [0] * 30, chance=0.25)
    two = run_of(key(benchmark="gsm8k"), [1, 0] * 50)
    expected = macro([replace(one.score, value=0.6, stderr=one.score.stderr / 0.75), two.score])
    shown = cell(leaderboard([one, two]), "a", "above chance")
    assert shown.value == pytest.approx(0.55)
    assert shown.stderr == pytest.approx(expected.stderr)


@pytest.mark.parametrize("setting", [{"view": "v1"}, {"data": "hub"}, {"chat_template": True}])
def test_views_sources_and_templates_are_not_averaged_together(setting):
    table = leaderboard([run_of(key(), [1, 0]), run_of(key(benchmark="mmlu", **setting), [1, 1])])
    assert not [column for column in table.columns if column.group == "average"]


def test_an_average_counts_no_total_with_its_parts_and_no_rows_twice():
    names = ["gpqa_diamond", "gpqa_main", "gpqa_extended", "arc_easy", "arc_easy:letter", "mmlu"]
    reports = [run_of(key(benchmark=name), [1, 0]) for name in names]
    reports.append(replace(run_of(key(benchmark="truthfulqa_mc1"), [1, 0])))
    reports.append(run_of(replace(reports[-1].key, benchmark="truthfulqa_mc2"), [1, 1]))
    table = leaderboard(reports, BoardSources(order=(*names, "truthfulqa_mc1", "truthfulqa_mc2")))
    (average,) = [column for column in table.columns if column.title == "macro average"]
    assert average.details["over"] == "gpqa_extended, arc_easy, mmlu, truthfulqa_mc1"
    assert "truthfulqa_mc2" in average.details["left out, the same rows"]


def test_subsets_are_parts_that_no_average_counts():
    outcomes = [
        Scored(
            f"{subset}/{i}", subset, f"{subset}/{i}", "ok", {"acc": score}, "t", "e", (LogLikelihood(-1.0, False, 1),)
        )
        for subset, score in (("x", 1.0), ("y", 0.0))
        for i in range(3)
    ]
    one = report(Plan(key(), (), 6, "acc", "micro", 0.0), outcomes, Spent())
    two = run_of(key(benchmark="mmlu"), [1, 1])
    table = leaderboard([one, two])
    (whole,) = [column for column in table.columns if column.title == "arc_easy"]
    parts = [column for column in table.columns if column.parent == whole.id and column.group == "benchmark"]
    assert [column.title for column in parts] == ["arc_easy: x", "arc_easy: y"]
    assert cell(table, "a", "macro average").value == pytest.approx(0.75)


def test_a_run_without_a_score_and_no_runs_leave_the_table_whole():
    nothing = run_of(key(), [])
    assert nothing.score is None
    for reports in ([], [nothing]):
        table = leaderboard(reports)
        assert (table.rows, table.columns) == ((), ())
        assert table.next_steps[0].startswith("llms eval ")
    assert [row.system for row in leaderboard([nothing, run_of(key("b"), [1, 0])]).rows] == ["b"]


def test_a_partial_run_is_marked_and_so_is_the_average_over_it():
    table = leaderboard([run_of(key(), [1, 0], available=10), run_of(key(benchmark="mmlu"), [1, 0])])
    assert cell(table, "a", "arc_easy").partial
    assert not cell(table, "a", "mmlu").partial
    assert cell(table, "a", "macro average").partial


def test_a_view_has_an_average_where_all_its_benchmarks_are_there():
    views = {"v1": {"arc_easy": 25, "mmlu": 5}}
    whole = [
        run_of(key("a", "arc_easy", view="v1", shots=25), [1, 0]),
        run_of(key("a", "mmlu", view="v1", shots=5), [1, 1]),
    ]
    half = [
        run_of(key("b", "arc_easy", view="v1", shots=25), [1, 0]),
        run_of(key("b", "mmlu", view="v1", shots=0), [1, 1]),
    ]
    table = leaderboard([*whole, *half], BoardSources(views=views))
    (column,) = [column for column in table.columns if column.group == "view"]
    assert {row.system: row.cells[column.id].value for row in table.rows if column.id in row.cells} == {"a": 0.75}


def test_time_and_money_of_a_task_have_intervals():
    from llms.evaluation import report as module

    outcomes = [
        Scored(
            f"s/{i}",
            "s",
            f"{i}",
            "ok",
            {"acc": 1.0},
            "t",
            "e",
            (LogLikelihood(-1.0, False, 1, 10 * (1 + i % 2), 0, 0.5 + i % 2),),
        )
        for i in range(10)
    ]
    plan = Plan(key(), (), 10, "acc", "micro", 0.0)
    one = module.report(plan, outcomes, Spent(9.0, 100, cost=0.03), price=lambda outcome: outcome.tokens / 1000)
    seconds, money = one.per_task["seconds"], one.per_task["dollars"]
    assert seconds.value == pytest.approx(1.0)
    assert 0.5 < seconds.low < 1.0 < seconds.high < 1.5
    assert money.value == pytest.approx(0.003)
    assert money.low < 0.003 < money.high
    assert Report.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert cell(leaderboard([one]), "a", "arc_easy: money per task").value == pytest.approx(0.003)
    old = {name: value for name, value in one.to_dict().items() if name != "per_task"}
    before = cell(leaderboard([Report.from_dict(old)]), "a", "arc_easy: time per task")
    assert (before.value, before.low) == (pytest.approx(0.9), None)
    unknown = leaderboard([replace(one, usage=replace(one.usage, cost=None), per_task={})])
    assert not [column for column in unknown.columns if column.group == "money"]


def holm_by_steps(p_values: list[float]) -> list[float]:
    """As Holm wrote it: the smallest times m, the next times m − 1, none less than the one before."""
    adjusted, least = {}, 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = adjusted[place] = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
    return [adjusted[place] for place in range(len(p_values))]


right_or_wrong = st.lists(st.tuples(*[st.sampled_from([0.0, 1.0])] * 3), min_size=3, max_size=40)


@settings(max_examples=25)
@given(right_or_wrong)
def test_ranks_follow_the_paired_comparisons_of_all_pairs_adjusted_by_holm(answers):
    runs = {(name, ""): Items(list(column)) for name, column in zip("abc", zip(*answers, strict=True), strict=True)}
    scores = {row: Score(float(run.scores.mean()), None, None, 0.1, len(run.items), "") for row, run in runs.items()}
    ranks = differences(scores, runs).ranks()
    pairs = [(x, y) for i, x in enumerate(runs) for y in list(runs)[i + 1 :]]
    compared = [compare(list(runs[x].scores), list(runs[y].scores)) for x, y in pairs]
    adjusted = holm_by_steps([one.p for one in compared])
    for row in runs:
        better = worse = 0
        for (x, y), one, p in zip(pairs, compared, adjusted, strict=True):
            if p < 0.05 and row in (x, y):
                ahead = one.difference > 0 if row == x else one.difference < 0
                better, worse = better + (not ahead), worse + ahead
        assert ranks[row] == (1 + better, 3 - worse)


def test_items_that_two_have_in_common_decide_and_others_do_not():
    full, half = Items([1, 0, 1, 0] * 10), Items([0, 0, 1, 0] * 5)
    scores = {("a", ""): Score(0.5, 0.3, 0.7, 0.1, 40, ""), ("b", ""): Score(0.25, 0.1, 0.4, 0.1, 20, "")}
    pairs = differences(scores, {("a", ""): full, ("b", ""): half})
    assert pairs.paired
    assert pairs.mean[0, 1] == pytest.approx(0.25)
    assert pairs.p[0, 1] == pytest.approx(compare([1, 0, 1, 0] * 5, [0, 0, 1, 0] * 5).p)


def test_clusters_count_as_one_question_each():
    rng = np.random.default_rng(0)
    clusters = [i // 4 for i in range(200)]
    shift = np.repeat(rng.normal(0, 0.3, 50), 4)
    a, b = rng.normal(0.5, 0.2, 200) + shift, rng.normal(0.5, 0.2, 200)
    runs = {("a", ""): Items(a, clusters), ("b", ""): Items(b, clusters), ("c", ""): Items(b[:100], clusters[:100])}
    scores = {row: Score(0.5, None, None, 0.1, 200, "") for row in runs}
    pairs = differences(scores, runs)
    assert pairs.error[0, 1] == pytest.approx(compare(list(a), list(b), clusters).stderr)
    assert pairs.p[0, 1] == pytest.approx(sign_flip(list(a - b), clusters), abs=0.02)
    assert pairs.error[0, 2] == pytest.approx(compare(list(a[:100]), list(b[:100]), clusters[:100]).stderr, rel=0.05)
    assert pairs.mean[1, 2] == pytest.approx(0, abs=1e-12)


def test_no_difference_of_a_few_clusters_is_significant():
    clusters = [i // 10 for i in range(40)]
    runs = {("a", ""): Items([1.0] * 40, clusters), ("b", ""): Items([0.0] * 40, clusters)}
    pairs = differences({row: Score(0.5, None, None, 0.1, 40, "") for row in runs}, runs)
    assert pairs.p[0, 1] >= 2 / 2**4
    assert set(pairs.ranks().values()) == {(1, 2)}


def test_without_items_the_comparison_is_unpaired_and_says_so():
    reports = [run_of(key("a"), [1] * 90 + [0] * 10), run_of(key("b"), [1] * 10 + [0] * 90)]
    table = leaderboard(reports, BoardSources(items={}))
    assert [(cell(table, name, "arc_easy").rank_low, cell(table, name, "arc_easy").rank_high) for name in "ab"] == [
        (1, 1),
        (2, 2),
    ]
    assert "unpaired" in cell(table, "a", "arc_easy").marks[0]
    assert cell(leaderboard(reports), "a", "arc_easy").rank_low is None


def test_p_values_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    b, c = np.meshgrid(np.arange(0, 260, 7.0), np.arange(0, 260, 9.0))
    exact = np.vectorize(lambda x, y: stats.binomtest(int(min(x, y)), int(x + y), 0.5).pvalue if x + y else 1.0)(b, c)
    ours = mcnemar(b, c)
    few = b + c <= 200
    np.testing.assert_allclose(ours[few], exact[few], rtol=1e-9)
    np.testing.assert_allclose(ours, exact, rtol=0.1, atol=1e-4)
    z = np.linspace(0, 30, 300)
    np.testing.assert_allclose(_two_sided(z), 2 * stats.norm.sf(z), rtol=2e-7)
    for df in (6.0, 10.0, 100.0):
        t = np.linspace(0, 8, 50)
        np.testing.assert_allclose(
            _two_sided(_normal_of_t(t, np.full_like(t, df))), 2 * stats.t.sf(t, df), rtol=0.06, atol=1e-4
        )
    p = np.random.default_rng(1).uniform(0, 0.2, 50)
    np.testing.assert_allclose(holm(p), holm_by_steps(list(p)))


def test_ratings_stand_in_the_row_of_the_latest_system_and_parts_of_the_graph_apart():
    ratings = Ratings(
        (Rating("a", 1010.0, 990.0, 1030.0, 10.0, 20, 12.0, 0, 1, 1), Rating("z", None, None, None, None, 2, 2.0, 0, 1, 1, "above"),
         Rating("x", 1000.0, 950.0, 1050.0, 25.0, 9, 4.0, 1, 1, 1)),
        (), 31, "Bradley-Terry, sandwich", -10.0,
    )  # fmt: skip
    table = leaderboard([run_of(key(), [1, 0])], BoardSources(ratings=ratings))
    arena = [column for column in table.columns if column.group == "arena"]
    assert len(arena) == 2
    assert {row.system: [column.id in row.cells for column in arena] for row in table.rows} == {
        "a": [True, False],
        "x": [False, True],
    }
    assert cell(table, "a", arena[0].title).value == 1010.0


def test_the_json_of_a_table_gives_every_cell_back():
    table = leaderboard(
        [
            run_of(key(name, bench), [1, 0, 1, i % 2], available=9)
            for i, name in enumerate("abc")
            for bench in ("arc_easy", "mmlu")
        ],
        BoardSources(items={}),
    )
    stored = json.loads(json.dumps(table.to_json(), allow_nan=False))
    for row, plain in zip(table.rows, stored["rows"], strict=True):
        for column, values in zip(table.columns, plain["cells"], strict=True):
            known = row.cells.get(column.id)
            if known is None:
                assert values is None
                continue
            fields = dict(zip(stored["cell"], values, strict=True))
            assert fields["value"] == pytest.approx(known.value, rel=1e-5)
            assert stored["evidence"][fields["evidence"]] == known.evidence
            assert stored["methods"][fields["method"]] == known.method
            assert tuple(stored["marks"][mark] for mark in fields["marks"]) == known.marks
            assert (fields["rank_low"], fields["rank_high"], fields["run"]) == (
                known.rank_low,
                known.rank_high,
                known.run,
            )


def test_csv_has_a_line_per_cell_and_no_formula():
    table = leaderboard([run_of(key("=cmd()"), [1, 0])])
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(rows) == sum(len(row.cells) for row in table.rows)
    assert {row["system"] for row in rows} == {"'=cmd()"}
    assert {row["column"]: float(row["value"]) for row in rows}["arc_easy"] == 0.5


def measure() -> None:
    for name, liked in (("best", 1.0), ("worst", -1.0), ("twin", -1.0)):
        system = ScriptedModel(lambda text: "#### 5", name=name, likelihood=lambda c, k, liked=liked: liked * len(k))
        llms.evaluate(system, ["truthfulqa_mc1", "hellaswag"], limit=40)


def test_the_stored_board_ranks_by_items_filters_and_sorts():
    measure()
    board = read()
    twins = [cell(board.table, name, "hellaswag") for name in ("worst", "twin")]
    assert (twins[0].rank_low, twins[0].rank_high) == (twins[1].rank_low, twins[1].rank_high)
    assert not any("unpaired" in mark for one in twins for mark in one.marks)
    assert read() == board  # the vectors that the first reading kept give the same
    assert {row.system for row in read(BoardFilter(systems=["best"])).table.rows} == {"best"}
    with pytest.raises(UnknownName, match="measured system"):
        read(BoardFilter(systems=["nobody"]))
    order = [row.system for row in sorted_by(board, "hellaswag").table.rows]
    values = [cell(board.table, name, "hellaswag").value for name in order]
    assert values == sorted(values, reverse=True)
    with pytest.raises(UnknownName, match="column"):
        sorted_by(board, "no such")
    shown = list(board.rows_json())
    assert len(shown) == 6
    assert {row["evidence"] for row in shown} == {"benchmark"}
    assert build(list(board.reports.values())).table.rows


def test_a_column_from_elsewhere_opens_a_row_where_the_system_has_none():
    table = leaderboard([run_of(key(), [1, 0])])
    (column,) = [column for column in table.columns if column.title == "arc_easy"]
    other = FilledColumn(
        replace(column, id="p", group="published"),
        {("a", ""): table.rows[0].cells[column.id], ("new", ""): table.rows[0].cells[column.id]},
    )
    joined = leaderboard([run_of(key(), [1, 0])], BoardSources(columns=[other]))
    assert [(row.system, "p" in row.cells) for row in joined.rows] == [("a", True), ("new", True)]


def test_each_file_that_is_asked_for_is_written_and_json_too(tmp_path):
    measure()
    files = [tmp_path / "a board.html", tmp_path / "a board.csv"]
    result = CliRunner().invoke(cli, ["leaderboard", "--html", str(files[0]), "--csv", str(files[1]), "--json"])
    assert result.exit_code == 0, result.output
    assert all(path.stat().st_size for path in files)
    assert json.loads(result.stdout.splitlines()[0])["benchmark"]
