"""Carries out `llms minutes`: hears a recording, has its minutes written, prints or writes them."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import click

from .. import settings
from ..errors import DataError, UsageError
from ..models.task_model import TaskInput, TaskModel, TaskOptions
from ..values import Failure, Media
from ..workbench.minutes import Minutes, write_minutes
from ..workbench.minutes_text import as_html, as_markdown, as_object
from ..workbench.system import load
from ..workbench.task import open_task
from ..workbench.transcript import TranscriptLine, clock, from_segments, is_recording, read_transcript
from .output import print_json

WRITTEN = (".md", ".html", ".json")


@dataclass(frozen=True, slots=True)
class MinutesOrder:
    """An order of the command line. `meeting` is its day, `source` the language that is spoken."""

    file: Path
    model: str
    speech: str | None
    source: str
    meeting: date | None
    out: Path | None
    transcript: Path | None
    force: bool


def run(order: MinutesOrder, as_json: bool) -> None:
    """Print or write the minutes. Raises UsageError before anything is computed for what cannot be written."""
    for target, kinds in ((order.out, WRITTEN), (order.transcript, (".json",))):
        if target is not None and target.suffix.lower() not in kinds:
            raise UsageError(f"cannot write {target}; expected a file whose name ends in {', '.join(kinds)}")
        if target is not None and target.exists() and not order.force:
            raise UsageError(f"{target} is there already; add --force to write over it")
    if not order.file.is_file():
        raise UsageError(f"there is no file {order.file}; expected a recording or a transcript")
    with load(order.model) as model:
        model.check()
        lines, speech = _lines(order)
        for done, parts, minutes in write_minutes(model, lines, order.file.name, speech, order.meeting):
            written = minutes
            _progress(f"read {done} of {parts} parts" if done < parts else "")
    if order.out is not None:
        order.out.write_text(_text(written, order.out.suffix.lower()), encoding="utf-8")
        click.echo(f"wrote {order.out}", err=True)
    if as_json:
        print_json([as_object(written)])
    elif order.out is None:
        click.echo("".join(sign for sign in as_markdown(written) if sign.isprintable() or sign == "\n"))


def _text(minutes: Minutes, kind: str) -> str:
    if kind == ".json":
        return json.dumps(as_object(minutes), ensure_ascii=False, indent=1, default=str) + "\n"
    return as_html(minutes) if kind == ".html" else as_markdown(minutes)


def _lines(order: MinutesOrder) -> tuple[Sequence[TranscriptLine], str]:
    """The lines of the transcript, and the model that heard them, if one did."""
    if not is_recording(order.file):
        for value, flag in ((order.speech, "--speech"), (order.source, "--from"), (order.transcript, "--transcript")):
            if value:
                raise UsageError(f"{flag} is for recordings; {order.file.name} is read as a transcript")
        return read_transcript(order.file), ""
    speech = order.speech or settings.get("LLMS_TRANSCRIBE_MODEL") or ""
    if speech and ":" not in speech:
        speech = f"hf:{speech}"
    hearer = open_task("speech-to-text", speech, options=TaskOptions(source=order.source))
    try:
        lines = _heard(hearer, order.file)
    finally:
        hearer.close()
    if order.transcript is not None:
        rows = [{**asdict(line), "flags": list(line.flags)} for line in lines]
        order.transcript.write_text(
            json.dumps({"segments": rows}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    return lines, hearer.identity.name


def _heard(hearer: TaskModel, file: Path) -> list[TranscriptLine]:
    if hasattr(hearer, "heard"):
        hearer.heard = lambda _, done, seconds: _progress(f"heard {clock(done)} of {clock(seconds)}")
    ((_, result),) = hearer.answer([TaskInput(media=Media("audio/*", url=file.resolve().as_uri(), name=file.name))])
    _progress("")
    if isinstance(result, Failure):
        raise DataError(result.reason.removeprefix("input 0 "))
    if result.truncated:
        click.echo(f"llms: the end of {file} is missing; the minutes are of what is there", err=True)
    lines = from_segments(result.segments)
    if not lines:
        raise DataError(f"nobody speaks in {file}; there is nothing to write minutes of")
    return lines


def _progress(text: str) -> None:
    """One line on the terminal that is written over."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}", nl=False, err=True)
