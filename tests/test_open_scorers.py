"""Free answers: what says the same is right, what says something else is wrong."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.scoring.canonical import canonical
from llms.scoring.number import number, numbers
from llms.scoring.open import SCORERS, judged

SAME = [
    ("cafe\u0301", "café"), ("don’t", "don't"), ("“Paris”", "Paris"), ("« Paris »", "Paris"), ("‘don’t’", "don't"), ("two  blanks", "two blanks"),
    ("STRASSE", "straße"), ("−5", "-5"), ("–5", "-5"), ("Paris.", "paris"), ("“Paris.”", "Paris"), ("東京。", "東京"), ("Ｐａｒｉｓ", "Paris"),
    ("**Paris**", "Paris"), ("`x = 1`", "x = 1"), (" The\u00a0Cat ", "the cat"), ("x²", "x^2"), ("½", "1/2"), ("C++", "c++"), ("ﬁne", "fine"),
    ("a\u200bb", "ab"), ("5–10", "5-10"),
]  # fmt: skip
OTHER = [
    ("5", "-5"), ("15", "1.5"), (">", "<"), ("C", "C++"), ("C", "C#"), ("102", "10²"), ("11/2", "1½"), ("Paris, France", "Paris France"),
    ("init", "__init__"), ("n", "n!"), ("5", "5%"), ("$5", "5"), ("dont", "don't"), ("cafe", "café"), ("a=b", "a≠b"), ("1,5", "15"), ("..", "..."),
    ("", "."), ("x", ""), ('a" and "b', '"a" and "b"'), ("a*b", "ab"), ("&", "|"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "answer"), SAME)
def test_exact_is_blind_to_how_the_same_is_written(reply, answer):
    assert SCORERS["exact"](reply, answer)
    assert SCORERS["exact"](answer, reply)


@pytest.mark.parametrize(("reply", "answer"), OTHER)
def test_exact_sees_signs_points_operators_and_symbols(reply, answer):
    assert not SCORERS["exact"](reply, answer)
    assert not SCORERS["exact"](answer, reply)


@given(st.text(), st.text())
def test_exact_is_symmetric_and_true_of_oneself(a, b):
    assert SCORERS["exact"](a, a)
    assert SCORERS["exact"](a, b) == SCORERS["exact"](b, a)


@given(st.text())
def test_canonical_text_is_its_own_canonical_form(text):
    assert canonical(canonical(text)) == canonical(text)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("我住在北京市", "北京"), ("私は東京都に住む", "東京"), ("ฉันอยู่ที่กรุงเทพฯ", "กรุงเทพ"), ("서울입니다", "서울"), ("在Paris市", "Paris"),
        ("It is Paris, of course", "paris"), ("It is “Paris”.", "Paris"), ("x=-5", "-5"), ("x = −5.", "-5"), ("from 3-5 km", "5"), ("a < b", "<"),
        ("in C++.", "C++"), ("die Strasse", "Straße"), ("I don’t know", "don't"), ("It costs $1,234.", "1,234"), ("cafe\u0301 au lait", "café"),
        ("नमस्ते दुनिया", "नमस्ते"), ("it is 1/2.", "1/2"), ("5 / 6", "5"), ("5/x", "5"), ("10^5", "10^5"),
    ],
)  # fmt: skip
def test_contains_holds_for_a_whole_word_in_any_script(reply, answer):
    assert SCORERS["contains"](reply, answer)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Parisian", "Paris"), ("it is -5", "5"), ("−5", "5"), ("1.5", "5"), ("1.5", "1"), ("15", "5"), ("1,234", "234"), ("in C++", "C"),
        ("in C#", "C"), ("a <= b", "<"), ("a == b", "="), ("10-5", "-5"), ("Ankara", "kara"),
        ("5/2", "5"), ("5/2", "2"), ("10⁵", "10"), ("2^10", "10"), ("नमस्ते", "नमस"),
    ],
)  # fmt: skip
def test_contains_does_not_hold_for_part_of_a_word_number_or_operator(reply, answer):
    assert not SCORERS["contains"](reply, answer)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-5", "-5"), ("−5", "-5"), ("–5", "-5"), ("x=-5", "-5"), ("-$1,234.50", "-1234.5"), ("$-5", "-5"), ("between 5-10", "10"), ("5–10", "10"),
        ("10 − 5", "5"), ("the answer—5", "5"), ("COVID-19", "19"), ("1/2", "0.5"), ("½", "0.5"), ("1½", "1.5"), ("-1 1/2", "-1.5"),
        (r"\frac{1}{2}", "0.5"), ("1/2/2026", "2026"), ("1/0", "0"), ("9{,}500", "9500"), ("1 000", "1000"), ("1\u00a0000", "1000"),
        ("1\u2009000", "1000"), ("1\u202f234\u202f567,8", "1234567.8"), (r"9\,500", "9500"), ("1.000,50", "1000.5"), ("1,000.50", "1000.5"),
        ("1'000", "1000"), ("12,34,567", "1234567"), ("1,2,3", "3"), ("1,5", "1.5"), ("0,125", "0.125"), ("3e-7", "3e-7"), ("3×10⁻⁷", "3e-7"),
        (r"3 \times 10^{-7}", "3e-7"), ("2^10", "1024"), ("5 m²", "5"), ("3 atoms of H2O", "3"), ("H2O", "2"), ("是-5个", "-5"), ("is 5.", "5"),
        ("-3e2 then .5", "0.5"), ("１２", "12"), ("2024 100", "100"), ("about 1,234.50 dollars", "1234.5"), ("1e9999 and 1e-9999", "1e-9999"),
    ],
)  # fmt: skip
def test_a_number_is_read_by_value_in_usual_notations(text, value):
    assert number(text) == Decimal(value)


@pytest.mark.parametrize(
    ("reply", "answer", "right"),
    [
        ("5", "−5", False), ("0.5", "1/2", True), ("2", "1/2", False), ("123", "1,2,3", False), ("9e-7", "3e-7", False), ("1000001", "1000000", False),
        ("3.0000001", "3", True), ("0.33333333", "1/3", True), ("0.3333", "1/3", False), ("50%", "0.5", True), ("50%", "50", True), ("0.5", "50 %", True),
        ("50%", "5", False), ("none", "0", False), ("1e-9", "0", False), ("0", "-0", True), ("1e6", "1000001", False), ("10 000", "10000", True),
        ("١٬٢٣٤", "1234", True),
    ],
)  # fmt: skip
def test_numeric_compares_values_integers_exactly(reply, answer, right):
    assert SCORERS["numeric"](reply, answer) == right


@given(st.integers(), st.sampled_from([",", " ", "\u00a0", "\u202f", "'", "_"]))
def test_an_integer_is_read_back_whatever_sets_its_thousands_apart(value, gap):
    assert number(f"{value:,}".replace(",", gap)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4))
def test_a_decimal_is_read_back_from_english_and_continental_notation(value):
    english = f"{value:,.4f}"
    assert number(english) == value
    assert number(english.translate(str.maketrans(",.", ".,"))) == value


@given(st.text(alphabet="0123456789.,-−/^%eE_{}\\ ×'½²", max_size=40))
def test_no_text_is_too_odd_for_numbers(text):
    assert all(found.value.is_finite() for found in numbers(text))


def test_a_pattern_is_searched_in_the_reply():
    assert SCORERS["regex"]("code 417", r"\d{3}$")


def test_a_judge_is_asked_with_the_rubric_and_its_letter_read():
    asked = []

    def judge(prompt):
        asked.append(prompt)
        return "<think>B? no.</think>Answer: A"

    assert judged(judge, "Be kind.", "Q?", "ref", "ans").right
    assert all(part in asked[0] for part in ("Q?", "ref", "ans", "Be kind."))
    assert judged(lambda prompt: "Answer: B", "r", "q", "x", "y").right is False


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("a", True), ("(B)", False), ("Ａ", True), ("answer: b", False), ("**Answer:** A", True), ("Answer: A. yes", True), ("Answer: A (yes)", True),
        ("Answer: no", False), ("Answer: A\n\nOn reflection, no.\nAnswer: B", False), ("A. yes  B. no\nAnswer: A", True), ('{"answer": "B"}', False),
        ("A student would write so. Answer: B", False), ("Answer: \\boxed{A}", True), ("Answer: A, since both say the same.", True),
        ("The answer is B.", False), ("My verdict: A", True),
    ],
)  # fmt: skip
def test_a_judge_that_settles_on_a_letter_has_judged(said, right):
    assert judged(lambda prompt: said, "r", "q", "x", "y").right is right


@pytest.mark.parametrize(
    "said",
    [
        "", "nan", "NaN", "inf", "7/10", "It is a good answer.", "<think>Answer: A", "Answer: A or B", "Answer: A, B", "Answer: A/B", "A\nB",
        "It could be A. It could also be B.", "The answer is A good one, but B fits too.", "Not A", "Answer: A?", "Answer is A? No.",
        "Answer: a good one", "A. yes  B. no", "Answer: no issue here",
    ],
)  # fmt: skip
def test_a_judge_that_names_no_letter_has_not_judged(said):
    verdict = judged(lambda prompt: said, "r", "q", "x", "y")
    assert verdict.right is None
    assert verdict.reply == said
