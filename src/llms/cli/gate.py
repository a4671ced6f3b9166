"""`llms gate`."""

import click


@click.command()
def gate() -> None:
    """To be built."""
    raise click.UsageError("not built yet")
