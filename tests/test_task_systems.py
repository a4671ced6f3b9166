"""One task by a special model, and by a language model in words and by log-probability: side by side, killed, chosen."""

import csv
import json
import os
import signal
import sqlite3
import time
import warnings

import jiwer
import pytest
from click.testing import CliRunner

import llms
import sighted
import tiny
import tiny_sound
from llms import settings
from llms.cli.main import cli
from llms.errors import NotComparable, UsageError
from llms.evaluation.config import EvalConfig
from llms.evaluation.report import Report
from llms.store.runs import Runs
from llms.store.score_vectors import score_vectors
from llms.testing import ScriptedEndpoint
from llms.values import Scored
from llms.workbench.choose.python import choose
from llms.workbench.compare import compare_all
from llms.workbench.evaluate import evaluate_all
from llms.workbench.grade import Regrade, grade
from test_task_model import save_classifier

LABELS = ("positive", "negative", "neutral")
PEOPLE = ("Ann", "Bob", "Kim")


@pytest.fixture(scope="module")
def special(tmp_path_factory):
    return f"hf:{save_classifier(tmp_path_factory.mktemp('classifier'))}"


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    return f"hf:{tiny.save_checkpoint(tmp_path_factory.mktemp('language'))}"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with open("my.csv", "w", newline="") as file:
        rows = [(f"text {i} is {'good' if i % 3 else 'bad'}", LABELS[i % 3]) for i in range(20)]
        csv.writer(file).writerows([("text", "label"), *rows])
    with open("names.jsonl", "w") as file:
        for i in range(20):
            span = {"start": 0, "end": 3, "label": "person"}
            file.write(json.dumps({"text": f"{PEOPLE[i % 3]} has {i}", "entities": [span]}) + "\n")
    return tmp_path


def task(name="sentiment", data="my.csv", **more):
    return EvalConfig(task=name, data=data, workers=1, **more)


def reports(systems, config):
    return [event for event in evaluate_all(systems, [], config) if isinstance(event, Report)]


def test_all_ways_stand_in_one_column_and_are_compared(special, language_model, home):
    names = [special, f"{language_model} (choice)"]
    first, second = reports([special, language_model], task(way=("choice",)))
    assert [first.key.system.name, second.key.system.name] == names
    assert first.key.asked == second.key.asked
    assert second.key.system.extra["way"] == "choice"
    assert second.counts["unparsed"] == 0
    result = CliRunner(catch_exceptions=False).invoke(cli, ["leaderboard", "--json"])
    assert {json.loads(line)["system"] for line in result.stdout.splitlines()} == set(names)
    (one,) = llms.compare(names[0], names[1], config=task())
    assert (one.benchmark, one.metric, one.paired.n) == ("sentiment:my", "accuracy", 20)
    assert {one.run_a, one.run_b} == {first.key.run, second.key.run}, "what is stored is not asked again"
    assert one.score_a - one.score_b == pytest.approx(first.score.value - second.score.value)


def test_an_answer_that_cannot_be_read_is_wrong_and_no_failure(home):
    answers = iter(["positive", "no idea at all", '{"label": "negative"}'])
    with ScriptedEndpoint(lambda body: next(answers, "zzz"), raw=False) as server:
        (report,) = reports([f"{server.url}#m"], task(way=("prompt",), limit=4))
    assert (report.n, report.failed) == (4, 0)
    assert report.counts["unparsed"] >= 2
    assert report.score.value <= 0.5


def test_an_endpoint_is_paid_and_capped(home):
    with ScriptedEndpoint(lambda body: '{"label": "positive"}', raw=False) as server:
        (report,) = reports([f"{server.url}#m"], task(price="1000/1000", limit=6, way=("prompt",)))
        assert report.usage.cost > 0
        assert report.per_task["dollars"].value == pytest.approx(report.usage.cost / 6)
        asked = sum("chat" in path for path, _ in server.posts)
        dry = [
            *[
                "eval",
                "--task",
                "sentiment",
                "--data",
                "my.csv",
                "--way",
                "prompt",
                "--price",
                "1000/1000",
                "--dry-run",
                "--json",
            ],
            f"{server.url}#m",
        ]
        (estimate,) = map(json.loads, CliRunner(catch_exceptions=False).invoke(cli, dry).stdout.splitlines())
        assert estimate["items"] == 14
        assert estimate["cost"] > report.per_task["dollars"].value * 14
        assert sum("chat" in path for path, _ in server.posts) == asked == 6
        with pytest.raises(llms.errors.BudgetExceeded):
            reports([f"{server.url}#m"], task(price="1000/1000", way=("prompt",), budget=report.usage.cost))


def entities(body):
    """Finds Ann and Bob, and never Kim."""
    names = [name for name in ("Ann", "Bob") if f"{name} has" in json.dumps(body)]
    return json.dumps({"entities": [{"text": name, "label": "person"} for name in names]})


def test_a_metric_of_the_corpus_is_reported_compared_and_ranked(home):
    with (
        ScriptedEndpoint(entities, raw=False) as good,
        ScriptedEndpoint(lambda body: '{"entities": []}', raw=False) as bad,
    ):
        names = [f"{server.url}#m (prompt)" for server in (good, bad)]
        partly, none = reports(names, task("entities", "names.jsonl"))
        hits = sum(PEOPLE[i % 3] != "Kim" for i in range(20))
        assert partly.headline == "entity_f1"
        assert (partly.failed, partly.counts["unparsed"]) == (0, 0)
        assert partly.score.value == pytest.approx(2 * hits / (2 * hits + 20 - hits))
        assert partly.score.low < partly.score.value < partly.score.high
        assert none.score.value == 0
        (one,) = llms.compare(*names, config=task("entities", "names.jsonl"))
        assert one.verdict == "better"
        assert one.paired.method.startswith("paired bootstrap")
        assert (one.score_a, one.score_b) == (partly.score.value, 0)
        with pytest.raises(UsageError, match="leave out --until-decided"):
            list(compare_all(*names, [], task("entities", "names.jsonl"), 0.01, until_decided=True))
    with Runs(settings.database()) as store:
        vector = score_vectors(store, [partly.key.run])[partly.key.run]
    assert vector.scores.mean() == pytest.approx(partly.score.value)
    choice = choose("names.jsonl", config=task("entities", "names.jsonl"))
    assert choice.chosen == (names[0],)


def test_a_choice_is_made_among_all_kinds(special, language_model, home):
    planned = choose("my.csv", [special, f"{language_model}"], config=task(way=("choice",)))
    assert [step.system for step in planned.plan] == [special, f"{language_model} (choice)"]
    assert all("--task sentiment" in step.command for step in planned.plan)
    choice = choose("my.csv", [special, language_model], config=task(way=("choice",)), go=True)
    assert {candidate.system for candidate in choice.candidates} == {special, f"{language_model} (choice)"}
    assert choice.chosen
    stored_only = choose("my.csv", [special, language_model], config=task(way=("choice",)))
    assert {candidate.system for candidate in stored_only.candidates if candidate.n} == set(choice.chosen)
    assert not stored_only.plan
    assert stored_only.command.startswith("llms task sentiment -m ")


def test_a_run_is_graded_again_by_its_rows(special, home):
    (before,) = reports([special], task())
    with pytest.raises(UsageError, match="add --data FILE"):
        list(grade(before.key.run, Regrade()))
    with pytest.raises(UsageError, match="graded by this scorer already"):
        list(grade(before.key.run, Regrade(data="my.csv")))


def test_runs_of_other_tasks_are_not_compared(special, home):
    first, second = (*reports([special], task()), *reports([special], task("classification")))
    assert first.key.run != second.key.run
    with pytest.raises(NotComparable):
        llms.compare(first.key.run, second.key.run)


def test_labels_that_the_file_does_not_have_are_said(special, home):
    text = (home / "my.csv").read_text()
    for number, label in enumerate(LABELS):
        text = text.replace(f",{label}", f",{number}")
    (home / "my.csv").write_text(text)
    notes = [event.note for event in evaluate_all([special], [], task()) if getattr(event, "note", None)]
    assert any("no label of the file; rename the labels" in note for note in notes)


def stored(home):
    try:
        with sqlite3.connect(f"file:{home / 'home' / 'llms.sqlite3'}?mode=ro", uri=True) as db:
            return db.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0]
    except sqlite3.Error:
        return 0


def forked(work):
    """The id of a process that does `work`, with all that is imported here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which torch has with one core too
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def test_a_killed_run_of_a_task_goes_on_and_ends_as_if_it_had_never_been(special, home):
    with open("big.csv", "w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *((f"text {i}", LABELS[i % 3]) for i in range(400))])
    child = forked(lambda: reports([special], task(data="big.csv")))
    while stored(home) < 50:
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    done = stored(home)
    assert 50 <= done < 400
    (*_, report) = evaluate_all([special], [], task(data="big.csv"))
    with Runs(settings.database()) as store:
        outcomes = [outcome for _, outcome in store.outcomes(report.key.run)]
        attempts = store.attempts(report.key.run)
    assert len(outcomes) == len({outcome.item for outcome in outcomes}) == 400
    assert [attempt.ended is None for attempt in attempts] == [True, False]
    (whole,) = reports([special], task(data="big.csv", fresh=True))
    assert whole.scores == report.scores


def test_recordings_are_measured_by_words_and_characters(home, tmp_path_factory):
    folder = tiny_sound.save_ctc(tmp_path_factory.mktemp("recognizer"))
    samples = [tiny_sound.tone(0.5 + n / 10, pitch=200.0 * (n + 1)) for n in range(4)]
    for number, sound in enumerate(samples):
        (home / f"{number}.wav").write_bytes(tiny_sound.file_of(sound))
    (home / "4.wav").write_bytes(b"no sound at all")
    with open("said.csv", "w", newline="") as file:
        csv.writer(file).writerows([("audio", "text"), *((f"{n}.wav", "one two three") for n in range(5))])
    (report,) = reports([f"hf:{folder}?device=cpu"], task("speech-to-text", "said.csv"))
    assert (report.n, report.failed) == (4, 1)
    assert report.headline == "word_accuracy"
    assert report.score.value == pytest.approx(1 - report.scores["wer"].value)
    with Runs(settings.database()) as store:
        outcomes = [outcome for _, outcome in store.outcomes(report.key.run) if isinstance(outcome, Scored)]
    texts = [outcome.completions[0].text for outcome in outcomes]
    assert report.scores["wer"].value == pytest.approx(jiwer.wer(["one two three"] * 4, texts))
    assert report.scores["cer"].value == pytest.approx(jiwer.cer(["one two three"] * 4, texts))


def test_pictures_are_measured_by_labels(home, tmp_path_factory):
    folder = sighted.save_vit(tmp_path_factory.mktemp("vit"))
    for color in ("red", "green", "blue"):
        (home / f"{color}.png").write_bytes(sighted.picture(color))
    with open("seen.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *((f"{c}.png", c) for c in ("red", "green", "blue"))])
    (report,) = reports([f"hf:{folder}?device=cpu"], task("image-classification", "seen.csv"))
    assert (report.n, report.failed) == (3, 0)
    assert list(report.scores) == ["accuracy", "macro_f1"]
