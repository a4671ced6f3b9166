"""Search finds what was typed as it was typed: names with signs in them, other spellings of a letter, emoji; each chat once."""

import pytest
from pydantic_ai.messages import ModelResponse, TextPart

from llms.chat.conversation.messages import user
from llms.chat.conversation.tree import Conversation, new_id
from llms.store.conversations import Conversations
from llms.store.search import search

TEXTS = {
    "cpp": "templates in C++ are checked late",
    "csharp": "C# has properties",
    "c": "the letter c and plain C",
    "net": "the runtime of .NET 8",
    "strasse": "die Hauptstrasse ist lang",
    "straße": "eine Straße am Fluss",
    "both": "Straßenmesse",
    "ae": "Cæsar came",
    "emoji": "well done 👍🏽 indeed",
    "heart": "I ❤ it",
    "percent": "a rate of 50 % or 50%",
    "fifty": "50 people",
    "underscore": "call my_function now",
    "spaced": "my function is here",
    "arrow": "f -> g",
    "dash": "this - or that",
}


@pytest.fixture(scope="module")
def store():
    with Conversations.in_memory() as opened:
        for name, text in TEXTS.items():
            opened.save(Conversation(name).append(user(text), "user"), title="zzz")
        yield opened


def found(store, text, **how):
    return {hit.conversation for hit in search(store, text, **how)}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("C++", {"cpp"}),
        ("c++ templates", {"cpp"}),
        ("C#", {"csharp"}),
        ("c", {"cpp", "csharp", "c", "ae", "underscore"}),  # the last word may be a beginning
        ('"c"', {"cpp", "csharp", "c"}),
        (".NET", {"net"}),
        ("strasse", {"straße", "both"}),
        ("hauptstraße", {"strasse"}),
        ("STRASSE", {"straße", "both"}),
        ("straße ", {"straße"}),
        ("strassenmesse", {"both"}),
        ("caesar", {"ae"}),
        ("👍🏽", {"emoji"}),
        ("👍", {"emoji"}),
        ("❤️", {"heart"}),  # as keyboards write it
        ("%", {"percent"}),
        ("50%", {"percent"}),
        ("50", {"percent", "fifty"}),
        ("_", {"underscore"}),
        ("my_function", {"underscore"}),
        ("my_func", {"underscore"}),
        ("my function", {"underscore", "spaced"}),
        ("->", {"arrow"}),
        ("that - this", {"dash"}),
        ("templates - checked?", {"cpp"}),  # punctuation between words is not looked for
        ("late!", {"cpp"}),
    ],
)
@pytest.mark.parametrize("each_once", [False, True])
def test_a_query_finds_what_holds_it(store, query, names, each_once):
    assert found(store, query, each_once=each_once) == names


def test_a_chat_is_listed_once_by_its_best_hit(store):
    with Conversations.in_memory() as store:
        talk = Conversation(new_id()).append(user("a word about granite"), "user")
        talk = talk.append(ModelResponse(parts=[TextPart("granite, granite and granite again")]), "m")
        store.save(talk, title="Stones")
        for title in ("granite", "other"):
            store.save(Conversation(new_id()).append(user("granite here"), "user"), title=title)
        assert len(search(store, "granite")) == 5
        hits = search(store, "granite", each_once=True)
        assert len({hit.conversation for hit in hits}) == len(hits) == 3
        assert (hits[0].title, hits[0].node) == ("granite", None)  # a title counts most
        assert next(hit.node for hit in hits if hit.title == "Stones") == talk.path()[1].id
        assert len(search(store, "granite", limit=2, each_once=True)) == 2


def test_the_snippet_shows_the_sign_that_was_looked_for():
    with Conversations.in_memory() as store:
        store.save(Conversation(new_id()).append(user("x " * 300 + "then 7 % of it" + " y" * 300), "user"))
        (hit,) = search(store, "%", mark=("<", ">"))
        assert "then 7 <%> of it" in hit.snippet
        assert len(hit.snippet) < 200
