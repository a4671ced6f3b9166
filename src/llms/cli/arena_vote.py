"""`llms arena vote`: what it takes; terminal_battle.py carries it out."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from .finite import FiniteRange
from .option_groups import ANSWER, DATA, MODEL, RUN, GroupedCommand, option

if TYPE_CHECKING:
    from .terminal_battle import VoteFlags


@click.command(cls=GroupedCommand)
@click.argument("words", nargs=-1, metavar="[PROMPT]...")
@option(MODEL, "-m", "--model", "models", multiple=True, help="A model that may be drawn; at least two.")
@option(MODEL, "-s", "--system", help="A system prompt for all, or @FILE.")
@option(DATA, "--prompts", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file of prompts: text with one a line, or a table.")  # fmt: skip
@option(DATA, "--column", help="The column of the prompts in a table (default: prompt, or question).")
@option(
    DATA, "--stored", metavar="SOURCE", help="Vote on stored answers, such as those of llms arena run; asks no model."
)
@option(ANSWER, "--max-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Of an answer.")
@option(ANSWER, "--temperature", type=FiniteRange(min=0), help="0 is greedy; the default is the model's own.")
@option(ANSWER, "--seed", type=int, help="Of sampling.")
@option(RUN, "--tool", "tools", multiple=True, help="A tool that all may call, such as calculator; may be given again.")
@option(RUN, "--budget", help="At most so much money, in US dollars.")
@option(
    RUN, "--price", metavar="IN/OUT", help="US dollars per million tokens sent and answered, where no price is known."
)
def vote(**flags: Unpack["VoteFlags"]) -> None:
    """Two answers without names; say which is better. Which two models, and which of them comes first, is drawn: pairs of
    which a vote says most come more often.

    \b
    llms arena vote -m smollm2 -m gguf:smollm2 "What is a token?"
    llms arena vote -m smollm2 -m gguf:smollm2 -m openai:gpt-5-mini --prompts prompts.txt
    llms arena vote --stored prompts

    Keys: 1, 2, t (tie), b (both bad), f (say more to both), s (skip), u (undo the last vote), q (quit). Names are shown after
    the vote. Without PROMPT each is asked for; lines of standard input are prompts too.
    """
    from . import terminal_battle  # pydantic-ai: a second or more, which --help need not wait for

    terminal_battle.run(flags)
