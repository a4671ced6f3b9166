"""`llms benchmarks`."""

import click

from ..benchmarks.catalogue import CATALOGUE
from .output import console, percent, print_json, table

ANSWERS = {"choice": "choice", "generation": "text", "code": "program"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
def benchmarks(as_json: bool) -> None:
    """List the benchmarks: kind of answer, full size on the hub, what guessing gets, few-shot examples per view, licence.

    A benchmark of choices can be asked for a letter in a reply as well, as NAME:letter, which chat models need.
    """
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
    rows = table("name", "answer", "items", "chance", "metric", "shots", "licence", right=("items", "chance"))
    for b in CATALOGUE.values():
        shots = ", ".join(f"{name} {view.shots}" for name, view in b.views.items())
        headline = next(iter(b.views.values())).headline
        rows.add_row(b.name, ANSWERS[b.kind], str(b.items), percent(b.chance), headline, shots, b.licence)
    console().print(rows)
