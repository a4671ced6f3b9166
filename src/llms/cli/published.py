"""`llms published`: take in, list and remove results that others published."""

import sys
from pathlib import Path

import click

from ..arena.evidence import MEANING
from ..workbench import published as verbs
from .output import console, interval, print_json, table

SHOWN = 20  # refusals that are told one by one


@click.group()
def published() -> None:
    """Results that others published, beside your own: greyed, each with what it is worth. They decide nothing.

    \b
    llms published reference
    llms published import results/
    llms published hub Qwen/Qwen2.5-0.5B
    llms leaderboard --published
    """


@published.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def import_files(paths: tuple[Path, ...]) -> None:
    """Take in files of Every Eval Ever (schema 0.3.0), or folders of them. What cannot be taken is named, the rest is stored."""
    _say(verbs.take_files(paths))


@published.command()
@click.argument("name")
@click.option(
    "--unit",
    type=click.Choice(["percent", "share", "points"]),
    help="The unit of the values, which the hub does not state.",
)
def hub(name: str, unit: str | None) -> None:
    """Take in the community results of a model, owner/name, or of the leaderboard of a dataset. This asks the hub.

    What the model's base model has and the model itself has not is taken in as inherited.
    """
    _say(verbs.take_hub(name, verbs.unit_of(unit)))


@published.command()
def reference() -> None:
    """Take in the figures of small models that llms ships, from release posts and model cards, with their sources."""
    _say(verbs.take_reference())


@published.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
def show(as_json: bool) -> None:
    """List the published results with their evidence, those taken in last first."""
    results = verbs.all_results()
    if as_json:
        print_json({**result.to_dict(), "id": result.id, "evidence": evidence} for result, evidence in results)
        return
    if not results:
        click.echo("nothing is taken in yet; begin with: llms published reference")
        return
    rows = table("system", "benchmark", "metric", "value", "95 % interval", "n", "asked", "evidence", "source", right=("value", "95 % interval", "n"))  # fmt: skip
    for result, evidence in results:
        share = result.scale == "share"
        value = f"{100 * result.value:.1f}" if share else f"{result.value:g}"
        bounds = interval(result.low, result.high) if share else ""
        name = f"{result.benchmark} {result.part}".strip()
        rows.add_row(
            result.system,
            name,
            result.metric,
            value,
            bounds,
            str(result.n or ""),
            result.setup,
            evidence,
            result.publisher or result.source,
        )
    console().print(rows)
    for evidence in dict.fromkeys(evidence for _, evidence in results):
        click.echo(f"{evidence}: {MEANING[evidence]}")


@published.command()
@click.argument("source")
def rm(source: str) -> None:
    """Remove all results of a source, as `llms published list --json` names it, or of all sources in a folder."""
    click.echo(f"removed {verbs.remove(source)} results of {source}")


def _say(taken: verbs.TakenIn) -> None:
    """Tell what was taken and what not; exit 1 where nothing could be taken."""
    for note in taken.notes[:SHOWN]:
        click.echo(note, err=True)
    for refusal in taken.refused[:SHOWN]:
        click.echo(f"refused: {refusal}", err=True)
    if len(taken.refused) > SHOWN:
        click.echo(f"refused: {len(taken.refused) - SHOWN} more", err=True)
    before = f", {taken.known} were there before" if taken.known else ""
    refused = f", {len(taken.refused)} refused" if taken.refused else ""
    click.echo(f"{taken.new} new results{before}{refused}; see them with: llms leaderboard --published")
    if taken.refused and not taken.new + taken.known:
        sys.exit(1)
