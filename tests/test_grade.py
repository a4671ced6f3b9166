"""Judges that fail, and stored answers that are graded again: the model is never asked twice."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import llms
from llms import settings
from llms.benchmarks.catalogue import CATALOGUE
from llms.benchmarks.own import accepted_in, listed
from llms.cli.main import cli
from llms.data.source import open_source
from llms.errors import ModelError, UsageError
from llms.evaluation.report import Report
from llms.sandbox import probe
from llms.store.runs import Runs
from llms.testing import ScriptedModel
from llms.workbench.grade import Regrade, grade
from llms.workbench.html_report import write_report

ROWS = "question,answers,region\nCapital of Peru?,Lima|the city of Lima,south\n2+2?,4,none\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(ROWS)
    return path


def answers(text: str) -> str:
    return "It is Lima, I think" if "Peru" in text else "4"


def told(*arguments: str, status: int = 0):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return result.stdout


def regraded(name: str, **how) -> Report:
    return list(grade(name, Regrade(**how)))[-1]


def use_judge(monkeypatch, judge) -> None:
    for module in ("evaluate", "grade"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", lambda name: judge)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple))
def test_accepted_answers_are_got_back_from_what_is_shown(accepted):
    assert accepted_in(listed(accepted)) == accepted
    assert accepted_in(listed(("a | b",))) == ("a | b",)


class Broken(ScriptedModel):
    def complete(self, requests):
        raise ModelError("the endpoint does not answer")


@pytest.mark.parametrize("said", ["", "nan", "It seems fine to me."])
def test_a_judge_that_says_nothing_fails_the_item_and_never_the_system(file, monkeypatch, said):
    judge = ScriptedModel(lambda text: said if "2+2" in text else "Answer: A. It is right.", name="judge")
    use_judge(monkeypatch, judge)
    run = llms.evaluate(ScriptedModel(answers), [], data=str(file), scorer="judge", judge="judge").reports["own"]
    assert (run.n, run.failed, run.counts["infra"], run.scores["judge"].value) == (1, 1, 1, 1.0)
    right, failed = (json.loads(line) for line in told("samples", run.key.run, "--json").splitlines())
    assert right["judge"] == ["Answer: A. It is right."]
    assert failed["status"] == "infra"
    assert failed["text"] == "4"
    assert "the judge judge gave no verdict: " in failed["reason"]
    assert said in failed["reason"]
    assert "the judge: Answer: A. It is right." in told("samples", run.key.run)
    page = write_report(run.key.run, file.parent / "page.html").read_text()
    assert "the judge: Answer: A. It is right." in page
    assert "gave no verdict" in page


def test_a_judge_that_cannot_be_reached_is_a_failure_too(file, monkeypatch):
    use_judge(monkeypatch, Broken(name="judge"))
    run = llms.evaluate(ScriptedModel(answers), [], data=str(file), scorer="judge", judge="judge").reports["own"]
    assert (run.n, run.failed) == (0, 2)
    assert "the judge judge gave no answer: the endpoint does not answer" in told("samples", run.key.run, "--failed")


def test_what_a_judge_left_open_is_judged_again_in_place_without_asking_the_model(file, monkeypatch):
    judge, system = ScriptedModel(lambda text: "nan", name="judge"), ScriptedModel(answers)
    use_judge(monkeypatch, judge)
    run = llms.evaluate(system, [], data=str(file), scorer="judge", judge="judge").reports["own"]
    assert run.failed == 2
    judge.reply = lambda text: "Answer: B" if "2+2" in text else "Answer: A"
    again = regraded(run.key.run)
    assert again.key == run.key
    assert (again.n, again.failed, again.scores["judge"].value, again.graded_from) == (2, 0, 0.5, "")
    assert len(system.requests) == 2
    with pytest.raises(UsageError, match="is graded by this scorer already"):
        regraded(run.key.run)


def test_another_scorer_makes_the_run_that_asking_under_it_would_have_made(file):
    system = ScriptedModel(answers)
    run = llms.evaluate(system, [], data=str(file)).reports["own"]
    assert run.score.value == 0.5
    (said,) = map(json.loads, told("grade", run.key.run, "--scorer", "contains", "--json").splitlines())
    assert said["graded_from"] == run.key.run != said["run"]
    assert said["scores"]["contains_match"]["value"] == 1
    assert said["tokens"] == 0
    with Runs(settings.database()) as store:
        old, new = store.find(run.key.run), store.find(said["run"])
    assert new.graded_from == run.key.run
    assert old.report == run, "the run that is graded stays as it was"
    assert replace(new.key, version=old.key.version, scorer=old.key.scorer) == old.key
    direct = llms.evaluate(system, [], data=str(file), scorer="contains").reports["own"]
    assert (direct.key.run, direct.graded_from, len(system.requests)) == (said["run"], run.key.run, 2)
    assert f"graded from run {run.key.run}" in told("grade", run.key.run, "--scorer", "regex")
    rows = map(json.loads, told("runs", "--json").splitlines())
    assert {row["run"]: row["graded_from"] for row in rows}[said["run"]] == run.key.run


def test_rows_of_the_file_give_groups_and_questions_and_must_be_the_same(file, monkeypatch):
    judge = ScriptedModel(lambda text: f"Answer: {'A' if 'Question: Capital of Peru?' in text else 'B'}", name="judge")
    use_judge(monkeypatch, judge)
    run = llms.evaluate(ScriptedModel(answers), [], data=str(file), prompt="{region}: {question}").reports["own"]
    with pytest.raises(UsageError, match="as they stand in the file; add --data FILE"):
        regraded(run.key.run, scorer="judge", judge="judge")
    new = regraded(run.key.run, scorer="judge", judge="judge", data=str(file), by=("region",))
    assert {value: s["judge"].value for value, s in new.groups["region"].items()} == {"south": 1, "none": 0}
    other = file.with_name("other") / "own.csv"
    other.parent.mkdir()
    other.write_text(ROWS.replace("2+2", "3+1"))
    with pytest.raises(UsageError, match="was made of other rows"):
        regraded(run.key.run, scorer="contains", data=str(other))


def test_a_benchmark_is_graded_again_under_its_present_scorer(monkeypatch):
    system = ScriptedModel(lambda text: "<think>no</think>#### 5")
    run = llms.evaluate(system, ["gsm8k"], limit=8, thinking=9, samples=2, temperature=0.5).reports["gsm8k"]
    asked = len(system.requests)
    with pytest.raises(UsageError, match="is graded by this scorer already"):
        regraded(run.key.run)
    with pytest.raises(UsageError, match="gsm8k has its own scorer"):
        regraded(run.key.run, scorer="exact")
    old = CATALOGUE["gsm8k"]
    halved = replace(
        old,
        scorer="next",
        grade=lambda row, answers: replace(old.grade(row, answers), scores={"exact_match_strict": 0.5}),
    )
    monkeypatch.setitem(CATALOGUE, "gsm8k", halved)
    new = regraded(run.key.run)
    assert new.key == replace(run.key, scorer="next")
    assert (new.n, new.partial, new.thinking_tokens) == (8, True, run.thinking_tokens)
    assert new.scores["exact_match_strict"].value == 0.5
    assert len(system.requests) == asked
    monkeypatch.setitem(CATALOGUE, "gsm8k", replace(halved, version="other prompts"))
    with pytest.raises(UsageError, match="was asked otherwise than gsm8k asks now"):
        regraded(run.key.run)


def test_choices_are_graded_again_by_their_log_probabilities(monkeypatch):
    system = ScriptedModel(likelihood=lambda context, continuation: -float(len(continuation)))
    run = llms.evaluate(system, ["arc_easy"], limit=5, shots=0).reports["arc_easy"]
    monkeypatch.setitem(CATALOGUE, "arc_easy", replace(CATALOGUE["arc_easy"], scorer="next"))
    new = regraded(run.key.run)
    assert new.scores == run.scores
    assert new.key.scorer == "next"


def test_rows_that_are_withheld_stay_so_when_graded_again(tmp_path, monkeypatch):
    row = {"Question": "What secret binds osmium?", "Correct Answer": "Verylongsecretanswer",
           **{f"Incorrect Answer {i}": f"Wrongsecret{i}" for i in (1, 2, 3)}}  # fmt: skip
    folder = tmp_path / "gpqa" / "gpqa_diamond"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text(
        "".join(json.dumps({**row, "Question": f"secret {i}?"}) + "\n" for i in range(3))
    )
    choices = ScriptedModel(likelihood=lambda context, continuation: -1.0)
    run = llms.evaluate(choices, ["gpqa_diamond"], data=str(tmp_path)).reports["gpqa_diamond"]
    letters = llms.evaluate(ScriptedModel(lambda text: "Answer: A"), ["gpqa_diamond:letter"], data=str(tmp_path))
    monkeypatch.setitem(CATALOGUE, "gpqa_diamond", replace(CATALOGUE["gpqa_diamond"], scorer="next"))
    with pytest.raises(UsageError, match="say which: --data"):
        regraded(run.key.run)
    new = regraded(run.key.run, data=str(tmp_path))
    assert new.scores == run.scores
    with pytest.raises(UsageError, match="the texts of gpqa_diamond:letter are not stored"):
        regraded(letters.reports["gpqa_diamond:letter"].key.run, data=str(tmp_path))
    assert "ecret" not in told("samples", new.key.run, "--json") + told("samples", new.key.run, "--full")
    stored = b"".join(path.read_bytes() for path in settings.home().rglob("*") if path.is_file())
    assert b"ecret" not in stored


def test_own_choices_need_their_file(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("question,choices,answer\nq,a|b,a\n")
    run = llms.evaluate(ScriptedModel(likelihood=lambda c, k: -1.0), [], data=str(path)).reports["own"]
    with pytest.raises(UsageError, match="add --data FILE"):
        regraded(run.key.run)
    with pytest.raises(UsageError, match="--scorer is for open answers"):
        regraded(run.key.run, scorer="exact", data=str(path))
    with pytest.raises(UsageError, match="is graded by this scorer already"):
        regraded(run.key.run, data=str(path))


def test_an_item_that_was_never_answered_stays_a_failure(file):
    from llms.values import Failure

    class Half(ScriptedModel):
        def complete(self, requests):
            for index, result in super().complete(requests):
                yield index, Failure("infra", "gone") if index else result

    run = llms.evaluate(Half(answers), [], data=str(file)).reports["own"]
    new = regraded(run.key.run, scorer="contains")
    assert (new.n, new.failed, new.available) == (1, 1, 2)


def test_no_reply_commands_the_terminal(file):
    run = llms.evaluate(ScriptedModel(lambda text: "\x1b[2J\x9b31m gone"), [], data=str(file)).reports["own"].key.run
    shown = told("samples", run)
    assert r"\x1b[2J\x9b31m gone" in shown
    assert not {"\x1b", "\x9b"} & set(shown)


@pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
@pytest.mark.parametrize("random", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_programs_are_run_again_from_the_stored_answers(tiny, monkeypatch, random):
    rows = open_source("sample").table(CATALOGUE["humaneval"].dataset, "openai_humaneval", "test").rows
    bodies = {row["prompt"]: row["canonical_solution"] for row in rows} | {rows[1]["prompt"]: "    return None\n"}
    system = f"hf:{tiny}" if random else ScriptedModel(bodies.__getitem__)
    run = llms.evaluate(system, ["humaneval"], limit=3).reports["humaneval"]
    with pytest.raises(UsageError, match="is graded by this scorer already"):
        regraded(run.key.run)
    old, ran = CATALOGUE["humaneval"], []

    def program(row, text):
        ran.append(text)
        return old.program(row, text)

    monkeypatch.setitem(CATALOGUE, "humaneval", replace(old, scorer="next", program=program))
    new = regraded(run.key.run)
    assert len(ran) == 3
    assert new.key == replace(run.key, scorer="next")
    assert (new.n, new.failed, new.graded_from) == (3, 0, run.key.run)
    assert new.scores == run.scores
    samples = [told("samples", name, "--json") for name in (run.key.run, new.key.run)]
    before, after = ([json.loads(line) for line in text.splitlines()] for text in samples)
    verdicts = [(row["status"], row["text"], row["extracted"], row["scores"]) for row in after]
    assert verdicts == [(row["status"], row["text"], row["extracted"], row["scores"]) for row in before]
    assert random or [row["scores"]["pass@1"] for row in after] == [1, 0, 1]
    assert all(row["extracted"] for row in after)
    assert after[0]["extracted"] in told("samples", new.key.run)
