"""`llms published`."""

import click


@click.command()
def published() -> None:
    """To be built."""
    raise click.UsageError("not built yet")
