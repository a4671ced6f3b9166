"""`llms benchmarks`."""

import click

from ..benchmarks.catalogue import CATALOGUE
from .output import console, percent, print_json, table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
def benchmarks(as_json: bool) -> None:
    """List the benchmarks: full size on the hub, what guessing gets, few-shot examples per view, licence."""
    if as_json:
        print_json(
            {
                "name": b.name,
                "title": b.title,
                "version": b.version,
                "items": b.items,
                "chance": b.chance,
                "kind": b.kind,
                "metrics": b.metrics,
                "licence": b.licence,
                "views": {
                    name: {"shots": v.shots, "draw": v.draw, "headline": v.headline} for name, v in b.views.items()
                },
            }
            for b in CATALOGUE.values()
        )
        return
    rows = table("name", "items", "chance", "metric", "shots", "licence", right=("items", "chance"))
    for b in CATALOGUE.values():
        shots = ", ".join(f"{name} {view.shots}" for name, view in b.views.items())
        rows.add_row(b.name, str(b.items), percent(b.chance), b.views["default"].headline, shots, b.licence)
    console().print(rows)
