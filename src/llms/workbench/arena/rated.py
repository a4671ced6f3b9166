"""Votes of a file, or of the store, to ratings and their history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ...arena.battle import Battle, Ratings
from ...arena.cleaning import Cleaning, clean
from ...arena.elo import EloHistory, elo_history, elo_median
from ...arena.rate import Anchor, rate
from ...arena.spread import Interval
from ...arena.ties import Ties
from ...arena.vote_files import read_votes
from ...arena.vote_table import vote_table
from ...errors import UsageError
from .battles import stored


@dataclass(frozen=True, slots=True)
class RatingRequest:
    """How votes are to be rated: see `llms.rate`."""

    ties: Ties = "half"
    style: bool = False
    anchor: Anchor | None = None
    interval: Interval = "largest"
    rounds: int = 0
    ridge: float = 0.0
    cleaning: Cleaning = field(default_factory=Cleaning)


def requested(settings: Mapping[str, object]) -> RatingRequest:
    """The request that a command's options make, by their names: `by` is vote, judge, prompt or None for the widest."""
    by = settings.get("by")
    return RatingRequest(
        ties=cast(Ties, settings["ties"]),
        style=bool(settings.get("style")),
        anchor=cast(Anchor | None, settings.get("anchor")),
        interval="independent" if by == "vote" else cast(Interval, by or "largest"),
        rounds=cast(int, settings.get("rounds") or 0),
        ridge=cast(float, settings.get("ridge") or 0.0),
        cleaning=Cleaning(cast(int, settings["daily_cap"]), cast(bool | None, settings.get("not_blind"))),
    )


def votes_of(file: Path | None, judge: str = "") -> list[Battle]:
    """The votes of `file`, or of the store where it is None; `judge` as in `read_votes`."""
    if file is not None:
        return read_votes(file, judge)
    battles = [battle for battle in stored() if judge in ("", battle.judge)]
    if not battles:
        whose = f" of the judge {judge!r}" if judge else ""
        raise UsageError(
            f"no votes{whose} are stored; vote first (llms arena vote), or give a file: llms arena rate VOTES.csv"
        )
    return battles


def rated(battles: list[Battle], request: RatingRequest) -> Ratings:
    return rate(
        battles,
        ties=request.ties,
        style=request.style,
        anchor=request.anchor,
        interval=request.interval,
        rounds=request.rounds,
        ridge=request.ridge,
        cleaning=request.cleaning,
    )


@dataclass(frozen=True, slots=True)
class EloView:
    """Elo of `history` in the order of votes, and `median` (by model) of where it ends over a hundred random orders."""

    history: EloHistory
    median: tuple[float, ...]


def elo_view(battles: list[Battle], cleaning: Cleaning, points: int) -> EloView:
    votes = clean(battles, cleaning)[0]
    if not votes:
        raise UsageError("no votes count, so there is no history")
    table = vote_table(votes)
    return EloView(elo_history(table, points), tuple(elo_median(table).tolist()))
