"""Which two models to ask about next, so that a vote says most (Chiang and others 2024, arXiv 2403.04132, section 5)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import sqrt
from random import Random

from .battle import Battle, PairRecord
from .cleaning import Cleaning, clean
from .rate import rate


def pair_chances(models: Sequence[str], battles: Iterable[Battle]) -> dict[tuple[str, str], float]:
    """The chance of each pair of `models` (two or more, in their order) to be drawn next; they sum to 1.

    Pairs that join groups that never met come first: all of them alike, the least voted models before others. Once all
    have met, the chance is proportional to by how much one more vote narrows the pair's win rate: sqrt(s/n) - sqrt(s/(n+1))
    with s = p(1 - p) of the fit and n votes of the pair; a pair without votes counts as sqrt(s).
    """
    wanted = set(models)
    votes = [b for b in clean(battles, Cleaning())[0] if {b.model_a, b.model_b} <= wanted]
    met = Counter(frozenset((b.model_a, b.model_b)) for b in votes)
    pairs = [(a, b) for position, a in enumerate(models) for b in models[position + 1 :]]
    group = _groups(models, votes)
    apart = [pair for pair in pairs if group[pair[0]] != group[pair[1]]]
    if apart:
        played = Counter(name for b in votes for name in (b.model_a, b.model_b))
        least = min(played[a] + played[b] for a, b in apart)
        weights = {(a, b): float((a, b) in apart and played[a] + played[b] == least) for a, b in pairs}
    else:
        expected = {frozenset((p.model_a, p.model_b)): _variance(p) for p in rate(votes).pairs}
        weights = {}
        for pair in pairs:
            n, s = met[frozenset(pair)], expected.get(frozenset(pair), 0.25)
            weights[pair] = sqrt(s / n) - sqrt(s / (n + 1)) if n else sqrt(s)
    total = sum(weights.values())
    return {pair: weight / total for pair, weight in weights.items()}


def next_pair(models: Sequence[str], battles: Iterable[Battle], random: Random) -> tuple[str, str]:
    """A pair drawn by `pair_chances`, in random order. Raises ValueError for fewer than two different models."""
    if len(set(models)) < 2:
        raise ValueError(f"{list(models)}: a battle needs two different models")
    chances = pair_chances(list(dict.fromkeys(models)), battles)
    a, b = random.choices(list(chances), list(chances.values()))[0]
    return (a, b) if random.random() < 0.5 else (b, a)


def _variance(pair: PairRecord) -> float:
    """p(1 - p) by the fit; where it bounds nothing, with a win and a loss added to what was seen."""
    n = pair.wins_a + pair.wins_b + pair.ties
    p = pair.expected if pair.expected is not None else (pair.wins_a + pair.ties / 2 + 1) / (n + 2)
    return p * (1 - p)


def _groups(models: Sequence[str], votes: Sequence[Battle]) -> dict[str, str]:
    """A common name for models that met, over others too."""
    leader = {model: model for model in models}

    def root(model: str) -> str:
        while leader[model] != model:
            model = leader[model]
        return model

    for vote in votes:
        leader[root(vote.model_a)] = root(vote.model_b)
    return {model: root(model) for model in models}
