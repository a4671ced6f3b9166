"""Where text is cut and what of a stream may be shown, on small cases worked out by hand and against the whole text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.tokens.stop import StopText, cut_at_stop
from llms.tokens.stream import Detokenizer, StopFilter, Thinking, beginning, opened
from llms.values import THINKING_TAGS


@pytest.mark.parametrize(
    ("text", "strings", "shown"),
    [
        ("one two one", ["one"], ""),
        ("a. b. c.", ["."], "a"),
        ("a\n\nQ: b\n\nQ: c", ["\n\nQ:"], "a"),
        ("abcabc", ["c", "b"], "a"),
        ("abcabc", ["b", "c"], "a"),
        ("xaby", ["ab", "a"], "x"),
        ("abc", ["", "d"], "abc"),
        ("abc", [], "abc"),
    ],
)
def test_text_ends_before_the_first_of_all_stop_strings(text, strings, shown):
    assert cut_at_stop(text, strings) == shown
    stop = StopFilter(strings)
    assert "".join(map(stop.push, text)) + stop.flush() == shown
    whole = StopFilter(strings)
    assert whole.push(text) + whole.flush() == shown
    assert stop.stopped == whole.stopped == (shown != text)


def test_nothing_comes_behind_a_stop_string():
    stop = StopFilter(["END"])
    assert [stop.push(piece) for piece in ("some E", "N", "D more", " and more")] == ["some ", "", "", ""]
    assert stop.flush() == ""


def test_only_what_may_begin_a_stop_string_is_held_back():
    stop = StopFilter(["\n\n", "abc"])
    assert [stop.push(piece) for piece in ("x\n", "y", "ab", "a")] == ["x", "\ny", "", "ab"]
    assert stop.flush() == "a"


@given(st.text("ab", max_size=8), st.text("ab", max_size=5))
def test_a_beginning_is_the_longest_proper_one(text, string):
    expected = max(n for n in range(max(1, len(string))) if n == 0 or text.endswith(string[:n]))
    assert beginning(text, string) == expected


def decode(ids) -> str:
    return bytes(ids).decode("utf-8", "replace")


@given(st.text("ab€", max_size=20), st.lists(st.text("ab€", max_size=3), max_size=3))
def test_a_stop_is_seen_with_its_last_token(text, strings):
    stop, ids = StopText(decode, strings), text.encode()
    wanted = [string for string in strings if string]
    for end in range(1, len(ids) + 1):
        before, now = decode(ids[: end - 1]), decode(ids[:end])
        if any(string in now for string in wanted) and not any(string in before for string in wanted):
            assert stop(list(ids[:end]))
        if not any(string in now for string in wanted):
            assert not stop(list(ids[:end]))


def test_no_more_is_decoded_than_a_stop_string_can_reach():
    lengths = []

    def counting(ids) -> str:
        lengths.append(len(ids))
        return decode(ids)

    assert not StopText(counting, ["€uro"])(list(b"x" * 1000))
    assert lengths[0] == len("€uro".encode()) + 4
    assert not StopText(counting, [""])([1])
    assert len(lengths) == 1


def test_a_character_is_shown_when_it_is_whole():
    words = Detokenizer(decode)
    assert [words.push(id) for id in "a€b".encode()] == ["a", "", "", "€", "b"]
    assert words.flush() == ""
    broken = Detokenizer(decode)
    assert [broken.push(id) for id in b"a\xe2\x82"] == ["a", "", ""]
    assert broken.flush() == "\ufffd"


def test_blanks_that_depend_on_the_word_before_come_out_right():
    """As SentencePiece decodes: a word's blank stands before it, but not at the beginning of what is decoded."""
    vocabulary = ["▁one", "▁two", "s", "▁three"]

    def sentence(ids) -> str:
        return "".join(vocabulary[id] for id in ids).replace("▁", " ").removeprefix(" ")

    words, ids = Detokenizer(sentence), [0, 1, 2, 3] * 6
    shown = [words.push(id) for id in ids]
    assert "".join(shown) + words.flush() == sentence(ids)
    assert shown[:4] == ["one", " two", "s", " three"]


@pytest.mark.parametrize(("opening", "closing"), [*THINKING_TAGS, ("<THINK>", "</Think>"), ("[think]", "[/Think]")])
def test_thinking_ends_with_the_tag_that_it_began_with(opening, closing):
    thinking = Thinking()
    assert thinking.push(f"\n {opening}so{closing[:4]}") == ("so", "")
    assert thinking.push(f"at{closing}\n\nXes\n") == (f"{closing[:4]}at", "Xes\n")
    assert thinking.push("\n<think>no</think>") == ("", "\n<think>no</think>")
    assert thinking.flush() == ("", "")


def test_blank_lines_behind_thinking_go_wherever_they_are_cut():
    thinking = Thinking("</think>")
    assert thinking.push("a</think>") == ("a", "")
    assert [thinking.push(piece) for piece in ("\n", "\n\nb", "\n", "c")] == [
        ("", ""),
        ("", "b"),
        ("", "\n"),
        ("", "c"),
    ]
    assert thinking.flush() == ("", "")


def test_thinking_may_come_in_several_blocks_and_a_tag_in_the_answer_is_text():
    thinking = Thinking()
    assert thinking.push("<think>a</think>\n[THINK]b[/THINK]\nUse <think> so. <think>no</think>") == (
        "a\n\nb",
        "Use <think> so. <think>no</think>",
    )
    assert thinking.flush() == ("", "")


def test_thinking_that_the_prompt_began_ends_with_its_own_tag():
    assert opened("<|im_start|>assistant\n<think>\n") == "</think>"
    assert opened("[INST] why? [/INST][THINK]") == "[/THINK]"
    assert opened("<|im_start|>assistant\n<think>\n\n</think>\n\n") == ""
    assert opened("") == ""


def test_an_answer_without_thinking_comes_at_once():
    thinking = Thinking()
    assert thinking.push(" ") == ("", "")
    assert thinking.push("<thi") == ("", "")
    assert thinking.push("s>") == ("", " <this>")
    assert thinking.push(" and") == ("", " and")
    held = Thinking()
    assert held.push(" <rea") == ("", "")
    assert held.flush() == ("", " <rea")
