"""What is stored comes back; failures never replace scores; newer, broken and locked files are errors."""

import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.errors import StoreError, UnknownName, UsageError
from llms.evaluation.plan import RunKey
from llms.store import database
from llms.store.runs import Bill, Runs
from llms.store.training_runs import TrainingRuns
from llms.values import ChoicePrompt, Completion, Failed, GenerationPrompt, Identity, LogLikelihood, Scored

TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False, width=32)
LIKELIHOODS = st.builds(
    LogLikelihood, NUMBER, st.booleans(), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9), NUMBER
)


def key(system="m", **changes) -> RunKey:
    fields = {
        "benchmark": "arc_easy", "version": "1", "view": "default", "shots": 5, "draw": "fixed", "chat_template": False, "window": "cut",
        "decoding": "loglikelihood", "seed": 0, "scorer": "1", "data": "sample", "revision": "r",
    }  # fmt: skip
    return RunKey(Identity(system, f"weights of {system}"), **{**fields, **changes})


def scored(item="s/0", score=1.0) -> Scored:
    subset = item.split("/")[0]
    answers = (LogLikelihood(-1.5, True, 2), LogLikelihood(-2.5, False, 3))
    return Scored(item, subset, item, "ok", {"acc": score}, "yes", "no", answers)


PROMPT = ChoicePrompt("d", "h", ("c", "c"), (" yes", " no"))


@pytest.fixture
def store(tmp_path):
    with Runs(tmp_path / "x.sqlite3") as opened:
        yield opened


def test_a_run_is_named_by_everything_that_may_change_a_score():
    names = {key().run, key("n").run}
    for field, value in {
        "benchmark": "x", "version": "2", "view": "v1", "shots": 4, "draw": "harness", "chat_template": True, "window": "strict",
        "decoding": "x", "seed": 1, "scorer": "2", "data": "hub", "revision": "x",
    }.items():  # fmt: skip
        names.add(key(**{field: value}).run)
    assert len(names) == 14


@given(
    contexts=st.lists(TEXT, min_size=2, max_size=2),
    answers=st.lists(LIKELIHOODS, min_size=2, max_size=2),
    texts=st.tuples(TEXT, TEXT, TEXT),
)
def test_choices_come_back_as_they_were(tmp_path_factory, contexts, answers, texts):
    prompt = ChoicePrompt(texts[0], texts[1], tuple(contexts), (" a", texts[2]))
    outcome = Scored("s/0", "s", "c", "ok", {"acc": 1.0}, texts[0], None, tuple(answers))
    with Runs(tmp_path_factory.mktemp("s") / "x.sqlite3") as store:
        attempt = store.begin(key())
        store.add(key().run, attempt, 0, prompt, outcome, Bill(1.0))
        assert list(store.outcomes(key().run)) == [(prompt, outcome)]


@given(text=TEXT, stop=st.lists(TEXT, max_size=3).map(tuple), header=TEXT)
def test_completions_come_back_as_they_were(tmp_path_factory, text, stop, header):
    prompt = GenerationPrompt("", header, text, stop, 7)
    outcome = Scored("s/0", "s", "c", "truncated", {"em": 0.0}, "t", text, (Completion(text, 3, "length", 9, 1, 0.5),))
    with Runs(tmp_path_factory.mktemp("s") / "x.sqlite3") as store:
        store.add(key().run, store.begin(key()), 0, prompt, outcome, Bill(1.0))
        assert list(store.outcomes(key().run)) == [(prompt, outcome)]


def test_a_failure_never_replaces_a_score_and_a_score_replaces_a_failure(store):
    run, attempt = key().run, store.begin(key())
    failed = Failed("s/0", "s", "s/0", "infra", "no answer")
    store.add(run, attempt, 0, PROMPT, failed, Bill(1.0))
    assert store.known(run) == {"s/0": False}
    store.add(run, attempt, 0, PROMPT, scored(), Bill(2.0))
    store.add(run, attempt, 0, PROMPT, failed, Bill(3.0))
    assert [outcome for _, outcome in store.outcomes(run)] == [scored()]


def test_seconds_are_summed_over_attempts_and_a_killed_one_counts(store):
    first = store.begin(key())
    store.add(key().run, first, 0, PROMPT, scored("s/0"), Bill(1.25))
    second = store.begin(key())
    store.add(key().run, second, 1, PROMPT, scored("s/1"), Bill(0.5))
    store.end(second, Bill(0.75), 1000)
    usage = store.usage(key().run)
    assert usage.seconds == pytest.approx(2.0)
    assert usage.peak_memory_bytes == 1000
    assert usage.tokens == 2 * scored().tokens


def test_outcomes_come_in_the_order_of_the_data(store):
    attempt = store.begin(key())
    order = ["b/0", "b/1", "b/10", "a/2", "a/11"]
    for position, item in sorted(enumerate(order), key=lambda pair: pair[1], reverse=True):
        store.add(key().run, attempt, position, PROMPT, scored(item), Bill(1.0))
    assert [outcome.item for _, outcome in store.outcomes(key().run)] == order


def test_headers_are_stored_once_and_go_with_their_last_run(store):
    for system in ("m", "n"):
        attempt = store.begin(key(system))
        for i in range(20):
            store.add(key(system).run, attempt, i, PROMPT, scored(f"s/{i}"), Bill(1.0))
    count = "SELECT COUNT(*) FROM headers"
    assert list(store.read(count)) == [(1,)]
    store.delete(key("m").run)
    assert list(store.read(count)) == [(1,)]
    store.delete(key("n").run)
    assert list(store.read(count)) == [(0,)]
    assert list(store.read("SELECT COUNT(*) FROM outcomes")) == [(0,)]


def test_fresh_forgets_what_was_there(store):
    store.add(key().run, store.begin(key()), 0, PROMPT, scored(), Bill(5.0))
    store.begin(key(), fresh=True)
    assert store.known(key().run) == {}
    assert store.usage(key().run).seconds == 0


def test_runs_are_found_by_the_beginning_of_their_name(store):
    with pytest.raises(UsageError, match="nothing is stored"):
        store.find("last")
    store.begin(key())
    store.begin(key("n"))
    assert store.find(key().run[:6]).run == key().run
    assert store.find("last").run == key("n").run
    with pytest.raises(UnknownName):
        store.find("zzzz")


def test_a_newer_database_is_left_alone(tmp_path):
    path = tmp_path / "x.sqlite3"
    Runs(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    with Runs(path) as runs:
        assert runs.all() == []
        with pytest.raises(StoreError, match="has schema 999.*for reading only. Upgrade llms"):
            runs.begin(key())


def test_a_broken_database_is_named(tmp_path):
    path = tmp_path / "x.sqlite3"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match="move it away"):
        Runs(path)


def test_a_full_disk_keeps_what_was_stored(store):
    attempt = store.begin(key())
    store.add(key().run, attempt, 0, PROMPT, scored("s/0"), Bill(1.0))
    pages = next(store.read("PRAGMA page_count"))[0]
    list(store.read(f"PRAGMA max_page_count = {pages + 1}"))
    big = ChoicePrompt("", "x" * 100_000, ("c", "c"), (" a", " b"))
    with pytest.raises(StoreError, match="free some disk space"):
        store.add(key().run, attempt, 1, big, scored("s/1"), Bill(2.0))
    assert store.known(key().run) == {"s/0": True}


def test_every_migration_runs_from_an_empty_file(tmp_path, monkeypatch):
    """An older schema is brought up step by step and keeps its rows."""
    path = tmp_path / "x.sqlite3"
    with Runs(path) as store:
        store.add(key().run, store.begin(key()), 0, PROMPT, scored(), Bill(1.0))

    def later(db):
        db.execute("ALTER TABLE runs ADD COLUMN later TEXT")

    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, later))
    with Runs(path) as store:
        assert next(store.read("PRAGMA user_version")) == (len(database.MIGRATIONS),)
        assert [outcome for _, outcome in store.outcomes(key().run)] == [scored()]


@pytest.mark.parametrize("schema", [1, 5])
def test_runs_of_an_older_schema_were_asked_and_can_be_graded(tmp_path, monkeypatch, schema):
    path = tmp_path / "x.sqlite3"
    monkeypatch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:schema])
    database.Database(path).close()
    with sqlite3.connect(path) as db:
        fields = (key().run, json.dumps(key().to_dict()), "then", "then")
        db.execute("INSERT INTO runs (run, key, created, updated) VALUES (?, ?, ?, ?)", fields)
    db.close()
    monkeypatch.undo()
    with Runs(path) as store:
        store.begin(key("n"), graded_from=key().run)
        assert {run.run: run.graded_from for run in store.all()} == {key().run: "", key("n").run: key().run}
        store.begin(key("n"))
        assert store.graded_from(key("n").run) == key().run, "going on with a run forgets nothing"


def test_what_a_judge_said_and_what_it_left_open_come_back(store):
    texts = (Completion("a", 1, "stop"), Completion("b", 1, "stop"))
    judged = Scored("s/0", "s", "c", "ok", {"judge": 0.5}, "t", "a", texts, {}, ("Answer: A", "\ud800 B"))
    left = Failed("s/1", "s", "c", "infra", "no verdict", texts, "t")
    for place, outcome in enumerate((judged, left)):
        store.add(key().run, store.begin(key()), place, PROMPT, outcome, Bill(1.0))
    assert [outcome for _, outcome in store.outcomes(key().run)] == [judged, left]


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x.sqlite3"
    Runs(path).close()

    def broken(db):
        db.execute("CREATE TABLE half (a)")
        db.execute("CREATE TABLE half (a)")

    before = len(database.MIGRATIONS)
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, broken))
    with pytest.raises(StoreError, match="already exists"):
        Runs(path)
    monkeypatch.undo()
    with Runs(path) as store:
        assert next(store.read("PRAGMA user_version")) == (before,)
        assert list(store.read("SELECT name FROM sqlite_master WHERE name = 'half'")) == []


def test_two_processes_may_write(tmp_path):
    with Runs(tmp_path / "x.sqlite3") as one, Runs(tmp_path / "x.sqlite3") as two:
        first, second = one.begin(key()), two.begin(key("n"))
        for i in range(10):
            one.add(key().run, first, i, PROMPT, scored(f"s/{i}"), Bill(1.0))
            two.add(key("n").run, second, i, PROMPT, scored(f"s/{i}"), Bill(1.0))
        assert len(one.known(key("n").run)) == len(two.known(key().run)) == 10


def test_a_training_run_keeps_when_it_began_and_what_it_changed(tmp_path):
    with TrainingRuns(tmp_path / "x.sqlite3") as runs:
        runs.add(tmp_path / "a", "smollm2", "chats.jsonl", "lora")
        first = runs.all()
        runs.add(tmp_path / "a", "smollm2", "chats.jsonl", "lora")
        runs.keep_evidence(tmp_path / "a", {"difference": 0.5})
        assert [run.started for run in runs.all()] == [run.started for run in first]
        assert runs.all()[0].evidence == {"difference": 0.5}
        with pytest.raises(UnknownName, match="unknown training run"):
            runs.keep_evidence(tmp_path / "b", {})
        runs.forget(tmp_path / "a")
        assert runs.all() == []
