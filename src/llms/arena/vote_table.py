"""Votes as arrays: battles enter, integer codes of models, outcomes, judges and prompts leave."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .battle import Battle

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
LOSS, TIE, WIN = 0, 1, 2  # of the model that was shown first
CODES = {"a": WIN, "b": LOSS, "tie": TIE, "both_bad": TIE}


@dataclass(frozen=True, slots=True)
class VoteTable:
    """n votes over M models in alphabetical order.

    `first`, `second` (n,) are indices of models, `outcome` (n,) is 2 where the first won, 1 for a tie, 0 where it lost.
    `clusters` maps "judge" and "prompt" to codes (n,) from 0; a vote whose judge or prompt is not known is a cluster of its own.
    `features` (n, k) enter the logit of the first one's win, with a coefficient each.
    """

    models: tuple[str, ...]
    first: Ints
    second: Ints
    outcome: Ints
    clusters: dict[str, Ints]
    features: Floats

    def __len__(self) -> int:
        return len(self.first)

    def take(self, votes: Ints) -> "VoteTable":
        """Only the votes of these positions, over the same models."""
        clusters = {name: np.unique(codes[votes], return_inverse=True)[1] for name, codes in self.clusters.items()}
        return VoteTable(
            self.models, self.first[votes], self.second[votes], self.outcome[votes], clusters, self.features[votes]
        )


def vote_table(battles: Sequence[Battle], features: Floats | None = None) -> VoteTable:
    """The arrays of `battles`, in their order; `features` (n, k) as given, else none."""
    models = tuple(sorted({b.model_a for b in battles} | {b.model_b for b in battles}))
    index = {model: position for position, model in enumerate(models)}
    n = len(battles)
    return VoteTable(
        models,
        np.fromiter((index[b.model_a] for b in battles), np.int64, n),
        np.fromiter((index[b.model_b] for b in battles), np.int64, n),
        np.fromiter((CODES[b.winner] for b in battles), np.int64, n),
        {
            "judge": _codes(battles, lambda b: b.judge),
            "prompt": _codes(battles, lambda b: b.prompt),
        },
        np.zeros((n, 0)) if features is None else features,
    )


def _codes(battles: Sequence[Battle], name: Callable[[Battle], str]) -> Ints:
    codes: dict[object, int] = {}
    return np.fromiter(
        (codes.setdefault(name(battle) or position, len(codes)) for position, battle in enumerate(battles)),
        np.int64,
        len(battles),
    )
