"""Fresh items: the same seed makes the same rows, their answers are right by other means, their size is the public items'."""

import re
from fractions import Fraction
from itertools import islice, permutations, product
from math import comb, factorial
from random import Random
from statistics import median

import pytest

from llms.benchmarks.catalogue import CATALOGUE
from llms.benchmarks.fresh import Fresh
from llms.benchmarks.fresh.bbh import TASKS
from llms.benchmarks.fresh.mathematics import SUBJECTS
from llms.benchmarks.fresh.source import rows
from llms.data import open_source
from llms.errors import UsageError
from llms.scoring.mathematics import boxed
from shared import ROWS, needs_rows

GSM8K, MATH, BBH = (CATALOGUE[name].dataset for name in ("gsm8k", "math_hard", "bbh"))
KINDS = [("gsm8k", "main"), *(("math", subject) for subject in SUBJECTS), *(("bbh", task) for task in TASKS)]


def made(folder: str, config: str, count: int = 120, seed: int = 3) -> list[dict]:
    return list(islice(rows(folder, config, Random(seed)), count))


def test_a_seed_stands_for_its_rows():
    tables = [Fresh(spec).table(GSM8K, "main", "test") for spec in ("fresh", "fresh:0", "fresh:7")]
    assert tables[0].rows == tables[1].rows != tables[2].rows
    assert tables[0].revision != tables[2].revision
    shots = [Fresh(spec).table(GSM8K, "main", "train").rows for spec in ("fresh:1", "fresh:7")]
    assert shots[0] == shots[1]
    assert not {row["question"] for row in shots[0]} & {row["question"] for table in tables for row in table.rows}
    with pytest.raises(UsageError, match="as in fresh:7"):
        Fresh("fresh:x")


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "config"), KINDS, ids=map("/".join, KINDS))
def test_there_are_enough_and_none_twice(folder, config):
    found = made(folder, config)
    assert len({next(iter(row.values())) for row in found}) == len(found) == 120


def sides(row: dict) -> tuple[str, str]:
    return row["input"], row["target"]


def options(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\([A-Z]\)) (.*)$", text, re.MULTILINE))


def test_expressions_have_the_values_that_python_gives():
    for row in made("bbh", "boolean_expressions") + made("bbh", "multistep_arithmetic_two"):
        question, target = sides(row)
        assert str(eval(re.sub(r" (is|=)$", "", question))) == target


def test_words_are_sorted_and_brackets_closed():
    for row in made("bbh", "word_sorting"):
        question, target = sides(row)
        assert sorted(question.split("List: ")[1].split()) == target.split()
    for row in made("bbh", "dyck_languages"):
        text = (row["input"].split("Input: ")[1] + " " + row["target"]).replace(" ", "")
        while text != (text := re.sub(r"\(\)|\[\]|\{\}|<>", "", text)):
            pass
        assert text == ""


def test_walks_come_back_or_do_not():
    ways = {"forward": 1j, "backward": -1j, "left": -1, "right": 1}
    for row in made("bbh", "navigate"):
        question, target = sides(row)
        steps = re.findall(r"Take (\d+) steps? (\w+)\.", question)
        assert (sum(int(n) * ways[way] for n, way in steps) == 0) == (target == "Yes")


def test_liars_are_followed_to_the_end():
    for row in made("bbh", "web_of_lies"):
        question, target = sides(row)
        (first, truth), *said = re.findall(r"(\w+)(?: says \w+)? (tells the truth|lies)\.", question)
        honest = truth == "tells the truth"
        for _, word in said:
            honest = (word == "tells the truth") == honest
        assert first
        assert honest == (target == "Yes")


def test_objects_are_counted():
    numbers = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5}
    for row in made("bbh", "object_counting"):
        question, target = sides(row)
        things = re.findall(r"(?:have |and |, )(an?|two|three|four|five) ", question)
        assert int(target) <= sum(numbers[word] for word in things)


@pytest.mark.parametrize("task", [task for task in TASKS if task.startswith("tracking")])
def test_swaps_are_followed(task):
    for row in made("bbh", task):
        question, target = sides(row)
        start = re.search(r"At the start of the event: (.*?)\.\n", question)[1]
        has = dict(re.findall(r"(\w+) (?:has a|is dancing with|buys|is playing) (.+?)(?:, and |, |$)", start))
        for a, b in re.findall(
            r"(\w+) and (\w+) (?:swap balls|switch partners|swap books|trade positions)\.", question
        ):
            has[a], has[b] = has[b], has[a]
        asked = re.search(r"At the end of the event, (\w+)", question)[1]
        assert options(question)[target] == has[asked]


@pytest.mark.parametrize("task", ["logical_deduction_three_objects", "logical_deduction_five_objects"])
def test_clues_leave_one_order(task):
    counted = {"second": 1, "third": 2, "fourth": 3}
    for row in made("bbh", task, 40):
        question, target = sides(row)
        told = question.split("paragraph. ")[1].split("\n")[0]
        things = re.findall(r"\ban? ([a-z ]+?)(?:, | and |\.)", told.split(": ", 1)[1].split(". ", 1)[0] + ".")
        last = len(things) - 1

        def place(word: str, last: int = last) -> int:
            if word in ("leftmost", "cheapest", "oldest"):
                return 0
            if word in ("rightmost", "most expensive", "newest"):
                return last
            return counted[re.split(r"[- ]", word)[0]]

        clues = []
        for a, relation, b in re.findall(r"The ([a-z ]+?) (is to the left of|is to the right of|is less expensive than|is more expensive than|is older than|is newer than) the ([a-z ]+?)\.", told):  # fmt: skip
            first = relation in ("is to the left of", "is less expensive than", "is older than")
            clues.append(lambda at, a=a, b=b, first=first: (at[a] < at[b]) == first)
        for a, word in re.findall(r"The ([a-z ]+?) is the ([a-z -]+?)\.", told):
            clues.append(lambda at, a=a, word=word: at[a] == place(word))
        possible = [dict(zip(things, order, strict=True)) for order in permutations(range(len(things)))]
        possible = [at for at in possible if all(clue(at) for clue in clues)]
        assert len(possible) == 1, question
        thing, word = re.match(r"The ([a-z ]+?) is the (.+)", options(question)[target]).groups()
        assert possible[0][thing] == place(word)


def test_dates_have_one_right_option():
    for row in made("bbh", "date_understanding"):
        question, target = sides(row)
        found = options(question)
        assert len(set(found.values())) == 6
        assert target in found


def test_word_problems_are_worked_out_right():
    for row in made("gsm8k", "main", 400):
        steps = re.findall(r"<<([-+*/()0-9]+)=([0-9]+)>>([0-9]+)", row["answer"])
        assert len(steps) >= 2
        assert all(eval(expression) == int(value) == int(shown) for expression, value, shown in steps)
        assert row["answer"].endswith(f"\n#### {steps[-1][1]}")


def number(text: str) -> Fraction:
    found = re.fullmatch(r"(-?)\\frac\{(\d+)\}\{(\d+)\}", text)
    return Fraction(int(found[1] + found[2]), int(found[3])) if found else Fraction(text)


def whole(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"-?\d+", text)]


def by_search(problem: str) -> Fraction | None:
    """The answer to a problem by trying everything; None for kinds that are not tried."""
    n = whole(problem)
    if "rolled once" in problem:
        pairs = list(product(range(1, n[2] + 1), range(1, n[5] + 1)))
        return Fraction(sum(x + y >= n[-1] for x, y in pairs), len(pairs))
    if "different colors" in problem:
        bag = "r" * n[0] + "b" * n[1] + "g" * n[2]
        pairs = [(x, y) for i, x in enumerate(bag) for y in bag[i + 1 :]]
        return Fraction(sum(x != y for x, y in pairs), len(pairs))
    if "committee" in problem:
        _, men, women, size = n[:4]
        return Fraction(sum(comb(men, k) * comb(women, size - k) for k in range(1, size)))
    if "the cards spell" in problem:
        text = re.search(r"spell \$([A-D]+)\$", problem)[1]
        return Fraction(len(set(permutations(text)))) if len(text) < 9 else None
    if "With how many zeros" in problem:
        digits = str(factorial(n[1]))
        return Fraction(len(digits) - len(digits.rstrip("0")))
    if "far too long" in problem:
        base, exponent, modulus = n
        value = 1
        for _ in range(exponent):
            value = value * base % modulus
        return Fraction(value)
    if "not perfect squares" in problem:
        a, b, c = whole(problem.replace("2^", "").replace("3^", "").replace("5^", ""))
        every = [2**i * 3**j * 5**k for i in range(a + 1) for j in range(b + 1) for k in range(c + 1)]
        return Fraction(sum(round(d**0.5) ** 2 != d for d in every))
    if "smallest positive whole number" in problem:
        pairs = list(zip(n[::2], n[1::2], strict=True))
        return Fraction(next(x for x in range(1, 10**6) if all(x % m == rest for rest, m in pairs)))
    if "sum of two positive numbers" in problem:
        total, apart = n
        return Fraction(
            next(x * (total - x) for x in range(1, total) if 2 * x > total and x * x - (total - x) ** 2 == apart)
        )
    if "Compute the sum $" in problem:
        start, end = n[1], n[-1]
        return sum((Fraction(1, k * (k + 1)) for k in range(start, end)), Fraction(0))
    if "In base $b$" in problem:
        digits, value = n
        return Fraction(
            next(b for b in range(2, 20) if sum(int(d) * b ** (2 - i) for i, d in enumerate(str(digits))) == value)
        )
    return None


def test_mathematical_answers_are_found_by_trying_everything_too():
    tried = 0
    for subject in SUBJECTS:
        for row in made("math", subject, 60):
            expected = by_search(row["problem"])
            if expected is not None:
                tried += 1
                assert number(boxed(row["solution"])) == expected, row
    assert tried > 100


SHAPE = {"gsm8k": (GSM8K, "question"), "math": (MATH, "problem"), "bbh": (BBH, "input")}


@needs_rows
@pytest.mark.parametrize(("folder", "config"), KINDS, ids=map("/".join, KINDS))
@pytest.mark.slow
def test_fresh_items_are_as_long_as_the_public_ones(folder, config):
    """Medians of characters, and of the largest number, lie within a quarter, or a factor of five."""
    dataset, column = SHAPE[folder]
    public = open_source(str(ROWS)).table(dataset, config, "test").rows
    fresh = made(folder, config)
    length, ours = (median(len(row[column]) for row in table) for table in (public, fresh))
    assert 0.75 < ours / length < 1.34
    largest, ours = (median(max(map(abs, whole(row[column])), default=0) for row in table) for table in (public, fresh))
    assert largest == ours == 0 or 0.2 < ours / largest < 5
