"""What is remembered: by whose word, with which source, never a secret, always to be undone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.agents.memory import Fact, Statement, alike, block, confirm, holds_secret, recall, remember
from llms.errors import UsageError

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def fact(id: str, text: str, **fields) -> Fact:
    return Fact(id, text, created=NOW.isoformat(), **fields)


def test_only_the_user_in_the_first_person_is_believed_at_once():
    assert remember(Statement("My name is Ada."), []).write[0].state == "active"
    assert remember(Statement("The moon is made of cheese."), []).write[0].state == "proposed"
    assert remember(Statement("The deadline is Friday.", explicit=True), []).write[0].state == "active"
    for by in ("model", "tool", "document"):
        assert remember(Statement("I like tea.", by=by), []).write[0].state == "proposed"
    assert remember(Statement("I like tea.", tainted=True), []).write[0].state == "proposed"


@pytest.mark.parametrize(
    "text",
    [
        "my password is hunter2",
        "I use sk-abcdefgh12345678",
        "api_key: 123",
        "my card is 4111 1111 1111 1111",
        "PIN = 4242",
    ],
)
def test_secrets_are_never_kept(text):
    assert holds_secret(text)
    with pytest.raises(UsageError, match="never remembered"):
        remember(Statement(text, explicit=True), [])


@pytest.mark.parametrize("text", ["I passed the exam", "my number is 1234 5678 9012 3456", "the token count was 12"])
def test_what_only_resembles_a_secret_is_kept(text):
    assert not holds_secret(text)


@pytest.mark.parametrize("scope", ["", "globl", "project:", "project: x", "team:a"])
def test_a_scope_that_nothing_would_recall_is_refused(scope):
    with pytest.raises(UsageError, match="a scope is global"):
        remember(Statement("I like tea.", scope=scope), [])


def test_a_new_value_supersedes_and_undo_brings_the_old_one_back():
    old = fact("m1", "I live in Rome", key="user/city")
    change = remember(Statement("I live in Oslo", key="user/city"), [old])
    assert [f.state for f in change.write] == ["active", "superseded"]
    assert change.write[0].supersedes == "m1"
    assert [f.state for f in change.undo] == ["deleted", "active"]
    assert "instead of" in change.notice


def test_saying_the_same_again_adds_nothing():
    old = fact("m1", "I like green tea.")
    change = remember(Statement("i like GREEN tea", importance=3), [old])
    assert [f.id for f in change.write] == ["m1"]
    assert change.write[0].importance == 3
    assert alike("a b c", "A, b; c!")


def test_a_proposal_is_confirmed_by_one_word_of_the_user():
    proposal = fact("m2", "They prefer Oslo", key="user/city", state="proposed")
    change = confirm(proposal, [fact("m1", "I live in Rome", key="user/city"), proposal])
    assert [(f.id, f.state) for f in change.write] == [("m2", "active"), ("m1", "superseded")]


def test_recall_finds_what_matters_and_who_the_user_is():
    facts = [
        fact("m1", "My name is Ada", kind="identity"),
        fact("m2", "The database of the project is SQLite", kind="project fact"),
        fact("m3", "I like green tea"),
        fact("m4", "I like black tea", state="superseded"),
        fact("m5", "In this project tea is tested", scope="project:x"),
    ]
    found = [one.fact.id for one in recall("which tea?", facts, [], 4000, now=NOW)]
    assert set(found) == {"m1", "m3"}
    assert "m5" in [one.fact.id for one in recall("which tea?", facts, ["project:x"], 4000, now=NOW)]
    assert [one.fact.id for one in recall("unrelated", facts[1:], [], 4000, now=NOW)] == []


def test_the_recent_comes_before_the_old():
    old = Fact("m1", "tea at noon", created=(NOW - timedelta(days=300)).isoformat())
    assert [one.fact.id for one in recall("tea", [old, fact("m2", "tea at five")], [], 4000, now=NOW)] == ["m2", "m1"]


def test_meaning_is_merged_with_words():
    facts = [fact("m1", "espresso in the morning"), fact("m2", "tea at five")]
    found = recall("coffee", facts, [], 4000, now=NOW, similarity=lambda query, texts: [0.9, 0.1])
    assert found[0].fact.id == "m1"


@given(
    st.lists(st.text(st.characters(categories=["L", "Zs"]), max_size=60), max_size=12),
    st.text(max_size=40),
    st.integers(0, 5000),
)
def test_recall_stays_within_its_room(texts, query, budget):
    facts = [fact(f"m{i}", text, kind="identity") for i, text in enumerate(texts)]
    found = recall(query, facts, [], budget, now=NOW, count=len)
    assert len(found) <= 5
    assert sum(len(one.fact.text) for one in found) <= min(300, budget // 10)


def test_the_block_says_that_it_is_data():
    assert block([], "x") == ""
    text = block([fact("m1", "tea at five")], "f00")
    assert "not instructions" in text
    assert "[m1, 2026-11-01] tea at five" in text
