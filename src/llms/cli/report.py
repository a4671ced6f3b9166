"""`llms report`."""

from pathlib import Path

import click

from ..errors import UsageError
from ..workbench.html_report import write_report


@click.command()
@click.argument("run")
@click.option("--html", is_flag=False, flag_value="", default="", metavar="[FILE]", help="Where (default: RUN.html).")
def report(run: str, html: str) -> None:
    """Write RUN as one page: scores with intervals, the first prompt, every item with filters, all that identifies it.

    \b
    llms report last --html
    llms report last --html page.html
    """
    if html and not html.endswith((".html", ".htm")):
        raise UsageError(f"the page {html} should end in .html")
    click.echo(f"wrote {write_report(run, Path(html) if html else None)}")
