"""Whether a free reply is right: by equality, containment, pattern, number, or another model's judgement."""

import re
from collections.abc import Callable, Mapping

from .letter import chosen_letter
from .match import exact_match

Judge = Callable[[str], str]  # a prompt in, a reply out
JUDGE_PROMPT = """You grade an answer to a question.

Question: {question}
Reference answer: {reference}
Answer to grade: {answer}

Rubric: {rubric}

Does the answer meet the rubric? A. yes  B. no
Reply with the letter, in the form: Answer: X"""
RUBRIC = "The answer says the same as the reference answer. Wording, length and politeness do not matter."


def exact(reply: str, answer: str) -> bool:
    """Equal but for case, punctuation and outer white space."""
    return exact_match(reply.strip(), answer.strip(), ignore_case=True, ignore_punctuation=True)


def contains(reply: str, answer: str) -> bool:
    """The answer's words stand in the reply, whatever the case."""
    return re.search(rf"(?<!\w){re.escape(answer.strip())}(?!\w)", reply, re.IGNORECASE) is not None


def pattern(reply: str, answer: str) -> bool:
    """The answer is a regular expression that matches somewhere in the reply."""
    return re.search(answer, reply) is not None


def number(text: str) -> float | None:
    """The last number in a text; thousands may be set apart by commas."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?|-?\.\d+", text)
    return float(found[-1].replace(",", "")) if found else None


def numeric(reply: str, answer: str) -> bool:
    """The last number of the reply equals that of the answer, to one part in a million."""
    got, expected = number(reply), number(answer)
    return got is not None and expected is not None and abs(got - expected) <= 1e-6 * max(1.0, abs(expected))


SCORERS: Mapping[str, Callable[[str, str], bool]] = {
    "exact": exact,
    "contains": contains,
    "regex": pattern,
    "numeric": numeric,
}


def judged(judge: Judge, rubric: str, question: str, reference: str, answer: str) -> bool | None:
    """What the judge says; None if its reply names no letter."""
    prompt = JUDGE_PROMPT.format(question=question, reference=reference, answer=answer, rubric=rubric)
    letter = chosen_letter(judge(prompt), "AB")
    return None if letter is None else letter == "A"
