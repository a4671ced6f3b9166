"""Tables for people, JSON Lines for scripts."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table


def print_json(rows: Iterable[Any]) -> None:
    """One object a line."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False))


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table; the columns named in `right` hold numbers."""
    made = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    for column in columns:
        wide = column not in right
        made.add_column(column, justify="left" if wide else "right", overflow="fold", no_wrap=not wide)
    return made


def console(stderr: bool = False) -> Console:
    """Plain text of whatever width is needed when the output is no terminal."""
    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made.width = max(made.width, 120)
    return made


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def dollars(cost: float | None) -> str:
    """Four digits that say something, however small the sum; unknown is not 0."""
    if cost is None:
        return "unknown"
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}".rstrip("0").rstrip(".")
