"""`llms arena rate`."""

import click


@click.command()
def rate() -> None:
    """Rate models by votes: Bradley-Terry with intervals."""
    raise click.UsageError("not built yet")
