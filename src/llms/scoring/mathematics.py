"""Whether a worked solution reaches the right answer: by symbolic equivalence, and by the older textual rule.

Sources: math_verify (Hugging Face); Lewkowycz et al. 2022 (Minerva, arXiv 2206.14858), appendix D, as applied by
lm-evaluation-harness 0.4.13, tasks/leaderboard/math.
"""

import re
import threading
from collections.abc import Callable
from functools import cache

from ..errors import MissingExtra

MARKER = "I hope it is correct."
LIMIT_SECONDS = 30  # far more than any real answer takes, so that a busy machine changes no score
# what is deleted from an answer in words, in this order; pairs replace
_REPLACED = (
    ("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), (r"\ ", ""), (" ", ""), ("mbox", "text"),
    (",\\text{and}", ","), ("\\text{and}", ","), ("\\text{m}", "\\text{}"),
)  # fmt: skip
_UNITS = (
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", "\\ldots", "sue", "points",
    "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges", "students",
    "childrentickets", "multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}",
    "\\text{}", r"\mathrm{th}", r"^\circ", r"^{\circ}", r"\;", r",\!", "{,}", '"', "\\dots",
)  # fmt: skip


def equivalent(text: str, solution: str) -> bool:
    """Whether the answer in `text` equals that of the reference `solution` (LaTeX), by math_verify."""
    parse, verify, latex = _math_verify()
    limit = LIMIT_SECONDS if threading.current_thread() is threading.main_thread() else None  # it takes a signal
    gold = parse(solution, extraction_config=[latex()], parsing_timeout=limit)
    answer = parse(text, parsing_timeout=limit)
    return bool(verify(gold, answer, timeout_seconds=limit))


def minerva_match(text: str, solution: str) -> bool:
    """The older rule: the text behind `Final Answer: The final answer is`, normalised, equals the boxed answer."""
    stated = re.search(r"Final Answer: The final answer is(.*?). I hope it is correct.", text + MARKER)
    if not stated:
        return False
    answer, gold = normalize(stated.group(1).strip()), normalize(boxed(solution) or "")
    return answer.strip() == gold.strip() or _same_expression(answer, gold)


def boxed(text: str) -> str | None:
    r"""Content of the last \boxed{…} (or \fbox{…}) with its braces balanced; of `\boxed x` what stands before a $."""
    if "\\boxed " in text:
        return text.rsplit("\\boxed ", 1)[1].split("$")[0]
    start = max(text.rfind("\\boxed"), -1)
    start = text.rfind("\\fbox") if start < 0 else start
    depth = 0
    for index in range(max(start, 0), len(text) if start >= 0 else 0):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return text[text.index("{", start) + 1 : index]
    return None


def normalize(answer: str) -> str:
    """An answer without units, words, spaces and marks, short TeX forms written out."""
    answer = answer.split("=")[-1]
    for old, new in _REPLACED:
        answer = answer.replace(old, new)
    for word in _UNITS:
        answer = answer.replace(word, "")
    answer = re.sub(r"(.*?)(\$)(.*?)(\$)(.*)", r"$\3$", answer)
    for command in ("text", "textbf", "overline"):
        answer = re.sub(rf"(\\{command}\{{)(.*?)(\}})", r"\2", answer)
    answer = re.sub(r"(\\boxed\{)(.*)(\})", r"\2", answer)
    answer = re.sub(r"(frac)([^{])(.)", r"frac{\2}{\3}", answer)
    answer = re.sub(r"(sqrt)([^{])", r"sqrt{\2}", answer).replace("$", "")
    return answer.replace(",", "") if answer.replace(",", "").isdigit() else answer


def _same_expression(a: str, b: str) -> bool:
    """Whether two LaTeX expressions differ by nothing; False for what cannot be parsed."""
    return bool(a and b) and equivalent(f"${a}$", f"${b}$")


@cache
def _math_verify() -> tuple[Callable[..., list[object]], Callable[..., bool], type]:
    import logging

    try:
        from math_verify import LatexExtractionConfig, parse, verify
    except ImportError as error:
        raise MissingExtra("math-verify", "checking mathematical answers", "eval") from error
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it reports every text that it cannot parse
    return parse, verify, LatexExtractionConfig
