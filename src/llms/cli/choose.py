"""`llms choose`."""

import click


@click.command()
def choose() -> None:
    """To be built."""
    raise click.UsageError("not built yet")
