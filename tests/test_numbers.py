"""Numbers are numbers: what is not finite becomes a failure with its reason, and reaches no score, store, page or JSON."""

import json
import sqlite3
from dataclasses import replace
from math import inf, nan

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

import llms
from llms import settings
from llms.benchmarks.benchmark import Grade
from llms.benchmarks.catalogue import CATALOGUE
from llms.cli.main import cli
from llms.cli.output import print_json
from llms.engine import DecodeRequest, Engine, EngineLoop, ScoreRequest, Tracer
from llms.errors import ModelError, NotNumbers, UsageError
from llms.evaluation.config import EvalConfig
from llms.evaluation.items import Item
from llms.evaluation.perplexity import Perplexity
from llms.evaluation.plan import Plan
from llms.evaluation.report import Report, report
from llms.evaluation.room import without_room
from llms.evaluation.run import check
from llms.models.api.model import open_api
from llms.models.api.retry_policy import RetryPolicy
from llms.models.name import parse
from llms.models.system import Generate
from llms.scoring.choice import best, true_mass
from llms.serve.answers import _refused
from llms.store import database
from llms.store.runs import Bill, Runs
from llms.testing import ScriptedModel
from llms.testing.endpoint import ScriptedEndpoint, words
from llms.values import Example, Failed, Failure, GenerationPrompt, LogLikelihood, Scored, Spent
from llms.workbench.evaluate import Progress, evaluate_all
from llms.workbench.html_report import page
from llms.workbench.perplexity import measure
from test_store import PROMPT, key
from test_store import scored as stored
from tiny import build, save_checkpoint

NAN_TENSOR = "model.layers.1.mlp.up_proj.weight"


def told(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=True)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> str:
    """A checkpoint with one matrix of NaN."""
    return changed(tmp_path_factory.mktemp("damaged"), lambda weight: weight.fill_(nan))


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> str:
    """A checkpoint whose activations are too large for float16, and not for float32."""
    return changed(tmp_path_factory.mktemp("large"), lambda weight: weight.mul_(3000))


def changed(folder, change) -> str:
    path = save_checkpoint(folder) / "model.safetensors"
    weights = load_file(path)
    for name in (NAN_TENSOR, NAN_TENSOR.replace("up", "gate")):
        change(weights[name])
    save_file(weights, path, {"format": "pt"})
    return str(folder)


def test_a_model_of_nan_gets_no_score_and_the_run_says_which_weights(damaged):
    output = told("eval", f"hf:{damaged}", "-b", "truthfulqa_mc1,gsm8k", "--limit", "2", "--workers", "1", status=1)
    for benchmark in ("truthfulqa_mc1", "gsm8k"):
        assert (
            f"on {benchmark}: 2 of 2 items failed: what hf:{damaged} computes are not finite numbers (NaN): " in output
        )
    assert (
        "mlp.gate_proj.weight of its weights holds 2048 values that are NaN or infinite; get the checkpoint anew (2×)"
        in output
    )
    assert "cannot share prefixes" not in output
    assert "100.0" not in output
    assert "nothing is measured yet" in told("leaderboard")
    assert {json.loads(line)["status"] for line in told("samples", "last", "--json").splitlines()} == {"infra"}


def test_an_overflow_of_float16_is_told_from_damaged_weights(large):
    found = llms.evaluate(f"hf:{large}?dtype=float16", ["arc_easy"], limit=2)
    assert {type(outcome) for outcome in found.outcomes["arc_easy"]} == {Failed}
    assert "activations overflow float16; try dtype=float32" in found.outcomes["arc_easy"][0].reason
    assert llms.evaluate(f"hf:{large}?dtype=float32", ["arc_easy"], limit=2).reports["arc_easy"].n == 2


def test_a_model_of_nan_is_neither_better_nor_worse(damaged, tiny):
    output = told("compare", f"hf:{damaged}", f"hf:{tiny}", "-b", "arc_easy", "--limit", "2", "--workers", "1", "--json", status=1)  # fmt: skip
    (found,) = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert (found["verdict"], found["difference"]) == ("not comparable", None)
    assert "0 items were scored on both sides" in found["reason"]
    assert "NaN or infinite" in found["reason"]


def test_perplexity_next_tokens_and_generation_of_nan_are_errors(damaged, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("a few words")
    with pytest.raises(NotNumbers, match="not finite numbers"):
        measure(f"hf:{damaged}", text)
    assert "not finite numbers" in str(told_error("perplexity", f"hf:{damaged}", str(text)))
    assert "not finite numbers" in str(told_error("next", "a", "-m", f"hf:{damaged}"))
    with llms.load(f"hf:{damaged}") as model:
        with pytest.raises(ModelError, match="not finite numbers"):
            model.loglikelihood([("a", " b")])
        with pytest.raises(ModelError, match="not finite numbers"):
            model.generate(["a"], max_tokens=2)
        with pytest.raises(NotNumbers):
            list(model.stream(Generate("a", 2, temperature=1.0)))


def told_error(*arguments: str) -> BaseException | None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code != 0
    return result.exception


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_an_engine_over_nan_decodes_and_traces_nothing(family):
    """With layouts, and without."""
    model = build(family)
    list(model.parameters())[-1].data.fill_(nan)
    engine = Engine(model)
    assert not engine.verdict.finite  # not a difference of two ways
    ((_, got),) = engine.complete([DecodeRequest(0, (5, 6, 7), 4)])
    assert (len(got.tokens), got.finish) == (1, "nan")
    engine_loop = EngineLoop(engine)
    with pytest.raises(NotNumbers):
        list(engine_loop.events(DecodeRequest(0, (5, 6, 7), 4, top=2)))
    engine_loop.close()
    with pytest.raises(NotNumbers):
        Tracer(engine.network, engine.verdict.supports_tree_attention).trace((5, 6, 7))


@pytest.mark.parametrize("broken", [0, 1])
def test_one_request_without_numbers_leaves_the_others_alone(broken):
    model, token = build("llama"), 150
    engine = Engine(model)
    model.get_input_embeddings().weight.data[token] = inf
    prompts = [(5, 6, 7, token), (5, 6, 7, 8)]
    prompts = prompts if broken == 0 else prompts[::-1]
    found = dict(engine.complete([DecodeRequest(i, prompt, 3) for i, prompt in enumerate(prompts)]))
    assert found[broken].finish == "nan"
    assert found[1 - broken].finish == "length"
    assert not torch.tensor(dict(engine.score([ScoreRequest((5, token, 7), 1)]))[0].logprob).isfinite()


def test_the_server_says_that_a_model_gives_no_numbers():
    refused = _refused(NotNumbers("no numbers"))
    assert (refused.status_code, refused.body["error"]["message"]) == (500, "no numbers")


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_log_probability_that_is_no_number_fails_the_item(value):
    system = ScriptedModel(likelihood=lambda context, continuation: value if len(continuation) % 2 else -1.0)
    found = llms.evaluate(system, ["truthfulqa_mc1"], limit=10)
    outcomes, run = found.outcomes["truthfulqa_mc1"], found.reports["truthfulqa_mc1"]
    assert run.failed == sum(isinstance(outcome, Failed) for outcome in outcomes) > 0
    assert f"a log-probability is {value}" in next(iter(run.failures))
    assert run.n + run.failed == 10


def test_a_score_that_is_no_number_fails_the_item():
    benchmark = CATALOGUE["gsm8k"]
    grade = Grade({next(iter(benchmark.metrics)): nan}, "t", "e")
    broken = replace(benchmark, grade=lambda row, answers: grade)
    run = llms.evaluate(ScriptedModel(lambda text: "5"), [broken], limit=2).reports["gsm8k"]
    assert (run.n, run.failed) == (0, 2)
    assert "expected finite numbers" in next(iter(run.failures))


@pytest.mark.parametrize("value", [None, nan, "-1.5", 3.0])
def test_an_endpoint_that_gives_no_number_fails_that_pair_only(value):
    with ScriptedEndpoint() as server, open_api(parse(f"{server.url}#m"), RetryPolicy(backoff_seconds=0.01)) as model:

        def score(prompt):
            tokens = words(prompt)
            values = [-0.5 * len(token) for token in tokens]
            return tokens, [value if token == " odd" else v for token, v in zip(tokens, values, strict=True)], [-0.5 for _ in tokens]  # fmt: skip

        server.score = score
        found = dict(model.score([("a b", " even"), ("a b", " odd")]))
    assert isinstance(found[0], LogLikelihood)
    assert isinstance(found[1], Failure)
    assert "gives no log-probability of ' odd' behind its context" in found[1].reason


def test_the_best_of_values_that_are_no_numbers_is_nothing():
    for values in ([nan, -1.0], [-1.0, inf], [-inf, -1.0]):
        with pytest.raises(ValueError, match="not finite"):
            best(values)
        with pytest.raises(ValueError, match="not finite"):
            true_mass(values, [1, 0])


def test_json_for_scripts_holds_numbers_only():
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json([{"value": nan}])


def test_the_store_takes_numbers_only(tmp_path):
    with Runs(tmp_path / "x.sqlite3") as store, pytest.raises(ValueError, match="not JSON compliant"):
        store.add(key().run, store.begin(key()), 0, PROMPT, stored(score=nan), Bill(1.0))


def test_what_an_older_version_stored_without_numbers_has_failed(tmp_path, monkeypatch):
    path = tmp_path / "x.sqlite3"
    monkeypatch.setattr(
        database, "MIGRATIONS", database.MIGRATIONS[: database.MIGRATIONS.index(database._only_numbers)]
    )
    plan = Plan(key(), (), 2, "acc", "micro", 0.0)
    with Runs(path) as store:
        attempt = store.begin(key())
        for item in ("s/0", "s/1"):
            store.add(key().run, attempt, int(item[-1]), PROMPT, stored(item), Bill(1.0))
        store.save_report(report(plan, [stored("s/0"), stored("s/1")], Spent()))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE outcomes SET outcome = replace(outcome, '-2.5', 'NaN') WHERE item = 's/1'")
    monkeypatch.undo()
    with Runs(path) as store:
        first, second = (outcome for _, outcome in store.outcomes(key().run))
        assert first == stored("s/0")
        assert isinstance(second, Failed)
        assert "NaN; ask it again with --retry-failed" in second.reason
        assert store.known(key().run) == {"s/0": True, "s/1": False}
        assert store.reports() == []  # until the run is continued


def test_an_older_report_with_infinite_bounds_is_read_without_them():
    made = report(Plan(key(), (), 1, "acc", "micro", 0.0), [stored()], Spent()).to_dict()
    made["scores"] = {"acc": {**made["scores"]["acc"], "high": inf}, "f1": {**made["scores"]["acc"], "value": nan}}
    found = Report.from_dict(made)
    assert (found.scores["acc"].value, found.scores["acc"].low, found.scores["acc"].high) == (1.0, None, None)
    assert "f1" not in found.scores


def of_one_cluster() -> Report:
    outcomes = [
        Scored(f"s/{i}", "s", "passage", "ok", {"acc": float(i > 0)}, "t", "e", (LogLikelihood(-1.0, False, 1),))
        for i in range(3)
    ]
    return report(Plan(key(), (), 3, "acc", "micro", 0.0), outcomes, Spent())


def test_a_score_without_an_interval_passes_json_table_and_pages(tmp_path, monkeypatch):
    run = of_one_cluster()
    assert run.to_json()["scores"]["acc"] == {
        "value": pytest.approx(2 / 3), "low": None, "high": None, "stderr": None, "n": 3, "method": "no interval: one cluster", "clusters": 1,
    }  # fmt: skip
    assert Report.from_dict(json.loads(json.dumps(run.to_dict()))) == run
    assert "no interval: one cluster" in page([run])
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    with Runs(settings.database()) as store:
        store.begin(key())
        store.save_report(run)
    shown = told("leaderboard")
    assert "66.7" in shown
    assert "no interval: all items belong to one cluster" in shown
    assert "None" not in shown
    told("leaderboard", "--html", str(tmp_path / "x.html"))
    assert json.loads(told("runs", "export", key().run, "--format", "lm-eval"))["results"]["arc_easy"]["acc_stderr,none"] == "N/A"  # fmt: skip


def test_few_clusters_stand_beside_the_score(tmp_path, monkeypatch):
    assert "rests on" not in page([of_one_cluster()])
    outcomes = [
        Scored(f"s/{i}", "s", f"p{i % 3}", "ok", {"acc": float(i % 2)}, "t", "e", (LogLikelihood(-1.0, False, 1),))
        for i in range(9)
    ]
    run = report(Plan(key(), (), 9, "acc", "micro", 0.0), outcomes, Spent())
    assert "The interval rests on 3 clusters only." in page([run])


def test_perplexity_is_a_few_digits_or_nothing():
    tiny_text = Perplexity(-40.0, 4, 1, 10, 1, 0.1)
    assert tiny_text.word_perplexity == pytest.approx(2.353852668370e17)
    assert Perplexity(-2000.0, 4, 1, 10, 1, 0.1).word_perplexity is None


def test_perplexity_of_one_long_word_is_not_three_hundred_digits(tiny, tmp_path):
    text = tmp_path / "long.txt"
    text.write_text("x" * 400)
    output = told("perplexity", f"hf:{tiny}", str(text))
    assert "perplexity per word  more than 1e308 (1 words, 400 bytes)" in output
    shown = CliRunner().invoke(cli, ["perplexity", f"hf:{tiny}", str(text), "--json"]).stdout
    assert json.loads(shown)["word_perplexity"] is None


def broken_beside(monkeypatch, reply=lambda text: "5", likelihood=lambda c, k: nan):
    system = ScriptedModel(reply, name="broken", likelihood=likelihood)
    monkeypatch.setattr("llms.workbench.evaluate.load", lambda name: system)


def test_a_benchmark_without_any_score_ends_the_run_with_1_and_its_reason(monkeypatch):
    broken_beside(monkeypatch)
    output = told("eval", "broken", "-b", "gsm8k,arc_easy", "--limit", "3", status=1)
    assert "broken on arc_easy: 3 of 3 items failed: a log-probability is nan, no finite number" in output
    assert "(3×)" in output
    assert "gsm8k" in output


def test_some_failed_items_and_their_reasons_stand_beside_the_score(monkeypatch):
    broken_beside(monkeypatch, likelihood=lambda c, k: nan if len(c) % 2 else -1.0)
    output = told("eval", "broken", "-b", "arc_easy", "--limit", "9")
    assert "items failed: a log-probability is nan" in " ".join(output.split())
    (row,) = [json.loads(line) for line in told("leaderboard", "--json").splitlines()]
    assert row["failures"][0]["count"] == row["failed"] > 0


def test_reasons_that_differ_in_numbers_only_are_counted_together():
    failed = [Failed(f"s/{i}", "s", f"s/{i}", "infra", f"the prompt is {i} tokens too long") for i in range(3)]
    failed += [Failed("s/9", "s", "s/9", "timeout", "no answer")]
    run = report(Plan(key(), (), 4, "acc", "micro", 0.0), failed, Spent())
    assert list(run.failures.items()) == [("the prompt is 0 tokens too long", 3), ("no answer", 1)]


def asked(*max_tokens: int, **changes) -> Plan:
    items = [
        Item(Example("s", i, {}), GenerationPrompt("", "", "word " * 90, max_tokens=most), f"s/{i}")
        for i, most in enumerate(max_tokens)
    ]
    return Plan(key(benchmark="ifeval", **changes), tuple(items), len(items), "acc", "micro", 0.0)


def test_what_no_window_can_hold_is_refused_before_the_start():
    system, ifeval = ScriptedModel(), CATALOGUE["ifeval"]  # a window of 4096
    with pytest.raises(UsageError, match="ifeval wants answers of up to 5000 tokens; none of 2 items fits the context window of m, 4096 tokens"):  # fmt: skip
        check(asked(4096, 5000), ifeval, system)
    check(asked(4095, 5000), ifeval, system)
    assert "1 of 2 items do not fit" in without_room(asked(4095, 5000), system)
    assert "none of 1 items fits" in without_room(asked(4000, thinking=100), system)
    assert without_room(asked(4095), system) == ""  # the prompt is cut on the left
    assert "none of 1 items fits" in without_room(asked(4095, window="strict"), system)  # its 90 words are not


def test_where_all_is_asked_for_what_cannot_fit_is_left_out(tmp_path):
    folder = str(save_checkpoint(tmp_path / "short", window=512))
    options = EvalConfig(limit=1, view="v2", sandbox=False, workers=1)
    with pytest.raises(UsageError, match="none of 1 items fits the context window"):
        list(evaluate_all([f"hf:{folder}"], ["ifeval"], options))
    events = list(evaluate_all([f"hf:{folder}"], ["all"], options))
    notes = [event.note for event in events if isinstance(event, Progress) and event.note]
    assert "ifeval" not in {event.key.benchmark for event in events if isinstance(event, Report)}
    assert any("left out: ifeval wants answers of up to 1280 tokens" in note for note in notes)


def test_items_that_one_model_was_asked_before_do_not_hinder_a_comparison(monkeypatch):
    first, second = (ScriptedModel(lambda text: "#### 5", name=name) for name in ("first", "second"))
    for module in ("compare", "evaluate"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", {"first": first, "second": second}.__getitem__)
    llms.evaluate("second", ["gsm8k"], limit=8)
    (found,) = llms.compare("first", "second", ["gsm8k"], limit=4)
    assert found.paired
    assert (found.paired.n, found.left_out) == (4, 0)


def test_a_sequence_that_used_everything_says_how_many_items_would_be_needed(monkeypatch):
    first = ScriptedModel(lambda text: "#### 5" if len(text) % 2 else "#### 6", name="first")
    second = ScriptedModel(lambda text: "#### 5", name="second")
    for module in ("compare", "evaluate"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", {"first": first, "second": second}.__getitem__)
    (found,) = llms.compare("first", "second", ["gsm8k"], until_decided=True)
    assert found.verdict == "no detectable difference"
    assert f"{found.available} of {found.available} items used; to show a difference of" in found.reason
    assert "with 80 % power, some " in found.reason
