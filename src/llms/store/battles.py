"""Battles and the votes on them: tables battles and votes.

A battle is two systems and one question, in the order in which they were shown; its answers are measured (`AnswerFacts`).
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from ..arena.battle import WINNERS, Battle, JudgeKind, Style, Winner
from ..errors import UnknownName, UsageError
from ..values import Identity
from .database import Database, Row
from .removal import remove_conversations

Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")
USER = "user"  # the judge who sits before this machine


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """One answer of a battle, measured. `tokens` are those of the answer without its thinking (None: not known), `finish`
    is why it ended (stop, length, refused), `error` why there is none, `leaks` the part of a name that stands in it. The
    `text` of imported answers is not known.
    """

    tokens: int | None = None
    characters: int = 0
    headers: int = 0
    lists: int = 0
    bolds: int = 0
    finish: str = "stop"
    error: str = ""
    leaks: str = ""
    seconds: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """A model's reply when it was asked to judge. `winner` is in the order of the battle; None: the reply settles nothing,
    or there is none, as `error` says."""

    winner: Winner | None
    text: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class StoredVote:
    """`created` is ISO 8601, UTC. `named`: the judge had seen the names when the vote was cast."""

    battle: str
    judge: str
    kind: JudgeKind
    winner: Winner
    created: str
    named: bool = False


@dataclass(frozen=True, slots=True)
class StoredBattle:
    """A battle as it was begun, with what came since. An identity is None where the answers came from elsewhere.

    `settings` is a digest of how both were asked: answers are reused under the same only. `problem` is why an imported vote
    must not count. `replies` are those of model
    judges, by judge, then by the order in which they were shown the answers, `ab` or `ba`.
    """

    model_a: str
    model_b: str
    question: str
    source: str
    prompt: str = ""
    identity_a: Identity | None = None
    identity_b: Identity | None = None
    anonymous: bool = True
    conversation_a: str | None = None
    conversation_b: str | None = None
    settings: str = ""
    problem: str = ""
    named_to: tuple[str, ...] = ()
    answer_a: AnswerFacts | None = None
    answer_b: AnswerFacts | None = None
    replies: Mapping[str, Mapping[str, JudgeReply]] = field(default_factory=dict)
    votes: tuple[StoredVote, ...] = ()
    id: str = ""
    created: str = ""

    @property
    def models(self) -> tuple[str, str]:
        return self.model_a, self.model_b

    @property
    def answers(self) -> tuple[AnswerFacts | None, AnswerFacts | None]:
        return self.answer_a, self.answer_b


_DEFAULTS = asdict(AnswerFacts())
_COLUMNS = (
    "id, created, source, prompt, question, model_a, model_b, identity_a, identity_b, anonymous, conversation_a, "
    "conversation_b, facts"
)
_INSERT = f"INSERT INTO battles ({_COLUMNS}) VALUES ({', '.join('?' * 13)})"
_VOTE_COLUMNS = "battle, judge, kind, winner, created, facts"
_VOTE = f"INSERT INTO votes ({_VOTE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"


class Battles(Database):
    """The battles of one database file: `Battles(settings.database())`, a context manager."""

    def begin(self, *battles: StoredBattle) -> list[StoredBattle]:
        """Store battles before they are answered, with an id and a time where they have none. Those whose id is stored
        already stay as they are."""
        new = [replace(each, id=each.id or secrets.token_hex(6), created=each.created or _now()) for each in battles]
        with self.transaction() as db:
            db.executemany(f"{_INSERT} ON CONFLICT (id) DO NOTHING", map(_row, new))
        return new

    def answer(self, *answers: tuple[str, Side, AnswerFacts]) -> None:
        """Store answers, each as a side of a battle, in the place of earlier ones; durable on return."""
        with self.transaction():
            for battle, side, facts in answers:
                stored = self.get(battle)
                answered = replace(stored, answer_a=facts) if side == "a" else replace(stored, answer_b=facts)
                self._update(battle, answered)

    def ask(self, battle: str, question: str, prompt: str) -> None:
        """Let a battle have another question, such as one with a further turn."""
        with self.transaction() as db:
            db.execute("UPDATE battles SET question = ?, prompt = ? WHERE id = ?", (question, prompt, battle))

    def reply(self, battle: str, judge: str, order: str, reply: JudgeReply) -> None:
        """Store what a model replied that was shown the answers in `order`."""
        with self.transaction():
            stored = self.get(battle)
            replies = {**stored.replies, judge: {**stored.replies.get(judge, {}), order: reply}}
            self._update(battle, replace(stored, replies=replies))

    def vote(self, battle: str, winner: str, judge: str = USER, kind: JudgeKind = "human") -> StoredVote:
        """Store a vote, in the place of the judge's earlier one. Raises UnknownName, UsageError for no such winner."""
        if winner not in WINNERS:
            raise UsageError(f"a vote is one of {', '.join(WINNERS)}; got {winner!r}")
        with self.transaction() as db:
            stored = self.get(self.find(battle))
            named = kind == "human" and judge in (*stored.named_to, *(vote.judge for vote in stored.votes))
            word = next(one for one in WINNERS if one == winner)
            vote = StoredVote(stored.id, judge, kind, word, _now(), named)
            db.execute("DELETE FROM votes WHERE battle = ? AND judge = ?", (vote.battle, judge))
            db.execute(_VOTE, _vote_row(vote))
        return vote

    def undo(self, judge: str = USER, battle: str | None = None) -> StoredVote | None:
        """Take the judge's last vote back, or that on `battle`; None where there is none. The judge has seen the names, so
        that a later vote on the same battle is not blind."""
        where, values = ("", ()) if battle is None else (" AND battle = ?", (battle,))
        with self.transaction() as db:
            row = db.execute(
                f"SELECT {_VOTE_COLUMNS} FROM votes WHERE judge = ?{where} ORDER BY id DESC LIMIT 1", (judge, *values)
            ).fetchone()
            if row is None:
                return None
            vote = _stored_vote(row)
            db.execute("DELETE FROM votes WHERE battle = ? AND judge = ?", (vote.battle, judge))
            stored = self.get(vote.battle)
            self._update(vote.battle, replace(stored, named_to=tuple({*stored.named_to, judge})))
        return vote

    def all(self, source: str | None = None, limit: int = -1) -> list[StoredBattle]:
        """The battles of a source, or of all, with their votes; the oldest first, of more than `limit` the latest."""
        where, values = ("WHERE source = ?", [source]) if source is not None else ("", [])
        newest = f"SELECT rowid FROM battles {where} ORDER BY created DESC, rowid DESC LIMIT ?"
        return self._list(f"rowid IN ({newest})", *values, limit)

    def get(self, id: str) -> StoredBattle:
        """Raises UnknownName."""
        for battle in self._list("id = ?", id):
            return battle
        raise UnknownName("battle", id, self.texts("SELECT id FROM battles ORDER BY created DESC LIMIT 5"))

    def find(self, name: str) -> str:
        """The id that `name`, or a beginning of it that no other shares, stands for; `last` is the one begun last."""
        if name == "last":
            ids = self.texts("SELECT id FROM battles ORDER BY created DESC, rowid DESC LIMIT 1")
        else:
            ids = (
                self.texts("SELECT id FROM battles WHERE substr(id, 1, length(?1)) = ?1 LIMIT 5", name) if name else []
            )
        if not ids:
            known = self.texts("SELECT id FROM battles ORDER BY created DESC LIMIT 5")
            raise UnknownName("battle", name, [*known, "last"]) if known else UsageError("no battle is stored yet")
        if len(ids) > 1 and name not in ids:
            raise UsageError(f"several battles begin with {name!r}: {', '.join(ids)}; give more of it")
        return name if name in ids else ids[0]

    def sources(self) -> dict[str, tuple[int, int]]:
        """Source -> how many battles, and how many votes."""
        rows = self.read(
            "SELECT source, COUNT(DISTINCT battles.id), COUNT(votes.id) FROM battles "
            "LEFT JOIN votes ON votes.battle = battles.id GROUP BY source ORDER BY source"
        )
        return {source: (battles, votes) for source, battles, votes in rows}

    def holds(self, beginning: str) -> str | None:
        """The source of battles whose ids begin so; None where there are none."""
        first = self.texts("SELECT source FROM battles WHERE id >= ? AND id < ? LIMIT 1", beginning, beginning + "~")
        return first[0] if first else None

    def take(self, source: str, beginning: str, votes: Iterable[Battle]) -> int:
        """Import votes that were cast elsewhere, all or none; how many. Their battles' ids begin with `beginning`; the ids
        that the votes have themselves tell which are of the same battle."""
        now, count = _now(), 0
        names: dict[tuple[str, str, str, str], str] = {}
        judged: set[tuple[str, str]] = set()
        battles: list[Row] = []
        rows: list[Row] = []
        for vote in votes:
            count += 1
            key = (vote.id or str(count), vote.model_a, vote.model_b, vote.prompt)
            if key not in names or (names[key], vote.judge) in judged:  # one who judged the same twice has two votes
                names[key] = f"{beginning}-{len(battles)}"
                battles.append(_row(_imported(vote, source, names[key], vote.created or now)))
            judged.add((names[key], vote.judge))
            judge = f"{source}:{vote.judge or count}"
            rows.append(_vote_row(StoredVote(names[key], judge, vote.judge_kind, vote.winner, vote.created or now)))
        with self.transaction() as db:
            db.executemany(_INSERT, battles)
            db.executemany(_VOTE, rows)
        return count

    def delete(self, *ids: str) -> None:
        """Remove battles for good, with their votes and the conversations that are their sides."""
        with self.transaction() as db:
            rows = [row for id in ids for row in db.execute("SELECT id FROM conversations WHERE battle = ?", (id,))]
            db.executemany("DELETE FROM battles WHERE id = ?", [(id,) for id in ids])
        remove_conversations(self, *(id for (id,) in rows))

    def _update(self, id: str, battle: StoredBattle) -> None:
        self.connection.execute("UPDATE battles SET facts = ? WHERE id = ?", (_facts(battle), id))

    def _list(self, where: str, *values: object) -> list[StoredBattle]:
        """The battles that fulfil `where`, the oldest first."""
        votes: dict[str, list[StoredVote]] = {}
        voted = f"SELECT {_VOTE_COLUMNS} FROM votes WHERE battle IN (SELECT id FROM battles WHERE {where})"
        for row in self.read(f"{voted} ORDER BY id", values):
            votes.setdefault(row[0], []).append(_stored_vote(row))
        identities = _Identities()
        rows = self.read(f"SELECT {_COLUMNS} FROM battles WHERE {where} ORDER BY created, rowid", values)
        return [_battle(row, tuple(votes.get(row[0], ())), identities) for row in rows]


class _Identities(dict[str, Identity | None]):
    """Identities by their JSON, each read once."""

    def __missing__(self, text: str) -> Identity | None:
        self[text] = Identity(**json.loads(text)) if text else None
        return self[text]


def _imported(vote: Battle, source: str, name: str, created: str) -> StoredBattle:
    return StoredBattle(
        vote.model_a, vote.model_b, "", source, f"{source}:{vote.prompt}" if vote.prompt else "",
        anonymous=vote.anonymous, problem=vote.problem, answer_a=_styled(vote.style_a), answer_b=_styled(vote.style_b),
        id=name, created=created,
    )  # fmt: skip


def _styled(style: Style | None) -> AnswerFacts | None:
    return AnswerFacts(style.length, style.length, style.headers, style.lists, style.bolds) if style else None


def _row(battle: StoredBattle) -> Row:
    return (
        battle.id, battle.created, battle.source, battle.prompt, battle.question, battle.model_a, battle.model_b,
        _identity(battle.identity_a), _identity(battle.identity_b), battle.anonymous, battle.conversation_a,
        battle.conversation_b, _facts(battle),
    )  # fmt: skip


def _vote_row(vote: StoredVote) -> Row:
    return vote.battle, vote.judge, vote.kind, vote.winner, vote.created, '{"named": true}' if vote.named else "{}"


def _stored_vote(row: Row) -> StoredVote:
    battle, judge, kind, winner, created, facts = row
    return StoredVote(battle, judge, kind, winner, created, facts != "{}")


def _identity(identity: Identity | None) -> str:
    return json.dumps(asdict(identity), sort_keys=True) if identity else ""


def _facts(battle: StoredBattle) -> str:
    """All that differs from the defaults, as JSON; ASCII, so that any string survives."""
    facts: dict[str, object] = {}
    if battle.settings:
        facts["settings"] = battle.settings
    if battle.problem:
        facts["problem"] = battle.problem
    if battle.named_to:
        facts["named_to"] = battle.named_to
    for side, answer in zip(SIDES, battle.answers, strict=True):
        if answer is not None:
            facts[side] = {name: value for name, value in asdict(answer).items() if value != _DEFAULTS[name]}
    if battle.replies:
        facts["replies"] = {
            judge: {order: astuple(reply) for order, reply in replies.items()}
            for judge, replies in battle.replies.items()
        }
    return json.dumps(facts)


def _battle(row: Row, votes: tuple[StoredVote, ...], identities: _Identities) -> StoredBattle:
    id, created, source, prompt, question, model_a, model_b, identity_a, identity_b, anonymous, side_a, side_b, text = (
        row
    )
    facts = json.loads(text)
    answer_a, answer_b = (AnswerFacts(**facts[side]) if side in facts else None for side in SIDES)
    replies = {
        judge: {order: JudgeReply(*reply) for order, reply in replies.items()}
        for judge, replies in facts.get("replies", {}).items()
    }
    return StoredBattle(
        model_a, model_b, question, source, prompt, identities[identity_a], identities[identity_b], bool(anonymous),
        side_a, side_b, facts.get("settings", ""), facts.get("problem", ""),
        tuple(facts.get("named_to", ())), answer_a, answer_b,
        replies, votes, id, created,
    )  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
