"""A score belongs to the scorer that gave it: raising one begins a new run, and touches no other run's name."""

from dataclasses import replace

import pytest

import llms
from llms import settings
from llms.benchmarks.benchmark import Benchmark, EvalSplit, Grade, Open, View, reply
from llms.benchmarks.catalogue import CATALOGUE, find
from llms.benchmarks.own import OpenScorer, declare
from llms.data import Dataset
from llms.data.own import read
from llms.evaluation.config import EvalConfig
from llms.evaluation.plan import RunKey, plan
from llms.scoring.open import VERSIONS
from llms.store.runs import Runs
from llms.testing import ScriptedModel
from llms.values import Identity

GOLDEN = {
    "d3f62a7365": RunKey(
        Identity("hf:gpt2", "abc", dtype="float32"),
        "arc_easy", "1", "default", 5, "fixed", False, "cut", "loglikelihood", 0, "1", "hub", "rev",
    ),
    "a4987deeb8": RunKey(
        Identity("openai:gpt-5-mini", "", extra={"address": "x"}),
        "gsm8k", "1", "v1", 5, "harness", True, "strict",
        '{"samples": 4, "temperature": 0.7, "top_p": 1.0, "max_tokens": 256, "stop": ["\\n"]}',
        7, "1", "fresh", "s7", "Be brief.", 100, "",
    ),
    "88efd7fd87": RunKey(
        Identity("smollm2", "w", "float32", quantization="int8", adapter="a", tokenizer="t", template="p"),
        "humaneval", "1", "default", 0, "fixed", False, "cut", "{}", 0, "1", "sample", "r", "", 0, "isolated",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_the_name_of_a_run_whose_key_is_unchanged_stays_what_it_was(name):
    assert GOLDEN[name].run == name


def name_of(folder, name: str, text: str, scorer: OpenScorer) -> str:
    (folder / f"{name}.csv").write_text(text)
    table = read(folder / f"{name}.csv")
    benchmark = declare(table, scorer)
    return plan(benchmark, table, EvalConfig(), Identity("smollm2", "w")).key.run


def test_runs_of_ones_own_data_keep_their_names_where_their_scorer_did_not_change(tmp_path, monkeypatch):
    choices = "question,choices,answer\nq,red|blue,blue\n"
    assert name_of(tmp_path, "own", choices, OpenScorer("exact")) == "1233dc9b0f"
    monkeypatch.setitem(VERSIONS, "regex", "1")
    assert name_of(tmp_path, "free", "question,answer\nq,blue\n", OpenScorer("regex")) == "29f572d2a3"


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_read_out_of_replies_was_raised_and_what_scores_likelihoods_was_not(name):
    benchmark = CATALOGUE[name]
    assert (benchmark.scorer == "1") == (benchmark.kind == "choice")


def test_a_twin_is_raised_beside_its_benchmark():
    assert find("arc_easy").scorer == "1"
    assert find("arc_easy:letter").scorer == "1.letter2"


@pytest.mark.parametrize("scorer", VERSIONS)
def test_a_raised_version_alone_begins_a_new_run_of_ones_own_data(tmp_path, monkeypatch, scorer):
    text, how = "question,answer\nq,7\n", OpenScorer(scorer, judge_name="smollm2")
    present = name_of(tmp_path, "free", text, how)
    assert int(VERSIONS[scorer]) >= 2
    monkeypatch.setitem(VERSIONS, scorer, "1")
    assert name_of(tmp_path, "free", text, how) != present


def echo(scorer: str) -> Benchmark:
    return Benchmark(
        name="echo", title="Echo", version="1", licence="MIT", items=2, chance=0.0,
        dataset=Dataset("me/echo", "r", "echo", {"say": str}), parts=(EvalSplit("echo", "main", "test"),),
        metrics=("same",), views={"default": View(0, "fixed", "same")},
        ask=lambda row: Open(row["say"], ("\n",)), shot=lambda row: "",
        grade=lambda row, answers: Grade({"same": float(reply(answers).text == row["say"])}, row["say"], None),
        kind="generation", scorer=scorer,
    )  # fmt: skip


def test_a_run_is_never_continued_under_a_raised_scorer(tmp_path):
    (tmp_path / "echo" / "main").mkdir(parents=True)
    (tmp_path / "echo" / "main" / "test.jsonl").write_text('{"say": "a"}\n{"say": "b"}\n')
    system = ScriptedModel(lambda text: "a")
    old = llms.evaluate(system, [echo("1")], limit=1, data=str(tmp_path)).reports["echo"]
    new = llms.evaluate(system, [echo("2")], data=str(tmp_path)).reports["echo"]
    assert replace(old.key, scorer="2") == new.key
    assert len(system.requests) == 1 + 2, "the raised scorer's run begins from nothing"
    with Runs(settings.database()) as store:
        assert {run.run: run.outcomes for run in store.all()} == {old.key.run: 1, new.key.run: 2}
