"""`llms finetune`."""

import shlex
import sys
from pathlib import Path

import click

from .finite import FiniteRange
from .option_groups import DATA, OUTPUT, RUN, TRAINING, GroupedCommand, option

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
POSITIVE, WHOLE = click.IntRange(1), click.IntRange(0)
SHARE = FiniteRange(0, 1, max_open=True)


@click.command(cls=GroupedCommand)
@click.argument("model", required=False, default="")
@option(
    DATA,
    "--data",
    default="",
    help="A file of chats, prompts and answers, texts, or preference pairs (.jsonl, .json, .csv).",
)
@option(
    DATA,
    "--validation",
    type=SHARE,
    help="Share of the rows that are never trained; one row at least, with 0 too.  [default: 0.05]",
)
@option(
    DATA, "--train-on", type=click.Choice(["answers", "all"]), help="Of chats the answers, or all.  [default: answers]"
)
@option(DATA, "--window", type=POSITIVE, help="Tokens of the longest row.  [default: the model's]")
@option(
    TRAINING,
    "--method",
    type=click.Choice(["lora", "qlora", "full", "dpo"]),
    help="[default: dpo for preference pairs, else lora]",
)
@option(TRAINING, "--rank", type=WHOLE, help="Of the adapter; 0, with dpo, trains all weights.")
@option(TRAINING, "--alpha", type=POSITIVE, help="The adapter's product is multiplied by alpha / rank.")
@option(TRAINING, "--dropout", type=SHARE, help="On the adapter's input.")
@option(TRAINING, "--learning-rate", type=FiniteRange(0, min_open=True), help="The highest one.")
@option(TRAINING, "--epochs", type=FiniteRange(0, min_open=True), help="Times that every row is trained.")
@option(TRAINING, "--max-steps", type=POSITIVE, help="Optimizer steps at most.")
@option(TRAINING, "--batch", "rows_per_step", type=POSITIVE, help="Rows of an optimizer step.")
@option(TRAINING, "--rows-at-once", type=POSITIVE, help="Rows of one forward pass; changes memory, not the result.")
@option(
    TRAINING,
    "--patience",
    type=WHOLE,
    help="Stop after so many validations without gain, with the best weights; 0: never.  [default: 3 or more, if 20 rows validate]",
)
@option(TRAINING, "--beta", type=FiniteRange(0, min_open=True), help="Of DPO.  [default: 0.1]")
@option(TRAINING, "--seed", type=WHOLE, help="Of the adapter, order and held-out rows.  [default: 0]")
@option(RUN, "--out", type=FOLDER, help="Folder of the run and its result.  [default: by model, method and data]")
@option(RUN, "--recipe", "recipe_file", type=FILE, help="A TOML file of all this; options go before it.")
@option(RUN, "--resume", type=FOLDER, help="Go on with the run in this folder, as the same command would.")
@option(RUN, "--processes", type=POSITIVE, default=1, show_default=True, help="Processes that share each step's rows.")
@option(RUN, "--yes", is_flag=True, help="Do not ask before it starts.")
@option(RUN, "--no-evidence", is_flag=True, help="Do not measure before and after at the end.")
@option(
    RUN, "--evidence", "measure_only", type=FOLDER, help="Measure before and after of a finished run; train nothing."
)
@option(
    RUN, "-b", "--benchmark", "benchmarks", multiple=True, help="What must not suffer.  [default: arc_easy, hellaswag]"
)
@option(RUN, "--limit", type=POSITIVE, help="Items of each of these at most.")
@option(
    RUN, "--benchmark-data", default="", help="Their rows: sample, hub, fresh or a folder.  [default: as llms eval]"
)
@option(RUN, "--merge", type=FOLDER, help="Merge the adapter into the model at the end, into this new folder.")
@option(OUTPUT, "--show-batch", is_flag=True, help="Show the first rows as they are trained, and train nothing.")
@option(OUTPUT, "--dry-run", is_flag=True, help="Show rows, tokens, steps, memory, disk and time, and train nothing.")
@option(
    OUTPUT,
    "--export-recipe",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the recipe as TOML, train nothing.",
)
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a line: the plan, each step, the result last.")
def finetune(model: str, data: str, **options: object) -> None:
    """Train MODEL on your rows: an adapter (LoRA, QLoRA), all weights, or by preferences (DPO).

    \b
    llms finetune smollm2 --data chats.jsonl
    llms finetune smollm2 --data chats.jsonl --show-batch      # what is trained, in colour
    llms chat -m 'smollm2?adapter=./smollm2-lora-chats'

    Only answers are trained, unless --train-on all. It ends with evidence: both models on rows that were not trained, and on
    two benchmarks that must not suffer. A run that was interrupted goes on by the same command.
    """
    from .finetune_run import run  # trl's rows and the store: a second

    run(model, data, options, shlex.join(["llms", *sys.argv[1:]]))
