"""A battle as votes are counted: two systems, one prompt, one judge, one winner (FastChat's record)."""

from dataclasses import dataclass, field
from typing import Literal

Winner = Literal["a", "b", "tie", "both_bad"]
JudgeKind = Literal["human", "model"]
WINNERS: tuple[Winner, ...] = ("a", "b", "tie", "both_bad")


@dataclass(frozen=True, slots=True)
class Style:
    """Of one answer: its tokens (or characters, the same on both sides), and how many headers, list items and bold spans."""

    length: int = 0
    headers: int = 0
    lists: int = 0
    bolds: int = 0


@dataclass(frozen=True, slots=True)
class Battle:
    """One vote. `model_a` was shown first. `prompt` and `judge` cluster votes; empty where they are not known.

    `anonymous`: the judge did not know the names. `problem` says why the vote must not count, such as an answer that was
    an error, was cut, or names its model; empty where nothing is wrong. `chat`: two answers were compared in an ordinary chat,
    where the names are known and the vote counts all the same.
    """

    model_a: str
    model_b: str
    winner: Winner
    judge: str = ""
    judge_kind: JudgeKind = "human"
    prompt: str = ""
    anonymous: bool = True
    created: str = ""
    style_a: Style | None = None
    style_b: Style | None = None
    problem: str = ""
    id: str = ""
    chat: bool = False

    @property
    def outcome(self) -> float:
        """1 where a won, 0 where b did, a half for a tie and for both bad."""
        return {"a": 1.0, "b": 0.0}.get(self.winner, 0.5)


@dataclass(frozen=True, slots=True)
class Rating:
    """One model: `rating` on the scale of Elo (400 per factor of ten, mean 1000), 95 % from `low` to `high`.

    All three and `stderr` are None where the votes do not bound the rating; `unbounded` then says in which direction ("both":
    neither). `component` numbers the parts of a graph that is not connected, from 0: ratings compare within one only.
    `rank_low` and `rank_high` are the best and the worst rank that the votes leave open, within the component. `interval`
    names what the interval takes as independent; it is of the largest where several were computed.
    """

    model: str
    rating: float | None
    low: float | None
    high: float | None
    stderr: float | None
    battles: int
    wins: float
    component: int
    rank_low: int
    rank_high: int
    unbounded: Literal["", "above", "below", "both"] = ""
    interval: str = ""


@dataclass(frozen=True, slots=True)
class PairRecord:
    """The record of two models: wins of each, ties (both bad among them), and the chance that a beats b by the fit."""

    model_a: str
    model_b: str
    wins_a: int
    wins_b: int
    ties: int
    expected: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """A coefficient beside the ratings: `value` and `stderr` in natural logits, the same in Elo; what it was scaled by."""

    name: str
    value: float
    stderr: float
    elo: float
    elo_stderr: float
    scale: str = ""


@dataclass(frozen=True, slots=True)
class Ratings:
    """The outcome of a fit, best first. `method` names estimator, ties and the interval; `dropped` counts votes left out,
    by reason; `effects` are position and style; `notes` are sentences for a reader."""

    ratings: tuple[Rating, ...]
    pairs: tuple[PairRecord, ...]
    votes: int
    method: str
    log_likelihood: float | None
    dropped: dict[str, int] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    notes: tuple[str, ...] = ()
