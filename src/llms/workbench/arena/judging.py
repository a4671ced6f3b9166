"""Models as judges of stored battles: each is shown both orders; where it turns with the order, its vote is a tie.

A reply that cannot be read, or that did not come, is a failed judgement and never a vote; both are stored as they come, so
that the same command asks nothing twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ...arena.battle import Battle, Winner
from ...arena.judges import agreement_with_people
from ...arena.rate import rate
from ...arena.verdict import judge_prompt, verdict
from ...errors import UsageError
from ...models.system import Generate, Model
from ...statistics.intervals import wilson
from ...store.battles import Battles, JudgeReply, StoredBattle
from ...values import Failure, Message
from .battles import problem_of, votes_of

ORDERS = ("ab", "ba")
MAX_TOKENS = 1024  # of a judge's reply
SAME = "both answers are the same text"
_TURNED: dict[Winner | None, Winner | None] = {"a": "b", "b": "a"}


@dataclass(frozen=True, slots=True)
class ArenaProgress:
    """`done` of `total` answers or judgements, `resumed` of them stored before. `note` is for the user, and said once."""

    doing: str
    done: int
    total: int
    resumed: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """One model as a judge: `votes`; `failed` judgements; of the `both` battles that it read in both orders, how many verdicts
    `flips` with the order. `first` of `decisive` verdicts went to the answer shown first, a share from `low` to `high` (95 %,
    Wilson); `bias` is that position's advantage in Elo with its standard error (None: the fit has none).

    `agreement` is the share of `common` battles in which it voted as most people did, `kappa` Cohen's (None: not defined).
    """

    judge: str
    votes: int
    failed: int
    flips: int
    both: int
    first: int
    decisive: int
    low: float | None
    high: float | None
    bias: float | None
    bias_stderr: float | None
    common: int = 0
    agreement: float | None = None
    kappa: float | None = None


def judge(
    store: Battles, model: Model, battles: Iterable[StoredBattle], retry_failed: bool = False
) -> Iterator[ArenaProgress]:
    """Let a model judge the battles that it has not judged yet; progress after each reply. Battles with a problem are left
    out."""
    name, doing = model.name.text, f"judging by {model.name.text}"
    wanted = [battle for battle in battles if judgeable(battle)]
    todo = []
    for battle in wanted:
        replies = battle.replies.get(name, {})
        if battle.answer_a and battle.answer_b and battle.answer_a.text == battle.answer_b.text:
            replies = {order: JudgeReply("tie", SAME) for order in ORDERS}
            for order in ORDERS if name not in battle.replies else ():
                store.reply(battle.id, name, order, replies[order])
        elif not retry_failed or settled(replies.values()):
            todo += [(battle, order) for order in ORDERS if order not in replies]
        else:
            todo += [(battle, order) for order in ORDERS if order not in replies or replies[order].winner is None]
        _vote(store, name, replace(battle, replies={name: replies}))
    total = len(ORDERS) * len(wanted)
    yield ArenaProgress(doing, total - len(todo), total, total - len(todo))
    if not todo:
        return
    requests = (_request(model, battle, order) for battle, order in todo)
    for done, (index, result) in enumerate(model.complete(requests), 1):
        battle, order = todo[index]
        if isinstance(result, Failure):
            reply = JudgeReply(None, error=f"{result.kind}: {result.reason}")
        else:
            winner = verdict(result.text)
            reply = JudgeReply(winner if order == "ab" else _TURNED.get(winner, winner), result.text)
        store.reply(battle.id, name, order, reply)
        _vote(store, name, store.get(battle.id))
        yield ArenaProgress(doing, total - len(todo) + done, total, total - len(todo))


def judgeable(battle: StoredBattle) -> bool:
    """Whether there are two answers to judge, with nothing wrong with them."""
    return not problem_of(battle) and all(answer is not None and answer.text for answer in battle.answers)


def settled(replies: Iterable[JudgeReply]) -> bool:
    """Whether all replies have a verdict."""
    return all(reply.winner is not None for reply in replies)


def _request(model: Model, battle: StoredBattle, order: str) -> Generate:
    texts = [answer.text if answer else "" for answer in battle.answers]
    prompt = judge_prompt(battle.question, *(texts if order == "ab" else reversed(texts)))
    return Generate((Message("user", prompt),) if model.capabilities.chat else prompt, MAX_TOKENS)


def _vote(store: Battles, name: str, battle: StoredBattle) -> None:
    """Count the verdict of a judge that has read both orders."""
    replies = battle.replies.get(name, {})
    if set(replies) < set(ORDERS) or any(vote.judge == name for vote in battle.votes):
        return
    first, second = (replies[order].winner for order in ORDERS)
    if first is not None and second is not None:
        store.vote(battle.id, first if first == second else "tie", name, "model")


def judge_reports(battles: Sequence[StoredBattle]) -> list[JudgeReport]:
    """A report of each model that judged some of the battles."""
    names = dict.fromkeys(name for battle in battles for name in battle.replies)
    votes = [replace(vote, prompt=vote.id) for vote in votes_of(battles) if not vote.problem]  # the same answers only
    people = {one.judge: one for one in agreement_with_people(votes)}
    reports = []
    for name in names:
        report = _report(name, [battle for battle in battles if name in battle.replies])
        if name in people:
            one = people[name]
            report = replace(report, common=one.votes, agreement=one.agreement, kappa=one.kappa)
        reports.append(report)
    return reports


def _report(name: str, battles: Sequence[StoredBattle]) -> JudgeReport:
    asked = [b for b in battles if SAME not in {reply.text for reply in b.replies[name].values()}]
    both = [
        (first, second)
        for battle in asked
        if len(battle.replies[name]) == 2
        for first, second in [[battle.replies[name][order].winner for order in ORDERS]]
        if first is not None and second is not None
    ]
    decisive = [first == "a" for first, _ in both if first != "tie"] + [
        second == "b" for _, second in both if second != "tie"
    ]
    low, high = wilson(sum(decisive) / len(decisive), len(decisive)) if decisive else (None, None)
    bias, stderr = _bias(name, asked)
    return JudgeReport(
        name,
        sum(vote.judge == name for battle in battles for vote in battle.votes),
        sum(not settled(battle.replies[name].values()) for battle in battles),
        sum(first != second for first, second in both), len(both), sum(decisive), len(decisive), low, high, bias, stderr,
    )  # fmt: skip


def _bias(name: str, battles: Sequence[StoredBattle]) -> tuple[float | None, float | None]:
    """The advantage of the answer shown first, in Elo, with its standard error: an intercept beside the ratings."""
    shown = [
        Battle(*(battle.models if order == "ab" else battle.models[::-1]), winner, name, "model", battle.prompt)
        for battle in battles
        for order, reply in battle.replies[name].items()
        for winner in [reply.winner if order == "ab" else _TURNED.get(reply.winner, reply.winner)]
        if winner is not None
    ]
    try:
        effects = [effect for effect in rate(shown).effects if effect.name == "position"] if shown else []
    except UsageError:
        return None, None
    return (effects[0].elo, effects[0].elo_stderr) if effects else (None, None)
