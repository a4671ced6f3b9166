"""`llms.rate`: ratings from votes, with intervals, ranks, effects, and sentences about what to be careful of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UnknownName, UsageError
from ..statistics.intervals import FEW_CLUSTERS
from .battle import Battle, PairRecord, Rating, Ratings
from .bradley_terry import CENTRE, ELO, RatingFit, fit
from .cleaning import Cleaning, clean
from .graph import Connections, connections, listed
from .judges import agreement_with_people, flip_rate, odd_judges
from .position import effects_of, judge_biases, position_effect, position_notes
from .resampling import Replicates, bootstrap
from .spread import Interval, Spread, half_widths, rank_intervals, spreads
from .style import SCALE, style_features
from .ties import Ties, sigmoid, tie_name
from .vote_files import read_votes
from .vote_table import TIE, Floats, Ints, VoteTable, vote_table

NAMES: dict[Ties, str] = {
    "half": "Bradley-Terry, ties as half a win",
    "davidson": "Davidson, ties as a third outcome",
    "rao-kupper": "Rao-Kupper, ties as a third outcome",
}
RIDGE_NOTE = "a ridge pulls all ratings together; models that the votes do not bound have no interval"
Anchor = tuple[str, float]


def rate(
    battles: Iterable[Battle] | str | Path,
    *,
    ties: Ties = "half",
    style: bool = False,
    anchor: Anchor | None = None,
    interval: Interval = "largest",
    rounds: int = 0,
    ridge: float = 0.0,
    cleaning: Cleaning | None = None,
) -> Ratings:
    """Ratings of the models of `battles` (or of a file of votes) by maximum likelihood, best first.

    - `ties`: half a win each, or a third outcome by Davidson or Rao and Kupper
    - `style`: the answers' length and markup get coefficients, so that ratings are for equal style
    - `anchor`: (model, rating) that is fixed; intervals are then of the difference to it. Else the mean is 1000
    - `interval`: which votes are independent: all, those of different judges or prompts, or the largest of the three;
      "model" trusts the model's own variance
    - `rounds`: replicates of a bootstrap for the interval, 0 for the formula
    - `ridge`: λ of ½ λ |θ|² against the mean log-likelihood, which gives a rating (no interval) where votes bound none
    - `cleaning`: which votes count

    Raises UsageError where no vote counts or what is asked does not suit the votes, DataError for a file that cannot be read.
    """
    votes, dropped = _counting(battles, cleaning or Cleaning())
    names, features = style_features(votes) if style else ((), None)
    table = vote_table(votes, features)
    graph = connections(table)
    groups = graph.component if ridge else graph.strong
    inside = np.flatnonzero(groups[table.first] == groups[table.second])
    bounded, notes = table.take(inside), [*graph.notes, *([RIDGE_NOTE] if ridge else [])]
    fitted = _fit(bounded, groups, ties, ridge, names, notes)
    ties = fitted.ties
    choices = _choices(fitted, groups, interval, rounds, notes)
    halves = fitted if ties == "half" else fit(bounded, groups, "half", ridge)
    notes += [] if ties == "half" else [_tie_note(fitted, halves, graph)]
    position = position_effect(bounded, groups, halves, interval)
    notes += position_notes(position, judge_biases([votes[i].judge for i in inside], halves.logits, bounded.outcome))
    notes += _vote_notes(votes) + _spread_notes(choices)
    return Ratings(
        _ratings(table, graph, fitted, choices, anchor, ridge > 0),
        _pairs(table, groups, fitted),
        len(votes),
        NAMES[ties] + (", style controlled" if style else ""),
        fitted.log_likelihood,
        dropped,
        effects_of(fitted, names, SCALE, interval) + ((position,) if position else ()),
        tuple(notes),
    )


def _counting(battles: Iterable[Battle] | str | Path, rules: Cleaning) -> tuple[list[Battle], dict[str, int]]:
    votes, dropped = clean(read_votes(battles) if isinstance(battles, str | Path) else battles, rules)
    if not votes:
        left_out = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise UsageError(
            f"no votes to rate{f' ({left_out} left out)' if left_out else ''}; ratings need one that counts"
        )
    return votes, dropped


def _fit(table: VoteTable, groups: Ints, ties: Ties, ridge: float, names: Sequence[str], notes: list[str]) -> RatingFit:
    """The fit as asked for, or with ties as half a win where a third outcome has no finite maximum, with a note."""
    fitted = None
    if ties != "half":
        if len(set((table.outcome == TIE).tolist())) == 2:
            fitted = fit(table, groups, ties, ridge)
        if fitted is None or not fitted.finite:
            fitted, ties = None, "half"
            notes.append(
                "ties are counted as half a win: as a third outcome they have no finite parameter here, as where all votes are "
                "ties, none is, or wins alone do not bound the ratings"
            )
    fitted = fitted or fit(table, groups, ties, ridge)
    m = len(table.models)
    if not fitted.finite or (np.diag(fitted.inverse)[m : m + len(names)] > 1e4).any():
        raise UsageError(
            f"the votes do not tell {', '.join(names)} apart from the ratings: the fit has no single finite maximum. Leave "
            "style control out, or give more votes"
        )
    return fitted


def _choices(fitted: RatingFit, groups: Ints, interval: Interval, rounds: int, notes: list[str]) -> list["_Choice"]:
    """The covariances to take the largest of, or the bootstrap's alone."""
    choices = spreads(fitted, interval)
    if not choices:
        raise UsageError(
            f"the votes name no {interval}s, or only one, or each once; an interval by {interval} needs several with several "
            "votes. Take another interval"
        )
    if not rounds:
        return [_Choice(choice) for choice in choices]
    if fitted.ties != "half" or fitted.table.features.shape[1] or interval == "model":
        raise UsageError("the bootstrap is for ties as half a win, without style control, by votes, judges or prompts")
    m = len(fitted.table.models)
    widest = max(choices, key=lambda choice: choice.quantile * choice.stderr()[:m].mean())
    cluster = fitted.table.clusters[widest.unit] if widest.clusters else None
    replicates = bootstrap(fitted, groups, rounds, cluster)
    if replicates.separable:
        notes.append(f"{replicates.separable} of {rounds} bootstrap replicates were separable and are left out")
    if len(replicates.abilities) < 20:
        raise UsageError(
            f"only {len(replicates.abilities)} of {rounds} replicates can be rated; take the interval by formula"
        )
    by = f" of {widest.unit}s" if cluster is not None else ""
    covariance = np.atleast_2d(np.cov(replicates.abilities.T))
    label = f"bootstrap{by}, {rounds} rounds"
    return [_Choice(Spread(widest.unit, covariance, widest.quantile, widest.clusters, label), replicates)]


@dataclass(frozen=True, slots=True)
class _Choice:
    spread: Spread
    replicates: Replicates | None = None


def _ratings(
    table: VoteTable,
    graph: Connections,
    fitted: RatingFit,
    choices: Sequence[_Choice],
    anchor: Anchor | None,
    ridged: bool,
) -> tuple[Rating, ...]:
    m = len(table.models)
    values, errors = CENTRE + ELO * fitted.abilities, [choice.spread.stderr()[:m] for choice in choices]
    shift = np.zeros(m)
    fixed = None
    if anchor is not None:
        fixed = _anchored(table.models, graph, anchor[0])
        same = graph.component == graph.component[fixed]
        shift = np.where(same, anchor[1] - values[fixed], 0.0)
        errors = [
            np.where(same, choice.spread.differences(m)[:, fixed], error)
            for choice, error in zip(choices, errors, strict=True)
        ]
    half, which = half_widths([choice.spread for choice in choices], errors)
    low, high = values - ELO * half, values + ELO * half
    if choices[0].replicates is not None:
        replicates = choices[0].replicates.abilities
        if fixed is not None:
            replicates = np.where(same, replicates - replicates[:, [fixed]] + fitted.abilities[fixed], replicates)
        low, high = CENTRE + ELO * np.quantile(replicates, (0.025, 0.975), axis=0)
    best, worst = _ranks(fitted, graph, choices)
    battles = np.bincount(table.first, minlength=m) + np.bincount(table.second, minlength=m)
    wins = np.bincount(table.first, table.outcome / 2, m) + np.bincount(table.second, 1 - table.outcome / 2, m)
    rows = []
    for i, model in enumerate(table.models):
        open_end = graph.unbounded[i]
        rows.append(
            Rating(
                model,
                None if open_end and not ridged else float(values[i] + shift[i]),
                None if open_end else float(low[i] + shift[i]),
                None if open_end else float(high[i] + shift[i]),
                None if open_end else float(ELO * errors[which[i]][i]),
                int(battles[i]),
                float(wins[i]),
                int(graph.component[i]),
                int(best[i]),
                int(worst[i]),
                open_end,
                "" if open_end else choices[which[i]].spread.name,
            )
        )
    order = {"above": 0, "": 1, "both": 2, "below": 3}
    return tuple(sorted(rows, key=lambda r: (r.component, order[r.unbounded], -(r.rating or 0.0), r.model)))


def _anchored(models: Sequence[str], graph: Connections, name: str) -> int:
    if name not in models:
        raise UnknownName("model in these votes", name, models)
    index = models.index(name)
    if graph.unbounded[index]:
        raise UsageError(f"the rating of {name} is not bounded by the votes; anchor a model whose rating is")
    return index


def _ranks(fitted: RatingFit, graph: Connections, choices: Sequence[_Choice]) -> tuple[Ints, Ints]:
    """Best and worst rank of each model within its component; where votes bound no rating, every rank is open."""
    count = np.bincount(graph.component)[graph.component]
    best, worst = np.ones(len(count), np.int64), count.copy()
    free = np.array([not open_end for open_end in graph.unbounded])
    for component in np.unique(graph.component):
        members = np.flatnonzero((graph.component == component) & free)
        if len(members):
            spread = [choice.spread for choice in choices]
            size = int(count[members[0]])
            best[members], worst[members] = rank_intervals(fitted.abilities, spread, members, size)
    return best, worst


def _pairs(table: VoteTable, groups: Ints, fitted: RatingFit) -> tuple[PairRecord, ...]:
    """The record of each pair that met, the models of a pair in alphabetical order."""
    m = len(table.models)
    turned = table.first > table.second
    low, high = np.where(turned, table.second, table.first), np.where(turned, table.first, table.second)
    outcome = np.where(turned, 2 - table.outcome, table.outcome)
    codes, pair = np.unique(low * m + high, return_inverse=True)
    counts = np.bincount(pair * 3 + outcome, minlength=3 * len(codes)).reshape(-1, 3)
    expected: Floats = sigmoid(fitted.abilities[codes // m] - fitted.abilities[codes % m])
    return tuple(
        PairRecord(
            table.models[a], table.models[b], wins, losses, ties, float(chance) if groups[a] == groups[b] else None
        )
        for (losses, ties, wins), a, b, chance in zip(
            counts.tolist(), (codes // m).tolist(), (codes % m).tolist(), expected, strict=True
        )
    )


def _tie_note(fitted: RatingFit, halves: RatingFit, graph: Connections) -> str:
    """The tie parameter, and which models change places with one another against ties as half a win."""
    free = np.array([i for i, open_end in enumerate(graph.unbounded) if not open_end], np.int64)
    part = graph.component[free]
    third, half = (f.abilities[free][:, None] - f.abilities[free][None, :] for f in (fitted, halves))
    reversed_order = (third > 1e-9) & (half < -1e-9) & (part[:, None] == part[None, :])
    text = f"tie parameter {tie_name(fitted.ties, fitted.tie or 0.0)}; "
    swaps = [
        f"{fitted.table.models[free[i]]} before {fitted.table.models[free[j]]}" for i, j in np.argwhere(reversed_order)
    ]
    if not swaps:
        return text + "the order is that of ties as half a win"
    return text + f"against ties as half a win {len(swaps)} pairs change places: {listed(swaps, 3)}"


def _vote_notes(votes: Sequence[Battle]) -> list[str]:
    """Judges whose votes are odd or many, and verdicts that turn with the order."""
    notes = [
        f"judge {odd.judge} votes unlike the others on the same pairs ({odd.votes} votes, evidence {odd.evidence:.3g} to 1)"
        for odd in odd_judges(votes)[:5]
    ]
    flips, both = flip_rate(votes)
    if both:
        notes.append(f"{flips} of {both} verdicts ({100 * flips / both:.0f} %) changed with the order of the answers")
    if {vote.judge_kind for vote in votes} == {"human", "model"}:
        for one in agreement_with_people(votes):
            kappa = "" if one.kappa is None else f", Cohen's kappa {one.kappa:.2f}"
            notes.append(
                f"judge {one.judge or 'model'} gave the verdict of people in {100 * one.agreement:.0f} % of {one.votes} common votes{kappa}"
            )
    not_blind = sum(not vote.anonymous for vote in votes)
    if not_blind:
        notes.append(f"{not_blind} of the votes are not blind")
    return notes


def _spread_notes(choices: Sequence[_Choice]) -> list[str]:
    few = [s for choice in choices if (s := choice.spread).clusters and s.clusters < FEW_CLUSTERS]
    if choices[0].replicates is not None:
        return [f"a bootstrap of {s.clusters} {s.unit}s is too narrow; the interval by formula is not" for s in few]
    return [
        f"the interval by {s.unit} rests on {s.clusters} {s.unit}s only: t with {(s.clusters or 0) - 1} degrees of freedom"
        for s in few
    ]
