"""`llms arena`."""

import click

from .arena_rate import rate


@click.group()
def arena() -> None:
    """Battles between systems on your prompts: vote, import votes, rate."""


arena.add_command(rate)
