"""`llms runs`: list, delete, export, diff."""

import json
from pathlib import Path

import click

from ..statistics.direction import worded
from ..workbench import exports
from ..workbench import runs as verbs
from .output import console, print_json, table


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One object a line.")
@click.pass_context
def runs(context: click.Context, as_json: bool) -> None:
    """List the stored runs, the newest first; delete, export or compare them."""
    if context.invoked_subcommand:
        return
    stored = verbs.all_runs()
    if as_json:
        print_json(
            {
                "run": run.run,
                "created": run.created,
                "attempts": run.attempts,
                "outcomes": run.outcomes,
                "graded_from": run.graded_from,
                "report": run.report.to_json() if run.report else None,
            }
            for run in stored
        )
        return
    rows = table("run", "benchmark", "system", "view", "items", "score", "when", right=("items", "score"))
    for run in stored:
        report = run.report
        nothing = "failed" if report and report.failed else "open"
        score = worded(report.shown, report.score.value) if report and report.score else nothing
        items = f"{run.outcomes}/{report.available}" if report else str(run.outcomes)
        when = run.created[:16].replace("T", " ")
        rows.add_row(run.run, run.key.benchmark, run.key.system.name, run.key.view, items, score, when)
    console().print(rows)


@runs.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(names: tuple[str, ...], yes: bool) -> None:
    """Delete runs and all their outcomes; this cannot be undone."""
    if not yes:
        click.confirm(f"delete {', '.join(names)} with all outcomes?", abort=True)
    click.echo(f"deleted {', '.join(verbs.delete(list(names)))}")


@runs.command()
@click.argument("name")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "lm-eval", "eee", "hub-eval"]),
    default="jsonl",
    show_default=True,
    help="Samples a line; or the scores as lm-evaluation-harness, Every Eval Ever or the hub's .eval_results have them.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output."
)
def export(name: str, form: str, output: Path | None) -> None:
    """Write a run: every item as JSON Lines, or its scores for others, with interval, method and n where the format has room.

    Scores for others hold no path of this machine and no text of your own prompts.
    """
    if form == "jsonl":
        lines = (
            json.dumps(verbs.sample_json(prompt, outcome), ensure_ascii=False, allow_nan=False)
            for _, prompt, outcome in verbs.samples(name)
        )
    elif form == "hub-eval":
        lines = (line for line in exports.hub_results(name).splitlines())
    else:
        value = exports.harness_results(name) if form == "lm-eval" else exports.every_eval_ever(name)
        lines = (text for text in [json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)])
    with click.open_file(str(output) if output else "-", "w", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
    if output:
        click.echo(f"wrote {output}", err=True)


@runs.command()
@click.argument("a")
@click.argument("b")
def diff(a: str, b: str) -> None:
    """Show what differs between two runs of one benchmark: how they were asked, and which items changed."""
    difference = verbs.diff(a, b)
    for name, (left, right) in difference.fields.items():
        click.echo(f"{name}: {left!r} -> {right!r}")
    up = sum(after > before for _, before, after in difference.changed)
    click.echo(
        f"{difference.same} items the same, {up} better, {len(difference.changed) - up} worse in {difference.b.run}"
    )
    if difference.only_a or difference.only_b:
        click.echo(
            f"{difference.only_a} items only in {difference.a.run}, {difference.only_b} only in {difference.b.run}"
        )
    for item, before, after in difference.changed[:50]:
        click.echo(f"  {item}  {before:.3g} -> {after:.3g}")
    if len(difference.changed) > 50:
        click.echo(f"  and {len(difference.changed) - 50} more")
    if difference.prompt:
        item, left, right = difference.prompt
        position = next(
            (i for i, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), min(len(left), len(right))
        )
        start = max(0, position - 40)
        click.echo(f"the prompts differ, first at {item}, character {position}:")
        for side, prompt in ((difference.a, left), (difference.b, right)):
            click.echo(f"  {side.run}: …{prompt[start : position + 40]!r}")
