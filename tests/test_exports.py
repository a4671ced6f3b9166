"""Runs in the formats of others: by their own schema and parser, without a personal path, and read back as what they are."""

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from llms import settings
from llms.arena.published.every_eval_ever import read_value
from llms.arena.published.every_eval_ever_log import log_of
from llms.arena.published.public_names import model_id, public_name
from llms.cli.main import cli
from llms.evaluation.plan import Plan
from llms.evaluation.report import report
from llms.store.runs import Bill, Runs
from llms.values import LogLikelihood, Scored, Spent
from llms.workbench.published import all_results
from test_gate import PROMPT, key, store_run

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
NUMBER = {"type": "number"}
# The fields of schema 0.3.0 that a file must have, or that ours has, by their types; its texts are not repeated here.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info", "eval_library", "evaluation_results"],
    "properties": {
        "schema_version": {"const": "0.3.0"},
        "evaluation_id": {"type": "string"},
        "evaluation_timestamp": {"type": "string", "pattern": r"^\d+$"},
        "retrieved_timestamp": {"type": "string", "pattern": r"^\d+$"},
        "source_metadata": {
            "type": "object",
            "required": ["source_type", "source_organization_name", "evaluator_relationship"],
            "properties": {
                "source_type": {"enum": ["documentation", "evaluation_run"]},
                "evaluator_relationship": {"enum": ["first_party", "third_party", "collaborative", "other"]},
            },
        },
        "eval_library": {"type": "object", "required": ["name", "version"]},
        "model_info": {
            "type": "object",
            "required": ["name", "id", "additional_details"],
            "properties": {
                "additional_details": {
                    **TEXTS,
                    "required": ["deployment_type", "model_availability"],
                    "properties": {
                        "deployment_type": {"enum": ["self_deployed", "externally_managed", "unknown"]},
                        "model_availability": {"enum": ["open_weights", "closed_weights", "unknown"]},
                    },
                }
            },
        },
        "evaluation_results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["evaluation_name", "source_data", "metric_config", "score_details"],
                "properties": {
                    "source_data": {
                        "oneOf": [
                            {"required": ["dataset_name", "hf_repo"], "properties": {"source_type": {"const": "hf_dataset"}, "samples_number": {"type": "integer"}, "additional_details": TEXTS}},
                            {"required": ["dataset_name"], "properties": {"source_type": {"const": "other"}, "additional_details": TEXTS}},
                        ]
                    },
                    "metric_config": {
                        "type": "object",
                        "required": ["lower_is_better", "min_score", "max_score"],
                        "properties": {"score_type": {"const": "continuous"}, "lower_is_better": {"type": "boolean"}, "min_score": NUMBER, "max_score": NUMBER, "additional_details": TEXTS},
                    },
                    "score_details": {
                        "type": "object",
                        "required": ["score"],
                        "properties": {
                            "score": NUMBER,
                            "details": TEXTS,
                            "uncertainty": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "standard_error": {"type": "object", "required": ["value"], "properties": {"value": NUMBER, "method": {"type": "string"}}},
                                    "confidence_interval": {"type": "object", "required": ["lower", "upper"], "properties": {"lower": NUMBER, "upper": NUMBER, "confidence_level": {"const": 0.95}, "method": {"type": "string"}}},
                                    "num_samples": {"type": "integer"},
                                },
                            },
                        },
                    },
                    "generation_config": {
                        "type": "object",
                        "properties": {"generation_args": {"type": "object", "additionalProperties": False, "properties": {"temperature": NUMBER, "top_p": NUMBER, "reasoning": {"type": "boolean"}}}, "additional_details": TEXTS},
                    },
                },
            },
        },
    },
}  # fmt: skip


def told(*arguments):
    result = CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_export_is_a_file_of_the_schema_with_error_interval_method_and_n():
    jsonschema = pytest.importorskip("jsonschema")
    run = store_run("hf:org/model", [1, 0, 1, 1] * 5)
    log = json.loads(told("runs", "export", run, "--format", "eee"))
    jsonschema.validate(log, SCHEMA)
    whole = log["evaluation_results"][0]
    assert whole["score_details"]["score"] == 0.75
    uncertainty = whole["score_details"]["uncertainty"]
    assert uncertainty["num_samples"] == 20
    assert uncertainty["confidence_interval"]["method"] == "wilson"
    assert log["model_info"]["id"] == "org/model"
    assert [entry["evaluation_name"] for entry in log["evaluation_results"]] == [
        "arc_easy",
        "arc_easy.even",
        "arc_easy.odd",
    ]
    assert "Infinity" not in json.dumps(log)
    again = json.loads(told("runs", "export", run, "--format", "eee"))
    assert again == log  # the same run gives the same bytes


def test_what_was_exported_and_taken_in_again_is_of_the_same_recipe(tmp_path):
    run = store_run("hf:org/model", [1, 0, 1, 1] * 5)
    store_run("hf:org/model", [1, 0] * 5, shots=0)
    path = tmp_path / "run.json"
    told("runs", "export", run, "--format", "eee", "-o", path)
    told("published", "import", path)
    results = all_results()
    assert {(result.benchmark, result.part) for result, _ in results} == {
        ("arc_easy", ""),
        ("arc_easy", "even"),
        ("arc_easy", "odd"),
    }
    assert {evidence for _, evidence in results} == {"same recipe"}
    (whole,) = [result for result, _ in results if not result.part]
    with Runs(settings.database()) as store:
        score = store.find(run).report.score
    assert (whole.value, whole.low, whole.high, whole.stderr, whole.n) == (
        score.value,
        score.low,
        score.high,
        score.stderr,
        score.n,
    )
    assert (whole.system, whole.method) == ("hf:org/model", score.method)
    told("runs", "delete", run, "--yes")
    assert {evidence for _, evidence in all_results()} == {"other recipe"}  # nothing here was asked so any more


def test_on_the_leaderboard_it_stands_in_the_measured_column_and_never_over_a_measurement(tmp_path):
    others, mine = store_run("hf:org/model", [1, 1, 1, 0] * 5), store_run("smollm2", [1, 0] * 10)
    for run in (others, mine):
        told("runs", "export", run, "--format", "eee", "-o", tmp_path / f"{run}.json")
    told("published", "import", tmp_path)
    told("runs", "delete", others, "--yes")
    store_run("smollm2", [0, 0, 1, 0] * 5)  # measured anew: the published value of the same system is not shown
    rows = [json.loads(line) for line in told("leaderboard", "--published", "--json").splitlines()]
    wholes = {
        row["system"]: row
        for row in rows
        if row["run"] or ("even" not in row["benchmark"] and "odd" not in row["benchmark"])
    }
    assert wholes["smollm2"]["scores"]["acc_norm"]["value"] == 0.25
    assert wholes["smollm2"]["evidence"] == "benchmark"
    assert wholes["hf:org/model"]["scores"]["acc_norm"]["value"] == 0.75
    assert (wholes["hf:org/model"]["evidence"], wholes["hf:org/model"]["n"]) == ("same recipe", 20)
    assert [row["system"] for row in map(json.loads, told("leaderboard", "--json").splitlines())] == ["smollm2"]
    assert "same recipe" in told("leaderboard", "--published")
    assert "hf:org/model" in told("leaderboard", "--published", "--csv", "-")


def test_no_export_holds_a_personal_path_or_a_prompt_of_ones_own():
    name = "hf:/home/jane/secret/tuned?adapter=/home/jane/lora&system=/home/jane/prompt.txt"
    its = replace(
        key(name, "own", data="file"), version='1, asked {"prompt": "Dear Jane: {question}"}', system_prompt="I am Jane"
    )
    outcomes = [
        Scored(f"own/{i}", "own", f"c{i}", "ok", {"acc_norm": i % 2}, "t", "e", (LogLikelihood(-1.0, False, 1),))
        for i in range(8)
    ]
    with Runs(settings.database()) as store:
        store.end(attempt := store.begin(its), Bill(1.0), 0)
        store.add(its.run, attempt, 0, PROMPT, outcomes[0], Bill(0.1))
        store.save_report(report(Plan(its, (), 8, "acc_norm", "micro", 0.25), outcomes, Spent()))
    text = told("runs", "export", its.run, "--format", "eee")
    assert "jane" not in text.lower()
    assert json.loads(text)["model_info"]["name"] == "hf:tuned?adapter=lora&system=prompt.txt"
    assert "jane" not in told("runs", "export", its.run, "--format", "lm-eval").lower()
    result = CliRunner().invoke(cli, ["runs", "export", its.run, "--format", "hub-eval"])
    assert "of file rows" in str(result.exception)


@pytest.mark.parametrize(
    ("name", "public", "id"),
    [
        ("smollm2", "smollm2", "smollm2"),
        ("smollm2?dtype=bfloat16", "smollm2?dtype=bfloat16", "smollm2"),
        ("hf:Qwen/Qwen2.5-0.5B@main", "hf:Qwen/Qwen2.5-0.5B@main", "Qwen/Qwen2.5-0.5B"),
        ("hf:./folder", "hf:folder", "folder"),
        ("hf:~/models/deep/x", "hf:x", "x"),
        ("gguf:/data/jane/x.gguf", "gguf:x.gguf", "x.gguf"),
        ("openai:gpt-5-mini", "openai:gpt-5-mini", "openai/gpt-5-mini"),
        ("http://10.0.0.7:8000/v1#name", "endpoint:name", "name"),
        ("a thing made in Python", "a thing made in Python", "a thing made in Python"),
    ],
)
def test_names_are_public_without_folders_and_addresses(name, public, id):
    assert (public_name(name), model_id(name)) == (public, id)


def test_the_hubs_own_parser_reads_what_is_written_for_it():
    from huggingface_hub import parse_eval_result_entries
    from yaml import safe_load

    run = store_run("hf:org/model", [1, 0, 1, 1] * 5)
    (entry,) = parse_eval_result_entries(safe_load(told("runs", "export", run, "--format", "hub-eval")))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("allenai/ai2_arc", "ARC-Easy", 75.0)
    assert "percent; acc_norm, 5-shot fixed" in entry.notes
    assert re.search(r"recipe [0-9a-f]{16}$", entry.notes)


def test_what_does_not_stand_on_a_board_is_not_written_for_it():
    for data, needle in (("sample", "of sample rows"), ("fresh", "of fresh rows")):
        run = store_run("m", [1, 0], data=data)
        result = CliRunner().invoke(cli, ["runs", "export", run, "--format", "hub-eval"])
        assert needle in str(result.exception)
    part = store_run("m", [1, 0], available=9)
    assert "covers 2 of 9 items" in str(
        CliRunner().invoke(cli, ["runs", "export", part, "--format", "hub-eval"]).exception
    )


scores = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=30)


@given(scores)
def test_any_report_is_written_and_read_back_as_the_same_numbers(values):
    its = key("hf:org/model")
    outcomes = [
        Scored(f"x/{i}", "x", f"c{i % 7}", "ok", {"acc_norm": v, "f1": v}, "t", "e", (LogLikelihood(-1.0, False, 1),))
        for i, v in enumerate(values)
    ]
    made = report(Plan(its, (), len(values), "acc_norm", "micro", 0.25), outcomes, Spent())
    log = json.loads(json.dumps(log_of(made, "2026-01-02T03:04:05+00:00"), allow_nan=False))
    reading = read_value(log, "x.json")
    assert not reading.refused
    assert not reading.notes
    assert {result.metric: result.value for result in reading.results} == {m: s.value for m, s in made.scores.items()}
    for result in reading.results:
        score = made.scores[result.metric]
        assert (result.low, result.high, result.n) == (score.low, score.high, score.n)
