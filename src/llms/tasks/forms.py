"""How each task is put to a language model in words, and how its answer is read: prompts, JSON schemas, places in the text.

A form knows no model. It words the question about one passage, and makes one output of the answers about all passages.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..models.task_model import LabelScore, TaskInput, TaskOptions, TaskOutput, TextSpan
from ..scoring.thinking import split_thinking
from ..values import Json, JsonObject
from .languages import language_code, language_name, plainly_other
from .passages import Passage

PROMPT_VERSION = "1"  # a part of the identity: another wording is another model
IN_PARTS = "in parts"
NOT_IN_TEXT = "not in the text"
CUT_SHORT = "cut short"
FEELINGS = ("positive", "negative")
KINDS = {
    "PER": "a person",
    "ORG": "a company, institution or other organization",
    "LOC": "a place, country, river or building",
    "MISC": "another name: of a people, language, work, event or product",
}
_JUDGED = re.compile(r"[\w]")


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """The model's words about one passage; `cut_short`: it had more to say than it was let."""

    passage: Passage
    text: str
    cut_short: bool = False


class Form:
    """The base of forms: free text about a text. `whole`: a long text is not taken apart; `overlap` is the share of a
    passage that is seen twice; `reduces`: the answers about passages are themselves put to the model as a text."""

    schema: JsonObject | None = None
    overlap: float = 0.0
    whole: bool = False
    reduces: bool = False
    picture: bool = False
    usual_tokens: int = 256
    growth: float = 0.0  # tokens of an answer for each token of the text
    stop: tuple[str, ...] = ("\n\n",)  # of a model that continues raw text

    def __init__(self, options: TaskOptions):
        self.options = options

    def wording(self, row: TaskInput) -> str:
        raise NotImplementedError

    def lacks(self, row: TaskInput) -> str:
        """Why nothing can be asked about `row`; empty if it can."""
        if self.picture:
            return "" if row.media is not None else "holds no picture; expected an image file"
        return "" if row.text.strip() else "is empty; expected a text"

    def output(self, row: TaskInput, parts: Sequence[PartAnswer]) -> TaskOutput:
        """The answers about all passages as one. Raises ValueError where one cannot be read."""
        texts = [split_thinking(part.text)[1].strip() for part in parts]
        return TaskOutput("\n".join(filter(None, texts)), flags=flags(parts, IN_PARTS if len(parts) > 1 else ""))


class LabelForm(Form):
    """One label of several, or with `several` each that holds. Of many passages each has a vote, by its length."""

    usual_tokens = 64

    def __init__(self, options: TaskOptions, labels: Sequence[str], asks: str, picture: bool = False):
        super().__init__(options)
        self.labels, self.asks, self.picture = tuple(labels), asks, picture
        if options.several:
            self.schema = closed_object({label: {"type": "boolean"} for label in self.labels})
            self.usual_tokens = 64 + 32 * len(self.labels)
        else:
            self.schema = closed_object({"label": {"type": "string", "enum": list(self.labels)}})

    def wording(self, row: TaskInput) -> str:
        about = "the picture" if self.picture else "the text"
        names = ", ".join(json.dumps(label, ensure_ascii=False) for label in self.labels)
        asked = (
            f"Say of each of these labels whether it fits {about}: {names}. Answer with a JSON object that has each label "
            "as a key and true or false as its value."
            if self.options.several
            else f'{self.asks} The labels are: {names}. Answer with a JSON object such as {{"label": {names.split(", ")[0]}}}.'
        )
        return asked if self.picture else f"{asked}\n\n{quoted(row.text)}"

    def output(self, row: TaskInput, parts: Sequence[PartAnswer]) -> TaskOutput:
        votes: dict[str, float] = defaultdict(float)
        total = sum(max(1, len(part.passage.text)) for part in parts)
        for part in parts:
            weight = max(1, len(part.passage.text)) / total
            for label in self._chosen(part):
                votes[label] += weight
        marks = flags(parts, IN_PARTS if len(parts) > 1 else "")
        if not self.options.several:
            return TaskOutput(max(votes, key=lambda label: votes[label]), flags=marks)
        scores = tuple(sorted((LabelScore(each, votes[each]) for each in self.labels), key=lambda one: -one.score))
        held = [one.label for one in scores if one.score > 0 and one.score >= self.options.threshold]
        return TaskOutput(", ".join(held), scores, flags=marks)

    def _chosen(self, part: PartAnswer) -> list[str]:
        answer = read_object(part.text)
        if self.options.several:
            return [label for label in self.labels if answer.get(label) is True]
        named = str(answer.get("label", "")).strip().lower()
        chosen = next((label for label in self.labels if label.lower() == named), None)
        if chosen is None:
            raise ValueError(f"{shown(part.text)} names none of the labels {', '.join(self.labels)}")
        return [chosen]


class EntityForm(Form):
    """Names in a text, as a list; where they stand is looked up here."""

    overlap = 0.1
    usual_tokens = 512

    def __init__(self, options: TaskOptions):
        super().__init__(options)
        self.labels = options.labels or tuple(KINDS)
        kinds: dict[str, Json] = {"text": {"type": "string"}, "label": {"type": "string", "enum": list(self.labels)}}
        self.schema = closed_object({"entities": {"type": "array", "items": closed_object(kinds)}})

    def wording(self, row: TaskInput) -> str:
        kinds = "\n".join(f"- {label}: {KINDS[label]}" if label in KINDS else f"- {label}" for label in self.labels)
        return (
            "List every name in the text, each time it stands there, in the order of the text, spelled exactly as in the "
            f"text, with one of these labels:\n{kinds}\n"
            'Answer with a JSON object such as {"entities": [{"text": "…", "label": "'
            f'{self.labels[0]}"}}]}}. If there are none, the list is empty.\n\n{quoted(row.text)}'
        )

    def output(self, row: TaskInput, parts: Sequence[PartAnswer]) -> TaskOutput:
        spans: dict[tuple[int, int], TextSpan] = {}
        missed = False
        for part in parts:
            placed, unfound = self._placed(part)
            missed = missed or unfound
            for span in placed:
                if not any(span.start < end and start < span.end for start, end in spans):
                    spans[span.start, span.end] = span
        ordered = tuple(spans[border] for border in sorted(spans))
        # passages of which some names stand in an overlap are no doubt: the names are looked up in the whole text
        return TaskOutput(
            ", ".join(span.text for span in ordered), spans=ordered, flags=flags(parts, NOT_IN_TEXT if missed else "")
        )

    def _placed(self, part: PartAnswer) -> tuple[list[TextSpan], bool]:
        """(spans in the whole text, whether a name does not stand in the passage)."""
        spans: list[TextSpan] = []
        after, missed, within = 0, False, part.passage
        for name, label in self._names(part):
            taken = [(span.start - within.start, span.end - within.start) for span in spans]
            border = place_of(name, within.text, after, taken)
            if border is None:
                missed = True
                continue
            start, after = border
            spans.append(TextSpan(within.start + start, within.start + after, label, 1.0, within.text[start:after]))
        return spans, missed

    def _names(self, part: PartAnswer) -> list[tuple[str, str]]:
        known = {label.lower(): label for label in self.labels}
        entries = read_object(part.text, "entities" if part.cut_short else "").get("entities")
        if not isinstance(entries, list):
            raise ValueError(f"{shown(part.text)} holds no list of entities")
        pairs = [(str(each.get("text", "")), str(each.get("label", ""))) for each in entries if isinstance(each, dict)]
        return [(name, known[label.lower()]) for name, label in pairs if name.strip() and label.lower() in known]


class AnswerForm(Form):
    """The answer to a question in the words of the text; of many passages the one that is named most, then the first."""

    overlap = 0.15
    usual_tokens = 128

    def __init__(self, options: TaskOptions):
        super().__init__(options)
        self.schema = closed_object({"answer": {"type": "string"}})

    def lacks(self, row: TaskInput) -> str:
        if not self._question(row):
            return "has no question; give one for each input, or one for all"
        return super().lacks(row)

    def _question(self, row: TaskInput) -> str:
        return (row.question or self.options.question).strip()

    def wording(self, row: TaskInput) -> str:
        return (
            f"{quoted(row.text)}\n\nQuestion: {self._question(row)}\n\nAnswer the question with the shortest words of the text "
            'that answer it, copied exactly, as a JSON object such as {"answer": "…"}. If the text does not answer it, '
            'write {"answer": ""}.'
        )

    def output(self, row: TaskInput, parts: Sequence[PartAnswer]) -> TaskOutput:
        spans: list[TextSpan] = []
        words: list[str] = []
        for part in parts:
            answer = str(read_object(part.text, "answer" if part.cut_short else "").get("answer") or "").strip()
            if not answer:
                continue
            words.append(answer)
            border = place_of(answer, part.passage.text, 0, [], cased=False)
            if border is not None:
                start, end = part.passage.start + border[0], part.passage.start + border[1]
                spans.append(TextSpan(start, end, "answer", 1.0, row.text[start:end]))
        if not spans:
            best = words[0] if words else ""
            return TaskOutput(best, flags=flags(parts, NOT_IN_TEXT if best else ""))
        counts = Counter(span.text.lower() for span in spans)
        chosen = max(spans, key=lambda span: (counts[span.text.lower()], -span.start))
        return TaskOutput(chosen.text, spans=(chosen,), flags=flags(parts))


class SummaryForm(Form):
    """Fewer words. Long texts in parts, whose summaries are summarized."""

    reduces = True
    usual_tokens = 200

    def wording(self, row: TaskInput) -> str:
        limit = self.options.max_tokens
        size = "in at most three sentences" if limit is None or limit >= 60 else "in one short sentence"
        return f"Summarize the text {size}, in its own language. Write the summary alone.\n\n{quoted(row.text)}"


class TranslationForm(Form):
    """Another language. Long texts in parts, joined by the white space that stood between them."""

    growth = 2.0
    usual_tokens = 48

    def __init__(self, options: TaskOptions):
        super().__init__(options)
        if not options.target:
            raise UsageError("translation needs a language to translate to; name it with --to, such as de")
        self.target = language_name(options.target)
        self.source = language_name(options.source) if options.source else ""

    def wording(self, row: TaskInput) -> str:
        source = f" from {self.source}" if self.source else ""
        return f"Translate the text{source} to {self.target}. Write the translation alone.\n\n{quoted(row.text)}"

    def output(self, row: TaskInput, parts: Sequence[PartAnswer]) -> TaskOutput:
        text = ""
        for part in parts:
            words = part.passage.text
            text += split_thinking(part.text)[1].strip() + words[len(words.rstrip()) :]
        other = bool(self.source) and plainly_other(row.text, language_code(self.options.source))
        return TaskOutput(text.strip(), flags=flags(parts, "language?" if other else ""))


class LikenessForm(Form):
    """A number from 0 to 1 for two texts."""

    whole = True
    usual_tokens = 32

    def __init__(self, options: TaskOptions):
        super().__init__(options)
        self.schema = closed_object({"percent": {"type": "integer", "minimum": 0, "maximum": 100}})

    def lacks(self, row: TaskInput) -> str:
        return "" if row.text.strip() and row.other.strip() else "lacks one of its two texts"

    def wording(self, row: TaskInput) -> str:
        return (
            "How alike are these two texts in meaning, from 0 (nothing in common) to 100 (they mean the same)? Answer with "
            f'a JSON object such as {{"percent": 50}}.\n\n<text>\n{row.text}\n</text>\n<text>\n{row.other}\n</text>'
        )

    def output(self, row: TaskInput, parts: Sequence[PartAnswer]) -> TaskOutput:
        percent = read_object(parts[0].text).get("percent")
        if not isinstance(percent, int | float) or not 0 <= percent <= 100:
            raise ValueError(f"{shown(parts[0].text)} holds no number from 0 to 100")
        return TaskOutput(str(percent / 100), flags=flags(parts))


class CaptionForm(Form):
    """A picture in words."""

    picture = True
    usual_tokens = 128

    def wording(self, row: TaskInput) -> str:
        return "Say in one sentence what the picture shows. Write the sentence alone."


class LookForm(CaptionForm):
    """The answer to a question about a picture."""

    def lacks(self, row: TaskInput) -> str:
        if not (row.question or self.options.question).strip():
            return "has no question; give one for each input, or one for all"
        return super().lacks(row)

    def wording(self, row: TaskInput) -> str:
        return f"{row.question or self.options.question}\n\nAnswer in a few words."


class ContinuationForm(Form):
    """How a text goes on; a chat model answers it."""

    whole = True
    usual_tokens = 256
    stop = ()

    def wording(self, row: TaskInput) -> str:
        return row.text


def quoted(text: str) -> str:
    return f"<text>\n{text}\n</text>"


def closed_object(properties: JsonObject) -> JsonObject:
    """The schema of an object that has these properties, all of them and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def flags(parts: Sequence[PartAnswer], *others: str) -> tuple[str, ...]:
    """The flags that are not empty, and that of an answer which was cut short."""
    return (*filter(None, others), *((CUT_SHORT,) if any(part.cut_short for part in parts) else ()))


def shown(text: str) -> str:
    """`text` in an error, not all of a long one."""
    return repr(text if len(text) <= 80 else f"{text[:80]}…")


def read_object(text: str, cut_field: str = "") -> JsonObject:
    """The JSON object that `text` is, or that stands in it. Of one that was cut off in its field `cut_field` the whole
    entries of that list, or the words of that text, are read. Raises ValueError."""
    answer = split_thinking(text)[1]
    decoder = json.JSONDecoder()
    for opening in [match.start() for match in re.finditer(r"\{", answer)][:50]:
        try:
            value, _ = decoder.raw_decode(answer, opening)
        except (ValueError, RecursionError):
            if cut_field and (rest := _cut_off(answer[opening:], cut_field)) is not None:
                return {cut_field: rest}
            continue
        if isinstance(value, dict):
            return value
    raise ValueError(f"{shown(text)} is no JSON object")


def _cut_off(text: str, field: str) -> Json:
    """The list or the text of `field` in the beginning of an object; None where neither is begun."""
    begun = re.match(rf'\{{\s*"{field}"\s*:\s*(["\[])', text)
    if begun is None:
        return None
    rest = text[begun.end() :]
    if begun[1] == '"':
        return rest.replace('\\"', '"').replace("\\n", "\n").strip('"}\\ \n')
    entries: list[Json] = []
    for match in re.finditer(r"\{[^{}]*\}", rest):
        try:
            entries.append(json.loads(match[0]))
        except ValueError:
            break
    return entries


def place_of(
    words: str, text: str, after: int, taken: Sequence[tuple[int, int]], cased: bool = True
) -> tuple[int, int] | None:
    """(start, end) of `words` in `text`: behind `after` if they stand there, else wherever nothing is `taken`; as whole words
    if they stand so anywhere. White space counts as equal, and without `cased` letters do. None if they do not stand there."""
    pattern = r"\s+".join(map(re.escape, words.split()))
    options = re.NOFLAG if cased else re.IGNORECASE
    left = r"(?<!\w)" if _JUDGED.match(words.strip()[:1]) else ""
    right = r"(?!\w)" if _JUDGED.match(words.strip()[-1:]) else ""
    for bounded in dict.fromkeys((f"{left}{pattern}{right}", pattern)):
        borders = [match.span() for match in re.finditer(bounded, text, options)]
        free = [(start, end) for start, end in borders if not any(start < e and s < end for s, e in taken)]
        if free:
            return next((border for border in free if border[0] >= after), free[0])
    return None
