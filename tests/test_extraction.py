"""Letters, instructions, thinking, free answers: what is read out of a reply."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.errors import UnknownName
from llms.scoring.instructions import KINDS, follows, split_sentences, variants
from llms.scoring.letter import chosen_letter
from llms.scoring.mathematics import boxed
from llms.scoring.repeated import pass_at_k
from llms.scoring.thinking import split_thinking


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"), ("(C)", "C"), ("**D**", "D"), ("B.", "B"), ("Answer: A", "A"), ("The answer is (B).", "B"),
        ("answer is option C", "C"), ("the answer is **A**", "A"), (r"so $\boxed{D}$", "D"), (r"\boxed{\text{B}}", "B"),
        ("B. because it is", "B"), ("(A) is right", "A"), ("I think A is wrong.\nSo it must be C", "C"),
        ("Answer: A\nOn reflection, Answer: D", "D"), ("A dog is an animal", None), ("It is either A or B", None),
        ("I do not know", None), ("", None), ("Apple", None), ("Answer: E", None), ("the answer isn't clear", None),
    ],
)  # fmt: skip
def test_letters_are_found_and_never_guessed(reply, letter):
    assert chosen_letter(reply, "ABCD") == letter


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("ANSWER: A, B", None), ("Answer: A or B", None), ("Answer: A and C", None), ("Answer: B/C", None), ("Answer: A & B", None),
        ("A, B", None), ("A or B", None), ("A and C", None), ("B/C", None), ("Answer: (A) or (B)", None), ("Answer: **A** and **C**", None),
        ("Answer: A or possibly B", None), ("Answer: A-C", None), (r"\boxed{A} or \boxed{B}", None), ("Answer: A and B are both right", None),
        ("A. Paris\nB. London\nC. Rome\nD. Oslo", None), ("(A) Paris\n(B) London", None), ("A) Paris B) London C) Rome", None),
        ("A. Paris\nB. London\n\nI pick B", "B"), ("(A) Paris\n(B) London\n\nAnswer: (B)", "B"), ("**A.** Paris\n**B.** London", None),
        ("The answer is A good choice", None), ("Answer: A dog", None), ("the answer is a dog", None), ("Answer: a.m. it is", None),
        ("The answer is A because it is", "A"), ("The answer is a because", "A"), ("Answer: A) a dog", "A"), ("The answer is I think B", "B"),
        ("a", "A"), ("b)", "B"), ("(b)", "B"), ("b) because it is", "B"), ("answer: c", "C"), ("answer is (b)", "B"), (r"\boxed{b}", "B"),
        ("Ｂ", "B"), ("（Ｃ）", "C"), ("Answer：Ｄ", "D"), ("ｂ", "B"),
        ("The answer is not B; it is C", "C"), ("The answer is not B.", None), ("It is not A but B", "B"), ("Neither A nor B, so C", "C"),
        ("Both A and C are wrong. The answer must be B", "B"), ("A is incorrect, B is right", "B"), ("A is wrong.", None),
        ("It is C.\nA and B are wrong.", "C"), ("It can't be A. So B", "B"), ("A and B are wrong, C or D remain", None),
        ("Answer: A (not B)", "A"), ("Answer: A, because B is wrong", "A"), ("Answer: A\n\nB is wrong", "A"), ("Answer: B. A dog is it", "B"),
        ("Answer: A, B\nAnswer: C", "C"), ("Answer: C\nAnswer: A or B", None),
        ("Answer: A; B", None), ("Answer: A and/or B", None), ("Answer: B (or C)", None), ("Answer: A → B", None), ("A vs B", None),
        ("(A) and (B)", None), ("(A),(B)", None), ("A.\nB.", None), ("A\nB", None), ("- A\n- B", None), ("Answer:\nA\nB", None),
        (r"\boxed{A}\boxed{B}", None), ("Answer: N/A", None), ("The answer is A+", None), ("Answer: C++", None), ("option b", "B"),
        ("Answer: B (A is wrong)", "B"), ("Answer: B; A is wrong", "B"), ("B\nB", "B"), ("Answer: B\n\nC would be odd", "B"),
    ],
)  # fmt: skip
def test_a_letter_is_taken_where_one_is_named_and_no_other(reply, letter):
    assert chosen_letter(reply, "ABCD") == letter


def test_a_pronoun_is_no_letter():
    assert chosen_letter("The answer is I think B", "ABCDEFGHIJ") is None
    assert chosen_letter("I am sure it is C", "ABCDEFGHIJ") == "C"
    assert [chosen_letter(text, "ABCDEFGHIJ") for text in ("I", "The answer is I.", "Answer: i", "Answer: I")] == [
        "I"
    ] * 4


@pytest.mark.parametrize(
    "text", ["answer is " + "*" * 5000, "A, " * 2000, "A" + " , " * 2000, "option " * 2000, "A\n" * 2000, "(A) " * 2000]
)
def test_hostile_replies_are_read_in_time(text):
    begun = time.process_time()
    chosen_letter(text, "ABCDEFGHIJ")
    split_thinking(text)
    assert time.process_time() - begun < 5


@given(st.text(), st.sampled_from("ABCD"))
def test_a_stated_letter_is_found_behind_any_text(text, letter):
    assert chosen_letter(f"{text}\nAnswer: {letter}", "ABCD") == letter


@pytest.mark.parametrize(
    ("kind", "given_", "good", "bad"),
    [
        ("keywords:existence", {"keywords": ["tree", "sun"]}, "The Sun, a TREE", "sun only"),
        ("keywords:frequency", {"keyword": "ha", "frequency": 3, "relation": "at least"}, "ha ha HA", "ha ha"),
        ("keywords:frequency", {"keyword": "ha", "frequency": 2, "relation": "less than"}, "ha", "ha ha"),
        ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "category", "a Cat sat"),
        ("keywords:letter_frequency", {"letter": "q", "let_frequency": 2, "let_relation": "at least"}, "Q and q", "q"),
        ("keywords:letter_frequency", {"letter": "#", "let_frequency": 2, "let_relation": "at least"}, "# #", "#"),
        ("language:response_language", {"language": "de"}, "Das ist ein ganz normaler deutscher Satz.", "This is an English sentence."),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb", "a\n***\n***\nb"),
        ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "two words", "now three words"),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"}, "a\n\n\"then, b", "a\n\nnow b"),
        ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, "One. Two.", "Mr. One goes."),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] [b]", "[a]"),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "x\nP.S. y", "x"),
        ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "p. p. s. y", "P.S. y"),
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a\n- b\n- c"),
        ("detectable_format:constrained_response", {}, "My answer is maybe.", "My answer is perhaps."),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "a *b* c", "a ** c"),
        ("detectable_format:multiple_sections", {"section_spliter": "PART", "num_sections": 2}, "PART 1\na\nPART 2\nb", "PART 1"),
        ("detectable_format:json_format", {}, "```json\n{\"a\": 1}\n```", "{a: 1}"),
        ("detectable_format:title", {}, "<<T>>", "<< >>"),
        ("combination:two_responses", {}, "a\n******\nb", "a\n******\na"),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Say it"}, "say IT now", "no"),
        ("startend:end_checker", {"end_phrase": "Bye now"}, 'x bye NOW"', "bye now!"),
        ("startend:quotation", {}, '"x"', '"x'),
        ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"}, "AN APE", "AN ape"),
        ("change_case:english_capital", {}, "I WOULD LIKE TO SEE THE HOUSE THAT YOU BUILT BY THE RIVER", "This is English"),
        ("change_case:english_lowercase", {}, "this is an english sentence", "This is english"),
        ("punctuation:no_comma", {}, "a b", "a, b"),
    ],
)  # fmt: skip
def test_instructions_are_checked(kind, given_, good, bad):
    padded = {**given_, "unused": None}
    assert follows(kind, padded, good)
    assert not follows(kind, padded, bad)
    assert not follows(kind, padded, "  ")


@pytest.mark.parametrize(
    ("kind", "arguments", "good", "bad"),
    [
        ("length_constraints:number_words", {"num_words": 0, "relation": "less than"}, None, "one"),
        ("length_constraints:number_sentences", {"num_sentences": 0, "relation": "at least"}, "One.", None),
        ("keywords:frequency", {"keyword": "ha", "frequency": 0, "relation": "at least"}, "no", None),
        ("keywords:letter_frequency", {"letter": "q", "let_frequency": 0, "let_relation": "less than"}, None, "a"),
        ("change_case:capital_word_frequency", {"capital_frequency": 0, "capital_relation": "at least"}, "an", None),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 0}, None, "a"),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 1, "nth_paragraph": 0, "first_word": "a"}, None, "a"),
        ("detectable_content:number_placeholders", {"num_placeholders": 0}, "none", None),
        ("detectable_format:number_bullet_lists", {"num_bullets": 0}, "none", "* one"),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 0}, "none", None),
        ("detectable_format:multiple_sections", {"section_spliter": "PART", "num_sections": 0}, "none", None),
    ],
)  # fmt: skip
def test_an_argument_of_an_instruction_may_be_nought_and_those_of_others_stand_beside_it(kind, arguments, good, bad):
    others = {"num_sections": 0, "num_words": 0, "keywords": [], "end_phrase": "", "frequency": 0} | arguments
    assert good is None or follows(kind, others, good)
    assert bad is None or not follows(kind, others, bad)


def test_all_25_kinds_are_known_and_others_are_not():
    assert len(KINDS) == 25
    with pytest.raises(UnknownName, match="did you mean punctuation:no_comma"):
        follows("punctuation:no_coma", {}, "x")


def test_eight_readings_are_tried():
    assert variants("*a*\nb\nc") == ["*a*\nb\nc", "a\nb\nc", "b\nc", "b\nc", "*a*\nb", "a\nb", "b", "b"]


def test_sentences_are_split_without_downloads():
    assert len(split_sentences('Dr. A. Smith paid 3.5 dollars. "Why?" he asked! Fine.')) == 4


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("plain", "", "plain"),
        ("<think>hm\nhm</think>\n\n42", "<think>hm\nhm</think>\n\n", "42"),
        ("hm</think> 42", "hm</think> ", "42"),
        ("<think>never done", "<think>never done", ""),
        ("<reasoning>a</reasoning>b", "<reasoning>a</reasoning>", "b"),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>42", None, "42"),
        ("analysishm hmassistantfinal42", None, "42"),
        ("[THINK]hm[/THINK]42", "[THINK]hm[/THINK]", "42"),
        ("◁think▷hm◁/think▷\n42", "◁think▷hm◁/think▷\n", "42"),
        ("<seed:think>hm</seed:think>42", None, "42"),
        ("<|begin_of_thought|>\nhm\n<|end_of_thought|>\n\n42", None, "42"),
        ("<|channel>thought\nhm\n<channel|>42", None, "42"),
        ("<THINK>hm</Think> 42", None, "42"),
        ("<|START_THINKING|>hm<|END_THINKING|>42", None, "42"),
        ("<unused94>thought\nhm<unused95>42", None, "42"),
        ("<longcat_think>hm</longcat_think>42", None, "42"),
        ("<thinking>hm</thinking>\n<reflection>yes</reflection>\n42", None, "42"),
        ("Let me see.\n<think>\nhm\n</think>\n42", None, "Let me see.\n\n42"),
        ("hm[/THINK]42", "hm[/THINK]", "42"),
        ("Models write <think> first. 42", "", "Models write <think> first. 42"),
        ("Models write <think> and </think>. 42", "", "Models write <think> and </think>. 42"),
        ("It ends with `</think>`. 42", "", "It ends with `</think>`. 42"),
        ("`<think>` begins it. 42", "", "`<think>` begins it. 42"),
        ("So:\n```\n<think>\nhm\n</think>\n```\n42", "", "So:\n```\n<think>\nhm\n</think>\n```\n42"),
        ("<think>so `</think>` hm</think>42", None, "` hm</think>42"),
        ("The final analysis of an assistant: 42", "", "The final analysis of an assistant: 42"),
    ],
)  # fmt: skip
def test_thinking_is_told_from_the_answer(text, thinking, answer):
    found = split_thinking(text)
    assert found[1] == answer
    if thinking is not None:
        assert found[0] == thinking


@pytest.mark.parametrize(
    ("text", "content"),
    [(r"a $\boxed{\frac{1}{2}}$ b", r"\frac{1}{2}"), (r"$\boxed 5$", "5"), (r"\boxed{1} or \boxed{2}", "2"), (r"\fbox{x}", "x"), ("none", None), (r"\boxed{open", None)],
)  # fmt: skip
def test_the_last_box_counts(text, content):
    assert boxed(text) == content


@pytest.mark.parametrize(
    ("answers", "right", "k", "chance"),
    [(10, 3, 1, 0.3), (10, 3, 5, 0.9166667), (200, 20, 10, 0.6602256), (5, 2, 6, None)],
)
def test_pass_at_k_fixtures(answers, right, k, chance):
    found = pass_at_k(answers, right, k)
    assert found == (None if chance is None else pytest.approx(chance, abs=1e-7))


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_one(answers, data):
    from itertools import combinations

    right, k = data.draw(st.integers(0, answers)), data.draw(st.integers(1, answers))
    draws = list(combinations(range(answers), k))
    assert pass_at_k(answers, right, k) == pytest.approx(
        sum(any(i < right for i in draw) for draw in draws) / len(draws)
    )
