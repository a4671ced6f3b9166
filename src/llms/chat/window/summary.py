"""Older messages as a summary that is checked before it is used; an invalid one is never given back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_ai.messages import ModelResponse

from ...errors import BudgetExceeded, LlmsError
from ...values import THINKING_TAGS
from ..conversation.messages import arguments, calls, result_text, results, visible
from ..conversation.tree import Node
from .layout import clamp
from .mapreduce import Ask, Question, ReadingAnswer
from .split import Measure, split

RESULT_CHARACTERS = 1500  # of a tool's result, about 500 tokens
ANCHORS, ANCHOR_SHARE = 20, 0.8
_REASONING = re.compile("|".join(re.escape(tag) for pair in THINKING_TAGS for tag in pair), re.IGNORECASE)
_NUMBER = re.compile(r"\d(?:[\d.,]*\d)?")
_QUOTED = re.compile(r"\"([^\"\n]{2,80})\"|“([^”\n]{2,80})”|`([^`\n]{2,80})`|(?<!\w)'([^'\n]{2,80})'(?!\w)")
_IDENTIFIER = re.compile(r"\b[A-Za-z]\w*_\w+\b|\b[a-z]+[A-Z]\w*\b|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b(?=\()")
_FORM = """Write a summary that will stand in for the messages below; whoever reads it sees nothing else of them. Use the \
language of the conversation, at most {words} words, and these headings:

## Facts stated by the user
## Decisions
## Open points
## Names, numbers and identifiers (verbatim)
## Results of tools
{old}
Messages:

{messages}
{missing}"""


@dataclass(frozen=True, slots=True)
class Summarised:
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """No summary; the caller falls back and says why."""

    reason: str


async def summarise(
    nodes: Sequence[Node], old: str, ask: Ask, measure: Measure, budget: int, limit: int
) -> Summarised | Rejected:
    """A summary of `old` and `nodes` in at most `limit` tokens, by a model that takes `budget` tokens.

    What does not fit at once is read in parts, each with the summary so far. A summary that leaves out too many
    anchors is asked for once more, with those named.
    """
    wanted = anchors(nodes)
    room = max(64, budget - measure(_FORM) - limit - 64)
    parts = [chunk.core for chunk in split(transcript(nodes), measure, room)]
    text, missing, reason = old, "", "there is nothing to summarise"
    try:
        for part in parts[:-1]:
            answer = await ask(_question(text, part, limit, ""))
            reason = refused(answer, (), limit, measure) or ""
            if reason:
                return Rejected(reason)
            text = answer.text.strip()
        for _ in range(2 if parts else 0):
            answer = await ask(_question(text, parts[-1], limit, missing))
            reason = refused(answer, wanted, limit, measure) or ""
            if not reason:
                return Summarised(answer.text.strip(), measure(answer.text.strip()))
            lost = [anchor for anchor in wanted if anchor not in answer.text]
            missing = f"\nDo not leave out: {'; '.join(lost)}" if lost else ""
    except BudgetExceeded:
        raise
    except LlmsError as error:
        return Rejected(str(error))
    return Rejected(reason)


def refused(answer: ReadingAnswer, wanted: Sequence[str], limit: int, measure: Measure) -> str | None:
    """Why a summary is not accepted; None if it is."""
    text = answer.text.strip()
    present = sum(anchor in text for anchor in wanted)
    if answer.finish != "stop":
        return f"the summary did not come to its end (finish reason {answer.finish})"
    if not text:
        return "the summary is empty"
    if _REASONING.search(text):
        return "the summary holds the model's reasoning"
    if measure(text) > limit:
        return f"the summary is {measure(text)} tokens; {limit} were allowed"
    if present < ANCHOR_SHARE * len(wanted):
        return f"the summary keeps {present} of {len(wanted)} names and numbers that must stay"
    return None


def anchors(nodes: Sequence[Node]) -> tuple[str, ...]:
    """Verbatim strings from the user's messages: numbers of three or more digits, quoted strings, identifiers; newest first."""
    unique: dict[str, None] = {}
    for node in reversed(nodes):
        if node.role == "user":
            text = visible(node.message)
            positions = [(m.start(), m[0]) for m in _NUMBER.finditer(text) if sum(c.isdigit() for c in m[0]) >= 3]
            positions += [(m.start(), next(g for g in m.groups() if g)) for m in _QUOTED.finditer(text)]
            positions += [(m.start(), m[0]) for m in _IDENTIFIER.finditer(text)]
            unique |= dict.fromkeys(anchor for _, anchor in sorted(positions, reverse=True))
    return tuple(unique)[:ANCHORS]


def transcript(nodes: Sequence[Node]) -> str:
    """The messages as a summariser reads them: no reasoning, tool results shortened."""
    lines = []
    for node in nodes:
        message = node.message
        text = visible(message).strip()
        if text and node.role in ("user", "assistant"):
            lines.append(f"{node.role.capitalize()}: {text}")
        if isinstance(message, ModelResponse):
            lines += [f"Tool call: {call.tool_name} {arguments(call)}" for call in calls(message)]
        for part in results(message):
            lines.append(f"Tool result: {clamp(result_text(part), RESULT_CHARACTERS, 'shortened')}")
    return "\n\n".join(lines)


def _question(old: str, messages: str, limit: int, missing: str) -> Question:
    words = max(20, int(limit * 0.6))
    before = f"\nThe summary so far:\n\n{old}\n" if old else ""
    return Question("summary", _FORM.format(words=words, old=before, messages=messages, missing=missing), limit + 1)
