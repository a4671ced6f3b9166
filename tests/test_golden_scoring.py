"""Scores against DROP's definition with aligned spans (golden/make.py), published lists, and exact bounds."""

import json
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest

from llms.scoring.instructions import follows
from llms.scoring.letter import chosen_letter
from llms.scoring.mathematics import boxed, equivalent, minerva_match, normalize
from llms.scoring.number import Number, numbers
from llms.scoring.open import SCORERS, VERSIONS, judged, numeric
from llms.scoring.repeated import pass_at_k
from llms.scoring.spans import drop_scores

DROP = json.loads(Path(__file__).with_name("golden").joinpath("drop.json").read_text())


@pytest.mark.parametrize("case", DROP, ids=lambda case: case["prediction"])
def test_drop_is_the_metric_of_its_paper(case):
    assert drop_scores(case["prediction"], case["golds"]) == (case["exact"], case["f1"])


def test_fractions_equal_to_one_part_in_a_million_and_no_more():
    assert numeric("0.3333333", "1/3")  # off by one part in ten million
    assert not numeric("0.33333", "1/3")  # by one in a hundred thousand
    for expected in ("2.5", "-2.5", "1e-9", "7.25e-12"):
        value = Fraction(expected)
        inside, outside = value * (1 + Fraction(99, 10**8)), value * (1 + Fraction(101, 10**8))
        for sign in (1, -1):
            near = value + sign * (inside - value)
            far = value + sign * (outside - value)
            assert _number(near).equals(numbers(expected)[-1])
            assert not _number(far).equals(numbers(expected)[-1])


def _number(value: Fraction) -> Number:
    with localcontext(prec=50):
        return Number(Decimal(value.numerator) / Decimal(value.denominator))


def test_integers_equal_exactly_however_large():
    assert not numeric("10000001", "10000000")
    assert not numeric("10000000.0", "10000001")
    assert numeric("10000000.0", "10000000")


def test_pass_at_k_is_one_less_the_share_of_draws_that_are_all_wrong():
    for answers in range(1, 8):
        for right in range(answers + 1):
            for k in range(1, answers + 1):
                draws = list(combinations([i < right for i in range(answers)], k))
                assert pass_at_k(answers, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_one_part_in_a_million_itself_is_equal():
    assert numeric("1.000001", "1.0")
    assert not numeric("1.0000011", "1.0")


def test_a_fraction_has_the_percent_sign_behind_it():
    plain, percent = numbers("1/2")[0], numbers("1/2%")[0]
    assert (plain.percent, plain.value, plain.share) == (False, Decimal("0.5"), Decimal("0.5"))
    assert (percent.percent, percent.value, percent.share) == (True, Decimal("0.5"), Decimal("0.005"))
    assert (plain.written, percent.written) == ("1/2", "1/2%")
    assert [n.value for n in numbers("1/2/2026 and 1 1/2, -2 1/4")] == [1, 2, 2026, Decimal("1.5"), Decimal("-2.25")]


def test_every_scorer_has_a_version_and_so_has_the_judge():
    assert set(VERSIONS) == {*SCORERS, "judge"}


# mathematics

# what Lewkowycz et al. 2022 (Minerva), appendix D.1, delete from an answer, in their order
REMOVED = [
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", "\\ldots", "sue", "points",
    "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges", "students",
    "childrentickets", "multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}",
    "\\text{}", r"\mathrm{th}", r"^\circ", r"^{\circ}", r"\;", r",\!", "{,}", '"', "\\dots",
]  # fmt: skip


@pytest.mark.parametrize("word", REMOVED, ids=repr)
def test_units_and_marks_are_no_part_of_an_answer(word):
    assert normalize(f"17{word}") == "17"


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("x = 5", "5"), ("a = b = 7", "7"), ("an apple", "apple"), ("a dog", "dog"), ("$5$.", "5"), ("$5.$", "5"), ("\\$5", "5"),
        (r"1\ 2", "12"), (r"\mbox{cat}", "cat"), (r"1,\text{and}2", "12"), (r"x,\text{and}2", "x,2"), (r"1\text{and}2", "12"), (r"3\text{m}", "3"),
        ("so $x$ it is", "x"), (r"\textbf{B}", "B"), (r"\overline{AB}", "AB"), (r"\boxed{9}", "9"),
        (r"\frac12", r"\frac{1}{2}"), (r"\frac{1}{2}", r"\frac{1}{2}"), (r"\sqrt3", r"\sqrt{3}"), (r"\sqrt{3}", r"\sqrt{3}"),
        ("1,234,567", "1234567"), ("(1,2)", "(1,2)"), ("1,2x", "1,2x"), ("90^\\circ", "90"),
    ],
)  # fmt: skip
def test_short_forms_are_written_out(answer, normal):
    assert normalize(answer) == normal


def test_the_older_rule_reads_the_final_answer_only():
    solution = r"Thus the answer is $\boxed{\frac{1}{2}}$."
    for answer, right in ((r"$\frac12$", True), ("$0.5$", True), ("$2$", False)):
        assert minerva_match(f"Final Answer: The final answer is {answer}. I hope it is correct.", solution) is right
    assert not minerva_match(r"The answer is \frac12", solution)


def test_answers_are_compared_as_expressions():
    assert equivalent(r"so it is $\boxed{0.5}$", r"$\frac{1}{2}$")
    assert equivalent("$x+1$", "$1+x$")
    assert not equivalent(r"$\boxed{2}$", r"$\frac{1}{2}$")


def test_boxes_are_read_to_their_own_brace():
    assert boxed(r"\boxed{a{b}c} d}") == "a{b}c"
    assert boxed(r"\boxed {x} and \boxed y$ z") == "y"
    assert boxed(r"\fbox{1} then \boxed{2}") == "2"
    assert boxed(r"{\boxed{3}}") == "3"
    assert boxed("") is None


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The answer is B.\nA and C are wrong.", "B"),
        ("Answer: C, not A", "C"),
        ("The answer is (D).\nAnswer: **B**\nA and C are wrong.", "B"),
        ("Is it A?\n\\boxed{C}\nB and D are wrong.", "C"),
        ("\\boxed{A} or rather \\boxed{\\text{D}}\nB and C are wrong.", "D"),
        ("A. It is red.\nB and C are not.", "A"),
        ("(C) it is.\nA and B are not.", "C"),
        ("Between A and B:\nI would say B\nand nothing else.", "B"),
        ("**D**", "D"),
        ("I am sure.", None),
    ],
)
def test_the_first_rule_that_finds_a_letter_decides(reply, letter):
    assert chosen_letter(reply, "ABCD") == letter


# instructions, at the edges that the reference's rules have


@pytest.mark.parametrize(
    ("kind", "arguments", "response", "right"),
    [
        ("keywords:frequency", {"keyword": " ha ", "frequency": 2}, "ha ha", True),
        ("keywords:frequency", {"keyword": "ha", "frequency": 3}, "ha ha", False),
        ("keywords:forbidden_words", {"forbidden_words": ["cat", "dog"]}, "no Dog", False),
        ("keywords:letter_frequency", {"letter": " A ", "let_frequency": 2, "let_relation": "less than"}, "a b", True),
        ("keywords:letter_frequency", {"letter": "a", "let_frequency": 2, "let_relation": "less than"}, "A a", False),
        ("length_constraints:number_words", {"num_words": 2, "relation": "at least"}, "two words", True),
        ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "two words", False),
        ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "less than"}, "One. Two.", False),
        ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "less than"}, "One. Two.", True),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\na\n***\nb\n***", True),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 3}, "a *** b *** c", True),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "a\n***\nb", False),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "a"}, "A.b\n\nc", True),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "c"}, "a\n\nb", False),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "b"}, "a\n\nb", False),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "b"}, "a\n\n \n\nb", False),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "say"}, "'\"say, it", True),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "xylo"}, "'\"Xylo", True),
        ("detectable_content:number_placeholders", {"num_placeholders": 3}, "[a] [b]", False),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "x\np. s. y", True),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "x\nPS y", False),
        ("detectable_content:postscript", {"postscript_marker": " Note: "}, "x\nnote: y", True),
        ("detectable_content:postscript", {"postscript_marker": "Note:"}, "x\nno y", False),
        ("detectable_format:number_bullet_lists", {"num_bullets": 3}, " * a\n- b\n  - c\n** d", True),
        ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "** d\n* a", True),
        ("detectable_format:constrained_response", {}, "  My answer is yes.  ", True),
        ("detectable_format:constrained_response", {}, "My answer is no.", True),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **b**", True),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 3}, "*a* and *b*", False),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "**b**", True),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "** **", False),
        ("detectable_format:multiple_sections", {"section_spliter": " SECTION ", "num_sections": 2}, "SECTION 1 a SECTION 2 b", True),
        ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 3}, "SECTION 1 a SECTION 2 b", False),
        ("detectable_format:json_format", {}, "[1]", True),
        ("detectable_format:json_format", {}, "```\n1\n```", True),
        ("detectable_format:json_format", {}, "```JSON\n1\n```", True),
        ("detectable_format:json_format", {}, "```Json 1 ```", True),
        ("detectable_format:json_format", {}, "{} x", False),
        ("detectable_format:title", {}, "<<<>>>", False),
        ("detectable_format:title", {}, "a\n<<b>>\nc", True),
        ("combination:two_responses", {}, "******a\n******\nb******", True),
        ("combination:two_responses", {}, "a******b******c", False),
        ("combination:two_responses", {}, "a****** ******b", False),
        ("combination:repeat_prompt", {"prompt_to_repeat": " Say it "}, "  say it", True),
        ("startend:end_checker", {"end_phrase": " now "}, "bye now", True),
        ("startend:quotation", {}, '"', False),
        ("startend:quotation", {}, ' "a" ', True),
        ("startend:quotation", {}, "'a'", False),
        ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "less than"}, "AN APE", False),
        ("change_case:capital_word_frequency", {"capital_frequency": 3, "capital_relation": "less than"}, "AN APE", True),
    ],
)  # fmt: skip
def test_instructions_at_their_edges(kind, arguments, response, right):
    assert follows(kind, arguments, response) is right


@pytest.mark.parametrize(
    ("reply", "right"),
    [("Answer: yes", True), ("Answer: No.", False), ("answer is: A", True), ("Answer: A or B", None)],
)
def test_a_judge_may_say_yes_or_no_for_its_letters(reply, right):
    assert judged(lambda prompt: reply, "Is it right?", "q", "r", "a").right is right


@pytest.mark.parametrize("word", ["word", "'word", '"word', "'\"word,"])
def test_the_first_word_of_a_paragraph_stands_behind_its_quotation_mark(word):
    rule = "length_constraints:nth_paragraph_first_word"
    arguments = {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "word"}
    assert follows(rule, arguments, f"First\n\n{word} and more")
