"""`llms arena run` and `llms arena judge`: what they take; arena_fights.py carries it out."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Unpack

import click

from .finite import FiniteRange
from .option_groups import ANSWER, DATA, GRADING, MODEL, OUTPUT, RUN, GroupedCommand, option

if TYPE_CHECKING:
    from .arena_fights import JudgeFlags, RunFlags

_JUDGE_HELP = "A model that judges every battle in both orders; may be given again."


@click.command(cls=GroupedCommand)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option(MODEL, "-m", "--model", "models", multiple=True, required=True, help="A system that answers; at least two.")
@option(
    DATA,
    "--column",
    help="The column of the prompts in a CSV, TSV, JSON or Parquet file (default: prompt, or question).",
)
@option(DATA, "--source", help="The name under which the battles are stored (default: the file's).")
@option(DATA, "--pairs", "battles", type=click.IntRange(min=1), help="So many in all, paired where a vote says most (default: every pair on every prompt).")  # fmt: skip
@option(ANSWER, "--max-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Of an answer.")
@option(ANSWER, "--temperature", type=FiniteRange(min=0), default=0.0, show_default=True, help="0 is greedy.")
@option(ANSWER, "--seed", type=int, default=0, show_default=True, help="Of sampling.")
@option(GRADING, "--judge", "judges", multiple=True, help=_JUDGE_HELP)
@option(RUN, "--budget", help="At most so much money, in US dollars.")
@option(
    RUN, "--price", metavar="IN/OUT", help="US dollars per million tokens sent and answered, where no price is known."
)
@option(RUN, "--retry-failed", is_flag=True, help="Ask again what failed: answers and judgements.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a judge.")
def run(**flags: Unpack["RunFlags"]) -> None:
    """Let every model answer the prompts of FILE (text with one a line, or a table), pair the answers into battles, and let
    models judge them.

    \b
    llms arena run prompts.txt -m smollm2 -m gguf:smollm2
    llms arena run prompts.csv --column question -m smollm2 -m openai:gpt-5-mini --judge anthropic:claude-sonnet-4-5 --budget 2
    llms arena vote --stored prompts

    Each system answers each prompt once. The same command continues where a killed one stopped. A judge is shown both
    orders: where its verdict turns with the order, the vote is a tie.
    """  # fmt: skip
    _fights().run(flags)


@click.command(cls=GroupedCommand)
@option(GRADING, "--judge", "judges", multiple=True, required=True, help=_JUDGE_HELP)
@option(DATA, "--source", help="Only the battles of this source.")
@option(RUN, "--budget", help="At most so much money, in US dollars.")
@option(
    RUN, "--price", metavar="IN/OUT", help="US dollars per million tokens sent and answered, where no price is known."
)
@option(RUN, "--retry-failed", is_flag=True, help="Judge again where a judgement failed.")
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a judge.")
def judge(**flags: Unpack["JudgeFlags"]) -> None:
    """Let models judge the stored battles that they have not judged yet, in both orders, and compare them with people.

    \b
    llms arena judge --judge openai:gpt-5-mini --budget 0.50
    """
    _fights().judge(flags)


def _fights() -> ModuleType:
    from . import arena_fights  # numpy, which --help need not wait for

    return arena_fights
