"""Instructions that can be checked (IFEval), and small functions to write (HumanEval)."""

from random import Random
from typing import Any

TOPICS = ("a rainy day", "learning to swim", "the town library", "growing tomatoes", "a lost glove", "night trains")
INSTRUCTIONS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("punctuation:no_comma", {}, "Do not use any commas."),
    ("length_constraints:number_words", {"relation": "at least", "num_words": 40}, "Use at least 40 words."),
    ("length_constraints:number_words", {"relation": "less than", "num_words": 60}, "Use less than 60 words."),
    ("detectable_format:number_bullet_lists", {"num_bullets": 3}, "Use exactly 3 bullet points, each beginning with *."),
    ("detectable_format:title", {}, "Give it a title in double angle brackets, as <<title>>."),
    ("change_case:english_lowercase", {}, "Write in English and in lowercase letters only."),
    ("startend:quotation", {}, "Put your whole answer in double quotation marks."),
    ("startend:end_checker", {"end_phrase": "That is all."}, "End with the exact phrase: That is all."),
    ("keywords:existence", {"keywords": ["window", "green"]}, "Use the words window and green."),
    ("keywords:forbidden_words", {"forbidden_words": ["very", "nice"]}, "Do not use the words very and nice."),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "Use at least 2 placeholders in square brackets, as [name]."),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Add a postscript that begins with P.S."),
)  # fmt: skip
KINDS = ("a short note", "two sentences", "a small poem", "a diary entry", "an advertisement")


def ifeval(r: Random) -> dict[str, Any]:
    chosen = r.sample(INSTRUCTIONS, r.randint(1, 2))
    while len({name for name, _, _ in chosen}) < len(chosen):
        chosen = r.sample(INSTRUCTIONS, 2)
    return {
        "prompt": f"Write {r.choice(KINDS)} about {r.choice(TOPICS)}. " + " ".join(text for _, _, text in chosen),
        "instruction_id_list": [name for name, _, _ in chosen],
        "kwargs": [arguments for _, arguments, _ in chosen],
    }


# name, what it does, parameters, body, arguments to test with; the tests' results are computed by the body
FUNCTIONS: tuple[tuple[str, str, str, str, list[tuple]], ...] = (
    ("sum_of_evens", "Return the sum of the even numbers in the list.", "numbers", "return sum(n for n in numbers if n % 2 == 0)", [([1, 2, 3, 4],), ([],), ([5, 7],)]),
    ("count_vowels", "Return how many of the letters a, e, i, o and u are in the text, upper case included.", "text", "return sum(c in 'aeiou' for c in text.lower())", [("Hello",), ("",), ("AEIOU xyz",)]),
    ("reverse_words", "Return the text with its words in reverse order, joined by single spaces.", "text", "return ' '.join(reversed(text.split()))", [("a b c",), ("one",), ("  two   words ",)]),
    ("is_palindrome", "Return whether the text reads the same backwards, ignoring case.", "text", "return text.lower() == text.lower()[::-1]", [("Level",), ("abc",), ("",)]),
    ("second_largest", "Return the second largest distinct number, or None if there is none.", "numbers", "s = sorted(set(numbers))\n    return s[-2] if len(s) > 1 else None", [([3, 1, 2],), ([5, 5],), ([4, 9, 9],)]),
    ("fibonacci", "Return the n-th Fibonacci number, where fibonacci(0) is 0 and fibonacci(1) is 1.", "n", "a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a", [(0,), (1,), (10,)]),
    ("merge_sorted", "Return one sorted list of the numbers of both lists.", "first, second", "return sorted(first + second)", [([1, 3], [2]), ([], []), ([5], [5])]),
    ("digits_product", "Return the product of the decimal digits of a number that is not negative.", "n", "p = 1\n    for d in str(n):\n        p *= int(d)\n    return p", [(24,), (105,), (7,)]),
    ("longest_word", "Return the longest word of the text; of several the first; of an empty text an empty one.", "text", "return max(text.split(), key=len, default='')", [("a bbb cc",), ("",), ("ab cd",)]),
    ("rotate_left", "Return the list rotated to the left by k places.", "items, k", "k = k % len(items) if items else 0\n    return items[k:] + items[:k]", [([1, 2, 3], 1), ([], 4), ([1, 2, 3], 5)]),
    ("common_elements", "Return the sorted list of values that stand in both lists, each once.", "first, second", "return sorted(set(first) & set(second))", [([1, 2, 2], [2, 3]), ([], [1]), ([4, 1], [1, 4])]),
    ("to_binary", "Return the binary digits of a number that is not negative, as text, without a prefix.", "n", "return bin(n)[2:]", [(5,), (0,), (16,)]),
    ("caesar", "Return the lower-case text with every letter moved on by k places in the alphabet, round at z.", "text, k", "return ''.join(chr((ord(c) - 97 + k) % 26 + 97) if c.isalpha() else c for c in text)", [("abc", 1), ("xyz", 3), ("a b", 0)]),
    ("flatten", "Return the elements of the inner lists as one list.", "lists", "return [x for inner in lists for x in inner]", [([[1], [2, 3]],), ([],), ([[], [4]],)]),
    ("running_maximum", "Return, for each place of the list, the largest number up to there.", "numbers", "out = []\n    for n in numbers:\n        out.append(n if not out else max(out[-1], n))\n    return out", [([1, 3, 2],), ([],), ([2, 2, 5],)]),
)  # fmt: skip


def humaneval(index: int) -> dict[str, Any]:
    """Function `index`; from the second round on with another name and the tests in another order."""
    name, does, parameters, body, tests = FUNCTIONS[index % len(FUNCTIONS)]
    round_ = index // len(FUNCTIONS)
    called = name if round_ == 0 else f"{name}_{round_ + 1}"
    space: dict[str, Any] = {}
    exec(f"def f({parameters}):\n    {body}", space)
    order = tests[round_:] + tests[:round_]
    shown = order[0]
    arguments = ", ".join(map(repr, shown))
    prompt = f'def {called}({parameters}):\n    """{does}\n    >>> {called}({arguments})\n    {space["f"](*shown)!r}\n    """\n'
    checks = "".join(f"    assert candidate({', '.join(map(repr, t))}) == {space['f'](*t)!r}\n" for t in order)
    return {
        "task_id": f"sample/{index}",
        "prompt": prompt,
        "entry_point": called,
        "canonical_solution": f"    {body}\n",
        "test": f"def check(candidate):\n{checks}",
    }
