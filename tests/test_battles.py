"""Battles as they are stored, and the votes that ratings are fitted to."""

from dataclasses import replace

import pytest

from llms import settings
from llms.arena.answer_style import style_of
from llms.arena.battle import Battle, Style
from llms.arena.leaks import leaked
from llms.chat.conversation.messages import user
from llms.chat.conversation.tree import Conversation
from llms.errors import UnknownName, UsageError
from llms.store.battles import Battles
from llms.store.conversations import Conversations
from llms.values import Identity
from llms.workbench.arena.battles import Contender, answered, asked, begin, remove, stored, undo, vote

QUESTION = "Where does the sun rise?"


def side(name="one", weights="", **changes):
    return Contender(name, Identity(name, weights or f"aaaa{name}", **changes))


def fought(a=None, b=None, winner="a", text_a="In the east.", text_b="East.", **changes):
    battle = begin(QUESTION, [a or side("one"), b or side("two")], source="vote")
    answered(battle.id, "a", text_a, **changes)
    answered(battle.id, "b", text_b)
    if winner:
        vote(battle.id, winner)
    return battle


def test_a_vote_comes_back_with_all_that_was_stored_of_its_battle():
    battle = fought(winner="tie", text_a="# East\n- **there**\n- 1. no", tokens=9)
    (cast,) = stored()
    assert (cast.model_a, cast.model_b, cast.winner, cast.judge, cast.judge_kind) == (
        "one", "two", "tie", "user", "human",
    )  # fmt: skip
    assert (cast.id, cast.prompt, cast.anonymous, cast.problem) == (battle.id, battle.prompt, True, "")
    assert cast.style_a == Style(len("# East\n- **there**\n- 1. no"), 1, 2, 1)  # characters: tokens of b are not known
    assert cast.style_b == Style(5, 0, 0, 0)


def test_a_second_vote_replaces_the_first_and_undo_takes_the_last_back():
    first, second = fought(winner="a"), fought(winner="a")
    vote(first.id, "b")
    vote(first.id, "both_bad", judge="another")
    assert sorted((cast.id == first.id, cast.judge, cast.winner) for cast in stored()) == [
        (False, "user", "a"), (True, "another", "both_bad"), (True, "user", "b"),
    ]  # fmt: skip
    assert [cast.judge for cast in stored() if not cast.anonymous] == ["user"]  # names are shown after a vote
    assert undo().battle == first.id
    assert undo().battle == second.id
    assert undo() is None
    assert [cast.judge for cast in stored()] == ["another"]
    vote(second.id, "a")
    assert [cast.anonymous for cast in stored() if cast.id == second.id] == [False]
    assert undo(first.id) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (side("one"), side("one")),
        (side("one", "same"), side("another name of it", "same")),
        (side("one", "same", dtype="float32"), side("hf:./one", "same", dtype="float32")),
    ],
)
def test_a_system_does_not_fight_itself_by_whatever_names(a, b):
    with pytest.raises(UsageError, match="the same system"):
        begin(QUESTION, [a, b])
    with Battles(settings.database()) as store:
        assert store.all() == []


def test_a_system_with_tools_or_another_dtype_is_another():
    assert begin(QUESTION, [side("one", "same"), side("one?dtype=bfloat16", "same", dtype="bfloat16")]).id


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_battle_is_between_two(number):
    with pytest.raises(UsageError, match="two"):
        begin(QUESTION, [side(str(n)) for n in range(number)])


def test_unknown_winners_and_battles_are_refused():
    battle = fought(winner="")
    with pytest.raises(UsageError, match="a, b, tie, both_bad; got 'left'"):
        vote(battle.id, "left")
    with pytest.raises(UnknownName, match=battle.id):
        vote("0" * 12, "a")
    assert stored() == []


@pytest.mark.parametrize(
    ("text", "changes", "problem"),
    [
        ("", {"error": "infra: no luck"}, "an answer was an error"),
        ("In the", {"finish": "length"}, "an answer was cut"),
        ("In the", {"finish": "stopped"}, "an answer was cut"),
        (" \n", {}, "an answer was empty"),
        ("<think>East, of course.</think>", {}, "an answer was empty"),
        ("I am Smol-LM 2, and it rises in the east.", {}, "an answer says which model it is"),
        ("I will not say.", {"finish": "refused"}, ""),
    ],
)
def test_a_vote_on_a_spoilt_answer_says_so(text, changes, problem):
    fought(side("smollm2"), text_a=text, **changes)
    assert [cast.problem for cast in stored()] == [problem]


def test_a_battle_that_was_not_answered_whole_does_not_count():
    battle = begin(QUESTION, [side("one"), side("two")])
    answered(battle.id, "a", "In the east.")
    vote(battle.id, "a")
    assert [cast.problem for cast in stored()] == ["an answer is missing"]


def test_a_changed_model_under_an_old_name_never_shares_its_rating():
    for weights, template in (("1a2b3c4d", ""), ("ffffffff", ""), ("ffffffff", "new")):
        fought(side("mine", weights, template=template), side("two"))
    names = [cast.model_a for cast in stored()]
    assert names[0] == "mine (weights 1a2b3c)"
    assert names[1].startswith("mine (settings ")
    assert names[2] == "mine"
    fought(side("mine", "1a2b3c4d"), side("two"))  # the old one is back
    names = [cast.model_a for cast in stored()]
    assert names[0] == names[3] == "mine"
    assert len(set(names)) == 3
    assert {cast.model_b for cast in stored()} == {"two"}


def test_an_imported_name_is_not_the_model_that_was_asked_here():
    fought(side("gpt"), side("two"))
    with Battles(settings.database()) as store:
        store.take("elsewhere", "0a", [Battle("gpt", "llama", "a")])
    assert [cast.model_a for cast in stored()] == ["gpt", "gpt (imported)"]
    assert [cast.model_a for cast in stored("elsewhere")] == ["gpt (imported)"]


def test_a_further_turn_changes_the_question_and_so_the_cluster():
    battle = fought()
    asked(battle.id, [QUESTION, "And the moon?"])
    (cast,) = stored()
    assert cast.prompt != battle.prompt
    with Battles(settings.database()) as store:
        assert store.get(battle.id).question == f"{QUESTION}\n\nAnd the moon?"


def test_imported_votes_keep_judges_prompts_and_shared_battles():
    votes = [
        Battle("x", "y", "a", "7", "human", "p", id="1", style_a=Style(10, 1), style_b=Style(20)),
        Battle("x", "y", "tie", "8", "human", "p", id="1"),
        Battle("x", "y", "b", "7", "human", "p", id="1"),  # the same person once more: a vote of its own
        Battle("x", "z", "both_bad", "8", "model", "q", id="2", anonymous=False, problem="cut"),
    ]
    with Battles(settings.database()) as store:
        assert store.take("theirs", "abc", votes) == 4
        assert store.holds("abc") == "theirs"
        assert store.holds("abd") is None
        assert store.sources() == {"theirs": (3, 4)}
    back = stored()
    assert [(b.winner, b.judge, b.prompt) for b in back] == [
        ("a", "theirs:7", "theirs:p"), ("tie", "theirs:8", "theirs:p"), ("b", "theirs:7", "theirs:p"),
        ("both_bad", "theirs:8", "theirs:q"),
    ]  # fmt: skip
    assert back[0].id == back[1].id != back[2].id
    assert (back[0].style_a, back[3].judge_kind, back[3].anonymous, back[3].problem) == (
        Style(10, 1), "model", False, "cut",
    )  # fmt: skip


def test_removing_battles_takes_their_votes_and_their_sides_and_no_other_conversation():
    battle = fought()
    with Conversations(settings.database()) as talks:
        for id in ("of-a-battle", "of-a-chat"):
            talks.save(Conversation(id).append(user("hello"), "user"))
        talks.connection.execute("UPDATE conversations SET battle = ? WHERE id = 'of-a-battle'", (battle.id,))
    compared = begin(
        QUESTION, [replace(side("one"), conversation="of-a-chat"), side("two")], source="chat", anonymous=False
    )
    remove(battle.id, compared.id[:8])
    assert stored() == []
    with Conversations(settings.database()) as talks:
        assert (talks.has("of-a-battle"), talks.has("of-a-chat")) == (False, True)


LEAKS = [
    ("I am SmolLM2.", "smollm2", "", True),
    ("i'm smollm-2, your assistant", "hf:HuggingFaceTB/SmolLM2-135M-Instruct", "", True),
    ("My name is SMOL LM", "smollm2", "", True),
    ("a small lm, 2 of them", "smollm2", "", False),
    ("SmolLM 2 has 135M parameters.", "smollm2", "What is SmolLM2?", False),
    ("I am SmolLM 2.", "smollm2", "Are you SmolLM2?", True),
    ("As an AI made by OpenAI, I cannot.", "openai:gpt-5-mini", "", True),
    ("OpenAI was founded in 2015.", "openai:gpt-5-mini", "", False),
    ("A falcon is a bird.", "hf:tiiuae/falcon-7b", "", False),
    ("I am Falcon, a model.", "hf:tiiuae/falcon-7b", "", True),
    ("I wrote a sonnet.", "anthropic:claude-sonnet-4-5", "", False),
    ("I'm Claude!", "anthropic:claude-sonnet-4-5", "", True),
    ("我是Qwen", "hf:Qwen/Qwen2.5-0.5B-Instruct", "", True),
    ("I am sure that my file is here.", "gguf:./file.gguf", "", False),
    ("I am doing research.", "team:research", "", False),
    ("I am m.", "http://127.0.0.1:8000/v1#m", "", False),
    ("llamas eat grass; Llama 3.1 does not", "ollama:llama3.1", "", True),
]


@pytest.mark.parametrize(("answer", "system", "question", "leaks"), LEAKS)
def test_a_name_in_an_answer_is_seen_and_an_everyday_word_is_not(answer, system, question, leaks):
    assert bool(leaked(answer, [system, "another"], question)) == leaks


def test_the_form_of_code_is_no_style():
    text = "## Head\n\n* one\n2) two\n**bold** and __bold__ not ** this ** or a__b__c\n```\n# no\n- no\n```\n#no"
    assert style_of(text, 3) == Style(3, 1, 2, 2)
