"""`llms arena`."""

import click

from .lazy_group import LazyGroup

COMMANDS = {
    "vote": ("arena_vote", "vote", "Vote blind, in the terminal: two answers, then 1, 2, tie or both bad."),
    "run": ("arena_run", "run", "Let systems answer every prompt of a file, pair the answers, let models judge."),
    "judge": ("arena_run", "judge", "Let models judge what is stored, in both orders."),
    "rate": ("arena_rate", "rate", "Rate models by votes: Bradley-Terry with intervals."),
    "list": ("arena_stored", "list_battles", "List the stored battles with their votes."),
    "show": ("arena_stored", "show", "Show one battle: question, both answers, votes, judges' replies."),
    "undo": ("arena_stored", "undo", "Take your last vote back."),
    "import": ("arena_stored", "import_votes", "Take in a public file of votes."),
    "export": ("arena_stored", "export", "Write the votes as CSV or JSON Lines."),
    "rm": ("arena_stored", "rm", "Remove the battles of a source with their votes."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def arena() -> None:
    """Battles between systems on your prompts: vote, let models judge, import votes, rate.

    \b
    llms arena vote -m smollm2 -m gguf:smollm2 "What is a token?"
    llms arena run prompts.txt -m smollm2 -m gguf:smollm2 --judge openai:gpt-5-mini --budget 1
    llms arena rate
    """
