"""Battles between systems: begun, answered, voted on, and read back as the votes that ratings are fitted to.

    battle = begin(question, [contender(model_a), contender(model_b)], source="web")   # see contenders.py
    answered(battle.id, "a", text, tokens=57)          # the same for b; again after each further turn
    vote(battle.id, "a")                               # or b, tie, both_bad; the same judge's vote is replaced
    undo()                                             # takes the last vote back
    stored()                                           # every vote as a Battle, with its problem if it must not count

Each call opens the database for itself, and may be made in any thread.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from ... import settings
from ...arena.answer_style import style_of
from ...arena.battle import Battle, JudgeKind, Style
from ...arena.leaks import leaked
from ...errors import UsageError
from ...models.digest import digest_text
from ...scoring.thinking import split_thinking
from ...store.battles import USER, AnswerFacts, Battles, Side, StoredBattle, StoredVote
from ...values import Identity

VOTE, WEB, CHAT = "vote", "web", "chat"  # sources: the terminal, the page of battles, two answers compared in a chat
ERROR, CUT, EMPTY = "an answer was an error", "an answer was cut", "an answer was empty"
NAMED, MISSING = "an answer says which model it is", "an answer is missing"
DIGITS = 6  # of a digest that tells apart models of one name


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a battle: the system's full name, what decides its answers, and the conversation it answers in, if any."""

    name: str
    identity: Identity
    conversation: str | None = None


def begin(
    question: str,
    contenders: Sequence[Contender],
    *,
    source: str = VOTE,
    anonymous: bool = True,
    asked_with: str = "",
) -> StoredBattle:
    """Store a battle of two contenders, the first of which is shown first; `anonymous`: the judge does not know who they are.
    `asked_with` is a digest of what both were asked with. Raises UsageError where both are one system, by whatever names."""
    battle = new_battle(question, contenders, source=source, anonymous=anonymous, asked_with=asked_with)
    with Battles(settings.database()) as store:
        return store.begin(battle)[0]


def new_battle(
    question: str, contenders: Sequence[Contender], *, source: str, anonymous: bool = True, asked_with: str = ""
) -> StoredBattle:
    """As `begin`, not stored yet."""
    if len(contenders) != 2:
        raise UsageError(f"a battle is between two systems; got {len(contenders)}: name two with -m")
    a, b = contenders
    if fingerprint(a.identity) == fingerprint(b.identity):
        raise UsageError(f"{a.name} and {b.name} are the same system; a battle is between two different ones")
    if not question.strip():
        raise UsageError("a battle needs a question; got an empty one")
    return StoredBattle(
        a.name, b.name, question, source, digest_text(question), a.identity, b.identity, anonymous,
        a.conversation, b.conversation, asked_with,
    )  # fmt: skip


def asked(battle: str, questions: Sequence[str]) -> None:
    """Store all questions of a battle that has had a further turn."""
    question = "\n\n".join(questions)
    with Battles(settings.database()) as store:
        store.ask(battle, question, digest_text(question))


def answered(
    battle: str,
    side: Side,
    text: str,
    *,
    tokens: int | None = None,
    finish: str = "stop",
    error: str = "",
    seconds: float = 0.0,
) -> AnswerFacts:
    """Measure and store one side's answer: its texts of all turns, joined. `finish` is that of the last (length: cut; stopped:
    by a person), `error` why one failed; `tokens` are known or None."""
    with Battles(settings.database()) as store:
        stored_battle = store.get(battle)
        facts = replace(
            measured(text, stored_battle.models, stored_battle.question),
            tokens=tokens, finish=finish, error=error, seconds=seconds,
        )  # fmt: skip
        store.answer((stored_battle.id, side, facts))
    return facts


def measured(text: str, systems: Sequence[str], question: str) -> AnswerFacts:
    """Size and form of an answer without its thinking, and whether it names one of the `systems`."""
    answer = split_thinking(text)[1].strip()
    style = style_of(answer, len(answer))
    return AnswerFacts(
        None,
        style.length,
        style.headers,
        style.lists,
        style.bolds,
        leaks=leaked(answer, systems, question),
        text=answer,
    )


def vote(battle: str, winner: str, judge: str = USER, kind: JudgeKind = "human") -> StoredVote:
    """Store a vote: a, b, tie or both_bad; an earlier one of the same judge on this battle is replaced, and the new one
    counts as not blind. Raises UsageError for another word, UnknownName for a battle that is not stored."""
    with Battles(settings.database()) as store:
        return store.vote(battle, winner, judge, kind)


def undo(battle: str | None = None, judge: str = USER) -> StoredVote | None:
    """Take back the judge's last vote, or the one on `battle`; None where there is none. As the judge has seen the names by
    then, another vote of theirs on that battle counts as not blind."""
    with Battles(settings.database()) as store:
        return store.undo(judge, battle)


def remove(*battles: str) -> None:
    """Remove battles for good, with their votes and the conversations that are their sides. Raises UnknownName."""
    with Battles(settings.database()) as store:
        store.delete(*[store.find(battle) for battle in battles])


def stored(source: str | None = None) -> list[Battle]:
    """Every vote on every battle (of a source), the oldest battle first, with names that tell apart what is not the same.

    Where a name stands for several systems over time, the newest has it; others have a part of their digest behind it.
    """
    with Battles(settings.database()) as store:
        return votes_of(store.all(source), store.all() if source is not None else None)


def votes_of(battles: Sequence[StoredBattle], every: Sequence[StoredBattle] | None = None) -> list[Battle]:
    """The votes on `battles`; names are told apart over `every` one that is stored."""
    names = SystemNaming(battles if every is None else every)
    return [
        Battle(
            names.of(battle.model_a, battle.identity_a), names.of(battle.model_b, battle.identity_b), cast.winner,
            cast.judge, cast.kind, battle.prompt, battle.anonymous and not cast.named, cast.created, *_styles(battle), problem, battle.id,
            battle.source == CHAT,
        )
        for battle in battles
        if battle.votes
        for problem in [problem_of(battle)]
        for cast in battle.votes
    ]  # fmt: skip


def problem_of(battle: StoredBattle) -> str:
    """Why votes on a battle must not count; empty where nothing is wrong."""
    if battle.identity_a is None:  # its answers came from elsewhere
        return battle.problem
    if battle.answer_a is None or battle.answer_b is None:
        return MISSING
    answers = (battle.answer_a, battle.answer_b)
    if any(answer.error for answer in answers):
        return ERROR
    if any(answer.finish in ("length", "stopped") for answer in answers):
        return CUT
    if not all(answer.characters for answer in answers):
        return EMPTY
    return NAMED if any(answer.leaks for answer in answers) else ""


def _styles(battle: StoredBattle) -> tuple[Style | None, Style | None]:
    """Of both answers, their length in tokens where both are known, else in characters."""
    a, b = battle.answers
    if a is None or b is None:
        return None, None
    lengths = (a.tokens, b.tokens) if a.tokens and b.tokens else (a.characters, b.characters)
    return (
        Style(lengths[0], a.headers, a.lists, a.bolds),
        Style(lengths[1], b.headers, b.lists, b.bolds),
    )


def fingerprint(identity: Identity) -> str:
    """A digest of everything that decides a system's answers, whatever its name."""
    fields = asdict(replace(identity, name=""))
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


class SystemNaming:
    """Names for the systems of battles, the oldest first, such that different systems never share one."""

    def __init__(self, battles: Sequence[StoredBattle]):
        self._prints: dict[int, tuple[Identity, str]] = {}  # with the identity, so that its id stays its own
        self._names: dict[tuple[str, str], str] = {}
        systems: dict[str, dict[str, Identity | None]] = {}
        for battle in battles:
            for name, identity in ((battle.model_a, battle.identity_a), (battle.model_b, battle.identity_b)):
                versions, digest = systems.setdefault(name, {}), self._digest(identity)
                versions[digest] = versions.pop(digest, identity)  # the latest last
        for name, versions in systems.items():
            *older, newest = sorted(versions, key=bool)  # one without an identity came from elsewhere: no newer version
            self._names[name, newest] = name
            weights = Counter(_weights(identity) for identity in versions.values())
            for digest in older:
                short = _weights(versions[digest])
                suffix = f"weights {short}" if short and weights[short] == 1 else f"settings {digest[:DIGITS]}"
                self._names[name, digest] = f"{name} ({suffix if digest else 'imported'})"

    def of(self, name: str, identity: Identity | None) -> str:
        return self._names[name, self._digest(identity)]

    def _digest(self, identity: Identity | None) -> str:
        if identity is None:
            return ""
        if id(identity) not in self._prints:
            self._prints[id(identity)] = identity, fingerprint(identity)
        return self._prints[id(identity)][1]


def _weights(identity: Identity | None) -> str:
    """The first digits of the digest of its weights; empty where it has none, such as one behind an endpoint."""
    digest = identity.weights if identity else ""
    return digest[:DIGITS] if digest.isalnum() else ""
