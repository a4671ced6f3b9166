"""Whether a free reply is right: by equality, containment, pattern, number, or another model's judgement."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .canonical import bare, folded
from .letter import chosen_letter
from .number import numbers
from .thinking import split_thinking

Judge = Callable[[str], str]  # a prompt in, a reply out
JUDGE_PROMPT = """You grade an answer to a question.

Question: {question}
Reference answer: {reference}
Answer to grade: {answer}

Rubric: {rubric}

Does the answer meet the rubric? A. yes  B. no
Reply with the letter, in the form: Answer: X"""
RUBRIC = "The answer says the same as the reference answer. Wording, length and politeness do not matter."

# scripts that set no blanks between words, or join particles to them: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han, Hangul
_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W{_UNSPACED}]"
_SPACED = re.compile(_LETTER)


def exact(reply: str, answer: str) -> bool:
    """The same text but for case, spelling in Unicode, blanks, the kind of quotation marks, and what encloses all of it."""
    return bare(folded(reply)) == bare(folded(answer))


def contains(reply: str, answer: str) -> bool:
    """The answer stands in the reply, whatever the case; as a word, number, fraction or power of its own, where its
    script has words."""
    wanted, text = folded(answer), folded(reply)
    matches = re.finditer(f"{_before(wanted)}{re.escape(wanted)}{_behind(wanted)}", text)
    return any(not unicodedata.category(text[match.end() :][:1] or " ").startswith("M") for match in matches)


def _before(wanted: str) -> str:
    """A pattern of what must not stand before: more of the word, of the number, of the operator."""
    if re.match(r"[-+]?\.?\d", wanted):
        signless = "" if wanted[0] in "-+" else r"(?<![^\w)]-)(?<!\A-)"
        return rf"(?<!{_LETTER})(?<!\d[.,/])(?<!\d\^){signless}"
    return rf"(?<!{_LETTER})" if _SPACED.match(wanted) else r"(?<![<>=!])" if wanted[0] in "<>=!" else ""


def _behind(wanted: str) -> str:
    last = wanted[-1]
    if last.isdigit():
        return rf"(?!{_LETTER}|[.,/^]\d|\^-)"
    return rf"(?!{_LETTER}|\+\+|#)" if _SPACED.match(last) else r"(?![<>=+])" if last in "<>=+" else ""


def pattern(reply: str, answer: str) -> bool:
    """The answer is a regular expression that matches somewhere in the reply."""
    return re.search(answer, reply) is not None


def numeric(reply: str, answer: str) -> bool:
    """The last number of the reply equals that of the answer: integers exactly, others to one part in a million."""
    got, expected = numbers(reply), numbers(answer)
    return bool(got and expected) and got[-1].equals(expected[-1])


SCORERS: Mapping[str, Callable[[str, str], bool]] = {
    "exact": exact,
    "contains": contains,
    "regex": pattern,
    "numeric": numeric,
}
# raised with every change that may give another score to the same reply; each begins new runs
VERSIONS: Mapping[str, str] = {"exact": "3", "contains": "4", "regex": "2", "numeric": "4", "judge": "4"}


_MARK = re.compile(r"\banswer(?:\s+is)?\W*[:=]\W*(?:\\boxed\{|\\text\{)?([AB]|yes|no)\b(.*)", re.IGNORECASE)
_SEVERAL = re.compile(r"\W*(?:[,/&]|\bor\b|\band\b)\W*[AB]\b|\W*\?", re.IGNORECASE)
_WORD = re.compile(r" [a-z]")  # behind an article or a word of a sentence


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's reply and its verdict. `right` is None where its reply settles nothing: the judge's failure, not
    the system's."""

    right: bool | None
    reply: str


def judged(judge: Judge, rubric: str, question: str, reference: str, answer: str) -> Judgement:
    """Ask the judge; its thinking is not read for a verdict."""
    reply = judge(JUDGE_PROMPT.format(question=question, reference=reference, answer=answer, rubric=rubric))
    letter = _verdict(split_thinking(reply)[1])
    return Judgement(None if letter is None else letter == "A", reply)


def _verdict(reply: str) -> str | None:
    """A or B, where the judge settles on one: the last `Answer: X`, else the only letter of a reply whose last line denies
    and asks nothing."""
    text = unicodedata.normalize("NFKC", reply).strip()
    if whole := re.fullmatch(r"\W*([AaBb])\W*", text):
        return whole[1].upper()
    marks = [mark for mark in _MARK.finditer(text) if mark[1] in ("A", "B", "b") or not _WORD.match(mark[2])]
    if marks:
        letter = {"yes": "A", "no": "B"}.get(marks[-1][1].lower(), marks[-1][1].upper())
        return None if _SEVERAL.match(marks[-1][2]) else letter
    letters = set(re.findall(r"(?<![\w'’])([AB])(?![\w'’])(?! [a-z])", text))
    doubtful = re.search(r"\?|\b[Nn](?:ot|either)\b", text.splitlines()[-1] if text else "")
    chosen = chosen_letter(text, "AB")
    return chosen if letters == {chosen} and not doubtful else None
