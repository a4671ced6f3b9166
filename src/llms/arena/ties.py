"""Win, tie and loss by a difference of abilities: three likelihoods behind one fit.

Each takes the logits d (n,) of a win of the first model and a tie parameter, and gives log-likelihood and derivatives. All
are concave in both, so Newton's method has one maximum to find.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .vote_table import LOSS, TIE, WIN, Floats, Ints

Ties = Literal["half", "davidson", "rao-kupper"]


@dataclass(frozen=True, slots=True)
class Terms:
    """Of each row (n,): the log-likelihood, its slopes in d and in the tie parameter t, and minus the second derivatives."""

    value: Floats
    slope: Floats
    tie_slope: Floats
    curve: Floats  # -d²/dd²
    cross: Floats  # -d²/dd dt
    tie_curve: Floats  # -d²/dt²


Likelihood = Callable[[Floats, Ints, float], Terms]


def sigmoid(x: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -x))


def half(d: Floats, outcome: Ints, tie: float) -> Terms:
    """Bradley and Terry 1952: P(win) = σ(d); a tie is half a win and half a loss. `tie` is not used."""
    p, y, none = sigmoid(d), outcome / 2, np.zeros(len(d))
    return Terms(y * d - np.logaddexp(0.0, d), y - p, none, p * (1 - p), none, none)


def davidson(d: Floats, outcome: Ints, tie: float) -> Terms:
    """Davidson 1970: win, loss and tie weigh exp(d/2), exp(-d/2) and exp(tie) = 2v. An exponential family: minus the
    second derivatives are the covariance of (win - loss)/2 and of the tie."""
    total = np.logaddexp(np.logaddexp(d / 2, -d / 2), tie)
    win, loss, tied = np.exp(d / 2 - total), np.exp(-d / 2 - total), np.exp(tie - total)
    is_tie = outcome == TIE
    half_difference = (win - loss) / 2
    return Terms(
        np.where(is_tie, tie, (outcome - 1) * d / 2) - total,
        (outcome - 1) / 2 - half_difference,
        is_tie - tied,
        (win + loss) / 4 - half_difference**2,
        -half_difference * tied,
        tied * (1 - tied),
    )


def rao_kupper(d: Floats, outcome: Ints, tie: float) -> Terms:
    """Rao and Kupper 1967: P(win) = σ(d - η), P(loss) = σ(-d - η) with η = tie ≥ 0, the rest a tie.

    P(tie) = σ(η - d) σ(η + d) (1 - exp(-2η)), so that each logarithm is a sum of simple ones.
    """
    up, down = sigmoid(d - tie), sigmoid(-d - tie)
    is_win, is_tie, is_loss = outcome == WIN, outcome == TIE, outcome == LOSS
    shrink = np.expm1(2 * tie)  # d/dη log(1 - exp(-2η)) = 2 / shrink
    log_tie = -np.logaddexp(0.0, d - tie) - np.logaddexp(0.0, -d - tie) + np.log(-np.expm1(-2 * tie))
    up_curve, down_curve = up * (1 - up), down * (1 - down)
    value = np.where(is_tie, log_tie, np.where(is_win, -np.logaddexp(0.0, tie - d), -np.logaddexp(0.0, tie + d)))
    slope = np.where(is_tie, down - up, np.where(is_win, 1 - up, down - 1))
    tie_slope = np.where(is_tie, up + down + 2 / shrink, np.where(is_win, up - 1, down - 1))
    curve = up_curve * ~is_loss + down_curve * ~is_win
    cross = down_curve * ~is_win - up_curve * ~is_loss
    tie_curve = curve + is_tie * (4 * (shrink + 1) / shrink**2)
    return Terms(value, slope, tie_slope, curve, cross, tie_curve)


LIKELIHOODS: dict[Ties, Likelihood] = {"half": half, "davidson": davidson, "rao-kupper": rao_kupper}


def first_tie(ties: Ties, share: float) -> float:
    """The tie parameter that gives `share` of ties, above 0 and below 1, among equals: where Newton's method starts."""
    if ties == "davidson":
        return float(np.log(2 * share / (1 - share)))
    return float(2 * np.arctanh(share)) if ties == "rao-kupper" else 0.0


def tie_name(ties: Ties, value: float) -> str:
    """The tie parameter as its authors write it: Davidson's v (a tie weighs 2v between equals that weigh 1 each), or η."""
    return f"v = {np.exp(value) / 2:.6f}" if ties == "davidson" else f"η = {value:.6f}"
