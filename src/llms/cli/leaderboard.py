"""`llms leaderboard`."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..arena.board import BoardCell, BoardColumn, BoardRow, Unit
from ..arena.board_columns import spent_per_task
from ..evaluation.report import Report
from ..workbench.board_page.export import write_page
from ..workbench.leaderboard import BoardFilter, StoredBoard, read, sorted_by, to_csv
from .output import console, dollars, interval, percent, print_json, size, table

WIDEST = 34  # of a system's name, which is folded beyond
NUMBERS = {"score": 7, "95 % interval": 13, "rank": 4, "n": 5, "tok/s": 6}


@click.command()
@click.option("--view", help="Only this view (default, v1, v2).")
@click.option("-b", "--benchmark", "benchmarks", multiple=True, help="Only this benchmark; may be given again.")
@click.option("-m", "--model", "systems", multiple=True, help="Only this system; may be given again.")
@click.option("--sort", help="Order the systems by this column, by its title or its beginning.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page as one file, which sorts, filters and draws by itself.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write one line per system and column; - for standard output.",
)
@click.option("--published", is_flag=True, help="With results of others (llms published), greyed, with their evidence.")
@click.option("--json", "as_json", is_flag=True, help="One object a line, one per system and benchmark.")
def leaderboard(
    view: str | None,
    benchmarks: tuple[str, ...],
    systems: tuple[str, ...],
    sort: str | None,
    html: Path | None,
    csv_file: Path | None,
    published: bool,
    as_json: bool,
) -> None:
    """Scores of every system, each with its 95 % interval, rank, n, speed and memory.

    Only runs that were asked the same stand together: benchmark, version, shots, draw, template and data. A rank is an
    interval: best and worst place that paired comparisons on the same items leave open (Holm, 5 %).
    """
    board = read(BoardFilter(view, benchmarks, systems), published=published)
    if sort:
        board = sorted_by(board, sort)
    if html:
        write_page(board.table, html)
        click.echo(f"wrote {html}", err=True)
    if csv_file:
        _write_csv(to_csv(board.table), csv_file)
    if as_json:
        print_json(board.rows_json())
    elif html or csv_file:
        return
    elif board.table.rows:
        show(board, totals=False)
        show_published(board)
    else:
        click.echo(f"nothing is measured yet; begin with: {board.table.next_steps[0]}")


def show_published(board: StoredBoard) -> None:
    """The results of others, greyed: value, evidence and source."""
    names = ("published", "system", "value", "95 % interval", "asked", "evidence", "source")
    rows = table(*names, right=("value", "95 % interval"))
    for column, row, cell in board.published():
        share = column.unit == "share"
        value = percent(cell.value) if share else f"{cell.value:g}"
        bounds = interval(cell.low, cell.high) if share else ""
        asked = column.details.get("asked", "as in that column")
        rows.add_row(column.title, row.label, value, bounds, asked, cell.evidence, cell.source, style="dim")
    if rows.rows:
        console().print(rows)


def _write_csv(text: str, path: Path) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}", err=True)


def show(board: StoredBoard, totals: bool = True) -> None:
    """A block per benchmark, the best system first; then averages and what the marks mean. `totals`: seconds and cost are
    those of the run, else of a task."""
    out = console()
    blocks = list(board.blocks())
    width = min(max((len(row.label) for row in board.table.rows), default=0), WIDEST)
    reports = [report for _, cells in blocks for _, _, report in cells]
    paid = any(report.usage.cost != 0 for report in reports)
    ranked = any(cell.rank_low for _, cells in blocks for _, cell, _ in cells)
    for number, (column, cells) in enumerate(blocks):
        out.print(_heading(column, cells[0][2]))
        rows = Table(box=None, padding=(0, 1), pad_edge=False, show_header=not number, header_style="dim")
        rows.add_column("  system", overflow="fold", width=width + 2)
        names = {name: size for name, size in NUMBERS.items() if ranked or name != "rank"}
        names |= {"seconds": 7} if totals else {"s/task": 7}
        names |= {"memory": 7} | ({} if not paid else {"cost": 8} if totals else {"cost/task": 9})
        for name, room in names.items():
            rows.add_column(name, justify="right", no_wrap=True, min_width=room)
        for position, (row, cell, report) in enumerate(cells):
            shown = [*_numbers(column, cell, report), *_spent(report, totals)[: 2 + paid]]
            shown[2:3] = [rank(cell)] if ranked else []
            rows.add_row("  " + row.label, *shown, style="bold" if position == 0 and len(cells) > 1 else "")
        out.print(rows)
    others = [column for column in board.table.columns if column.group in ("average", "view", "arena", "speed")]
    for column in [column for column in others if column.group == "average"][:1] if totals else others:
        _show_column(out, board, column, width)
    for line in [*_notes(blocks), *board.table.notes]:
        out.print(Text(line, style="dim"))
    if not totals and board.table.next_steps:
        out.print(Text(f"next: {board.table.next_steps[0]}", style="dim"))


def _heading(column: BoardColumn, first: Report) -> Text:
    key = first.key
    details = [
        first.shown if first.shown == first.headline else f"{first.headline} above chance",
        f"{key.shots}-shot" + (f" {key.draw}" if key.shots else ""),
        key.data,
    ]
    details += [f"view {key.view}"] if key.view != "default" else []
    details += ["chat template"] if key.chat_template else []
    details += [] if column.higher_is_better else ["less is better"]
    details += [f"chance {percent(first.chance)}"] if first.chance else []
    return Text(key.benchmark, style="bold") + Text("  " + " · ".join(details), style="dim")


def _numbers(column: BoardColumn, cell: BoardCell, report: Report) -> list[str]:
    """Score, interval, a place for the rank, n, tokens per second."""
    nats = column.unit == "nats"
    return [
        (_value("nats", cell.value) if nats else percent(cell.value)) + "*" * cell.partial + "!" * bool(cell.marks),
        _interval("nats", cell) if nats else interval(cell.low, cell.high),
        "",
        str(cell.n),
        f"{report.usage.tokens_per_second:.0f}",
    ]


def _spent(report: Report, totals: bool) -> list[str]:
    """Seconds, memory and cost, of the run or of a task."""
    usage = report.usage
    memory = size(usage.peak_memory_bytes) if usage.peak_memory_bytes else ""
    if totals:
        return [f"{usage.seconds:.1f}", memory, dollars(usage.cost)]
    seconds, cost = spent_per_task(report, "seconds"), spent_per_task(report, "dollars")
    return [f"{seconds.value:.3g}" if seconds else "", memory, dollars(cost.value if cost else None)]


def rank(cell: BoardCell) -> str:
    """The interval of ranks, as 2 or 1–3."""
    if cell.rank_low is None or cell.rank_high is None:
        return ""
    return str(cell.rank_low) if cell.rank_low == cell.rank_high else f"{cell.rank_low}–{cell.rank_high}"


def _show_column(out: Console, board: StoredBoard, column: BoardColumn, width: int) -> None:
    """A block of one number per system: an average, a rating, a speed."""
    cells = [(row, row.cells[column.id]) for row in board.table.rows if column.id in row.cells]
    cells.sort(key=lambda pair: -pair[1].value if column.higher_is_better else pair[1].value)
    over = f" over {len(column.details['over'].split(', '))} benchmarks" if "over" in column.details else ""
    note = ", some in part" if any(cell.partial for _, cell in cells) else ""
    out.print(Text(f"{column.title}{over}{note}", style="bold"))
    for row, cell in cells:
        out.print(
            f"  {row.label:<{width}} {_value(column.unit, cell.value):>7}  {_interval(column.unit, cell):>13} {rank(cell):>5}".rstrip()
        )


def _value(unit: Unit, value: float) -> str:
    if unit == "share":
        return percent(value)
    if unit == "dollars":
        return dollars(value)
    if unit == "nats":
        return f"{value:.3f}"
    return size(round(value)) if unit == "bytes" else f"{value:.4g}"


def _interval(unit: Unit, cell: BoardCell) -> str:
    if cell.low is None or cell.high is None:
        return ""
    return f"{_value(unit, cell.low)} – {_value(unit, cell.high)}"


def _notes(blocks: Sequence[tuple[BoardColumn, list[tuple[BoardRow, BoardCell, Report]]]]) -> Iterator[str]:
    shown = [each for _, cells in blocks for each in cells]
    if any(cell.partial for _, cell, _ in shown):
        yield "* part of the data only"
    for row, cell, report in shown:
        if cell.marks:
            yield f"! {row.label} on {report.key.benchmark}: {'; '.join(cell.marks)}"
    if any(report.key.data == "sample" for _, _, report in shown):
        yield "sample: items of this project's own in the benchmark's shape; for the benchmark itself use --data hub"
