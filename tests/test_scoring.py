"""Metrics of one item, as the reference harness computes them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.benchmarks.gsm8k import GSM8K
from llms.benchmarks.hellaswag import clean
from llms.scoring.choice import accuracy, accuracy_normalized, best, true_mass
from llms.scoring.match import exact_match, extract
from llms.values import Completion


def test_of_equal_choices_the_first_is_taken():
    assert best([1.0, 3.0, 3.0]) == 1
    assert accuracy([-2.0, -2.0], 0) == 1.0


def test_normalization_divides_by_characters():
    assert accuracy([-4.0, -5.0], 1) == 0.0
    assert accuracy_normalized([-4.0, -5.0], ["ab", "abcd"], 1) == 1.0
    assert accuracy_normalized([-4.0, -5.0], ["é" * 3, "abcd"], 1) == 1.0  # characters, not bytes
    assert accuracy_normalized([-1.0, -5.0], ["", "abcd"], 0) == 1.0


@given(st.lists(st.floats(-500, 0), min_size=2, max_size=8), st.data())
def test_the_mass_of_true_and_false_choices_sums_to_one(logprobs, data):
    labels = data.draw(st.lists(st.integers(0, 1), min_size=len(logprobs), max_size=len(logprobs)))
    opposite = [1 - label for label in labels]
    assert true_mass(logprobs, labels) + true_mass(logprobs, opposite) == pytest.approx(1)


def test_the_mass_is_a_softmax():
    assert true_mass([math.log(0.2), math.log(0.3)], [1, 0]) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("text", "strict", "flexible", "status"),
    [
        ("So 6 * 7 = 42.\n#### 42", 1, 1, "ok"),
        ("So it is 42.", 0, 1, "ok"),
        ("#### 42\nThen 43", 1, 0, "ok"),
        ("It costs $1,042", 0, 0, "ok"),
        ("#### 42.", 1, 1, "ok"),
        ("I do not know", 0, 0, "unparsed"),
    ],
)
def test_gsm8k_extracts_as_the_harness_does(text, strict, flexible, status):
    grade = GSM8K.grade({"answer": "x\n#### 42"}, (Completion(text, 5, "stop"),))
    assert (grade.scores["exact_match_strict"], grade.scores["exact_match_flexible"]) == (strict, flexible)
    assert grade.status == status


def test_gsm8k_that_ran_out_of_tokens_is_truncated():
    assert GSM8K.grade({"answer": "#### 1"}, (Completion("hm", 256, "length"),)).status == "truncated"


def test_extraction_takes_the_first_group_that_is_not_empty():
    assert extract("a -5 b 7", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1) == "7"
    assert extract("none", r"[0-9]+") is None


def test_exact_match_ignores_what_it_is_told_to():
    assert exact_match("The Cat!", "the cat", ignore_case=True, ignore_punctuation=True)
    assert not exact_match("The Cat", "the cat")
    assert exact_match("$1,000", "1000", ignore=(",", r"\$"))


def test_hellaswag_cleaning_keeps_the_odd_double_space():
    assert clean(" How to [title] Cook  rice [step] now.") == "How to. Cook rice now."
    assert clean("a    b") == "a  b"  # one pass, as the harness
