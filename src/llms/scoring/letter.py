"""The letter that a reply chooses, by several rules in turn; none guesses."""

import re

# what may stand between "answer is" and the letter: Markdown, brackets, \boxed{, the word "option"
_WRAP = r"(?:\*\*|__|[(\[`\"'$]|\\boxed\{|\\text\{|(?i:option|choice|letter)\s)*"


def chosen_letter(reply: str, letters: str) -> str | None:
    """The letter of `letters` (such as "ABCD") that the reply settles on, or None if it names none or several at once.

    In turn: the whole reply is a letter; `answer is X` or `Answer: X` (the last of them); \\boxed{X}; a reply that begins with
    `X.`, `X)` or `(X)`; the only letter that stands alone in the last line that has one.
    """
    any_letter = f"[{letters}]"
    text = reply.strip()
    if whole := re.fullmatch(rf"[(\[*_`\"'\s]*({any_letter})[)\]*_`\"'.:\s]*", text):
        return whole.group(1)
    stated: list[str] = re.findall(
        rf"(?i:answer(?:\s+choice)?\s*(?:is|are|:|=)+)[\s:]*{_WRAP}({any_letter})(?![A-Za-z0-9'’])", text
    )
    if stated:
        return stated[-1]
    boxes: list[str] = re.findall(rf"\\boxed\{{\s*(?:\\text\{{)?\(?({any_letter})\)?\s*\}}", text)
    if boxes:
        return boxes[-1]
    if first := re.match(rf"[*_`\s]*(?:\(({any_letter})\)|({any_letter})[.):](?=\s|\*|$))", text):
        return first.group(1) or first.group(2)
    for line in reversed(text.splitlines()):
        hits = re.finditer(rf"(?<![A-Za-z0-9'’])({any_letter})(?![A-Za-z0-9'’])(\s+(?!or\b|and\b)[a-z])?", line)
        alone = {hit[1] for hit in hits if not (hit[1] in "AI" and hit[2])}  # not the article, not the pronoun
        if alone:
            return alone.pop() if len(alone) == 1 else None
    return None
