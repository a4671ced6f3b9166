"""`llms minutes`: its options; minutes_run.py carries it out."""

from datetime import datetime
from importlib import import_module
from pathlib import Path

import click

from .option_groups import DATA, MODEL, OUTPUT, GroupedCommand, option


@click.command(cls=GroupedCommand)
@click.argument("file", type=click.Path(path_type=Path))
@option(
    MODEL, "-m", "--model", default="smollm2", help="The language model that reads the transcript (default: smollm2)."
)
@option(MODEL, "--speech", metavar="MODEL", help="A Whisper or CTC checkpoint that hears a recording (default: LLMS_TRANSCRIBE_MODEL, else that of the task speech-to-text).")  # fmt: skip
@option(DATA, "--from", "source", default="", metavar="LANG", help="The language that is spoken, as en; else it is detected.")  # fmt: skip
@option(DATA, "--date", "meeting", type=click.DateTime(["%Y-%m-%d"]), help="The day of the meeting; days such as Friday are dated by it.")  # fmt: skip
@option(OUTPUT, "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write .md, .html or .json.")
@option(OUTPUT, "--transcript", type=click.Path(path_type=Path, dir_okay=False), help="Write what was heard as .json, from which minutes can be written again.")  # fmt: skip
@option(OUTPUT, "--force", is_flag=True, help="Write over what is there.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object.")
def minutes(
    file: Path,
    model: str,
    speech: str | None,
    source: str,
    meeting: datetime | None,
    out: Path | None,
    transcript: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write the minutes of FILE: a recording (WAV, FLAC, OGG, MP3), or a transcript (.txt, .md, .vtt, .srt, .json).

    Summary, decisions, actions and points, each with the time and the words it comes from. An owner or a day that nobody
    said is left out and marked, and so is what rests on words that were hard to hear.

    \b
      llms minutes meeting.vtt --date 2026-03-02
      llms minutes meeting.flac --speech hf:openai/whisper-base -m gguf:./model.gguf -o minutes.html
    """
    run = import_module("llms.cli.minutes_run")  # the models: --help need not wait for them
    order = run.MinutesOrder(file, model, speech, source, meeting.date() if meeting else None, out, transcript, force)
    run.run(order, as_json)
