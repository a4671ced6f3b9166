"""IFEval's 25 kinds of verifiable instruction (Zhou et al. 2023, arXiv 2311.07911): does a response follow them?

Source of the rules: lm-evaluation-harness 0.4.13, tasks/ifeval. Deterministic where the reference is not: language
detection is seeded, and a letter count for something that is no letter counts that character (the reference draws a
random letter instead; two rows of the benchmark, keys 1122 and 1129).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import signature
from typing import Any

from ..errors import MissingExtra, UnknownName
from ..values import JsonObject

Splitter = Callable[[str], list[str]]


def follows(
    kind: str,
    arguments: JsonObject,
    response: str,
    sentences: Splitter | None = None,
    tokens: Splitter | None = None,
) -> bool:
    """Whether `response` follows the instruction `kind`, as "punctuation:no_comma"; a blank response follows nothing.

    `sentences` and `tokens` split text; the default is nltk's punkt where the user has its data, else rules built in.
    Arguments that are null, or of other kinds, are left out, as the hub's rows carry all of them. Raises UnknownName for
    an unknown kind.
    """
    if kind not in _CHECKS:
        raise UnknownName("instruction", kind, _CHECKS)
    if not response.strip():
        return False
    named = signature(_CHECKS[kind]).parameters
    options: dict[str, Any] = {name: value for name, value in arguments.items() if value is not None and name in named}
    if kind == "length_constraints:number_sentences":
        return _number_of_sentences(response, sentences or punkt()[0], **options)
    if kind == "change_case:capital_word_frequency":
        return _capital_words(response, tokens or punkt()[1], **options)
    return bool(_CHECKS[kind](response, **options))


def variants(response: str) -> list[str]:
    """The eight readings of the loose metric: without first or last line or both, and each without asterisks."""
    lines = response.split("\n")
    cut = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return [text for reading in cut for text in (reading, reading.replace("*", ""))]


def split_sentences(text: str) -> list[str]:
    """Sentences by rule: an end mark, closing quotes or brackets, then white space; not after common abbreviations,
    initials, or a number at the beginning of a line."""
    pieces = re.split(r"(?<=[.!?])[\"'”’)\]]*\s+", text.strip())
    merged: list[str] = []
    for piece in pieces:
        if merged and _UNFINISHED.search(merged[-1]):
            merged[-1] += " " + piece
        elif piece.strip():
            merged.append(piece)
    return merged


_UNFINISHED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|vs|etc|e\.g|i\.e|Inc|Ltd|Co|No|Fig|approx|a\.m|p\.m)|\b[A-Z]|(?:^|\n)\s*\d+)\.$"
)


def split_tokens(text: str) -> list[str]:
    """Words (with inner apostrophes, periods and hyphens) and marks."""
    return re.findall(r"\w+(?:[-'’.]\w+)*|[^\w\s]", text)


@cache
def punkt() -> tuple[Splitter, Splitter]:
    """nltk's sentence and word tokenizers if its punkt data are on this machine, else the built-in rules."""
    try:
        import nltk

        nltk.data.find("tokenizers/punkt_tab/english")
    except (ImportError, LookupError):
        return split_sentences, split_tokens
    return nltk.sent_tokenize, nltk.word_tokenize


def _compare(count: int, relation: str | None, threshold: int) -> bool:
    return count < threshold if relation == "less than" else count >= threshold


def _language_is(text: str, language: str) -> bool:
    """Undetectable text counts as followed."""
    try:
        from langdetect import DetectorFactory, LangDetectException, detect
    except ImportError as error:
        raise MissingExtra("langdetect", "telling a text's language", "eval") from error
    DetectorFactory.seed = 0
    try:
        return str(detect(text)) == language
    except LangDetectException:
        return True


def _number_of_sentences(text: str, split: Splitter, num_sentences: int, relation: str | None = None) -> bool:
    return _compare(len(split(text)), relation, num_sentences)


def _capital_words(text: str, split: Splitter, capital_frequency: int, capital_relation: str | None = None) -> bool:
    return _compare(sum(token.isupper() for token in split(text)), capital_relation, capital_frequency)


def _keywords(text: str, keywords: Sequence[str]) -> bool:
    return all(re.search(word, text, re.IGNORECASE) for word in keywords)


def _keyword_frequency(text: str, keyword: str, frequency: int, relation: str | None = None) -> bool:
    return _compare(len(re.findall(keyword.strip(), text, re.IGNORECASE)), relation, frequency)


def _forbidden(text: str, forbidden_words: Sequence[str]) -> bool:
    return not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in forbidden_words)


def _letter_frequency(text: str, letter: str, let_frequency: int, let_relation: str | None = None) -> bool:
    return _compare(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


def _number_of_words(text: str, num_words: int, relation: str | None = None) -> bool:
    return _compare(len(re.findall(r"\w+", text)), relation, num_words)


def _paragraphs(text: str, num_paragraphs: int) -> bool:
    pieces = re.split(r"\s?\*\*\*\s?", text)
    if any(not piece.strip() for piece in pieces[1:-1]):
        return False
    ends = {0, len(pieces) - 1}
    return len(pieces) - sum(not pieces[end].strip() for end in ends) == num_paragraphs


def _nth_paragraph(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    paragraphs = text.split("\n\n")
    count = sum(bool(paragraph.strip()) for paragraph in paragraphs)
    if count != num_paragraphs or not 0 < nth_paragraph <= count or not paragraphs[nth_paragraph - 1].strip():
        return False
    word = paragraphs[nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    return re.split(r"[.,?!'\"]", word)[0].lower() == first_word.lower()


def _placeholders(text: str, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def _postscript(text: str, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    patterns = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}
    pattern = patterns.get(marker, r"\s*" + marker.lower() + r".*$")
    return re.search(pattern, text.lower(), re.MULTILINE) is not None


def _bullets(text: str, num_bullets: int) -> bool:
    stars = re.findall(r"^\s*\*[^\*].*$", text, re.MULTILINE)
    return len(stars) + len(re.findall(r"^\s*-.*$", text, re.MULTILINE)) == num_bullets


def _constrained(text: str) -> bool:
    return any(f"My answer is {word}." in text.strip() for word in ("yes", "no", "maybe"))


def _highlights(text: str, num_highlights: int) -> bool:
    single = sum(bool(marked.strip("*").strip()) for marked in re.findall(r"\*[^\n\*]*\*", text))
    double = sum(bool(marked[2:-2].strip()) for marked in re.findall(r"\*\*[^\n\*]*\*\*", text))
    return single + double >= num_highlights


def _sections(text: str, section_spliter: str, num_sections: int) -> bool:
    return len(re.split(rf"\s?{section_spliter.strip()}\s?\d+\s?", text)) - 1 >= num_sections


def _json(text: str) -> bool:
    body = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        body = body.removeprefix(fence)
    try:
        json.loads(body.removesuffix("```").strip())
    except ValueError:
        return False
    return True


def _title(text: str) -> bool:
    return any(title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", text))


def _two_responses(text: str) -> bool:
    pieces = text.split("******")
    if any(not piece.strip() for piece in pieces[1:-1]):
        return False
    full = [piece.strip() for piece in pieces if piece.strip()]
    return len(full) == 2 and full[0] != full[1]


def _repeats(text: str, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _ends(text: str, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _quoted(text: str) -> bool:
    body = text.strip()
    return len(body) > 1 and body[0] == body[-1] == '"'


_CHECKS: Mapping[str, Callable[..., bool]] = {
    "keywords:existence": _keywords,
    "keywords:frequency": _keyword_frequency,
    "keywords:forbidden_words": _forbidden,
    "keywords:letter_frequency": _letter_frequency,
    "language:response_language": _language_is,
    "length_constraints:number_sentences": _number_of_sentences,
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:number_words": _number_of_words,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": _constrained,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": _repeats,
    "startend:end_checker": _ends,
    "startend:quotation": _quoted,
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": lambda text: text.isupper() and _language_is(text, "en"),
    "change_case:english_lowercase": lambda text: text.islower() and _language_is(text, "en"),
    "punctuation:no_comma": lambda text: "," not in text,
}
KINDS = tuple(_CHECKS)
