"""How much the answer that is shown first gains by that alone: of all votes, and of each judge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from .battle import Effect
from .bradley_terry import ELO, RatingFit, fit
from .spread import Interval, half_widths, spreads
from .ties import sigmoid
from .vote_table import Floats, Ints, VoteTable

LARGE = 50.0  # Elo: a judge that is further off is named
FEWEST = 30  # votes of a judge from which its own bias is looked at
UNKNOWN = 5.0  # logits: an error so large says that the votes do not tell position and models apart
POSITION = "first position"


def effects_of(fitted: RatingFit, names: Sequence[str], scale: str, interval: Interval) -> tuple[Effect, ...]:
    """The coefficients of a fit's features, each with the largest of the standard errors that `interval` asks for."""
    choices = spreads(fitted, interval) or spreads(fitted, "independent")
    m = len(fitted.table.models)
    errors = [choice.stderr()[m : m + len(names)] for choice in choices]
    which = half_widths(choices, errors)[1]
    result = []
    for position, name in enumerate(names):
        value, error = float(fitted.coefficients[position]), float(errors[which[position]][position])
        result.append(Effect(name, value, error, value * ELO, error * ELO, scale))
    return tuple(result)


def position_effect(table: VoteTable, component: Ints, fitted: RatingFit, interval: Interval) -> Effect | None:
    """The intercept of a fit beside `fitted`, in favour of the answer shown first; None where votes do not tell it from the
    models' abilities, as where a model always stands on the same side, or decide nothing else."""
    if not len(table):
        return None
    features = np.column_stack([np.ones(len(table)), table.features])
    beside = fit(replace(table, features=features), component, fitted.ties)
    m = len(table.models)
    if not beside.finite or not 0 < beside.inverse[m, m] < UNKNOWN**2:
        return None
    return effects_of(beside, [POSITION], "1 for the answer shown first", interval)[0]


@dataclass(frozen=True, slots=True)
class JudgeBias:
    """How much a judge favours the answer shown first, in Elo; `large` where it is beyond 50 and surely not by chance."""

    judge: str
    votes: int
    elo: float
    stderr: float
    large: bool


def judge_biases(judges: Sequence[str], logits: Floats, outcome: Ints) -> list[JudgeBias]:
    """Of each judge with 30 votes or more, its own intercept beside the `logits` (n,) of all votes' fit.

    Large: more than 50 Elo, and the 95 % interval (Bonferroni over the judges) leaves out 0.
    """
    names, codes = np.unique(np.array(judges), return_inverse=True)
    counts = np.bincount(codes, minlength=len(names))
    bias, y = np.zeros(len(names)), outcome / 2
    for _ in range(25):
        p = sigmoid(logits + bias[codes])
        slope, curve = (np.bincount(codes, x, len(names)) for x in (y - p, p * (1 - p)))
        bias = np.clip(bias + slope / np.maximum(curve, 1e-9), -10, 10)
    p = sigmoid(logits + bias[codes])
    squares, curve = (np.bincount(codes, x, len(names)) for x in ((y - p) ** 2, p * (1 - p)))
    # a judge who always votes for the first has no finite bias and no spread: half a vote stands for both
    error = np.sqrt(np.maximum(squares, 0.25)) / np.maximum(curve, 0.25)
    looked_at = [i for i, name in enumerate(names) if name and counts[i] >= FEWEST]
    z = NormalDist().inv_cdf(1 - 0.025 / max(1, len(looked_at)))
    return [
        JudgeBias(
            str(names[i]),
            int(counts[i]),
            float(bias[i] * ELO),
            float(error[i] * ELO),
            bool(abs(bias[i]) * ELO > LARGE and abs(bias[i]) > z * error[i]),
        )
        for i in looked_at
    ]


def position_notes(effect: Effect | None, biases: Sequence[JudgeBias]) -> list[str]:
    """Sentences for what is beyond 50 Elo."""
    notes = []
    if effect is not None and abs(effect.elo) > LARGE:
        side = "first" if effect.elo > 0 else "second"
        notes.append(
            f"position bias: the answer shown {side} gains {abs(effect.elo):.0f} Elo (standard error {effect.elo_stderr:.0f}) by "
            "that alone; the ratings are fair only where each model stood on both sides alike"
        )
    for bias in (b for b in biases if b.large):
        side = "first" if bias.elo > 0 else "second"
        notes.append(
            f"judge {bias.judge} favours the answer shown {side} by {abs(bias.elo):.0f} Elo (standard error {bias.stderr:.0f}, "
            f"{bias.votes} votes)"
        )
    return notes
