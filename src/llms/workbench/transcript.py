"""A transcript as lines with their times: from a recording's segments, or from a file of text, subtitles or JSON."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..chat.files.encoding import decode
from ..chat.files.kinds import Refused
from ..errors import DataError
from ..models.task_model import Segment
from ..tasks.passages import passages
from ..values import Json

TEXTS = (".txt", ".md", ".vtt", ".srt", ".json", ".jsonl")
SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
LONGEST_LINE = 400  # characters; longer paragraphs are taken apart at sentences
_CLOCK = r"(?:(\d{1,2}):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,3}))?"
_TIMED = re.compile(rf"^[\[(]?{_CLOCK}(?:\s*(?:-->|[-–—])\s*{_CLOCK})?[\])]?(?=\s|:|$)\s*[-–—:]?\s*(.*)$")
_CUE = re.compile(rf"^{_CLOCK}\s+-->\s+{_CLOCK}")
_SPEAKER = re.compile(r"^\*{0,2}([^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){0,3})\*{0,2}\s*:\*{0,2}\s+(?=\S)")
_TAG, _VOICE = re.compile(r"<[^>]*>"), re.compile(r"<v(?:\.\S+)?\s+([^>]*)>")
_NAMED = re.compile(rf"^([^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){{0,3}})\s+([\[(]?{_CLOCK}[\])]?(?:\s*:.*|\s*))$")


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """Words and who said them, where that is known; `start` in seconds, None where no time stands. `flags` name what makes
    the words doubtful."""

    text: str
    start: float | None = None
    speaker: str = ""
    flags: tuple[str, ...] = ()


def is_recording(file: Path) -> bool:
    return file.suffix.lower() in SOUNDS


def from_segments(segments: Sequence[Segment]) -> list[TranscriptLine]:
    return [TranscriptLine(one.text, one.start, flags=one.flags) for one in segments if one.text.strip()]


def read_transcript(file: Path) -> list[TranscriptLine]:
    """The lines of a .txt, .md, .vtt, .srt, or of a .json with segments, as `llms task speech-to-text --json` prints them.
    Raises DataError where there are none."""
    kind = file.suffix.lower()
    if kind not in TEXTS:
        raise DataError(
            f"{file} is neither a recording ({' '.join(SOUNDS)}) nor a transcript ({' '.join(TEXTS)}); convert it first"
        )
    try:
        text = decode(file.read_bytes()).text
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    except Refused as error:
        raise DataError(f"{file} {error}") from error
    if kind in (".json", ".jsonl"):
        lines = list(_of_json(file, text))
    elif kind in (".vtt", ".srt"):
        lines = list(_of_cues(text))
    else:
        lines = list(_of_text(text))
    if not lines:
        raise DataError(f"{file} holds no words; expected a transcript, one line for each thing that is said")
    return lines


def _of_text(text: str) -> Iterator[TranscriptLine]:
    """Lines; a time, or a name and a time, on a line of their own hold for the lines that follow, up to an empty one."""
    time: float | None = None
    header = ""
    for row in text.splitlines():
        row = row.strip().lstrip("-*#> ").strip()
        if not row:
            header = ""
            continue
        named = _NAMED.match(row)
        timed = _TIMED.match(named[2] if named else row)
        if timed:
            time, row, header = _seconds(timed.groups()[:4]), timed[9], named[1] if named else ""
        speaker, words = _speaker(row)
        for part in passages(words, LONGEST_LINE, len):
            yield TranscriptLine(_plain(part.text), time, speaker or header)
            time = None


def _of_cues(text: str) -> Iterator[TranscriptLine]:
    """WebVTT and SubRip: a line with two times, then words, then an empty line."""
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        rows = block.strip().split("\n")
        first = next((number for number, row in enumerate(rows) if _CUE.match(row.strip())), None)
        if first is None:
            continue
        cue = _CUE.match(rows[first].strip())
        assert cue is not None  # it was just found
        words = " ".join(rows[first + 1 :])
        tagged = _VOICE.search(words)
        speaker, words = _speaker(_TAG.sub("", words))
        if words.strip():
            yield TranscriptLine(
                _plain(words), _seconds(cue.groups()[:4]), speaker or (tagged[1].strip() if tagged else "")
            )


def _of_json(file: Path, text: str) -> Iterator[TranscriptLine]:
    """Objects with `text`, and `start` where it is known: a list, or the `segments` of an object or of JSON lines."""
    try:
        values: list[Json] = [json.loads(text)]
    except ValueError:
        try:
            values = [json.loads(row) for row in text.splitlines() if row.strip()]
        except ValueError as error:
            raise DataError(f"{file} is no JSON: {error}") from error
    for value in values:
        rows = value.get("segments", value) if isinstance(value, dict) else value
        for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise DataError(
                    f"{file}: segment {number} is {json.dumps(row)[:60]}; expected an object with text and start"
                )
            start, flags = row.get("start"), row.get("flags")
            if str(row["text"]).strip():
                yield TranscriptLine(
                    _plain(str(row["text"])),
                    float(start) if isinstance(start, int | float) else None,
                    str(row.get("speaker") or ""),
                    tuple(map(str, flags)) if isinstance(flags, list) else (),
                )


def _speaker(row: str) -> tuple[str, str]:
    named = _SPEAKER.match(row)
    return (named[1], row[named.end() :]) if named else ("", row)


def _seconds(clock: Sequence[str | None]) -> float:
    hours, minutes, seconds, rest = (part or "0" for part in clock)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{rest}")


def _plain(text: str) -> str:
    return " ".join(text.split())


def clock(seconds: float) -> str:
    """As 00:12:34."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
