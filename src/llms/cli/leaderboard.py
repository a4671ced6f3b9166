"""`llms leaderboard`."""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from ..arena.leaderboard import BenchmarkBlocks
from ..evaluation.report import Report
from ..statistics import caution
from ..workbench.leaderboard import read, write_page
from .output import console, dollars, interval, percent, print_json, size


@click.command()
@click.option("--view", help="Only this view (default, v1, v2).")
@click.option("-b", "--benchmark", "benchmarks", multiple=True, help="Only this benchmark; may be given again.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with every score and its interval drawn.",
)
@click.option("--json", "as_json", is_flag=True, help="One object a line, one per system and benchmark.")
def leaderboard(view: str | None, benchmarks: tuple[str, ...], html: Path | None, as_json: bool) -> None:
    """Scores of every system, each with its 95 % interval, n, speed and memory.

    Only runs that were asked the same stand together: benchmark, version, shots, draw, template and data.
    """
    board = read(view, benchmarks)
    if html:
        write_page(board, html)
        click.echo(f"wrote {html}", err=True)
    elif as_json:
        print_json(report.to_json() for column in board.columns for report in column.reports)
    elif board.columns:
        show(board)
    else:
        click.echo("nothing is measured yet; begin with: llms eval smollm2")


def show(board: BenchmarkBlocks) -> None:
    """A block per benchmark, the best system first; then averages and what the marks mean."""
    out = console()
    width = max(len(report.key.system.name) for column in board.columns for report in column.reports)
    paid = any(report.usage.cost != 0 for column in board.columns for report in column.reports)
    for column in board.columns:
        first = column.reports[0]
        details = [
            first.shown if first.shown == first.headline else f"{first.headline} above chance",
            f"{column.key.shots}-shot" + (f" {column.key.draw}" if column.key.shots else ""),
            column.key.data,
        ]
        details += [f"view {column.key.view}"] if column.key.view != "default" else []
        details += ["chat template"] if column.key.chat_template else []
        details += [f"chance {percent(first.chance)}"] if first.chance else []
        out.print(Text(column.key.benchmark, style="bold") + Text("  " + " · ".join(details), style="dim"))
        rows = Table(
            box=None, padding=(0, 1), pad_edge=False, show_header=column is board.columns[0], header_style="dim"
        )
        rows.add_column("  system", overflow="fold", width=min(width, 34) + 2)
        numbers = [("score", 7), ("95 % interval", 13), ("n", 5), ("tok/s", 6), ("seconds", 7), ("memory", 7)]
        for name, cells in numbers + ([("cost", 8)] if paid else []):
            rows.add_column(name, justify="right", no_wrap=True, min_width=cells)
        for rank, report in enumerate(column.reports):
            leads = rank == 0 and len(column.reports) > 1
            cost = [dollars(report.usage.cost)] if paid else []
            rows.add_row("  " + report.key.system.name, *_cells(report), *cost, style="bold" if leads else "")
        out.print(rows)
    if board.averages:
        note = ", some in part" if board.partial else ""
        out.print(Text(f"average over {board.averages[0].columns} benchmarks{note}", style="bold"))
        for average in board.averages:
            out.print(f"  {average.system:<{min(width, 34)}} {percent(average.value):>7}")
    for line in _notes([report for column in board.columns for report in column.reports]):
        out.print(Text(line, style="dim"))


def _cells(report: Report) -> list[str]:
    score, usage = report.scores[report.shown], report.usage
    return [
        percent(score.value) + ("*" if report.partial else "") + ("!" if _warnings_of(report) else ""),
        interval(score.low, score.high),
        str(report.n),
        f"{usage.tokens_per_second:.0f}",
        f"{usage.seconds:.1f}",
        size(usage.peak_memory_bytes) if usage.peak_memory_bytes else "",
    ]


def _notes(reports: list[Report]) -> Iterator[str]:
    if any(report.partial for report in reports):
        yield "* part of the data only"
    for report in reports:
        if warnings := _warnings_of(report):
            yield f"! {report.key.system.name} on {report.key.benchmark}: {'; '.join(warnings)}"
    if any(report.key.data == "sample" for report in reports):
        yield "sample: items of this project's own in the benchmark's shape; for the benchmark itself use --data hub"


def _warnings_of(report: Report) -> list[str]:
    """Warnings that a reader of the score needs: failures, unreadable answers, cut prompts, few clusters."""
    warnings = [failed(report)] if report.failed else []
    if report.unreadable:
        share = 100 * report.unreadable / report.n
        warnings.append(f"in {report.unreadable} answers ({share:.0f} %) nothing could be read, which counts as wrong")
    if report.cut:
        warnings.append(f"{report.cut} prompts were cut by {report.cut_tokens} tokens on the left")
    if (score := report.score) and (careful := caution(score.clusters)):
        warnings.append(careful)
    return warnings


def failed(report: Report) -> str:
    """How many items failed, and why most of them did."""
    why = "; ".join(f"{reason} ({count}×)" for reason, count in report.failures.items())
    return f"{report.failed} of {report.n + report.failed} items failed" + (f": {why}" if why else "")
