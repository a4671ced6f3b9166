"""Ratings by the stored votes: intervals, their history, every pair, and the battles behind it, placed for a page to draw."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ... import settings
from ...arena.battle import Battle, Effect, PairRecord, Rating
from ...arena.cleaning import Cleaning, clean
from ...arena.elo import elo_history
from ...arena.rate import rate
from ...arena.vote_table import vote_table
from ...chat.conversation.messages import visible
from ...errors import UsageError
from ...store.battles import AnswerFacts, Battles, StoredBattle
from ...store.conversations import Conversations
from ...workbench.arena import battles as records
from .battles import labels

KINDS = {
    "own": "your blind votes",
    "chat": "votes in chats, not blind",
    "imported": "imported",
    "judges": "model judges",
}
MOST_LINES = 6  # of the history: as many as there are colours
MOST_IN_MATRIX = 30
MOST_BATTLES = 50
LONGEST = 4000  # characters of an answer that a list shows


@dataclass(frozen=True, slots=True)
class RatedModel:
    """A rating with its place on the scale of the page, in per cent; None where the votes do not bound it."""

    rating: Rating
    label: str
    at: float | None
    low_at: float | None
    high_at: float | None

    @property
    def ranks(self) -> str:
        best, worst = self.rating.rank_low, self.rating.rank_high
        return str(best) if best == worst else f"{best}–{worst}"


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """How often a row's model won against a column's; a tie is half a win."""

    other: str
    share: float
    votes: int


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """The online Elo of a model, as points of a polyline in a box of 100 by 40, and where it ends."""

    label: str
    points: str
    last: float


@dataclass(frozen=True, slots=True)
class RatingsView:
    """`kinds` are (name, title, votes, chosen); `matrix` has a row of cells for each of `models`, None where two never met.
    `low` and `high` end the scale of ratings, `elo_low` and `elo_high` that of the history."""

    kinds: list[tuple[str, str, int, bool]]
    votes: int = 0
    method: str = ""
    models: list[RatedModel] = field(default_factory=list)
    low: float = 0.0
    high: float = 0.0
    matrix: list[list[MatrixCell | None]] = field(default_factory=list)
    effects: Sequence[Effect] = ()
    notes: Sequence[str] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    history: list[HistoryLine] = field(default_factory=list)
    elo_low: float = 0.0
    elo_high: float = 0.0


@dataclass(frozen=True, slots=True)
class StandingResponse:
    """A model by a person's own blind votes; `before` is its rating without the vote that was just cast. None: not bounded."""

    model: str
    rating: float | None
    low: float | None
    high: float | None
    before: float | None
    votes: int


@dataclass(frozen=True, slots=True)
class ListedBattle:
    """A battle with its votes, as (who, winner in words, why it does not count); `href` leads to the whole of it."""

    id: str
    created: str
    question: str
    models: tuple[str, str]
    answers: tuple[str, str]
    votes: list[tuple[str, str, str]]
    href: str


class RatingService:
    def __init__(self, store: Conversations):
        self._store = store

    async def ratings(self, kinds: Sequence[str]) -> RatingsView:
        """Of the votes of these kinds; of a person's own where none is named, or of all where there are none of those."""
        return await asyncio.to_thread(_ratings, kinds)

    async def standings(self, battle: str, models: Sequence[str]) -> list[StandingResponse]:
        """Of these models, before and after the vote on `battle`."""
        return await asyncio.to_thread(_standings, battle, models)

    async def battles(self, a: str, b: str) -> list[ListedBattle]:
        """The battles that got a vote, the latest first: those of the two models, or all."""
        return await asyncio.to_thread(self._battles, a, b)

    def _battles(self, a: str, b: str) -> list[ListedBattle]:
        with Battles(settings.database()) as store:
            every = store.all()
        votes: dict[str, list[Battle]] = {}
        for vote in records.votes_of(every):
            if not a or {vote.model_a, vote.model_b} == {a, b}:
                votes.setdefault(vote.id, []).append(vote)
        latest = [battle for battle in reversed(every) if battle.id in votes][:MOST_BATTLES]
        return [self._listed(battle, votes[battle.id]) for battle in latest]

    def _listed(self, battle: StoredBattle, votes: Sequence[Battle]) -> ListedBattle:
        names = votes[0].model_a, votes[0].model_b
        winners = dict(zip(("a", "b"), (f"{name} won" for name in labels(names)), strict=True))
        words = {**winners, "tie": "a tie", "both_bad": "both bad"}
        blind = "" if battle.anonymous else "not blind"
        return ListedBattle(
            battle.id, battle.created[:16].replace("T", " "), battle.question, names,
            (self._text(battle.conversation_a, battle.answer_a), self._text(battle.conversation_b, battle.answer_b)),
            [(vote.judge, words[vote.winner], vote.problem or blind) for vote in votes],
            f"/arena/battles/{battle.id}" if battle.source == records.WEB else "",
        )  # fmt: skip

    def _text(self, conversation: str | None, facts: AnswerFacts | None) -> str:
        text = facts.text if facts else ""
        if not text and conversation and self._store.has(conversation):
            path = self._store.open(conversation).path()
            text = "\n\n".join(visible(node.message) for node in path if node.role == "assistant")
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _kind(vote: Battle, source: str) -> str:
    if vote.judge_kind == "model":
        return "judges"
    if source == records.CHAT:
        return "chat"
    return "own" if source in (records.WEB, records.VOTE) else "imported"


def _ratings(wanted: Sequence[str]) -> RatingsView:
    if unknown := [one for one in wanted if one not in KINDS]:
        raise UsageError(f"{unknown[0]!r} is no kind of votes; expected {', '.join(KINDS)}")
    with Battles(settings.database()) as store:
        every = store.all()
    sources = {battle.id: battle.source for battle in every}
    votes: dict[str, list[Battle]] = {kind: [] for kind in KINDS}
    for vote in records.votes_of(every):
        votes[_kind(vote, sources[vote.id])].append(vote)
    chosen = list(wanted) or (["own"] if votes["own"] else [kind for kind in KINDS if votes[kind]])
    kinds = [(kind, title, len(votes[kind]), kind in chosen) for kind, title in KINDS.items()]
    rated = sorted((vote for kind in chosen for vote in votes[kind]), key=lambda vote: vote.created)
    return _view(kinds, rated)


def _standings(battle: str, models: Sequence[str]) -> list[StandingResponse]:
    votes = [vote for source in (records.WEB, records.VOTE) for vote in records.stored(source)]
    own = [vote for vote in votes if vote.judge_kind == "human"]
    after, before = (_rated(those) for those in (own, [vote for vote in own if vote.id != battle]))
    return [
        StandingResponse(one.model, one.rating, one.low, one.high, before[name].rating if name in before else None, one.battles)
        for name in models
        if (one := after.get(name))
    ]  # fmt: skip


def _rated(votes: Sequence[Battle]) -> dict[str, Rating]:
    counting = clean(votes, Cleaning())[0]
    return {one.model: one for one in rate(counting).ratings} if counting else {}


def _view(kinds: list[tuple[str, str, int, bool]], votes: list[Battle]) -> RatingsView:
    counting, dropped = clean(votes, Cleaning())
    if not counting:
        return RatingsView(kinds, dropped=dropped)
    ratings = rate(votes)
    names = labels([one.model for one in ratings.ratings])
    ends = [end for one in ratings.ratings for end in (one.rating, one.low, one.high) if end is not None]
    low, high = _scale(ends)

    def percent(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - low) / (high - low), 2)

    models = [
        RatedModel(one, name, percent(one.rating), percent(one.low), percent(one.high))
        for one, name in zip(ratings.ratings, names, strict=True)
    ]
    shown = {one.rating.model: one.label for one in models}
    lines, elo_low, elo_high = _history(counting, shown)
    matrix = _matrix([one.rating.model for one in models[:MOST_IN_MATRIX]], ratings.pairs)
    return RatingsView(
        kinds, ratings.votes, ratings.method, models, low, high, matrix, ratings.effects, ratings.notes,
        ratings.dropped, lines, elo_low, elo_high,
    )  # fmt: skip


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Round numbers around all values."""
    low, high = min(values, default=950.0), max(values, default=1050.0)
    return float(low // 50 * 50 - 10), float(-(-high // 50) * 50 + 10)


def _history(votes: Sequence[Battle], shown: Mapping[str, str]) -> tuple[list[HistoryLine], float, float]:
    """The lines of the best models in `shown`, and the ends of their scale."""
    history = elo_history(vote_table(votes))
    columns = [history.models.index(model) for model in list(shown)[:MOST_LINES]]
    values = history.ratings[:, columns]
    low, high = float(values.min()) - 1, float(values.max()) + 1
    lines = []
    for position, column in enumerate(columns):
        points = zip(history.votes, values[:, position].tolist(), strict=True)
        line = " ".join(
            f"{100 * n / history.votes[-1]:.2f},{40 * (high - value) / (high - low):.2f}" for n, value in points
        )
        lines.append(HistoryLine(shown[history.models[column]], line, float(values[-1, position])))
    return lines, low, high


def _matrix(models: Sequence[str], pairs: Sequence[PairRecord]) -> list[list[MatrixCell | None]]:
    met: dict[tuple[str, str], tuple[float, int]] = {}
    for pair in pairs:
        votes = pair.wins_a + pair.wins_b + pair.ties
        met[pair.model_a, pair.model_b] = pair.wins_a + pair.ties / 2, votes
        met[pair.model_b, pair.model_a] = pair.wins_b + pair.ties / 2, votes
    return [[_cell(other, *met.get((one, other), (0.0, 0))) for other in models] for one in models]


def _cell(other: str, wins: float, votes: int) -> MatrixCell | None:
    return MatrixCell(other, wins / votes, votes) if votes else None
