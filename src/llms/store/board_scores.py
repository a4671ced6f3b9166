"""Scores by item of many runs at once, for a board of thousands of runs."""

import json
import zlib
from collections.abc import Collection
from itertools import islice

from .runs import Runs
from .score_vectors import ScoreVector, score_vectors

AT_ONCE = 500  # runs in one question


def board_scores(store: Runs, runs: Collection[str]) -> dict[str, ScoreVector]:
    """The scores of `runs` as they were when their reports were saved, by the run's name; those that were asked the same items
    share one tuple of them. What was not gathered since is gathered now, run by run."""
    import numpy as np

    names: dict[bytes, tuple[str, ...]] = {}

    def read(stored: bytes) -> tuple[str, ...]:
        if stored not in names:
            names[stored] = tuple(json.loads(zlib.decompress(stored))) if stored else ()
        return names[stored]

    vectors: dict[str, ScoreVector] = {}
    waiting = iter(runs)
    while batch := list(islice(waiting, AT_ONCE)):
        for run, metric, items, clusters, scores in store.read(
            "SELECT v.run, v.metric, v.items, v.clusters, v.scores FROM score_vectors v JOIN runs r USING (run) "
            f"WHERE v.run IN ({','.join('?' * len(batch))}) AND substr(v.updated, 1, length(r.updated)) = r.updated",
            batch,
        ):
            own = read(items)
            vectors[run] = ScoreVector(run, metric, own, read(clusters) or own, np.frombuffer(scores, "<f8"))
    return vectors | score_vectors(store, [run for run in runs if run not in vectors])
