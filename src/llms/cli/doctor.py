"""`llms doctor`."""

import sys
from dataclasses import asdict

import click
from rich.text import Text

from ..workbench.doctor import examine_all
from .output import console, print_json, table

STYLES = {"ok": "green", "off": "dim", "broken": "red"}


@click.command()
@click.option(
    "--online",
    is_flag=True,
    help="Ask the hub, Ollama on this machine, and each endpoint whether it takes the key that is set.",
)
@click.option("--deep", is_flag=True, help="Import torch and transformers too; takes some seconds.")
@click.option("--json", "as_json", is_flag=True, help="One object a line: name, state, detail, repair, needed.")
def doctor(online: bool, deep: bool, as_json: bool) -> None:
    """Check what llms needs, and say how to repair what is broken.

    ok is fine, off is not there but not needed either, broken needs the repair that stands under it. Exits with 1 if
    something that llms cannot do without is broken, or a key is refused. No connection is made, unless --online asks for it.
    """
    checks = list(examine_all(online, deep))
    if as_json:
        print_json(asdict(check) for check in checks)
    else:
        rows = table("", "", "")
        rows.show_header = False
        for check in checks:
            rows.add_row(Text(check.state, STYLES[check.state]), check.name, Text(check.detail))
            if check.repair:
                rows.add_row("", "", Text(f"→ {check.repair}", "yellow" if check.state == "broken" else "dim"))
        console().print(rows)
    if any(check.state == "broken" and check.needed for check in checks):
        sys.exit(1)
