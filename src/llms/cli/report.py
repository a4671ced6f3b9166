"""`llms report`."""

from pathlib import Path

import click

from ..errors import UsageError
from ..workbench.runs import write_report


@click.command()
@click.argument("run")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it (default: RUN.html).")
def report(run: str, html: Path | None) -> None:
    """Write RUN as one page: scores with intervals, the first prompt, every item with filters, all that identifies it."""
    if html is not None and html.suffix not in (".html", ".htm"):
        raise UsageError(f"the page {html} should end in .html")
    click.echo(f"wrote {write_report(run, html)}")
