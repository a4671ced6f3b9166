"""Are the judges to be trusted: votes that look random, verdicts that turn with the order, agreement of models with people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np

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
    if not battles:
        return []
    pairs: dict[tuple[str, str], int] = {}
    turned = [_turned(battle) for battle in battles]
    pair = np.array([pairs.setdefault(names, len(pairs)) for names, _ in turned])
    favour = np.array([round(2 * outcome) for _, outcome in turned])
    names, judge = np.unique(np.array([battle.judge for battle in battles]), return_inverse=True)
    everyone = np.bincount(pair * 3 + favour, minlength=3 * len(pairs)).reshape(-1, 3)
    met, own_row = np.unique(judge * len(pairs) + pair, return_inverse=True)
    own = np.bincount(own_row * 3 + favour, minlength=3 * len(met)).reshape(-1, 3)
    others = everyone[pair] - own[own_row]
    total, rows = others.sum(1) + 1, np.arange(len(battles))
    most = 1 + others.cumsum(1)[rows, favour]
    least = 1 + others[:, ::-1].cumsum(1)[rows, 2 - favour]
    counts = np.bincount(judge, minlength=len(names))
    order = np.argsort(judge, kind="stable")
    begins = np.concatenate([[0], counts.cumsum()[:-1]])
    early = order[rows - begins[judge[order]] < MOST]  # the first votes of each judge
    up = np.bincount(judge[early], np.log(total / (2 * most))[early], len(names))
    down = np.bincount(judge[early], np.log(total / (2 * least))[early], len(names))
    capital = np.maximum(up, down)
    tested = (counts >= FEWEST) & (names != "")
    odd = np.flatnonzero(tested & (capital > log(max(1, tested.sum()) / alpha)))
    result = [OddJudge(str(names[i]), int(counts[i]), exp(min(700.0, capital[i]))) for i in odd]
    return sorted(result, key=lambda one: -one.evidence)


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
