"""Scores against DROP's definition with aligned spans (golden/make.py), published lists, and exact bounds."""

import json
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest

from llms.scoring.number import Number, numbers
from llms.scoring.open import numeric
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
