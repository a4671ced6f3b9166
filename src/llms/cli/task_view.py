"""Answers of tasks as a person reads them: bars for scores, names coloured in their text, segments by their time."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from ..models.task_model import LabelScore, Segment, TaskOutput, TextSpan
from ..tasks.catalogue import HubTask
from ..values import Failure
from ..workbench.task_inputs import TaskRow
from .output import COLOURS, coloured, visible

BAR = 20  # characters of a score of 1
SHOWN = 60  # characters of an input beside its answer
NUMBERS = 4  # of a vector


def show(out: Console, task: HubTask, row: TaskRow, result: TaskOutput | Failure, alone: bool, path: str = "") -> None:
    """Print one answer; with its input, unless that is the only one. `path` is the file that was made."""
    if not alone and task.gives != "spans":
        out.print(Text(_cut(row.shown), "dim"), soft_wrap=True)
    if isinstance(result, Failure):
        out.print(Text(f"  failed: {result.reason}", "red"), soft_wrap=True)
        return
    for line in _lines(out, task, row, result, path):
        out.print(line if alone else Text("  ").append_text(line), soft_wrap=True)
    notes = ["only a part was read"] * result.truncated + list(result.flags)
    if notes:
        out.print(Text(f"  {'; '.join(notes)}", "yellow"), soft_wrap=True)


def _lines(out: Console, task: HubTask, row: TaskRow, result: TaskOutput, path: str) -> list[Text]:
    if path:
        return [Text(path)]
    if task.gives == "spans":
        text = "" if isinstance(row.input, Failure) else row.input.text
        return [marked(text, result.spans, coloured(out))]
    if task.gives == "vector":
        first = ", ".join(f"{number:.4f}" for number in result.vector[:NUMBERS])
        return [Text(f"{len(result.vector)} numbers: {first}{', …' if len(result.vector) > NUMBERS else ''}")]
    if task.gives in ("label", "words") and result.scores:
        return _bars(result.scores)
    if task.gives == "transcript" and result.segments:
        return [_timed(segment) for segment in result.segments]
    if task.gives == "answer" and result.scores:
        return [Text(f"{result.text or 'no answer'}  ").append(f"{result.scores[0].score:.3f}", "dim")]
    return [Text(result.text)]


def _bars(scores: Sequence[LabelScore]) -> list[Text]:
    width = max(len(visible(one.label)) for one in scores)
    return [
        Text(f"{visible(one.label):<{width}}  ").append(f"{'█' * round(BAR * one.score):<{BAR}}", "cyan").append(f"  {one.score:.3f}")
        for one in scores
    ]  # fmt: skip


def marked(text: str, spans: Sequence[TextSpan], colours: bool) -> Text:
    """The text with its spans: on a colour for each label, or as [words|LABEL] where there is no colour."""
    labels = list(dict.fromkeys(span.label for span in spans))
    line, end = Text(), 0
    for span in spans:
        if span.start < end:
            continue  # within one that is shown
        line.append(text[end : span.start])
        words = text[span.start : span.end]
        if colours:
            line.append(f" {words} {span.label} ", COLOURS[labels.index(span.label) % len(COLOURS)])
        else:
            line.append(f"[{words}|{span.label}]")
        end = span.end
    return line.append(text[end:])


def _timed(segment: Segment) -> Text:
    line = Text(f"{_clock(segment.start)}–{_clock(segment.end)}  ", "dim").append(segment.text.strip(), "default")
    return line.append(f"  ({', '.join(segment.flags)})", "yellow") if segment.flags else line


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{seconds % 60:04.1f}"


def _cut(text: str) -> str:
    text = visible(" ".join(text.split()))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
