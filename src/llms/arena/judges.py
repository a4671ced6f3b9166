"""Are the judges to be trusted: votes that look random, verdicts that turn with the order, agreement of models with people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log

from ..statistics.agreement import cohen_kappa
from .battle import Battle

FEWEST = 5  # votes from which a judge is tested
MOST = 100  # votes that the test looks at


@dataclass(frozen=True, slots=True)
class OddJudge:
    """`evidence` is by how much the capital of a bet against the judge grew: 1/alpha means that it is odd at alpha."""

    judge: str
    votes: int
    evidence: float


def odd_judges(battles: Sequence[Battle], alpha: float = 0.05) -> list[OddJudge]:
    """Judges whose votes lean otherwise than others' on the same pairs of models, the oddest first (FastChat's test).

    Of each vote p is the share of the others' votes on the pair that are at most as favourable to the same model (and in a
    second bet: at least), the vote itself among them; the product of 1/(2p) over at most 100 votes is the capital of a bet.
    Odd: it exceeds 1/alpha in either direction, alpha divided by the number of judges with five votes or more.
    """
    by_pair: dict[tuple[str, str], Counter[float]] = defaultdict(Counter)
    by_judge: dict[str, list[tuple[tuple[str, str], float]]] = defaultdict(list)
    own: dict[tuple[str, tuple[str, str]], Counter[float]] = defaultdict(Counter)
    for battle in battles:
        pair, favour = _turned(battle)
        by_pair[pair][favour] += 1
        if battle.judge:
            by_judge[battle.judge].append((pair, favour))
            own[battle.judge, pair][favour] += 1
    tested = {judge: votes[:MOST] for judge, votes in by_judge.items() if len(votes) >= FEWEST}
    result = []
    for judge, votes in tested.items():
        capital = [0.0, 0.0]
        for pair, favour in votes:
            others = by_pair[pair] - own[judge, pair]
            total = others.total() + 1
            most = 1 + sum(count for value, count in others.items() if value <= favour)
            least = 1 + sum(count for value, count in others.items() if value >= favour)
            capital = [capital[0] + log(total / (2 * most)), capital[1] + log(total / (2 * least))]
        if max(capital) > log(len(tested) / alpha):
            result.append(OddJudge(judge, len(by_judge[judge]), exp(min(700.0, max(capital)))))
    return sorted(result, key=lambda odd: -odd.evidence)


def flip_rate(battles: Iterable[Battle]) -> tuple[int, int]:
    """(verdicts that changed, pairs of answers that one judge saw in both orders): the same judge, prompt and two
    models, all three known."""
    orders: dict[tuple[str, str, tuple[str, str]], dict[bool, float]] = defaultdict(dict)
    for battle in battles:
        if not battle.judge or not battle.prompt:
            continue
        pair, favour = _turned(battle)
        orders[battle.judge, battle.prompt, pair][battle.model_a == pair[0]] = favour
    both = [verdicts for verdicts in orders.values() if len(verdicts) == 2]
    return sum(verdicts[True] != verdicts[False] for verdicts in both), len(both)


@dataclass(frozen=True, slots=True)
class JudgeAgreement:
    """A model judge beside people on the `votes` that both gave: same prompt, same two models. `kappa` is None where chance
    alone would agree always."""

    judge: str
    votes: int
    agreement: float
    kappa: float | None


def agreement_with_people(battles: Iterable[Battle]) -> list[JudgeAgreement]:
    """Of each model judge, how often it gave the verdict that most people gave (a tie where they are divided)."""
    people: dict[tuple[str, tuple[str, str]], list[float]] = defaultdict(list)
    models: dict[str, list[tuple[tuple[str, tuple[str, str]], float]]] = defaultdict(list)
    for battle in battles:
        if battle.prompt:
            pair, favour = _turned(battle)
            if battle.judge_kind == "human":
                people[battle.prompt, pair].append(favour)
            else:
                models[battle.judge].append(((battle.prompt, pair), favour))
    result = []
    for judge, verdicts in models.items():
        both = [(verdict, _majority(people[key])) for key, verdict in verdicts if key in people]
        if both:
            a, b = zip(*both, strict=True)
            same = sum(x == y for x, y in both) / len(both)
            result.append(JudgeAgreement(judge, len(both), same, cohen_kappa(a, b)))
    return result


def _turned(battle: Battle) -> tuple[tuple[str, str], float]:
    """The two models in alphabetical order, and the outcome for the first of them."""
    if battle.model_a < battle.model_b:
        return (battle.model_a, battle.model_b), battle.outcome
    return (battle.model_b, battle.model_a), 1 - battle.outcome


def _majority(outcomes: Sequence[float]) -> float:
    """The only most frequent outcome, a tie where there are two."""
    ranked = Counter(outcomes).most_common(2)
    return 0.5 if len(ranked) > 1 and ranked[0][1] == ranked[1][1] else ranked[0][0]
