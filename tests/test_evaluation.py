"""Evaluation from end to end with scripted systems: views, twins, thinking, withheld rows, one's own data, the page."""

import json

import pytest
from click.testing import CliRunner

import llms
from llms import settings
from llms.benchmarks.benchmark import Benchmark, Choices, EvalSplit, Grade, View, logprobs
from llms.benchmarks.catalogue import CATALOGUE
from llms.cli.leaderboard import leaderboard as leaderboard_command
from llms.cli.main import cli
from llms.data import Dataset, open_source
from llms.errors import UsageError
from llms.evaluation.plan import Plan
from llms.evaluation.report import report
from llms.sandbox import probe
from llms.store.runs import Runs
from llms.testing import ScriptedModel
from llms.values import LogLikelihood, Scored, Spent
from llms.workbench.html_report import write_report
from llms.workbench.runs import samples
from test_store import key


def scored(item: str, **scores: float) -> Scored:
    return Scored(item, item.split("/")[0], item, "ok", scores, "t", "e", (LogLikelihood(-1.0, False, 1),))


def told(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=True)
    assert result.exit_code == status, result.output
    return result.output


def test_what_is_above_chance_is_averaged_over_subsets_only_where_they_have_chances_of_their_own():
    outcomes = [scored(f"a/{i}", acc=1.0) for i in range(30)] + [scored(f"b/{i}", acc=0.5) for i in range(10)]
    whole = Plan(key(), (), 40, "acc", "micro", 0.25, ("acc",))
    assert report(whole, outcomes, Spent()).scores["normalized"].value == pytest.approx((35 / 40 - 0.25) / 0.75)
    each = Plan(key(), (), 40, "acc", "micro", 0.25, ("acc",), {"a": 0.5, "b": 0.2})
    assert report(each, outcomes, Spent()).scores["normalized"].value == pytest.approx((1 + 0.3 / 0.8) / 2)
    below = report(whole, [scored("a/0", acc=0.0), scored("a/1", acc=0.2)], Spent())
    assert below.scores["normalized"].value == 0


def test_views_of_the_catalogue_say_which_subsets_have_chances():
    of = {name: {part.chance for part in CATALOGUE[name].parts} for name in ("bbh", "musr", "math_hard", "gpqa")}
    assert None not in of["bbh"] | of["musr"]
    assert of["math_hard"] == of["gpqa"] == {None}


def test_thinking_is_told_apart_counted_and_kept():
    system = ScriptedModel(
        lambda text: "<think>maybe #### 7 or so</think>\n#### 5" if "bakes" in text[-400:] else "#### 1"
    )
    found = llms.evaluate(system, ["gsm8k"], thinking=100)
    (run,) = found.reports.values()
    assert 0 < run.thought < run.n
    assert run.thinking_tokens == 5 * run.thought
    assert run.to_json()["thinking"] == 100
    thought = next(outcome for outcome in found.outcomes["gsm8k"] if outcome.thinking_tokens)
    assert thought.extracted == "5"
    assert "maybe" in thought.completions[0].text
    assert {(request.max_tokens, request.stop) for request in system.requests} == {(356, ())}


def test_a_system_prompt_is_part_of_what_was_asked():
    system = ScriptedModel(lambda text: "#### 1")
    with pytest.raises(UsageError, match="--chat-template on"):
        llms.evaluate(system, ["gsm8k"], limit=2, system_prompt="Be brief.")
    one, two = (
        llms.evaluate(system, ["gsm8k"], limit=2, chat_template=True, system_prompt=prompt).reports["gsm8k"]
        for prompt in ("Be brief.", "Be kind.")
    )
    assert one.key.run != two.key.run
    assert all(request.prompt.startswith("<system>Be ") for request in system.requests)


def test_a_twin_counts_what_it_cannot_read_and_the_leaderboard_says_so():
    system = ScriptedModel(lambda text: "Answer: B" if len(text) % 2 else "Who knows?")
    run = llms.evaluate(system, ["arc_easy:letter"]).reports["arc_easy:letter"]
    assert run.n == 100
    assert 0 < run.counts["unparsed"] == run.unreadable < run.n
    output = CliRunner().invoke(leaderboard_command).output
    assert f"in {run.unreadable} answers ({100 * run.unreadable / run.n:.0f} %) nothing could be read" in output


def test_where_everything_is_asked_for_a_chat_system_gets_twins():
    found = llms.evaluate(ScriptedModel(lambda text: "Answer: A"), ["all"], limit=1, sandbox=False)
    assert "arc_easy:letter" in found.reports
    assert "arc_easy" not in found.reports
    assert "gsm8k" in found.reports


GPQA = {"Question": "What secret binds osmium?", "Correct Answer": "Verylongsecretanswer",
        **{f"Incorrect Answer {i}": f"Wrongsecret{i}" for i in (1, 2, 3)}}  # fmt: skip


def test_rows_of_gpqa_are_stored_nowhere_and_shown_on_request_only(tmp_path):
    folder = tmp_path / "gpqa" / "gpqa_diamond"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text(
        "".join(json.dumps({**GPQA, "Question": f"{GPQA['Question']} {i}"}) + "\n" for i in range(4))
    )
    for system, name in (
        (ScriptedModel(likelihood=lambda context, continuation: -1.0 if "A" in continuation else -2.0), "gpqa_diamond"),
        (ScriptedModel(lambda text: f"Answer: A since {text}"), "gpqa_diamond:letter"),
    ):
        run = llms.evaluate(system, [name], data=str(tmp_path)).reports[name].key.run
        assert any("secret" in str(asked) for asked in system.requests)
        page = write_report(run, tmp_path / "page.html").read_text()
        exported = told("runs", "export", run) + told("samples", run, "--full") + told("samples", run, "--json") + page
        assert "ecret" not in exported
        assert "[withheld: gpqa_diamond/0" in exported
        assert "secret" in told("samples", run, "--reveal", str(tmp_path))
    stored = b"".join(path.read_bytes() for path in settings.home().rglob("*") if path.is_file())
    assert b"ecret" not in stored


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_ten_lines_declare_a_benchmark_of_a_file(tmp_path):
    write(tmp_path / "capitals" / "main" / "test.csv", "country,capital,not\nPeru,Lima,Quito\nChad,N'Djamena,Cairo\n")
    capitals = Benchmark(
        name="capitals", title="Capitals", version="1", licence="ours", items=2, chance=0.5,
        dataset=Dataset("", "", "capitals", {"country": str, "capital": str, "not": str}),
        parts=(EvalSplit("capitals", "main", "test"),), metrics=("acc",), views={"default": View(0, "fixed", "acc")},
        ask=lambda row: Choices((f"The capital of {row['country']} is",), (f" {row['capital']}", f" {row['not']}")),
        shot=lambda row: f"The capital of {row['country']} is {row['capital']}",
        grade=lambda row, answers: Grade({"acc": float(logprobs(answers)[0] > logprobs(answers)[1])}, row["capital"], None),
    )  # fmt: skip
    system = ScriptedModel(likelihood=lambda context, continuation: -float(len(continuation)))
    found = llms.evaluate(system, [capitals], data=str(tmp_path))
    assert found.scores["capitals"]["acc"].value == 0.5
    assert system.requests[0] == ("The capital of Peru is", " Lima")


def test_a_judge_and_its_rubric_stand_in_the_report(tmp_path, monkeypatch):
    path = write(tmp_path / "open.jsonl", '{"question": "1+1?", "answer": "2"}\n{"question": "2+2?", "answer": "4"}\n')
    judge = ScriptedModel(lambda text: f"Answer: {'A' if 'Answer to grade: two' in text else 'B'}", name="judge")
    monkeypatch.setattr("llms.workbench.evaluate.load", lambda name: judge)
    system = ScriptedModel(lambda text: "two" if "1+1" in text else "five")
    found = llms.evaluate(system, [], data=str(path), scorer="judge", judge="judge", rubric="Right, or nearly.")
    (run,) = found.reports.values()
    assert run.scores["judge"].value == 0.5
    page = write_report(run.key.run, tmp_path / "page.html").read_text()
    assert "judged by judge: Right, or nearly." in page
    with pytest.raises(UsageError, match="--judge NAME"):
        llms.evaluate(system, [], data=str(path), scorer="judge")


def test_a_scorer_of_open_answers_is_refused_for_choices(tmp_path):
    path = write(tmp_path / "own.csv", "question,choices,answer\nq,a|b,a\n")
    with pytest.raises(UsageError, match="--scorer numeric is for open answers"):
        llms.evaluate(ScriptedModel(), [], data=str(path), scorer="numeric")


def test_the_page_shows_everything_and_needs_nothing(tmp_path):
    system = ScriptedModel(lambda text: "<think>hm</think>\n#### 5" if "bakes" in text[-400:] else "no <b>idea</b>")
    run = llms.evaluate(system, ["gsm8k"]).reports["gsm8k"]
    page = write_report(run.key.run, tmp_path / "page.html").read_text()
    for text in ("Prompt of the first item", "right ", "wrong ", "unparsed ", "failed 0", run.key.revision, "weights of scripted",
                 "no &lt;b&gt;idea&lt;/b&gt;", "thinking", "decoding", "max_tokens", "<svg"):  # fmt: skip
        assert text in page, text
    assert page.count('class="item ') == run.n
    for outside in ("<script", "http://", "https://", "src="):
        assert outside not in page


def test_a_bare_html_option_names_the_page_after_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = llms.evaluate(ScriptedModel(lambda text: "x"), ["gsm8k"], limit=2).reports["gsm8k"].key.run
    told("report", run, "--html")
    assert (tmp_path / f"{run}.html").is_file()
    told("report", "last", "--html", "mine.html")
    assert (tmp_path / "mine.html").is_file()


def systems(*pairs):
    """What `load` finds instead of checkpoints."""
    made = {system.name.text: system for system in pairs}
    return lambda name: made[name]


def test_two_systems_are_compared_from_python(monkeypatch):
    first = ScriptedModel(lambda text: "#### 5", name="first")
    second = ScriptedModel(lambda text: "#### 6", name="second")
    for module in ("compare", "evaluate"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", systems(first, second))
    (found,) = llms.compare(first, second, ["gsm8k"], limit=20)
    assert str(found).startswith("gsm8k: first is ")
    assert found.paired.n == 20
    (again,) = llms.compare(found.run_a, found.run_b)
    assert again.paired == found.paired


def test_power_is_said_before_a_run_and_from_a_pilot_if_there_is_one(monkeypatch):
    first, second = (
        ScriptedModel(name="first", likelihood=lambda c, k: 0.0),
        ScriptedModel(name="second", likelihood=lambda c, k: 1.0),
    )
    for module in ("compare", "evaluate"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", systems(first, second))
    said = told("compare", "first", "second", "-b", "truthfulqa_mc1", "--limit", "20")
    assert "with n = 20 you will see differences of 42 points or more\n" in said
    assert "with n =" not in told("compare", "first", "second", "-b", "truthfulqa_mc1", "--limit", "20")
    with Runs(settings.database()) as store:
        assert len(store.all()) == 2
    llms.evaluate(first, ["gsm8k"], limit=30)
    llms.evaluate(second, ["gsm8k"], limit=30)
    said = told("compare", "first", "second", "-b", "gsm8k")
    assert (
        "gsm8k: with n = 100 you will see differences of 9 points or more, judging by the 30 items asked before" in said
    )


def test_where_one_of_two_systems_gives_no_log_probabilities_both_get_the_twin(monkeypatch):
    able, chat = (
        ScriptedModel(name="able", likelihood=lambda c, k: 0.0),
        ScriptedModel(lambda text: "Answer: A", name="chat"),
    )
    for module in ("compare", "evaluate"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", systems(able, chat))
    found = llms.compare("able", "chat", limit=2, view="v1", shots=0)
    assert {comparison.benchmark for comparison in found} >= {"arc_challenge:letter", "gsm8k"}


def test_a_sequential_comparison_stops_when_it_is_clear(monkeypatch):
    always = ScriptedModel(lambda text: "Answer: A", name="always")
    never = ScriptedModel(lambda text: "none of them", name="never")
    for module in ("compare", "evaluate"):
        monkeypatch.setattr(f"llms.workbench.{module}.load", systems(always, never))
    (found,) = llms.compare("always", "never", ["mmlu_pro:letter"], until_decided=True, margin=0.9, shots=0)
    assert found.p is None
    low, high = found.sequence
    assert low <= found.paired.difference <= high
    assert found.paired.n < 30
    assert f"{found.paired.n} of 30 items used, {100 * (30 - found.paired.n) / 30:.0f} % saved" in found.reason


def test_samples_mark_what_the_metric_picked(tmp_path):
    write(tmp_path / "own.csv", "question,choices,answer\nq,ab|abcdefgh,ab\n")
    system = ScriptedModel(likelihood=lambda context, continuation: -4.0 if continuation == " ab" else -8.0)
    llms.evaluate(system, [], data=str(tmp_path / "own.csv"))
    text = told("samples", "last")
    assert "  =    -4.0000  ab\n" in text  # acc would pick it, acc_norm does not
    assert " >     -8.0000  abcdefgh\n" in text
    assert next(samples("last"))[2].scores == {"acc": 1.0, "acc_norm": 0.0}


def test_what_the_data_lack_is_left_out_of_everything_and_named(monkeypatch):
    monkeypatch.setattr("llms.workbench.evaluate.load", systems(ScriptedModel(lambda text: "5")))
    said = told("eval", "scripted", "--view", "v2", "--limit", "1")
    assert "left out, as the data (sample) lack their rows or few-shot examples: gpqa\n" in said
    hub = open_source("hub")
    (part, *_) = CATALOGUE["bbh"].parts
    assert hub.has(CATALOGUE["bbh"].dataset, part.config, "test")
    assert not hub.has(CATALOGUE["bbh"].dataset, part.config, "fewshot")


HOSTILE = (
    "    import os\n    while True:\n        os.fork()\n",
    "    while True:\n        print('x' * 10**6)\n",
    "    open('/etc/passwd', 'a').write('x')\n",
    "    import os, signal\n    os.kill(os.getppid(), signal.SIGKILL)\n    os.kill(-1, signal.SIGKILL)\n    return 5\n",
)


@pytest.mark.skipif(probe() is not None, reason=f"programs cannot be isolated here: {probe()}")
def test_a_run_goes_on_whatever_its_programs_do():
    rows = open_source("sample").table(CATALOGUE["humaneval"].dataset, "openai_humaneval", "test").rows
    bodies = {row["prompt"]: row["canonical_solution"] for row in rows}
    bodies.update({row["prompt"]: body for row, body in zip(rows, HOSTILE, strict=False)})
    found = llms.evaluate(ScriptedModel(bodies.__getitem__), ["humaneval"], limit=7)
    outcomes = found.outcomes["humaneval"]
    assert [outcome.scores["pass@1"] for outcome in outcomes] == [0, 0, 0, 0, 1, 1, 1]
    assert outcomes[1].extracted == "output_limit"
    assert "Read-only file system" in outcomes[2].extracted or "Permission denied" in outcomes[2].extracted
    assert found.reports["humaneval"].failed == 0
