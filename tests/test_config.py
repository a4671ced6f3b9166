"""A setting of an evaluation stands in one place; what it was stays the name of a run."""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import get_type_hints

import click
import pytest
from click.testing import CliRunner

import llms
from llms.benchmarks.catalogue import find
from llms.benchmarks.own import OpenScorer, declare
from llms.cli.eval_options import config_of, eval_options
from llms.cli.evaluate import evaluate as eval_command
from llms.data import open_source
from llms.data.own import read
from llms.errors import UsageError
from llms.evaluation.config import SETTING, EvalConfig, EvalSettings, setting, settings_of
from llms.evaluation.plan import NAMED, RunKey, plan
from llms.testing import ScriptedModel
from llms.values import Identity
from llms.workbench.own_data import asking_of

GOLDEN = json.loads((Path(__file__).parent / "golden_run_ids.json").read_text())  # made before EvalConfig was
SYSTEM = Identity("hf:some/model", "w1", dtype="float32", tokenizer="t", template="p", extra={"a": "b"})


@pytest.fixture(scope="module")
def sample():
    return open_source("sample")


@pytest.mark.parametrize("name", sorted({case["benchmark"] for case in GOLDEN["benchmarks"]}))
def test_the_names_of_runs_stay_byte_equal_in_every_combination_of_settings(sample, name):
    for case in (case for case in GOLDEN["benchmarks"] if case["benchmark"] == name):
        key = plan(find(name), sample, EvalConfig(**case["settings"]), SYSTEM).key
        key = replace(key, version="1", scorer="1", revision="r")
        assert key.run == case["run"], case["settings"]
        assert RunKey.from_dict(json.loads(json.dumps(key.to_dict()))) == key


def test_the_names_of_runs_of_own_files_stay_byte_equal(tmp_path):
    for case in GOLDEN["own"]:
        path = tmp_path / case["file"]
        path.write_text(GOLDEN["files"][case["file"]])
        config, table = EvalConfig(**case["settings"]), read(path)
        benchmark = declare(table, OpenScorer(config.scorer), asking_of(config))
        assert replace(plan(benchmark, table, config, SYSTEM).key, scorer="1").run == case["run"], case["settings"]


def test_a_stored_key_of_any_version_keeps_its_name():
    for case in GOLDEN["stored"]:
        assert RunKey.from_dict(case["key"]).run == case["run"]


def test_the_configuration_of_a_key_leads_to_the_key_again(sample):
    config = EvalConfig(shots=2, draw="harness", window="strict", seed=5, thinking=7, samples=3, temperature=0.5)
    for name in ("arc_easy", "gsm8k", "humaneval"):
        key = plan(find(name), sample, replace(config, shots=None if name == "humaneval" else 2), SYSTEM).key
        assert plan(find(name), sample, key.config, SYSTEM).key == key


@dataclass(frozen=True, slots=True)
class Wider(EvalConfig):
    """What adding a setting takes: a field."""

    prefill: str = field(default="", metadata=setting("The beginning of every answer.", "--prefill", identifies=True))
    colour: int = field(default=0, metadata=setting("Not part of a run.", "--colour", least=0))


def test_a_new_setting_is_one_field(sample):
    usual, other = (plan(find("gsm8k"), sample, Wider(prefill=text), SYSTEM).key for text in ("", "So: "))
    assert usual == plan(find("gsm8k"), sample, EvalConfig(), SYSTEM).key, "no run is renamed"
    assert other.run != usual.run
    assert usual.differences(other) == {"prefill": (None, "So: ")}
    assert RunKey.from_dict(json.loads(json.dumps(other.to_dict()))) == other
    assert plan(find("gsm8k"), sample, Wider(colour=3), SYSTEM).key == usual

    seen = []

    @click.command()
    @eval_options(config=Wider)
    def command(**values):
        seen.append(config_of(values, Wider))

    assert CliRunner().invoke(command, ["--prefill", "So: ", "--limit", "3"]).exit_code == 0
    assert seen == [Wider(prefill="So: ", limit=3)]
    assert "--colour INTEGER RANGE" in CliRunner().invoke(command, ["--help"]).output


def test_options_keywords_and_key_come_from_the_configuration():
    names = [each.name for each in fields(EvalConfig)]
    assert get_type_hints(EvalSettings) == {
        each.name: get_type_hints(EvalConfig)[each.name] for each in fields(EvalConfig)
    }
    options = {option.name: option.opts for option in eval_command.params if isinstance(option, click.Option)}
    assert [name for name in options if name in names] == names
    assert all(
        options[name] == [each.metadata[SETTING].option] for name, each in zip(names, fields(EvalConfig), strict=True)
    )
    identifying = {name for name, each in settings_of(EvalConfig).items() if each.identifies}
    assert identifying >= NAMED, "what a key has under its own name identifies it"


def test_every_option_is_read_as_its_setting(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr("llms.cli.evaluate.evaluate_all", lambda systems, names, config: given.append(config) or [])
    (tmp_path / "rubric.txt").write_text("Be kind.")
    text = (
        "m --view v1 --limit 3 --shots 2 --shot-draw harness --data x.csv --chat-template on --window strict --fresh --retry-failed "
        "--workers 2 --samples 4 --temperature 0.5 --top-p 0.9 --seed 7 --system brief --thinking 9 --no-sandbox --scorer judge "
        f"--judge j --rubric @{tmp_path}/rubric.txt --prompt Q:{{question}}\\n --stop ; --stop \\n --max-tokens 5 --by a --by b --budget 1.5"
    )
    CliRunner().invoke(eval_command, text.split())
    CliRunner().invoke(eval_command, ["m", "--chat-template", "off", "--stop", ""])
    CliRunner().invoke(eval_command, ["m"])
    assert given == [
        EvalConfig(
            view="v1", limit=3, shots=2, draw="harness", data="x.csv", chat_template=True, window="strict", fresh=True,
            retry_failed=True, workers=2, samples=4, temperature=0.5, top_p=0.9, seed=7, system_prompt="brief", thinking=9,
            sandbox=False, scorer="judge", judge="j", rubric="Be kind.", prompt="Q:{question}\n", stop=(";", "\n"),
            max_tokens=5, by=("a", "b"), budget=1.5,
        ),
        EvalConfig(chat_template=False, stop=()),
        EvalConfig(),
    ]  # fmt: skip


def test_python_takes_the_value_its_fields_as_keywords_or_both():
    for keywords in ({"limit": 1}, {"config": EvalConfig(limit=1)}, {"config": EvalConfig(limit=3), "limit": 1}):
        reports = llms.evaluate(ScriptedModel(), ["gsm8k"], shots=0, **keywords).reports
        assert reports["gsm8k"].n + reports["gsm8k"].failed == 1
    with pytest.raises(TypeError, match="limmit"):
        llms.evaluate(ScriptedModel(), ["gsm8k"], limmit=1)


def test_settings_for_a_file_of_ones_own_are_refused_without_one():
    for keywords in (
        {"scorer": "contains"},
        {"prompt": "{question}"},
        {"stop": ["x"]},
        {"max_tokens": 3},
        {"by": ["a"]},
    ):
        with pytest.raises(UsageError, match=r"for a file of your own \(--data FILE\)"):
            llms.evaluate(ScriptedModel(), ["gsm8k"], **keywords)
