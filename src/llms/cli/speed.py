"""`llms speed`."""

import click


@click.command()
def speed() -> None:
    """To be built."""
    raise click.UsageError("not built yet")
