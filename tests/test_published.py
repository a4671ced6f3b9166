"""Results of others: each is taken as it was stated or refused by name, graded, and never decides."""

import json
from math import inf, nan

import pytest
from click.testing import CliRunner

from llms import settings
from llms.arena.evidence import DECIDING, ORDER
from llms.arena.published.every_eval_ever import read_file, read_value
from llms.arena.published.grading import grade
from llms.arena.published.names import benchmark_name, system_name
from llms.arena.published.reference_scores import reference_results
from llms.cli.main import cli
from llms.errors import UnknownName
from llms.store.published import Published
from llms.workbench.leaderboard import BoardFilter, read
from llms.workbench.published import cells


def entry(name="arc_challenge", score=0.35, config=None, dataset="", **details):
    bounds = {
        "metric_id": "acc_norm",
        "lower_is_better": False,
        "score_type": "continuous",
        "min_score": 0.0,
        "max_score": 1.0,
    }
    return {
        "evaluation_name": name,
        "source_data": {"dataset_name": dataset or name, "source_type": "other"},
        "metric_config": {**bounds, **(config or {})},
        "score_details": {"score": score, **details},
    }  # fmt: skip


def log(*entries, model="org/model", relationship="third_party", version="0.3.0", **more):
    return {
        "schema_version": version,
        "evaluation_id": "arc/org_model/1761001924.0",
        "evaluation_timestamp": "1761001924",
        "retrieved_timestamp": "1770603909.4",
        "source_metadata": {
            "source_type": "documentation", "source_organization_name": "A Board", "evaluator_relationship": relationship,
        },
        "model_info": {"name": model, "id": model, "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"}},
        "eval_library": {"name": "helm", "version": "1.0"},
        "evaluation_results": list(entries) or [entry()],
        **more,
    }  # fmt: skip


def told(*arguments, status=0):
    result = CliRunner().invoke(cli, ["published", *map(str, arguments)])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def the_one(*entries, **more):
    reading = read_value(log(*entries, **more), "x.json")
    assert not reading.refused
    (result,) = reading.results
    return result


def test_a_score_is_read_with_its_interval_size_and_origin():
    uncertainty = {
        "standard_error": {"value": 0.014, "method": "analytic"},
        "confidence_interval": {"lower": 0.32, "upper": 0.38, "confidence_level": 0.95, "method": "bootstrap"},
        "num_samples": 1172,
    }
    result = the_one(entry(uncertainty=uncertainty))
    assert (result.system, result.benchmark, result.metric) == ("org/model", "arc_challenge", "acc_norm")
    assert (result.value, result.low, result.high, result.stderr, result.n) == (0.35, 0.32, 0.38, 0.014, 1172)
    assert (result.method, result.publisher, result.date) == ("bootstrap", "A Board", "2025-10-20")


def test_missing_uncertainty_stays_missing_and_an_error_alone_gives_the_normal_interval():
    bare = the_one(entry())
    assert (bare.low, bare.high, bare.stderr, bare.n) == (None,) * 4
    assert bare.method == "no interval was published"
    result = the_one(entry(score=0.99, uncertainty={"standard_error": {"value": 0.01}}))
    assert (result.low, result.high) == (pytest.approx(0.9704, abs=1e-4), 1.0)
    other = the_one(entry(uncertainty={"confidence_interval": {"lower": 0.3, "upper": 0.4, "confidence_level": 0.9}}))
    assert (other.low, other.method) == (None, "published with 90 % bounds, not 95 %")
    old = the_one(entry(confidence_interval={"lower": 0.0, "upper": 0.9}), version="0.2.0")
    assert (old.low, old.high) == (0.0, 0.9)


@pytest.mark.parametrize("score", ["Infinity", "NaN", "0.35", inf, -inf, nan, None, True, [0.3]])
def test_what_is_no_finite_number_is_refused_by_name_and_the_rest_goes_on(tmp_path, score):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(log(entry("gsm8k", score), entry("hellaswag"))))
    reading = read_file(path, "x.json")
    assert [result.benchmark for result in reading.results] == ["hellaswag"]
    (refusal,) = reading.refused
    assert "org/model on gsm8k" in str(refusal)
    assert "number" in refusal.reason


PERCENT = {"metric_unit": "percent", "min_score": 0, "max_score": 100}


@pytest.mark.parametrize(
    ("score", "config", "value"),
    [
        (0.356, {}, 0.356),
        (35.6, PERCENT, 0.356),
        (35.6, {"min_score": 0, "max_score": 100}, 0.356),
        (35.6, {"metric_unit": "percentage", "min_score": None, "max_score": None}, 0.356),
        (0.15, PERCENT, 0.0015),  # unit and bounds say the same twice
        (0.356, {"metric_unit": "proportion", "min_score": None, "max_score": None}, 0.356),
    ],
)
def test_a_share_is_a_share_by_the_stated_unit_and_bounds(score, config, value):
    result = the_one(entry(score=score, config=config))
    assert (result.value, result.scale) == (pytest.approx(value), "share")


@pytest.mark.parametrize(
    ("score", "config", "needle"),
    [
        (35.6, {}, "state metric_unit percent"),
        (0.356, {"metric_unit": "percent", "min_score": None, "max_score": None}, "0.356 may be 0.356 % or 35.6 %"),
        (0.356, {"min_score": 0, "max_score": 100}, "may be"),
        (0.5, {"min_score": None, "max_score": None}, "add metric_unit"),
        (0.356, {"metric_unit": "percent"}, "contradict"),
        (0.356, {"metric_unit": "proportion", "min_score": 0, "max_score": 100}, "contradict"),
        (120, PERCENT, "outside of its stated bounds 0 to 100"),
        (0.5, {"min_score": 1, "max_score": 0}, "above max_score"),
    ],
)
def test_percent_against_proportion_is_never_guessed(score, config, needle):
    reading = read_value(log(entry(score=score, config=config)), "x.json")
    assert not reading.results
    assert needle in reading.refused[0].reason


def test_unbounded_metrics_are_points_and_their_bounds_may_be_infinity_as_text():
    config = {"metric_unit": "points", "min_score": "-Infinity", "max_score": "Infinity"}
    elo = the_one(entry("arena", 1189.2, config))
    assert (elo.value, elo.scale) == (1189.2, "points")
    loss = the_one(
        entry("perplexity", 12.5, {**config, "min_score": 0, "lower_is_better": True, "metric_unit": "nats"})
    )
    assert not loss.higher_is_better


def test_totals_and_their_parts_are_told_apart():
    by_prefix = read_value(log(entry("mmlu"), entry("mmlu.anatomy"), entry("mmlu_pro"), entry("mmlu_law")), "x").results
    assert [(r.benchmark, r.part) for r in by_prefix] == [
        ("mmlu", ""),
        ("mmlu", "anatomy"),
        ("mmlu_pro", ""),
        ("mmlu", "law"),
    ]
    names = ("Global MMLU Lite", "Arabic", "Culturally Sensitive")
    by_dataset = read_value(log(*(entry(name, dataset="global-mmlu-lite") for name in names)), "x").results
    assert [r.part for r in by_dataset] == ["", "Arabic", "Culturally Sensitive"]
    assert {r.benchmark for r in by_dataset} == {"global-mmlu-lite"}
    alone = the_one(entry("anatomy", dataset="MMLU"))  # one subject a file: never the whole
    assert (alone.benchmark, alone.part) == ("mmlu", "anatomy")
    scorer = the_one(entry("choice", dataset="hellaswag"))  # a scorer's name in place of the benchmark's
    assert (scorer.benchmark, scorer.part) == ("hellaswag", "")


def test_parts_on_the_board_name_their_whole(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(log(entry("mmlu"), entry("mmlu.anatomy"))))
    told("import", path)
    columns, _ = cells({})
    whole = next(column for column in columns if column.title == "mmlu")
    assert [column.parent for column in columns if column.title == "mmlu anatomy"] == [whole.id]
    assert whole.parent == ""


def test_an_import_is_idempotent_by_content_whatever_the_ids_and_file_names(tmp_path):
    first, again = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(log()))
    again.write_text(json.dumps({**log(), "evaluation_id": "arc/org_model/now", "retrieved_timestamp": "1"}))
    assert "1 new results;" in told("import", first).stdout
    assert "0 new results, 1 were there before" in told("import", first, again).stdout
    assert "did you mean a.json" in str(told("rm", "b.json", status=1).exception)
    told("rm", "a.json")
    with Published(settings.database()) as store:
        assert store.all() == []


def test_details_that_are_no_text_and_newer_versions_are_read_with_a_note(tmp_path):
    odd = entry(config={"additional_details": {"shots": 5, "nested": {"a": [1]}}})
    assert the_one(odd).setup.startswith("5-shot")
    reading = read_value(log(version="0.9.1", brand_new={"x": 1}), "x.json")
    assert reading.results
    assert "0.9.1 is newer" in reading.notes[0]
    major = read_value(log(version="1.0.0"), "x.json")
    assert not major.results
    assert "update llms" in major.refused[0].reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_in_other_encodings_are_read(tmp_path, encoding):
    path = tmp_path / "x.json"
    path.write_bytes(json.dumps(log(model="org/modèle"), ensure_ascii=False).encode(encoding))
    assert read_file(path, "x.json").results[0].system == "org/modèle"


def test_a_folder_is_read_whole_and_what_is_something_else_is_named(tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.json").write_text(json.dumps(log()))
    (folder / "b.json").write_text("{")
    (folder / "c.json").write_text('{"results": {}}')
    (folder / "d.json").write_bytes(b"\xff\xfe\xff")
    result = told("import", folder)
    assert "1 new results, 3 refused" in result.stdout
    for name in ("data/b.json: it is not JSON", "data/c.json: it has no list evaluation_results", "data/d.json"):
        assert name in result.stderr
    assert str(tmp_path) not in result.stderr
    assert json.loads(told("list", "--json").stdout)["source"] == "data/deep/a.json"
    told("rm", "data")
    assert "nothing is taken in yet" in told("list").stdout


def test_unknown_benchmarks_keep_their_own_names_and_systems_are_found_by_theirs():
    assert benchmark_name("ARC-Challenge") == "arc_challenge"
    assert benchmark_name("TruthfulQA") == "TruthfulQA"  # which of its three is not said
    assert the_one(entry("wild.reward.chat")).benchmark == "wild.reward.chat"
    known = {"hf:org/model", "openai:gpt-x", "smollm2"}
    assert [system_name(n, known) for n in ("org/model", "openai/gpt-x", "smollm2", "other/model")] == [
        "hf:org/model", "openai:gpt-x", "smollm2", "other/model",
    ]  # fmt: skip


def test_evidence_falls_from_same_recipe_to_inherited_and_none_of_it_decides():
    recipe = "0123456789abcdef"
    ours = {"eval_library": {"name": "llms", "version": "0"}}
    same = entry(config={"metric_name": "acc_norm", "additional_details": {"llms_recipe": recipe}})
    results = [
        the_one(same, **ours),
        the_one(entry()),
        the_one(same, relationship="first_party", **ours),
        the_one(entry(), model_info={"id": "a/b", "additional_details": {"inherited_from": "a/base"}}),
    ]
    grades = [grade(result, {recipe}) for result in results]
    assert grades == list(ORDER[2:])
    assert not DECIDING & set(grades)
    assert grade(results[0], set()) == "other recipe"
    assert the_one(same).recipe == ""  # another library's word for our recipe is none


def test_a_published_result_stands_in_a_measured_column_only_by_its_recipe(tmp_path):
    recipe = "0123456789abcdef"
    same = entry(config={"metric_name": "acc_norm", "additional_details": {"llms_recipe": recipe}})
    path = tmp_path / "x.json"
    path.write_text(json.dumps([log(same, eval_library={"name": "llms", "version": "0"}), log(model="org/second")]))
    told("import", path)
    columns, placed = cells({recipe: "arc-challenge"}, ["hf:org/model"])
    where = {(each.system, each.column): each.cell.evidence for each in placed}
    assert where[("hf:org/model", "arc-challenge")] == "same recipe"
    (other,) = [column for system, column in where if system == "org/second"]
    assert [column.id for column in columns] == [other]
    assert columns[0].group == "published"
    assert columns[0].details["asked"] == "helm 1.0"


def test_the_board_may_be_asked_for_what_only_others_measured(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([log(entry("arc_challenge")), log(entry("hellaswag"), model="org/second")]))
    told("import", path)
    board = read(BoardFilter(benchmarks=["hellaswag"]), published=True)
    assert [(row.system, cell.value) for _, row, cell in board.published()] == [("org/second", 0.35)]
    assert [row.system for row in read(BoardFilter(systems=["org/model"]), published=True).table.rows] == ["org/model"]
    with pytest.raises(UnknownName, match="hellaswag"):
        read(BoardFilter(benchmarks=["hellaswag"]))


def test_reference_figures_name_source_recipe_and_how_far_they_compare():
    results = reference_results()
    qwen = next(r for r in results if r.system == "Qwen/Qwen2.5-0.5B" and r.benchmark == "arc_challenge")
    assert (qwen.value, qwen.setup, qwen.publisher) == (0.356, "25-shot", "Qwen")
    assert len({result.id for result in results}) == len(results)
    assert all(r.url.startswith("https://") and r.setup and r.comparable and 0 <= r.value <= 1 for r in results)
    letters = next(r for r in results if r.metric == "acc_char")
    assert "letters are scored there" in letters.comparable
    row = [r.value for r in results if r.system.startswith("DeepAutoAI")]
    assert sum(row) / 6 == pytest.approx(0.1358, abs=5e-5)  # the board's own average of the row
