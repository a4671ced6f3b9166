"""Answers of tasks as HTML that stands alone, for notebooks: no style sheet, no script, nothing fetched; all text escaped."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from ..models.task_model import LabelScore, Segment, TaskInput, TaskOutput, TextSpan
from ..tasks.catalogue import HubTask
from ..values import Failure, Media

MOST_SCORES = 10
MOST_CHARACTERS = 4000  # of an input that is shown without marks
FIRST_VALUES = 8  # of a vector
COLOURS = ("0,114,178", "230,159,0", "0,158,115", "204,121,167", "86,180,233", "213,94,0")  # Okabe and Ito's, as rgb
SOFT = "opacity:.75;font-size:.9em"
PLAIN = "color:inherit;white-space:pre-wrap;overflow-wrap:anywhere"
Pair = tuple[TaskInput, TaskOutput | Failure]


@dataclass(frozen=True, slots=True)
class ShownAnswers:
    """Answers with their inputs: drawn in a notebook, in words elsewhere."""

    task: HubTask
    pairs: tuple[Pair, ...]

    def _repr_html_(self) -> str:
        return render_answers(self.task, self.pairs)

    def __repr__(self) -> str:
        return "\n".join(
            f"no answer: {result.reason}" if isinstance(result, Failure) else _in_words(self.task, result)
            for _, result in self.pairs
        )


def _in_words(task: HubTask, result: TaskOutput) -> str:
    if task.gives == "spans":
        return ", ".join(f"{span.text} ({span.label})" for span in result.spans) or "nothing was found"
    if task.gives == "vector":
        return f"{len(result.vector)} dimensions"
    return result.text or (result.media.media_type if result.media else "")


def render_answer(task: HubTask, asked: TaskInput, result: TaskOutput | Failure) -> str:
    """One answer with its input."""
    if isinstance(result, Failure):
        body = f'<p style="{PLAIN}"><b>no answer:</b> {escape(result.reason)}</p>'
        return f"<div>{_input(task, asked)}{body}</div>"
    shown = "" if task.gives in ("spans", "answer") else _input(task, asked)
    return f"<div>{shown}{_DRAWN[task.gives](asked, result)}{_notes(result)}</div>"


def render_answers(task: HubTask, pairs: Sequence[Pair]) -> str:
    """Several as a table; one alone as itself."""
    if len(pairs) == 1:
        return render_answer(task, *pairs[0])
    rows = "".join(
        f'<tr><td style="vertical-align:top">{number}</td><td style="text-align:left">{render_answer(task, *pair)}</td></tr>'
        for number, pair in enumerate(pairs, 1)
    )
    return f"<table>{rows}</table>"


def _input(task: HubTask, asked: TaskInput) -> str:
    parts = [_media(asked.media, asked.media.name)] if asked.media else []
    for text in filter(None, (asked.text, asked.other, asked.question)):
        cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
        parts.append(f'<p style="{PLAIN};{SOFT}">{escape(cut)}</p>')
    return "".join(parts)


def _media(media: Media, name: str) -> str:
    """A picture or a player, with its bytes in it."""
    kind = media.media_type.partition("/")[0]
    source = f"data:{escape(media.media_type)};base64,{b64encode(media.data).decode()}"
    if not media.data:
        source = escape(media.url) if urlsplit(media.url).scheme in ("http", "https") else ""
    if kind == "image":
        return f'<img src="{source}" alt="{escape(name) or "picture"}" style="max-width:100%">'
    if kind == "audio":
        return f'<audio controls src="{source}" aria-label="{escape(name) or "sound"}"></audio>'
    return f'<p style="{SOFT}">{escape(name or media.media_type)}</p>'


def _answer_text(asked: TaskInput, result: TaskOutput) -> str:
    return "".join(f'<p style="{PLAIN}">{escape(text)}</p>' for text in result.texts or (result.text,))


def _label(asked: TaskInput, result: TaskOutput) -> str:
    return f'<p style="{PLAIN}"><b>{escape(result.text)}</b></p>{_bars(result.scores)}'


def _bars(scores: Sequence[LabelScore]) -> str:
    rows = "".join(_bar(one.label, one.score, f"{100 * one.score:.1f} %") for one in scores[:MOST_SCORES])
    more = f'<p style="{SOFT}">and {len(scores) - MOST_SCORES} less likely</p>' if len(scores) > MOST_SCORES else ""
    return f"{rows}{more}"


def _bar(name: str, value: float, words: str) -> str:
    width = 100 * max(0.0, min(1.0, value))
    track = (
        f'<span style="flex:0 0 12em;height:.7em;background:rgba(128,128,128,.25)">'
        f'<span style="display:block;height:100%;width:{width:.1f}%;background:rgb({COLOURS[0]})"></span></span>'
    )
    return (
        f'<div style="display:flex;gap:.6em;align-items:center"><span style="flex:0 0 10em;overflow-wrap:anywhere">'
        f"{escape(name)}</span>{track}<span>{words}</span></div>"
    )


def _spans(asked: TaskInput, result: TaskOutput) -> str:
    nothing = "" if result.spans else f'<p style="{SOFT}">nothing of the kind was found</p>'
    return f"{_marked(asked.text, result.spans)}{nothing}"


def _answer(asked: TaskInput, result: TaskOutput) -> str:
    words = escape(result.text) or "the text holds no answer"
    question = f'<p style="{PLAIN};{SOFT}">{escape(asked.question)}</p>' if asked.question else ""
    return f'{question}<p style="{PLAIN}"><b>{words}</b></p>{_marked(asked.text, result.spans)}'


def _marked(text: str, spans: Iterable[TextSpan]) -> str:
    """The text with its spans in colour, each with its label in words. Of spans that overlap the first is marked."""
    ordered = sorted(spans, key=lambda span: (span.start, -span.end))
    labels = list(dict.fromkeys(span.label for span in ordered))
    pieces, at = [], 0
    for span in ordered:
        if span.start < at:
            continue
        colour = COLOURS[labels.index(span.label) % len(COLOURS)]
        label = f' <small style="font-weight:600">{escape(span.label)}</small>' if span.label else ""
        style = f"color:inherit;background:rgba({colour},.25);border-bottom:2px solid rgb({colour})"
        title = f"{escape(span.label)} {100 * span.score:.1f} %".strip()
        pieces += [
            escape(text[at : span.start]),
            f'<mark style="{style}" title="{title}">{escape(text[span.start : span.end])}{label}</mark>',
        ]
        at = span.end
    return f'<p style="{PLAIN}">{"".join(pieces)}{escape(text[at:])}</p>'


def _vector(asked: TaskInput, result: TaskOutput) -> str:
    first = "  ".join(f"{value:.4f}" for value in result.vector[:FIRST_VALUES])
    more = " …" if len(result.vector) > FIRST_VALUES else ""
    return f"<p>{len(result.vector)} dimensions: <code>{first}{more}</code></p>"


def _number(asked: TaskInput, result: TaskOutput) -> str:
    value = float(result.text)
    return _bar("alike", value, f"{value:.3f}")


def _transcript(asked: TaskInput, result: TaskOutput) -> str:
    return f"{_answer_text(asked, result)}{''.join(map(_segment, result.segments))}"


def _segment(part: Segment) -> str:
    flags = f" <small>({escape(', '.join(part.flags))})</small>" if part.flags else ""
    minutes, seconds = divmod(part.start, 60)
    return f'<div style="{PLAIN}"><code>{int(minutes)}:{seconds:04.1f}</code> {escape(part.text)}{flags}</div>'


def _made_media(asked: TaskInput, result: TaskOutput) -> str:
    return _media(result.media, asked.text) if result.media else _answer_text(asked, result)


_DRAWN: Mapping[str, Callable[[TaskInput, TaskOutput], str]] = {
    "label": _label,
    "words": _label,
    "spans": _spans,
    "answer": _answer,
    "text": _answer_text,
    "vector": _vector,
    "number": _number,
    "transcript": _transcript,
    "sound": _made_media,
    "image": _made_media,
}


def _notes(result: TaskOutput) -> str:
    words = ["the input was too long: not all of it was read"] if result.truncated else []
    words += [flag.replace("_", " ") for flag in result.flags]
    return f'<p style="{SOFT}">⚠ {escape("; ".join(words))}</p>' if words else ""
