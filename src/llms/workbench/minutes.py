"""The verb `minutes`: a transcript, read by a language model in parts, as a summary, points, decisions and actions.

Nothing is taken on trust: each item leads to the line it comes from; an owner or a day that nobody said is left out, and
the item says so.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from ..errors import ModelError, UsageError
from ..models.system import Generate, Model
from ..tasks.doubt import repeats
from ..tasks.forms import closed_object, read_object
from ..values import Completion, Failure, Json, JsonObject, Message
from .minutes_dates import day_of
from .transcript import TranscriptLine, clock

MOST_ITEMS = 6  # of a kind, of one part
ANSWER_TOKENS = 1024
LEAST_ROOM = 64  # tokens for lines, below which a window is too small
MOST_ROOM = 6000  # a part that is longer is summed up too coarsely
OVERLAP = 2  # lines that two parts have in common
UNCLEAR_CHARACTERS = 80  # of a line that is doubtful: loops are long
ALIKE = 0.6  # share of words in common, above which two items are one
OWNERLESS, DATELESS = "owner not named in the text", "date not named in the text"
UNSUPPORTED = "not in the text"


def schema_of(bounded: bool) -> JsonObject:
    """The schema of an answer. `bounded`: texts have a greatest length, which keeps a small model from going on and on;
    endpoints do not all take one."""

    def text(characters: int) -> JsonObject:
        return {"type": "string", "maxLength": characters} if bounded else {"type": "string"}

    def listed(**properties: JsonObject) -> JsonObject:
        items = closed_object({**properties, "line": {"type": "integer"}})
        return {"type": "array", "items": items, "maxItems": MOST_ITEMS}

    return closed_object(
        {
            "summary": text(600),
            "points": listed(text=text(200)),
            "decisions": listed(text=text(200)),
            "actions": listed(text=text(200), owner=text(40), due=text(40)),
        }
    )


ASKED = """Write the minutes of this part of a meeting, in its language. Each line begins with its number.
summary: what it was about, in two or three sentences.
points: what was said that matters. decisions: what was decided, and only that. actions: what somebody has to do; owner is \
who, as named in the lines, due is by when, in the words of the lines; leave them empty where nobody said so.
line is the number of the line that says it. Add nothing that the lines do not say; a list may be empty.
Answer with JSON: {"summary": "", "points": [{"text": "", "line": 0}], "decisions": [{"text": "", "line": 0}], \
"actions": [{"text": "", "owner": "", "due": "", "line": 0}]}

"""


@dataclass(frozen=True, slots=True)
class MinuteItem:
    """`line` is the number of the line it comes from, from 1, `time` in seconds, `quote` its words; all None or empty where
    no line says it. `due` is as it was said, `day` its date. `flags` name what makes it doubtful."""

    text: str
    line: int | None = None
    time: float | None = None
    quote: str = ""
    owner: str = ""
    due: str = ""
    day: date | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MinutePart:
    """The summary of lines `first` to `last`, from 1."""

    first: int
    last: int
    start: float | None
    end: float | None
    summary: str


@dataclass
class Minutes:
    """`notes` are sentences about what is missing or doubtful; `speech` is the model that wrote the transcript, if one did."""

    source: str
    model: str
    lines: Sequence[TranscriptLine]
    speech: str = ""
    parts: list[MinutePart] = field(default_factory=list)
    points: list[MinuteItem] = field(default_factory=list)
    decisions: list[MinuteItem] = field(default_factory=list)
    actions: list[MinuteItem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write_minutes(
    model: Model, lines: Sequence[TranscriptLine], source: str, speech: str = "", meeting: date | None = None
) -> Iterator[tuple[int, int, Minutes]]:
    """(parts done, parts in all, the minutes so far) after each part; the last ones are whole. Days are dated where
    `meeting`, its day, is known. Raises UsageError where the window is too small, ModelError where no part
    got an answer."""
    parts = chunks(model, lines)
    minutes = Minutes(source, model.name.text, lines, speech)
    doubtful = sum(bool(line.flags) for line in lines)
    if doubtful:
        minutes.notes.append(f"{doubtful} of {len(lines)} lines are doubtful; what rests on them is marked.")
    reader = _AnswerReader(lines, meeting)
    answers: dict[int, Completion | Failure] = {}
    for number, result in model.complete(_request(model, lines, part) for part in parts):
        answers[number] = result
        yield len(answers), len(parts), minutes
    reason = ""
    for number, part in enumerate(parts):
        try:
            reader.take(minutes, part, answers[number])
        except ValueError as error:
            reason = str(error)
            minutes.notes.append(f"Lines {part.start + 1} to {part.stop} are not in these minutes: {reason}.")
    if not minutes.parts:
        raise ModelError(f"{model.name.text} wrote no minutes: {reason}")
    yield len(parts), len(parts), minutes


def chunks(model: Model, lines: Sequence[TranscriptLine]) -> list[range]:
    """Lines that fit the window of `model` together with the question and an answer; neighbours share OVERLAP lines."""
    window = model.context_window
    asked = model.count_tokens(_prompt(model, "")) + _answer_tokens(model)
    room = min(MOST_ROOM, window - asked - window // 20)
    if room < LEAST_ROOM:
        raise UsageError(
            f"{model.name.text} has a context window of {window} tokens; minutes take {asked + LEAST_ROOM} or more. "
            "Name another model"
        )
    sizes = [model.count_tokens(_numbered(number, line)) + 1 for number, line in enumerate(lines)]
    result: list[range] = []
    first = 0
    while first < len(lines):
        stop, total = first + 1, sizes[first]
        while stop < len(lines) and total + sizes[stop] <= room:
            total += sizes[stop]
            stop += 1
        result.append(range(first, stop))
        if stop == len(lines):
            break
        first = max(first + 1, stop - OVERLAP)
    return result


def _answer_tokens(model: Model) -> int:
    return min(ANSWER_TOKENS, max(1, model.context_window // 3))


def _numbered(number: int, line: TranscriptLine) -> str:
    """As the model reads a line: its number from 1, its time, who speaks, the words."""
    words = f"(unclear) {line.text[:UNCLEAR_CHARACTERS]}" if line.flags else line.text
    time = f" {clock(line.start)}" if line.start is not None else ""
    return f"[{number + 1}]{time} {f'{line.speaker}: ' if line.speaker else ''}{words}"


def _prompt(model: Model, text: str) -> str | tuple[Message, ...]:
    words = f"{ASKED}{text}"
    return (Message("user", words),) if model.capabilities.chat else f"{words}\n\nJSON:"


def _request(model: Model, lines: Sequence[TranscriptLine], part: range) -> Generate:
    text = "\n".join(_numbered(number, lines[number]) for number in part)
    schema = schema_of(model.name.local) if model.capabilities.schemas else None
    return Generate(_prompt(model, text), max_tokens=_answer_tokens(model), schema=schema)


class _AnswerReader:
    """Reads a model's answers against the lines."""

    def __init__(self, lines: Sequence[TranscriptLine], meeting: date | None):
        self._lines, self._meeting = lines, meeting
        self._words = [set(_words(f"{line.speaker} {line.text}")) for line in lines]
        self._text = " ".join(_words(" ".join(f"{line.speaker} {line.text}" for line in lines)))

    def take(self, minutes: Minutes, part: range, answer: Completion | Failure) -> None:
        """Add what one answer says, unless it was said before. Raises ValueError if it cannot be read."""
        if isinstance(answer, Failure):
            raise ValueError(answer.reason)
        value = read_object(answer.text)
        times = [time for number in part if (time := self._lines[number].start) is not None]
        summary = _plain(value.get("summary"))
        if repeats(summary):
            minutes.notes.append(f"The summary of lines {part.start + 1} to {part.stop} goes round in circles.")
        minutes.parts.append(
            MinutePart(part.start + 1, part.stop, min(times, default=None), max(times, default=None), summary)
        )
        for kind, items in (("points", minutes.points), ("decisions", minutes.decisions), ("actions", minutes.actions)):
            rows = value.get(kind)
            for row in rows if isinstance(rows, list) else []:
                item = self._item(row, part)
                if item is not None:
                    _merge(items, item)

    def _item(self, row: Json, part: range) -> MinuteItem | None:
        fields = row if isinstance(row, dict) else {"text": row}
        text = _plain(fields.get("text"))
        if not text:
            return None
        number = self._line_of(text, fields.get("line"), part)
        flags: list[str] = []
        if number is None:
            item = MinuteItem(text)
            flags.append(UNSUPPORTED)
        else:
            line = self._lines[number]
            item = MinuteItem(text, number + 1, line.start, line.text)
            flags += [f"doubtful: {flag}" for flag in line.flags]
        owner, due = _plain(fields.get("owner")), _plain(fields.get("due"))
        if owner:
            owner = self._owner(owner, number)
            flags += [] if owner else [OWNERLESS]
        if due and not self._says(due):
            due = ""
            flags.append(DATELESS)
        day = day_of(due, self._meeting) if due and self._meeting else None
        return replace(item, owner=owner, due=due, day=day, flags=tuple(flags))

    def _line_of(self, text: str, stated: Json, part: range) -> int | None:
        """The line that says `text`: the stated one if they share a word, else that of the part which shares most."""
        words = set(_telling(text))
        number = stated - 1 if isinstance(stated, int) and not isinstance(stated, bool) else -1
        if number in part and words & self._words[number]:
            return number
        best = max(part, key=lambda one: len(words & self._words[one]))
        shared = len(words & self._words[best])
        return best if shared >= max(1, len(words) / 2) else None

    def _owner(self, owner: str, number: int | None) -> str:
        """The owner in words that were said; of "I" the speaker of the line, where it is known."""
        speaker = self._lines[number].speaker if number is not None else ""
        if owner.lower() in ("i", "me", "ich", "myself"):
            return speaker
        if owner.lower() in ("we", "wir", "you", "du", "sie", "none", "unknown", "n/a", "everyone", "nobody", "they"):
            return ""
        return owner if self._says(owner) else ""

    def _says(self, phrase: str) -> bool:
        words = " ".join(_words(phrase))
        return bool(words) and f" {words} " in f" {self._text} "


def _merge(items: list[MinuteItem], item: MinuteItem) -> None:
    """Add `item`, or what it knows more to the one that says the same."""
    words = set(_words(item.text))
    for index, other in enumerate(items):
        those = set(_words(other.text))
        if words == those or len(words & those) > ALIKE * len(words | those):
            if item.owner and other.owner and item.owner.lower() != other.owner.lower():
                continue
            flags = [
                flag
                for flag in other.flags
                if not ((flag == OWNERLESS and item.owner) or (flag == DATELESS and item.due))
            ]
            items[index] = replace(
                other,
                owner=other.owner or item.owner,
                due=other.due or item.due,
                day=other.day or item.day,
                flags=tuple(flags),
            )
            return
    items.append(item)


def _plain(value: Json) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _telling(text: str) -> list[str]:
    """Words that are not in every sentence; all of them where none is left."""
    words = _words(text)
    return [word for word in words if len(word) > 3] or words
