"""Vectors of scores: the same numbers as the outcomes, new as soon as these change, failures absent."""

from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.evaluation.plan import Plan, RunKey
from llms.evaluation.report import report
from llms.store.runs import Bill, Runs
from llms.store.score_vectors import score_vectors
from llms.values import ChoicePrompt, Failed, LogLikelihood, Scored, Spent
from test_store import key

PROMPT = ChoicePrompt("", "", ("c", "c"), (" a", " b"))


def outcome(item: str, score: float | None, cluster: str = "", metric: str = "acc,x.y") -> Scored | Failed:
    if score is None:
        return Failed(item, "s", cluster or item, "infra", "no answer")
    return Scored(item, "s", cluster or item, "ok", {metric: score}, "t", None, (LogLikelihood(-1.0, True, 1),))


def save(store: Runs, of: RunKey, outcomes: list[Scored | Failed], metric: str = "acc,x.y", ended: bool = True) -> None:
    attempt = store.begin(of)
    for position, each in enumerate(outcomes):
        store.add(of.run, attempt, position, PROMPT, each, Bill(position + 1.0))
    if ended:
        store.save_report(report(Plan(of, (), len(outcomes), metric, "micro", 0.0), outcomes, Spent()))


seeds = count(1)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    with Runs(tmp_path_factory.mktemp("vectors") / "x.sqlite3") as opened:
        yield opened


@pytest.fixture
def store(tmp_path):
    with Runs(tmp_path / "x.sqlite3") as opened:
        yield opened


@settings(max_examples=25)
@given(
    scores=st.dictionaries(
        st.text("abcé/", min_size=1),
        st.none() | st.floats(-1e6, 1e6),
        min_size=1,
        max_size=9,
    )
)
def test_a_vector_holds_the_scores_of_all_items_that_have_one(tmp_path_factory, scores):
    with Runs(tmp_path_factory.mktemp("s") / "x.sqlite3") as store:
        save(store, key(), [outcome(f"s/{item}", score, f"c{len(item)}") for item, score in scores.items()])
        for _ in range(2):  # gathered, then stored
            vector = score_vectors(store, [key().run])[key().run]
            seen = dict(zip(vector.items, vector.scores.tolist(), strict=True))
            assert seen == {f"s/{item}": score for item, score in scores.items() if score is not None}
            assert vector.clusters == tuple(f"c{len(item) - 2}" for item in vector.items)
            assert (vector.metric, vector.scores.dtype) == ("acc,x.y", np.float64)


def test_a_vector_is_new_as_soon_as_an_outcome_is(store):
    run = key().run
    save(store, key(), [outcome("s/0", 1.0), outcome("s/1", None)])
    assert score_vectors(store, [run])[run].items == ("s/0",)
    attempt = store.begin(key())
    assert score_vectors(store, [run])[run].items == ("s/0",)
    store.add(run, attempt, 1, PROMPT, outcome("s/1", 0.5), Bill(1.0))  # replaces the failure; no report yet
    assert score_vectors(store, [run])[run].scores.tolist() == [1.0, 0.5]
    store.add(run, attempt, 2, PROMPT, outcome("s/2", 0.25), Bill(2.0))
    assert score_vectors(store, [run])[run].scores.tolist() == [1.0, 0.5, 0.25]
    store.delete(run)
    assert score_vectors(store, [run]) == {}
    assert list(store.read("SELECT run FROM score_vectors")) == []


def test_runs_without_a_report_have_no_vector(store):
    save(store, key(), [outcome("s/0", 1.0)], ended=False)
    assert score_vectors(store, [key().run, "unknown"]) == {}
