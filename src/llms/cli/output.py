"""Tables for people, JSON Lines for scripts."""

import atexit
import json
from collections.abc import Iterable, Sequence
from functools import cache

import click
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table
from rich.text import Text

from ..models.loading import Loading


def print_json(rows: Iterable[object]) -> None:
    """Print one JSON object a line."""
    for row in rows:
        click.echo(json.dumps(row, ensure_ascii=False, allow_nan=False))


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table; the columns named in `right` hold numbers."""
    rows = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    for column in columns:
        wide = column not in right
        rows.add_column(column, justify="left" if wide else "right", overflow="fold", no_wrap=not wide)
    return rows


def console(stderr: bool = False) -> Console:
    """A console; it prints plain text of whatever width is needed when the output is not a terminal."""
    return _errors() if stderr else _console()


@cache
def _errors() -> Console:
    """The one console on standard error, so that a spinner and a bar that are shown at once know of one another."""
    return _console(stderr=True)


class PipedConsole(Console):
    """A console whose pipe may be closed, which is no failure; LazyGroup ends the command."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _console(stderr: bool = False) -> Console:
    out = PipedConsole(stderr=stderr, highlight=False)
    if not out.is_terminal:
        out.width = max(out.width, 120)
    return out


_shown: dict[tuple[str, str], Status] = {}
notes_shown: set[str] = set()  # of models, when these were loaded


def show_loading(event: Loading) -> None:
    """Tell on standard error that a model is converted or loaded: a spinner while it lasts on a terminal, else a line each."""
    err, which = console(stderr=True), (event.stage, event.model)
    text = f"{event.stage} {event.model}{' (once)' if event.stage == 'converting' else ''} …"
    if event.steps:  # on the way
        if which in _shown:
            _shown[which].update(escape(f"{text} {event.done} of {event.steps} steps"))
    elif event.seconds is None and err.is_terminal:
        _shown[which] = err.status(escape(text))
        _shown[which].start()
        atexit.register(_shown[which].stop)  # an interrupt may leave it running, and the cursor hidden
    elif event.seconds is None:
        click.echo(f"llms: {text}", err=True)
    elif which in _shown:
        status = _shown.pop(which)
        status.stop()
        atexit.unregister(status.stop)
    elif event.stage == "loading" and not event.failed:
        click.echo(f"llms: {event.model} is ready in {event.seconds:.1f} s", err=True)
    if event.note and event.note not in notes_shown:
        notes_shown.add(event.note)
        err.print(Text(event.note, style="dim"), soft_wrap=True)


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    """Two bounds in percent, `sign` as format knows it; empty where there is none."""
    return "" if low is None or high is None else f"{100 * low:{sign}.1f} – {100 * high:{sign}.1f}"


def size(count: int) -> str:
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    if count >= 1e6:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 1e3 else f"{count} bytes"


def dollars(cost: float | None) -> str:
    """US dollars with enough digits for small sums; an unknown sum is not shown as 0."""
    if cost is None:
        return "unknown"
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.{4 if cost >= 0.001 else 8}f}".rstrip("0").rstrip(".")


def visible(text: str) -> str:
    """Line ends, tabs and other signs that a terminal would obey, in a form that is seen."""
    return "".join(sign if sign.isprintable() else _SEEN.get(sign) or repr(sign)[1:-1] for sign in text)


_SEEN = {"\n": "↵", "\t": "⇥"}
COLOURS = (
    "black on bright_cyan",
    "black on bright_yellow",
    "black on bright_green",
    "white on blue",
    "white on magenta",
)
BORDER = "│"


def coloured(out: Console) -> bool:
    return out.is_terminal and not out.no_color


def bordered(text: str, out: Console) -> Text:
    """One token, so that its spaces are seen: on a colour, or between borders where there is no colour."""
    return Text(visible(text), COLOURS[0]) if coloured(out) else Text(f"{BORDER}{visible(text)}{BORDER}")
