"""`llms arena rate`."""

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from ..arena.battle import Rating, Ratings
from ..errors import UsageError
from ..values import several
from .finite import FiniteRange
from .option_groups import ANSWER, DATA, OUTPUT, GroupedCommand, option
from .output import console, print_json, table

if TYPE_CHECKING:
    from ..workbench.arena.rated import EloView

WIDTH, POINTS = 33, 40  # signs of a drawn interval at most, and of a history
SIGNS = "▁▂▃▄▅▆▇█"


def _anchor(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, float] | None:
    if text is None:
        return None
    model, _, number = text.rpartition("=")
    try:
        rating = float(number)
    except ValueError:
        return _no_anchor(text)
    return (model, rating) if model and isfinite(rating) else _no_anchor(text)


def _no_anchor(text: str) -> tuple[str, float]:
    raise click.BadParameter(f"{text!r}; expected MODEL=RATING, such as gpt-4=1200")


@click.command(cls=GroupedCommand)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@option(
    DATA,
    "--judge",
    default="",
    help="Only this judge's votes; or the column with the verdicts, where there are several.",
)
@option(
    DATA,
    "--not-blind/--blind-only",
    default=None,
    help="Whether votes count that knew the names; by default those of your own chats alone.",
)
@option(
    DATA,
    "--daily-cap",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Votes of a person a day that count.",
)
@option(
    ANSWER,
    "--ties",
    type=click.Choice(["half", "davidson", "rao-kupper"]),
    default="half",
    show_default=True,
    help="Half a win each, or a third outcome by one of two models.",
)
@option(ANSWER, "--style", is_flag=True, help="Rate for equal length and markup of answers; the file must have them.")
@option(
    ANSWER,
    "--anchor",
    metavar="MODEL=RATING",
    callback=_anchor,
    help="Fix one rating; intervals are of the difference to it.",
)
@option(
    ANSWER,
    "--by",
    type=click.Choice(["vote", "judge", "prompt"]),
    help="What is independent; by default the widest of the three.",
)
@option(ANSWER, "--bootstrap", "rounds", type=click.IntRange(20), help="The interval from so many resamplings.")
@option(
    ANSWER,
    "--ridge",
    type=FiniteRange(0, min_open=True),
    help="Pull ratings together by so much, so that models which never lost get one too (1e-5 is usual).",
)
@option(OUTPUT, "--history", is_flag=True, help="Elo as the votes came in, and its median over 100 other orders.")
@option(
    OUTPUT, "--matrix", is_flag=True, help="Of each pair, how often the row beat the column, and in how many votes."
)
@option(OUTPUT, "--json", "as_json", is_flag=True, help="One object a line, one per model.")
def rate(file: Path | None, judge: str, history: bool, matrix: bool, as_json: bool, **settings: object) -> None:
    """Rate models by the votes of FILE, or by those of your own battles: Bradley-Terry with intervals.

    \b
    llms arena rate votes.csv
    llms arena rate votes.jsonl --ties davidson --by judge --json

    FILE has the columns model_a, model_b and winner (a, b, tie, both_bad); judge and prompt, where they are known, make the
    intervals honest. Ratings are maximum likelihood on the scale of Elo, their mean is 1000.
    """
    from ..workbench.arena import rated as rating

    if history and matrix:
        raise UsageError("--history and --matrix are two tables; ask for one of them")
    request, battles = rating.requested(settings), rating.votes_of(file, judge)
    if history:
        view = rating.elo_view(battles, request.cleaning, POINTS)
        if as_json:
            print_json(_history_rows(view))
        else:
            _show_history(view)
        return
    ratings = rating.rated(battles, request)
    if as_json:
        print_json(_row(row, ratings) for row in ratings.ratings)
        for note in _notes(ratings):
            click.echo(f"llms: {note}", err=True)
    elif matrix:
        _show_matrix(ratings)
    else:
        _show(ratings)


def _row(rating: Rating, ratings: Ratings) -> dict[str, object]:
    return {
        "model": rating.model,
        "rating": rating.rating,
        "low": rating.low,
        "high": rating.high,
        "stderr": rating.stderr,
        "battles": rating.battles,
        "method": ", ".join(part for part in (ratings.method, rating.interval) if part),
        "component": rating.component,
        "rank_low": rating.rank_low,
        "rank_high": rating.rank_high,
        "unbounded": rating.unbounded,
    }


def _notes(ratings: Ratings) -> Iterator[str]:
    """Sentences beside the ratings: votes left out, effects, cautions."""
    if ratings.dropped:
        yield "left out: " + ", ".join(f"{count} × {reason}" for reason, count in ratings.dropped.items())
    if "not blind" in ratings.dropped:
        yield "--not-blind counts the votes of judges who knew the names, too"
    for effect in ratings.effects:
        yield (
            f"{effect.name}: {effect.elo:+.1f} Elo (standard error {effect.elo_stderr:.1f}), {effect.value:+.4f} ± "
            f"{effect.stderr:.4f} logits; scale: {effect.scale}"
        )
    yield from ratings.notes


def _show(ratings: Ratings) -> None:
    """The table, the best first, a block for each part of the graph; then notes."""
    out = console()
    likelihood = "" if ratings.log_likelihood is None else f" · log-likelihood {ratings.log_likelihood:.3f}"
    out.print(
        Text(f"{several(ratings.votes, 'vote')} · {several(len(ratings.ratings), 'model')}", style="bold")
        + Text(f" · {ratings.method}{likelihood}")
    )
    names = max(len(rating.model) for rating in ratings.ratings)
    width = max(9, min(WIDTH, out.width - min(names, 30) - 41))
    for component in sorted({rating.component for rating in ratings.ratings}):
        members = [rating for rating in ratings.ratings if rating.component == component]
        if component or any(rating.component for rating in ratings.ratings):
            out.print(Text(f"group {component}", style="bold"))
        bounds = [bound for rating in members for bound in (rating.low, rating.high) if bound is not None]
        rows = table(
            "rank",
            "model",
            "rating",
            "95 % interval",
            "",
            "votes",
            right=("rank", "rating", "95 % interval", "", "votes"),
        )
        rows.columns[4].justify = "left"  # drawn on one scale: what is left of a line counts
        for rating in members:
            drawn = _drawn(rating, min(bounds), max(bounds), width) if bounds else ""
            rows.add_row(_ranks(rating), Text(rating.model), *_numbers(rating), drawn, str(rating.battles))
        out.print(rows)
    intervals = dict.fromkeys(rating.interval for rating in ratings.ratings if rating.interval)
    for line in (f"intervals, each the widest computed: {'; '.join(intervals)}" if intervals else "", *_notes(ratings)):
        if line:
            out.print(Text(line, style="dim"), soft_wrap=True)


def _ranks(rating: Rating) -> str:
    """The ranks that the votes leave open; models with a first rank in common cannot be told apart from the best of them."""
    return str(rating.rank_low) if rating.rank_low == rating.rank_high else f"{rating.rank_low}–{rating.rank_high}"


def _numbers(rating: Rating) -> tuple[str, str]:
    if rating.low is None or rating.high is None:
        side = {"above": "unbounded above", "below": "unbounded below"}.get(rating.unbounded, "unbounded")
        return "" if rating.rating is None else f"{rating.rating:.0f}", side
    return f"{rating.rating:.0f}", f"{rating.low:.0f} – {rating.high:.0f}"


def _drawn(rating: Rating, low: float, high: float, width: int) -> str:
    """The interval as a line with its rating as a dot, between `low` and `high` of the whole table."""
    if rating.low is None or rating.high is None or rating.rating is None:
        return {"above": "▸".rjust(width), "below": "◂".ljust(width)}.get(rating.unbounded, "")

    def column(value: float) -> int:
        return round((value - low) / ((high - low) or 1) * (width - 1))

    signs = [" "] * width
    signs[column(rating.low) : column(rating.high) + 1] = "─" * (column(rating.high) - column(rating.low) + 1)
    signs[column(rating.rating)] = "●"
    return "".join(signs)


def _show_matrix(ratings: Ratings) -> None:
    """Rows against columns, the best first: the share of votes for the row (a tie is half a one), and how many votes."""
    out = console()
    names = [rating.model for rating in ratings.ratings]
    records = {}
    for pair in ratings.pairs:
        votes = pair.wins_a + pair.wins_b + pair.ties
        share = (pair.wins_a + pair.ties / 2) / votes
        records[pair.model_a, pair.model_b], records[pair.model_b, pair.model_a] = (share, votes), (1 - share, votes)
    width = max(map(len, names))
    columns = max(2, (out.width - min(width, 30) - 4) // 9)
    for begin in range(0, len(names), columns):
        numbers = [str(rank) for rank in range(begin + 1, min(begin + columns, len(names)) + 1)]
        rows = table("", "model", *numbers, right=("", *numbers))
        for rank, row in enumerate(names, 1):
            cells = [records.get((row, column)) for column in names[begin : begin + columns]]
            rows.add_row(str(rank), Text(row), *("" if c is None else f"{100 * c[0]:.0f}% {c[1]}" for c in cells))
        out.print(rows)
    out.print(Text("share of the row's votes against the column, and how many; a tie is half a vote", style="dim"))


def _show_history(view: "EloView") -> None:
    out, history = console(), view.history
    last = history.ratings[-1]
    low, high = float(history.ratings.min()), float(history.ratings.max())
    rows = table("model", "Elo over time", "last", "median of 100 orders", right=("last", "median of 100 orders"))
    for index in sorted(range(len(history.models)), key=lambda i: -last[i]):
        line = "".join(SIGNS[int((value - low) / ((high - low) or 1) * 7.999)] for value in history.ratings[:, index])
        rows.add_row(Text(history.models[index]), line, f"{last[index]:.1f}", f"{view.median[index]:.1f}")
    out.print(rows)
    text = f"{several(int(history.votes[-1]), 'vote')}; K = 4, 400 points a factor of ten, from 1000; the lines reach from {low:.0f} to {high:.0f}"
    out.print(
        Text(text + ". Elo depends on the order of the votes: rate without --history", style="dim"), soft_wrap=True
    )


def _history_rows(view: "EloView") -> Iterator[dict[str, object]]:
    history = view.history
    for index, model in enumerate(history.models):
        yield {
            "model": model,
            "votes": list(history.votes),
            "elo": history.ratings[:, index].tolist(),
            "median": view.median[index],
        }
