"""The letter that a reply chooses, by several rules in turn; none guesses."""

import re
import unicodedata

# what may stand between "answer is" and the letter: Markdown, brackets, \boxed{, the word "option"
_WRAP = r"(?:[*_(\[`\"'$]|\\boxed\{|\\text\{|(?i:option|choice|letter)\s){0,6}"
_END = r"[)\]}*_`\"'$]{0,6}"
_STATES = r"(?i:answer(?:\s+(?:choice|option))?\s*(?:is|are|must\s+be|should\s+be|would\s+be|will\s+be|has\s+to\s+be|can\s+only\s+be|:|=)+)"
_JOINED = r"(?:[ \t]*(?:[,;/&+|(→]|\b(?i:and|or|vs)\b)(?:[ \t/]*\b(?i:and|or|possibly|maybe|perhaps|even|also)\b)*[ \t]*|[-–—]|[ \t]+)"
_ON_ITS_OWN = r"(?![A-Za-z0-9]|'[a-z]|[+#]+(?!\s*\w))"  # A+ is a mark, C++ and C# are languages
# behind the letters A and I: words that no article and no pronoun stands before
_NO_NOUN = (
    r"(?:because|since|as|for|due|and|or|is|are|which|with|but|given|not|by|so|if|when|where|that|this|then|although|though|while|"
    r"based|according|rather|only|vs|versus|it|they|we|there|in|on|from|to)\b"
)
_DENIES = r"(?i:\b(?:not|isn't|nor|neither|except|unlike|rather\s+than|instead\s+of|rules?\s+out|ruled\s+out|eliminated?|excluded?|can't\s+be|cannot\s+be)\b)"
_WRONG = (
    r"(?i:\s+(?:is|are|was|were|can|could|would)?\s*(?:both|all|clearly|also|therefore)?\s*"
    r"(?:wrong|incorrect|false|not\b|cannot|excluded|eliminated|impossible|ruled\s+out|out\b)|\s+(?:isn't|aren't|can't|cannot)\b)"
)


def chosen_letter(reply: str, letters: str) -> str | None:
    """The letter of `letters` (such as "ABCD") that the reply settles on, or None if it names none or several at once.

    In turn: the whole reply is a letter; `answer is X` or `Answer: X` (the last of them); \\boxed{X}; a reply that begins with
    `X.`, `X)` or `(X)`; the only letter that stands alone in the last line that has one, but for those that it calls wrong.
    Small and full-width letters count where they cannot be a word.
    """
    text = re.sub(r"\b[Nn]/[Aa]\b", "", unicodedata.normalize("NFKC", reply).replace("’", "'")).strip()
    any_letter = f"[{letters}{letters.lower()}]"
    if whole := re.fullmatch(
        rf"(?:answer\s*:|option\s|choice\s)?[(\[*_`\"'\s$]*({any_letter})[)\]*_`\"'.:\s$]*", text, re.IGNORECASE
    ):
        return whole[1].upper()
    stated = _stated(text, letters)
    if stated:
        return stated[-1]
    boxes = re.findall(rf"\\boxed\{{\s*(?:\\text\{{)?\(?({any_letter})\)?\s*\}}", text)
    if boxes:
        return None if _several_boxes(text, any_letter) else str(boxes[-1]).upper()
    lines, listed = _without_options(text, letters)
    first = re.match(rf"[*_`\s]*(?:\(({any_letter})\)|({any_letter})[.):](?=\s|\*|$))", text)
    if first and not listed and not re.match(rf"\s*(?:[,/&]|and\b|or\b)\s*\(?[{letters}]\)", text[first.end() :]):
        return (first[1] or first[2]).upper()
    return _last_named(lines, letters)


def _stated(text: str, letters: str) -> list[str | None]:
    """The letter of each `answer is …`; None where it names several, or an article or pronoun stands there."""
    result: list[str | None] = []
    statement = rf"{_STATES}[\s:]*{_WRAP}([{letters}{letters.lower()}]){_ON_ITS_OWN}({_END})"
    for match in re.finditer(statement, text):
        letter, rest = match[1], text[match.end() :]
        word = not match[2] and bool(re.match(r"[ \t]+[a-z]", rest)) and not re.match(rf"[ \t]+{_NO_NOUN}", rest)
        if letter.islower() and (word or (not match[2] and re.match(r"[.-]\w", rest))):
            continue  # a word of the sentence
        if letter in "AI" and word:
            result.append(None)
        else:
            others = re.match(rf"{_JOINED}{_WRAP}([{letters}])(?![A-Za-z0-9]|'[a-z])(?![ \t]+[a-z])", rest)
            both = re.match(rf"[ \t]*(?:[,/&]|\b(?i:and|or)\b)[ \t]*{_WRAP}([{letters}])(?![A-Za-z0-9]|'[a-z])", rest)
            below = re.match(rf"\s*\n\s*[-*]?[ \t]*{_WRAP}([{letters}]){_END}[ \t]*(?:\n|$)", rest)
            other = others or both or below
            result.append(None if other and other[1] != letter.upper() else letter.upper())
    return result


def _several_boxes(text: str, any_letter: str) -> bool:
    joint = rf"\}}[\s$]*(?:,|;|/|and|or|vs)?[\s$]*\\boxed\{{\s*(?:\\text\{{)?\(?{any_letter}"
    return re.search(joint, text, re.IGNORECASE) is not None


def _without_options(text: str, letters: str) -> tuple[list[str], bool]:
    """The lines of `text` but for a list of options that it repeats, and whether it repeats one."""
    mark, lines = rf"(?:\(([{letters}])\)|([{letters}])[.):])(?=[\s*]|$)", text.splitlines()
    options = [line for line in lines if re.match(rf"\s*(?:[-*]\s+)?[*_`]*{mark}", line)]
    marks = {round or plain for round, plain in re.findall(rf"(?<!\w){mark}", text)}
    return [line for line in lines if len(options) < 2 or line not in options], len(marks) > 1


def _last_named(lines: list[str], letters: str) -> str | None:
    """The only letter that stands alone in the last line that has one, without those that are called wrong there or below."""
    denied: set[str] = set()
    alone = rf"(?<![A-Za-z0-9'])([{letters}]){_ON_ITS_OWN}"
    several = rf"(?:{_WRAP}[{letters}]{_END}(?:\s*(?:,|/|\band\b|\bor\b|\bnor\b)){{0,2}}\s*){{1,10}}"
    if len(rows := [row for line in lines if (row := line.strip(" -*•\t"))]) > 1 and all(
        row in letters for row in rows
    ):
        return rows[0] if len(set(rows)) == 1 and len(rows[0]) == 1 else None
    for line in reversed(lines):
        hits = re.finditer(rf"{alone}(\s+(?!or\b|and\b)[a-z]\w*)?", line)
        named = {
            hit[1] for hit in hits if not (hit[1] in "AI" and hit[2] and not re.match(rf"\s+(?:{_NO_NOUN})", hit[2]))
        }
        for denial in re.finditer(
            rf"{_DENIES}\s+(?:also\s+)?({several})(?![A-Za-z0-9])|(?<![A-Za-z0-9'])({several}){_WRONG}", line
        ):
            denied |= set(re.findall(f"(?<![A-Za-z0-9])[{letters}](?![A-Za-z0-9])", denial[1] or denial[2]))
        if left := named - denied:
            return left.pop() if len(left) == 1 else None
    return None
