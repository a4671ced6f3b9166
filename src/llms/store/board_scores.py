"""Scores by item of many runs at once, for a board of thousands of runs."""

import json
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from .runs import Runs
from .score_vectors import score_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 500  # runs in one question


@dataclass(frozen=True, slots=True, eq=False)
class BoardScores:
    """The headline scores of a run: `scores[i]` is that of `items[i]`, of `clusters[i]`. Runs that were asked the same items
    share one tuple of them."""

    items: tuple[str, ...]
    clusters: tuple[str, ...]
    scores: "NDArray[np.float64]"


def board_scores(store: Runs, runs: Collection[str]) -> dict[str, BoardScores]:
    """The scores of `runs` as they were when their reports were saved, by the run's name. What was not gathered since is
    gathered now, run by run."""
    import numpy as np

    names: dict[bytes, tuple[str, ...]] = {}

    def read(stored: bytes) -> tuple[str, ...]:
        if stored not in names:
            names[stored] = tuple(json.loads(zlib.decompress(stored))) if stored else ()
        return names[stored]

    vectors: dict[str, BoardScores] = {}
    waiting = iter(runs)
    while batch := list(islice(waiting, AT_ONCE)):
        for run, items, clusters, scores in store.read(
            "SELECT v.run, v.items, v.clusters, v.scores FROM score_vectors v JOIN runs r USING (run) "
            f"WHERE v.run IN ({','.join('?' * len(batch))}) AND substr(v.updated, 1, length(r.updated)) = r.updated",
            batch,
        ):
            own = read(items)
            vectors[run] = BoardScores(own, read(clusters) or own, np.frombuffer(scores, "<f8"))
    for run, vector in score_vectors(store, [run for run in runs if run not in vectors]).items():
        vectors[run] = BoardScores(vector.items, vector.clusters, vector.scores)
    return vectors
