"""`llms task`: what it takes; task_run.py carries it out."""

from importlib import import_module
from pathlib import Path
from typing import TypedDict, Unpack

import click

from ..models.task_model import Way
from .finite import FiniteRange
from .option_groups import ANSWER, DATA, LIMITS, MODEL, OUTPUT, RUN, GroupedCommand, option


class TaskFlags(TypedDict):
    """The options of `llms task`. `labels` are separated by commas; `columns` are names, or `question=NAME`."""

    model: str | None
    way: Way | None
    labels: str | None
    several: bool
    question: str
    source: str
    target: str
    top: int
    threshold: float
    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int
    voice: str
    steps: int
    width: int
    height: int
    columns: tuple[str, ...]
    as_text: bool
    by_lines: bool
    limit: int | None
    out: Path | None
    force: bool
    yes: bool
    code: bool
    as_json: bool


@click.command(cls=GroupedCommand)
@click.argument("name", required=False)
@click.argument("inputs", nargs=-1, metavar="[INPUT]…")
@option(MODEL, "-m", "--model", help="A checkpoint made for the task, or any language model (default: the task's own).")
@option(MODEL, "--way", type=click.Choice(["special", "prompt", "choice"]), help="A special model, a language model that is asked, or its likeliest label (default: as the model is).")  # fmt: skip
@option(ANSWER, "--labels", metavar="A,B,C", help="Labels to choose among.")
@option(ANSWER, "--several", is_flag=True, help="More than one label may hold; each is judged alone.")
@option(ANSWER, "--question", default="", help="What is asked about every input.")
@option(ANSWER, "--from", "source", default="", metavar="LANG", help="Language of the input, as en.")
@option(ANSWER, "--to", "target", default="", metavar="LANG", help="Language of the answer, as de.")
@option(ANSWER, "--top", type=click.IntRange(min=1), default=1, help="How many answers.")
@option(ANSWER, "--threshold", type=FiniteRange(0, 1), default=0.0, help="The least score of an answer.")
@option(ANSWER, "--max-tokens", type=click.IntRange(min=1), help="Of an answer.")
@option(ANSWER, "--temperature", type=FiniteRange(min=0), default=0.0, help="0, the default, is greedy.")
@option(ANSWER, "--top-p", type=FiniteRange(0, 1, min_open=True), default=1.0, help="Of sampling.")
@option(ANSWER, "--seed", type=int, default=0, help="Of sampling.")
@option(ANSWER, "--voice", default="", metavar="NAME|FILE", help="Who reads aloud.")
@option(ANSWER, "--steps", type=click.IntRange(min=1), default=20, help="Of a picture that is made.")
@option(ANSWER, "--width", type=click.IntRange(min=8), default=512, help="Of a picture, in pixels.")
@option(ANSWER, "--height", type=click.IntRange(min=8), default=512, help="Of a picture, in pixels.")
@option(DATA, "--column", "columns", multiple=True, metavar="NAME", help="Column of a table that is the input; question=NAME and other=NAME name further ones.")  # fmt: skip
@option(DATA, "--text", "as_text", is_flag=True, help="Take each INPUT for its words, even if a file is called so.")
@option(DATA, "--lines", "by_lines", is_flag=True, help="Each line of standard input, or of a text file, is an input.")
@option(LIMITS, "--limit", type=click.IntRange(min=1), help="Only so many inputs.")
@option(OUTPUT, "-o", "--out", type=click.Path(path_type=Path), help="Write a .csv, .tsv or .jsonl file, or sounds and pictures; the same command goes on with a table that broke off.")  # fmt: skip
@option(OUTPUT, "--force", is_flag=True, help="Write over what is there.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a line.")
@option(OUTPUT, "--show-code", "code", is_flag=True, help="Print the same as a script with transformers alone, and do nothing.")  # fmt: skip
@option(RUN, "-y", "--yes", is_flag=True, help="Fetch the task's own model without asking.")
def task(name: str | None, inputs: tuple[str, ...], **flags: Unpack[TaskFlags]) -> None:
    """Do the task NAME; without a NAME, list them all.

    Each INPUT is a text, a file (text, PDF, Office, sound, picture), a folder of these, or a table (CSV, TSV, JSON Lines,
    Parquet) with --column. An INPUT that is the name of a file is read as that file. Without any, standard input is read.

    \b
      llms task sentiment "I love it" "I do not"
      llms task entities report.pdf
      llms task zero-shot reviews.csv --column text --labels praise,complaint -o labelled.csv
    """
    run = import_module("llms.cli.task_run")  # rich and the models: --help need not wait for them
    if name is None:
        run.show_tasks(flags["as_json"])
    elif not run.run(name, inputs, flags):
        raise SystemExit(1)
